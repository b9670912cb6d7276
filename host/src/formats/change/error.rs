//! Why a value that looks like a change event cannot be applied.

use tidegate_abi::{Operation, Value, ValueRef, host::Part};

use crate::formats::json::{BudgetExceeded, JsonError, TooLarge};

/// The most columns that a row or a key can have: more than a table of any database.
pub(super) const MAX_COLUMNS: usize = 10_000;

/// Why a change event is refused. Names the field and what was found there, and never holds the record's data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventError {
    #[error("broken change event: `op` is {0}; expected c, r, u, d, t or m")]
    Operation(Found),
    #[error("broken change event: `source` is {0}; expected an object, or the table's name in `table`")]
    NoSource(Found),
    #[error("broken change event: `{field}` is {found}; expected {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: Found,
        /// What it should hold.
        expected: &'static str,
    },
    #[error(
        "broken change event: op \"{}\" without a row: `after` is {found}; let transforms and converters pass on the \
         whole event", letter(*operation)
    )]
    NoRow {
        /// What happens to the row.
        operation: Operation,
        /// What stands in its place.
        found: Found,
    },
    #[error("broken change event: op \"{}\" with a row: `{field}` is {found}; expected null", letter(*operation))]
    UnexpectedRow {
        /// What happens.
        operation: Operation,
        /// Where the row is.
        field: &'static str,
        /// What stands there.
        found: Found,
    },
    #[error(
        "broken change event: op \"d\" without a row: `before` is {before} and the key is {key}; send a key with the \
         primary key's columns, or the row in `before`"
    )]
    NoDeletedRow {
        /// What stands in `before`.
        before: Found,
        /// What the key is.
        key: Found,
    },
    #[error(
        "MongoDB update without the document: `after` is {0}, and `updateDescription` only says what changed; set \
         capture.mode to change_streams_update_full in the connector, and capture.mode.full.update.type to post_image \
         if documents may be deleted before the connector has looked them up"
    )]
    NoDocument(Found),
    #[error(
        "Cassandra's range tombstone: it deletes rows without naming them; delete rows by their whole primary key, or \
         route such events away with a transform of the source connector"
    )]
    RangeTombstone,
    #[error(
        "Spanner update with the changed columns alone: set value_capture_type = 'NEW_ROW' or \
         'NEW_ROW_AND_OLD_VALUES' in the change stream"
    )]
    SpannerChanges,
    #[error("MongoDB document in `{field}` {error}")]
    Document {
        /// `before`, `after` or `id`.
        field: &'static str,
        /// Why it cannot be read.
        error: Box<JsonError>,
    },
    #[error("MongoDB document in `{field}` is {found}; expected an object")]
    NotADocument {
        /// `before` or `after`.
        field: &'static str,
        /// What its text holds.
        found: Found,
    },
    #[error("MongoDB document: {0}")]
    TooLarge(#[from] TooLarge),
    #[error("broken flattened row: `{field}` is {found}; expected {expected}")]
    FlattenedField {
        /// The added field.
        field: Box<str>,
        /// What it holds.
        found: Found,
        /// What it should hold.
        expected: &'static str,
    },
    #[error("broken flattened row: `{op}` says \"{letter}\" and `__deleted` says {deleted}")]
    Contradiction {
        /// Name of the field with the operation.
        op: Box<str>,
        /// The operation.
        letter: char,
        /// What the other field says.
        deleted: bool,
    },
    #[error("not {what}: the value is {found}; expected an object")]
    NoMessage {
        /// What `change_events` names: a message of a tool, or a row.
        what: &'static str,
        /// What the value is.
        found: Found,
    },
    #[error("invalid {tool} message: `{field}` is {found}; expected {expected}")]
    MessageField {
        /// The tool.
        tool: &'static str,
        /// The field.
        field: &'static str,
        /// What it holds.
        found: Found,
        /// What it should hold.
        expected: &'static str,
    },
    #[error("invalid {tool} message: {problem}")]
    Message {
        /// The tool.
        tool: &'static str,
        /// What is wrong, and what to do.
        problem: Box<str>,
    },
    #[error("invalid {tool} message: the row has no column {column:?}, which is part of the primary key")]
    NoKeyColumn {
        /// The tool.
        tool: &'static str,
        /// The column.
        column: Box<str>,
    },
    #[error(
        "a row needs a key where change_events = \"upsert\": the key is {0}; expected an object with the primary key's \
         columns, or a single value"
    )]
    UpsertKey(Found),
    #[error(
        "the key is {found}, a single value, and its column is not known: name one column for {table:?} in \
         [source.key_columns], which names {count}"
    )]
    UpsertKeyColumn {
        /// What the key is.
        found: Found,
        /// The table that the topic names.
        table: Box<str>,
        /// How many columns are configured.
        count: usize,
    },
    #[error(
        "a row of {columns} columns: at most {MAX_COLUMNS} are possible, because comparing the columns of two rows takes the square \
         of their number"
    )]
    TooWide {
        /// How many it has.
        columns: usize,
    },
    #[error("the message {0}")]
    Budget(#[from] BudgetExceeded),
    #[error(
        "tombstone in a topic with flattened rows of several tables: its key does not say which table it is for; set \
         delete.tombstone.handling.mode to rewrite, or route each table to a topic of its own"
    )]
    WhoseTombstone,
    #[error(
        "tombstone in a topic with flattened rows: the key is {0}; expected an object with the primary key's columns, \
         to delete the row"
    )]
    TombstoneKey(Found),
}

impl EventError {
    /// The part of the record that is at fault.
    pub(crate) fn part(&self) -> Part {
        match self {
            Self::Document { field: "id", .. }
            | Self::TombstoneKey(_)
            | Self::UpsertKey(_)
            | Self::UpsertKeyColumn { .. } => Part::Key,
            _ => Part::Value,
        }
    }

    /// It takes more room than it may.
    pub(crate) fn is_too_large(&self) -> bool {
        match self {
            Self::TooLarge(_) | Self::Budget(_) | Self::TooWide { .. } => true,
            Self::Document { error, .. } => matches!(**error, JsonError::Budget(_)),
            _ => false,
        }
    }
}

fn letter(operation: Operation) -> char {
    char::from(operation.code().0)
}

/// What was found, in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Found(&'static str);

impl Found {
    pub(super) const MISSING: Self = Self("missing");

    /// Describes a value without showing it.
    pub(super) fn of(value: Value<'_>) -> Self {
        Self(match value.view() {
            ValueRef::Null => "null",
            ValueRef::Bool(_) => "true or false",
            ValueRef::Int(_)
            | ValueRef::UInt(_)
            | ValueRef::Float(_)
            | ValueRef::Number(_)
            | ValueRef::Decimal(_) => "a number",
            ValueRef::String("") => "an empty text",
            ValueRef::String(_) | ValueRef::Json(_) => "text",
            ValueRef::List(_) => "a list",
            ValueRef::Struct(fields) if fields.is_empty() => "an empty object",
            ValueRef::Struct(_) => "an object",
            _ => "a value of another type",
        })
    }

    /// Describes a field that may be missing.
    pub(super) fn of_field(value: Option<Value<'_>>) -> Self {
        value.map_or(Self::MISSING, Self::of)
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.0)
    }
}
