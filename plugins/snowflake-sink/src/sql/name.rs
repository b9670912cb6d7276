//! Names in statements: quoted, and in the case that the naming rule wants.

use std::fmt::{self, Display, Write};

use crate::names::Naming;

/// A table, by its full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TableName {
    /// Its database.
    pub(crate) database: String,
    /// Its schema.
    pub(crate) schema: String,
    /// Its own name.
    pub(crate) table: String,
}

impl Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { database, schema, table } = self;
        write!(formatter, "{}.{}.{}", quoted(database), quoted(schema), quoted(table))
    }
}

/// A name as it stands in statements, whatever it consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'n>(&'n str);

/// Quotes a name.
pub(crate) fn quoted(name: &str) -> Quoted<'_> {
    Quoted(name)
}

impl Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for character in self.0.chars() {
            if character == '"' {
                formatter.write_char('"')?;
            }
            formatter.write_char(character)?;
        }
        formatter.write_char('"')
    }
}

/// A list in a statement.
pub(super) fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    joined(items, ", ")
}

/// Texts, with `separator` between them.
pub(super) fn joined(items: impl IntoIterator<Item = impl Display>, separator: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(separator)
}

/// The names of the columns that the sink adds to each table, and of the key in the tables of deleted keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Debezium's letter of the row's last event.
    pub(crate) operation: String,
    /// When the source committed it.
    pub(crate) timestamp: String,
    /// Its position, as text that sorts as the source's log does.
    pub(crate) position: String,
    /// When the sink wrote it.
    pub(crate) processed_at: String,
    /// The text of a deleted key.
    pub(crate) key: String,
}

impl Meta {
    /// The names by a naming rule.
    pub(crate) fn cased(naming: &Naming) -> Self {
        Self {
            operation: naming.cased("_cdc_operation"),
            timestamp: naming.cased("_cdc_timestamp"),
            position: naming.cased("_cdc_source_lsn"),
            processed_at: naming.cased("_cdc_processed_at"),
            key: naming.cased("key"),
        }
    }
}

/// The names of the columns in a table of offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetNames {
    /// Kafka's topic.
    pub(crate) topic: String,
    /// Kafka's partition.
    pub(crate) partition: String,
    /// The warehouse whose tables the offset counts for; empty for the user's default.
    pub(crate) warehouse: String,
    /// How often the partition was claimed: who holds an older claim may not write.
    pub(crate) epoch: String,
    /// The first offset that is not written yet; NULL at first.
    pub(crate) next_offset: String,
    /// What the host has to know of the records before that offset, in base64.
    pub(crate) state: String,
    /// When it moved.
    pub(crate) updated_at: String,
}

impl OffsetNames {
    /// The names by a naming rule.
    pub(crate) fn cased(naming: &Naming) -> Self {
        Self {
            topic: naming.cased("topic"),
            partition: naming.cased("partition"),
            warehouse: naming.cased("warehouse"),
            epoch: naming.cased("epoch"),
            next_offset: naming.cased("next_offset"),
            state: naming.cased("state"),
            updated_at: naming.cased("updated_at"),
        }
    }
}
