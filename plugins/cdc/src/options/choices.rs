//! Options with a fixed set of values.

use tidegate_plugin::prelude::*;

/// Content of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The current rows of the source.
    #[default]
    Upsert,
    /// One row per event.
    Append,
    /// Every version of a row, and from when to when it was valid.
    History,
}

/// What a delete does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeleteMode {
    /// The row is deleted.
    #[default]
    Hard,
    /// The row is kept, with `_cdc_operation = 'd'`.
    Soft,
}

/// What a truncate does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Truncate {
    /// Older rows are deleted.
    #[default]
    Apply,
    /// It is ignored.
    Ignore,
    /// The record is rejected.
    Fail,
}

/// What an update of a missing row does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UpdateMissing {
    /// The row is inserted.
    #[default]
    Insert,
    /// It is ignored.
    Skip,
}

/// Whether to detect updates and deletes without a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unmatched {
    /// Yes, and log their keys.
    #[default]
    Warn,
    /// No, which saves a query per batch and table while there are such rows.
    Ignore,
}

/// What happens to records that are not change events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OtherRecords {
    /// They are rejected.
    #[default]
    Reject,
    /// They are skipped.
    Skip,
}

/// How the events of a row are ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderBy {
    /// By the source's position, then by the Kafka offset.
    #[default]
    Source,
    /// By the Kafka offset, for sources whose positions start over.
    Offset,
}

/// Case of names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Identifiers {
    /// As in the source.
    #[default]
    Preserve,
    /// Upper case.
    Upper,
}

/// Whether the sink creates and alters tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Evolution {
    /// Yes.
    #[default]
    On,
    /// No. The task stops with the statement to run.
    Off,
}

/// What happens to a value that does not fit its column.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TypeConflict {
    /// It goes to a fallback column for documents, `<column>__variant`.
    #[default]
    Variant,
    /// It goes to a fallback column for text, `<column>__text`.
    Text,
    /// The record is rejected.
    Fail,
}

/// What happens to an insert that omits a value which cannot be found elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnUnavailable {
    /// The record is rejected.
    #[default]
    Reject,
    /// The column is set to NULL, with a warning.
    Null,
}

/// An additional metadata column.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Metadata {
    /// Kafka's topic.
    Topic,
    /// Kafka's partition.
    Partition,
    /// Kafka's offset.
    Offset,
    /// The source's database.
    Database,
    /// The source's schema.
    Schema,
    /// The source's transaction.
    Transaction,
    /// The snapshot marker.
    Snapshot,
}
