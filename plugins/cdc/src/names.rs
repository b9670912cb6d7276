//! Names of tables and columns in the database.

use crate::options::{Identifiers, Metadata};

/// Ending of the tables of deleted keys.
const DELETED: &str = "__cdc_deleted";
/// Beginning of the tables of truncates.
const TRUNCATES: &str = "_cdc_truncates_";
/// Beginning of the offsets tables.
const OWN: &str = "_cdc_";
/// Longer names are shortened in messages, to this number of characters.
const MAX_SHOWN_LENGTH: usize = 255;

/// Which names a database accepts for tables and columns, besides that they are not empty and have no NUL character.
#[derive(Clone, Copy, Debug)]
pub struct NameRules {
    /// Name of the database, for messages.
    pub database: &'static str,
    /// Maximum number of characters.
    pub max_characters: usize,
    /// Maximum number of bytes in UTF-8.
    pub max_bytes: usize,
    /// Whether two tables, and two columns of a table, may have names that differ only in case.
    pub tells_case_apart: bool,
}

/// A name cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
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
    /// A name that the database does not accept.
    #[error("{database} does not accept the name {name:?}: {reason}")]
    Invalid {
        /// The database.
        database: &'static str,
        /// The name.
        name: String,
        /// Why it is not accepted.
        reason: String,
    },
    /// The name of a table of the source that would meet one of the sink's own tables.
    #[error(
        "the name {0:?} is reserved: names that begin with \"_cdc_\" or end with \"__cdc_deleted\", in any case, are those of \
         the sink's own tables; set another one with the option `table`, or in [sink.config.tables]"
    )]
    Reserved(String),
    /// A name for an offsets table that a table of the source could have.
    #[error("must begin with \"_cdc_\", so that no connector writes a table of its source to it")]
    Unreserved,
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
pub struct Naming {
    /// Text, and the placeholder after it.
    parts: Vec<(String, Option<Placeholder>)>,
    identifiers: Identifiers,
    rules: NameRules,
}

impl Naming {
    /// Parses the template.
    ///
    /// # Errors
    /// If it is invalid, or does not contain the table.
    pub fn new(template: &str, identifiers: Identifiers, rules: NameRules) -> Result<Self, NameError> {
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
        Ok(Self { parts, identifiers, rules })
    }

