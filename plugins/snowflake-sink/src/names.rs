//! Names of tables and columns in Snowflake.

use crate::config::{Identifiers, Metadata};

/// Snowflake's limit for identifiers, in characters.
const MAX_NAME_LENGTH: usize = 255;

#[derive(Debug, thiserror::Error)]
pub(crate) enum NameError {
    /// An unknown placeholder.
    #[error("unknown placeholder {{{0}}}: use {{database}}, {{schema}}, {{table}} and {{topic}}")]
    Placeholder(String),
    /// An unclosed brace.
    #[error("a brace is not closed")]
    Brace,
    /// A template that gives all tables the same name.
    #[error(
        "would write all tables to one: use {{table}} or {{topic}}, or set names of individual tables in [sink.config.tables]"
    )]
    Constant,
    /// A name that Snowflake does not accept.
    #[error("Snowflake does not accept the name {name:?}: {reason}")]
    Invalid {
        /// The name.
        name: String,
        reason: &'static str,
    },
}

/// A table of the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// Database; may be empty.
    pub(crate) database: &'a str,
    /// Schema; may be empty.
    pub(crate) schema: &'a str,
    /// Table.
    pub(crate) table: &'a str,
    /// Kafka's topic.
    pub(crate) topic: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Placeholder {
    Database,
    Schema,
    Table,
    Topic,
}

/// The naming rules.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    /// Text, and the placeholder after it.
    parts: Vec<(String, Option<Placeholder>)>,
    identifiers: Identifiers,
}

impl Naming {
    /// Parses the template.
    ///
    /// # Errors
    /// If it is invalid, or does not contain the table.
    pub(crate) fn new(template: &str, identifiers: Identifiers) -> Result<Self, NameError> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, behind)) = rest.split_once('{') {
            let (name, after) = behind.split_once('}').ok_or(NameError::Brace)?;
            parts.push((text.to_owned(), Some(placeholder(name)?)));
            rest = after;
        }
        parts.push((rest.to_owned(), None));
        let tells_tables_apart =
            |part: &(_, Option<Placeholder>)| matches!(part.1, Some(Placeholder::Table | Placeholder::Topic));
        if !parts.iter().any(tells_tables_apart) {
            return Err(NameError::Constant);
        }
        Ok(Self { parts, identifiers })
    }

    /// The target name of a table of the source.
    ///
    /// # Errors
    /// If Snowflake does not accept it.
    pub(crate) fn table(&self, origin: Origin<'_>) -> Result<String, NameError> {
        let mut name = String::new();
        for (text, placeholder) in &self.parts {
            name.push_str(text);
            name.push_str(match placeholder {
                Some(Placeholder::Database) => origin.database,
                Some(Placeholder::Schema) => origin.schema,
                Some(Placeholder::Table) => origin.table,
                Some(Placeholder::Topic) => origin.topic,
                None => "",
            });
        }
        checked(self.cased(&name))
    }

    /// The name of a column.
    ///
    /// # Errors
    /// If Snowflake does not accept it.
    pub(crate) fn column(&self, name: &str) -> Result<String, NameError> {
        checked(self.cased(name))
    }

    /// One of the sink's own names, in the configured case.
    pub(crate) fn cased(&self, name: &str) -> String {
        match self.identifiers {
            Identifiers::Preserve => name.to_owned(),
            Identifiers::Upper => name.to_uppercase(),
        }
    }
}

fn placeholder(name: &str) -> Result<Placeholder, NameError> {
    match name {
        "database" => Ok(Placeholder::Database),
        "schema" => Ok(Placeholder::Schema),
        "table" => Ok(Placeholder::Table),
        "topic" => Ok(Placeholder::Topic),
        _ => Err(NameError::Placeholder(name.to_owned())),
    }
}

/// Validates a name.
///
/// # Errors
/// If Snowflake does not accept it.
pub(crate) fn checked(name: String) -> Result<String, NameError> {
    let reason = match name.as_str() {
        "" => "it is empty",
        text if text.contains('\0') => "it contains a NUL character",
        text if text.chars().count() > MAX_NAME_LENGTH => "it is longer than 255 characters",
        _ => return Ok(name),
    };
    Err(NameError::Invalid { name, reason })
}

