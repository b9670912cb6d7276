//! Names in statements: quoted, in the case of the naming rule.

use std::fmt::{self, Display, Write};

use crate::names::Naming;

/// The full name of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TableName {
    pub(crate) database: String,
    pub(crate) schema: String,
    pub(crate) table: String,
}

impl Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { database, schema, table } = self;
        write!(formatter, "{}.{}.{}", quoted(database), quoted(schema), quoted(table))
    }
}

/// A quoted name; any characters are allowed.
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

/// A separated list.
pub(super) fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    joined(items, ", ")
}

pub(super) fn joined(items: impl IntoIterator<Item = impl Display>, separator: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(separator)
}

/// Names of the metadata columns that the sink adds to each table, and of the key column in the tables of deleted keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Debezium's code of the row's last operation.
    pub(crate) operation: String,
    /// Commit time in the source.
    pub(crate) timestamp: String,
    /// Position, as text that sorts in the order of the source's log.
    pub(crate) position: String,
    /// Time of writing.
    pub(crate) processed_at: String,
    /// Text of a deleted key.
    pub(crate) key: String,
}

impl Meta {
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

/// Names of the columns of an offsets table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetNames {
    /// Kafka's topic.
    pub(crate) topic: String,
    /// Kafka's partition.
    pub(crate) partition: String,
    /// Warehouse of the offset; empty for the user's default warehouse.
    pub(crate) warehouse: String,
    /// Number of the last claim: owners of earlier claims must not write.
    pub(crate) epoch: String,
    /// Next offset to write; NULL before the first write.
    pub(crate) next_offset: String,
    /// State of the host as of that offset, in base64.
    pub(crate) state: String,
    /// Time of the last update.
    pub(crate) updated_at: String,
}

impl OffsetNames {
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
