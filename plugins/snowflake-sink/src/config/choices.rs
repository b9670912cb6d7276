//! Options that are one of a few words.

use tidegate_plugin::prelude::*;

/// What the tables are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Equal to the source's.
    #[default]
    Upsert,
    /// Every event is a row.
    Append,
}

/// What a delete does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeleteMode {
    /// The row goes.
    #[default]
    Hard,
    /// The row stays, with `_cdc_operation = 'd'`.
    Soft,
}

/// What a truncate does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Truncate {
    /// The rows that came before it go.
    #[default]
    Apply,
    /// Nothing.
    Ignore,
    /// The record is refused.
    Fail,
}

/// What an update does whose row is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UpdateMissing {
    /// The row is inserted.
    #[default]
    Insert,
    /// Nothing.
    Skip,
}

/// Whether updates and deletes without a row are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unmatched {
    /// They are, and the log names their keys.
    #[default]
    Warn,
    /// They are not, which saves a query per flush and table.
    Ignore,
}

/// What becomes of records that are no change events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OtherRecords {
    /// They are refused.
    #[default]
    Reject,
    /// They are passed over.
    Skip,
}

/// What orders the events of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderBy {
    /// The source's position, and Kafka's offset where that is equal.
    #[default]
    Source,
    /// Kafka's offset: for sources whose positions start over.
    Offset,
}

/// How the source's names are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Identifiers {
    /// As they are.
    #[default]
    Preserve,
    /// In upper case.
    Upper,
}

/// Whether tables are created and altered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Evolution {
    /// They are.
    #[default]
    On,
    /// They are not: the task stops and names the statement to run.
    Off,
}

/// What becomes of a value that does not fit its column.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TypeConflict {
    /// It goes to a VARIANT column beside, `<column>__variant`.
    #[default]
    Variant,
    /// It goes to a VARCHAR column beside, `<column>__text`.
    Text,
    /// The record is refused.
    Fail,
}

/// What becomes of an insert that leaves a value out, where nothing else has the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnUnavailable {
    /// The record is refused.
    #[default]
    Reject,
    /// The column becomes NULL, and the log says so.
    Null,
}

/// One more column about the event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Metadata {
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