    /// The target name of a table of the source.
    ///
    /// # Errors
    /// If the database does not accept it, or the sink's own tables have such names.
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
        self.rules.table(self.cased(&name))
    }

    /// The name of a column.
    ///
    /// # Errors
    /// If the database does not accept it.
    pub fn column(&self, name: &str) -> Result<String, NameError> {
        self.rules.checked(self.cased(name))
    }

    /// Which names the database accepts.
    pub(crate) fn rules(&self) -> &NameRules {
        &self.rules
    }

    /// Whether two names of columns are the same to the database.
    pub(crate) fn are_same(&self, one: &str, other: &str) -> bool {
        one == other || self.folded(one) == self.folded(other)
    }

    /// A text that two names have in common if they are the same to the database.
    pub(crate) fn folded(&self, name: &str) -> String {
        if self.rules.tells_case_apart { name.to_owned() } else { name.to_lowercase() }
    }

    /// One of the sink's own names, in the configured case.
    #[must_use]
    pub fn cased(&self, name: &str) -> String {
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

impl NameRules {
    /// Validates a name.
    ///
    /// # Errors
    /// If the database does not accept it.
    pub fn checked(&self, name: String) -> Result<String, NameError> {
        let reason = match name.as_str() {
            "" => "it is empty".to_owned(),
            text if text.contains('\0') => "it contains a NUL character".to_owned(),
            text if text.chars().count() > self.max_characters => {
                format!("it is longer than {} characters", self.max_characters)
            }
            text if text.len() > self.max_bytes => format!("it is longer than {} bytes", self.max_bytes),
            _ => return Ok(name),
        };
        Err(NameError::Invalid { database: self.database, name: shortened(name), reason })
    }

    /// Validates the name of a table that rows of the source are written to.
    ///
    /// # Errors
    /// If the database does not accept it, or the sink's own tables have such names.
    pub fn table(&self, name: String) -> Result<String, NameError> {
        if is_reserved(&name) { Err(NameError::Reserved(shortened(name))) } else { self.checked(name) }
    }

    /// Validates the name of an offsets table.
    ///
    /// # Errors
    /// If the database does not accept it, or a table of the source could have it.
    pub fn offsets_table(&self, name: String) -> Result<String, NameError> {
        if begins_as_own(&name) { self.checked(name) } else { Err(NameError::Unreserved) }
    }
}

/// A name for a message. Names in records may have any length.
fn shortened(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(MAX_SHOWN_LENGTH) {
        name.truncate(end);
        name.push_str("..");
    }
    name
}

/// Whether the sink's own tables have such names, of this connector or of another one: the offsets tables, and the tables of
/// deleted keys.
fn is_reserved(table: &str) -> bool {
    begins_as_own(table) || table.to_uppercase().ends_with(&DELETED.to_uppercase())
}

// Other connectors may have their names in another case.
fn begins_as_own(table: &str) -> bool {
    table.to_uppercase().starts_with("_CDC_")
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

/// The offsets table of a lane. `first` is that of the first lane, whose name begins with `_cdc_`, as this one.
pub(crate) fn lane_offsets_table(first: &str, lane: usize, naming: &Naming) -> String {
    if lane == 0 {
        return first.to_owned();
    }
    let (prefix, rest) = first.split_at_checked(OWN.len()).unwrap_or(("", first));
    format!("{prefix}{}{lane}_{rest}", naming.cased("lane"))
}

/// The table of the deleted keys of a table.
pub(crate) fn deleted_table(table: &str, naming: &Naming) -> String {
    format!("{table}{}", naming.cased(DELETED))
}

/// The table of the truncates of a history table. As an offsets table, it begins with `_cdc_`.
pub(crate) fn truncates_table(table: &str, naming: &Naming) -> String {
    format!("{}{table}", naming.cased(TRUNCATES))
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
    use proptest::prelude::*;

    use super::*;

    const ORIGIN: Origin<'static> =
        Origin { database: "shop", schema: "public", table: "Orders", topic: "cdc.public.Orders" };

    const RULES: NameRules =
        NameRules { database: "The database", max_characters: 255, max_bytes: 300, tells_case_apart: true };

    fn table(template: &str, identifiers: Identifiers) -> String {
        Naming::new(template, identifiers, RULES).unwrap().table(ORIGIN).unwrap()
    }

    #[test]
    fn templates_name_tables() {
        assert_eq!(table("{table}", Identifiers::Preserve), "Orders");
        assert_eq!(table("{database}_{schema}_{table}", Identifiers::Upper), "SHOP_PUBLIC_ORDERS");
        assert_eq!(table("raw_{topic}", Identifiers::Preserve), "raw_cdc.public.Orders");
    }

    #[test]
    fn invalid_templates_are_rejected() {
        let error = |template| Naming::new(template, Identifiers::Preserve, RULES).unwrap_err().to_string();
        assert!(error("{tabel}").contains("unknown placeholder {tabel}: use "));
        assert!(error("{table").contains("not closed"));
        assert!(error("all_events").contains("would write all tables to one"));
    }

    #[test]
    fn invalid_names_are_rejected() {
        let naming = Naming::new("{table}", Identifiers::Preserve, RULES).unwrap();
        assert!(naming.column("").is_err());
        assert!(naming.column("a\0b").is_err());
        assert!(naming.column(&"a".repeat(255)).is_ok());
        assert!(naming.column(&"a".repeat(256)).is_err());
        assert!(naming.column(&"ä".repeat(150)).is_ok());
        let error = naming.column(&"ä".repeat(151)).unwrap_err().to_string();
        assert!(error.ends_with("it is longer than 300 bytes"), "{error}");
    }

    fn origin() -> impl Strategy<Value = [String; 4]> {
        let part = || {
            prop_oneof![
                "[a-zA-Z_.ſİß]{0,6}",
                "(_|__)?[cC][dD][cC]_?(offsets_|OFFSETS_)?[ab]?",
                "[a-z]{0,3}__(cdc|CDC)_(deleted|DELETED|Deleted)",
            ]
        };
        [part(), part(), part(), part()]
    }

    proptest! {
        #[test]
        fn no_table_of_a_source_meets_a_table_of_the_sink(
            [database, schema, table, topic] in origin(),
            template in r"(_|_cdc_|__|\{database\}|\{schema\}|a){0,3}(\{table\}|\{topic\})(_cdc_deleted|__cdc_deleted|_deleted|b)?",
            connector in "[a-b]{1,2}",
            upper: bool,
        ) {
            let identifiers = if upper { Identifiers::Upper } else { Identifiers::Preserve };
            let naming = Naming::new(&template, identifiers, RULES).unwrap();
            let origin = Origin { database: &database, schema: &schema, table: &table, topic: &topic };
            let Ok(name) = naming.table(origin) else { return Ok(()) };
            // Whatever naming rules the connectors have that own the other tables.
            let name = name.to_uppercase();
            prop_assert!(name != offsets_table(&connector).to_uppercase());
            prop_assert!(!name.ends_with("__CDC_DELETED"));
            prop_assert!(RULES.offsets_table(name).is_err());
        }
    }

    #[test]
    fn names_of_own_tables_are_reserved_in_any_case() {
        for name in
            ["_cdc_offsets_shop", "_CDC_OFFSETS_SHOP", "_Cdc_x", "orders__cdc_deleted", "ORDERS__CDC_DELETED"]
        {
            assert!(matches!(RULES.table(name.to_owned()), Err(NameError::Reserved(_))), "{name}");
        }
        for name in ["cdc_orders", "orders_cdc_deleted", "orders__cdc_deleted_2", "x_cdc_offsets_shop"] {
            assert!(RULES.table(name.to_owned()).is_ok(), "{name}");
        }
        assert!(RULES.offsets_table("_CDC_positions".to_owned()).is_ok());
        assert!(RULES.offsets_table("positions".to_owned()).is_err());
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