/// The name of a database, schema, warehouse or role, converted to upper case unless quoted, as Snowflake does.
pub(crate) fn object_name(text: &str) -> String {
    let text = text.trim();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_uppercase(),
    }
}

/// The name of a metadata column.
pub(crate) const fn metadata_column(metadata: Metadata) -> &'static str {
    match metadata {
        Metadata::Topic => "_cdc_topic",
        Metadata::Partition => "_cdc_partition",
        Metadata::Offset => "_cdc_offset",
        Metadata::Database => "_cdc_database",
        Metadata::Schema => "_cdc_schema",
        Metadata::Transaction => "_cdc_transaction_id",
        Metadata::Snapshot => "_cdc_snapshot",
    }
}

/// The offsets table of a connector. The connector name may contain characters that are unusual in table names.
pub(crate) fn offsets_table(connector: &str) -> String {
    format!("_cdc_offsets_{connector}")
}

/// The table of the deleted keys of a table.
pub(crate) fn deleted_table(table: &str, naming: &Naming) -> String {
    format!("{table}{}", naming.cased("__cdc_deleted"))
}

/// Usual names of primary key columns: `id`, `<table>_id`, and so on.
pub(crate) fn likely_keys(table: &str) -> impl Iterator<Item = String> + use<'_> {
    let singular = singular(table);
    ["id".to_owned(), format!("{table}_id"), format!("{singular}_id"), "uuid".to_owned(), "pk".to_owned()]
        .into_iter()
}

/// The singular of an English plural, by simple rules.
fn singular(table: &str) -> String {
    if let Some(stem) = table.strip_suffix("ies") {
        return format!("{stem}y");
    }
    for ending in ["sses", "shes", "ches", "xes", "zes"] {
        if table.ends_with(ending) {
            return table.strip_suffix("es").unwrap_or(table).to_owned();
        }
    }
    match table.strip_suffix('s') {
        Some(stem) if !stem.ends_with('s') => stem.to_owned(),
        _ => table.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'static> =
        Origin { database: "shop", schema: "public", table: "Orders", topic: "cdc.public.Orders" };

    fn table(template: &str, identifiers: Identifiers) -> String {
        Naming::new(template, identifiers).unwrap().table(ORIGIN).unwrap()
    }

    #[test]
    fn templates_name_tables() {
        assert_eq!(table("{table}", Identifiers::Preserve), "Orders");
        assert_eq!(table("{database}_{schema}_{table}", Identifiers::Upper), "SHOP_PUBLIC_ORDERS");
        assert_eq!(table("raw_{topic}", Identifiers::Preserve), "raw_cdc.public.Orders");
    }

    #[test]
    fn invalid_templates_are_rejected() {
        let error = |template| Naming::new(template, Identifiers::Preserve).unwrap_err().to_string();
        assert!(error("{tabel}").contains("unknown placeholder {tabel}: use "));
        assert!(error("{table").contains("not closed"));
        assert!(error("all_events").contains("would write all tables to one"));
    }

    #[test]
    fn invalid_names_are_rejected() {
        let naming = Naming::new("{table}", Identifiers::Preserve).unwrap();
        assert!(naming.column("").is_err());
        assert!(naming.column("a\0b").is_err());
        assert!(naming.column(&"ä".repeat(255)).is_ok());
        assert!(naming.column(&"ä".repeat(256)).is_err());
    }

    #[test]
    fn object_names_are_interpreted_as_in_sql() {
        assert_eq!(object_name("analytics"), "ANALYTICS");
        assert_eq!(object_name("\"My \"\"DB\"\"\""), "My \"DB\"");
    }

    #[test]
    fn likely_keys_include_singulars() {
        let keys = |table: &str| likely_keys(table).collect::<Vec<_>>();
        assert_eq!(keys("orders"), ["id", "orders_id", "order_id", "uuid", "pk"]);
        assert!(keys("categories").contains(&"category_id".to_owned()));
        assert!(keys("boxes").contains(&"box_id".to_owned()));
        assert!(keys("address").contains(&"address_id".to_owned()));
        assert!(keys("addresses").contains(&"address_id".to_owned()));
    }
}
