//! Debezium's envelope and the flat style: their fields, and the rules that a complete event keeps.
//!
//! An event that breaks a rule is refused by name: a sink that applied an update without its row would set every other
//! column to NULL. docs/change-events.md lists the combinations, and a test reads them there.

use tidegate_abi::{Arena, ChangeParts, Operation, Struct, Value, ValueRef, raw::OperationCode};

use super::{
    error::{EventError, Found},
    position::{self, LogPosition, decimal_text},
};

const ROW: &str = "an object or null";
const MILLISECONDS: &str = "whole milliseconds since 1970";
const NAME: &str = "text";

/// The top-level fields that count.
#[derive(Clone, Copy, Default)]
pub(super) struct Envelope<'b> {
    pub(super) op: Option<Value<'b>>,
    pub(super) before: Option<Value<'b>>,
    pub(super) after: Option<Value<'b>>,
    pub(super) source: Option<Value<'b>>,
    pub(super) update_description: Value<'b>,
    pub(super) lsn: Value<'b>,
    transaction: Value<'b>,
    ts_ms: Value<'b>,
    table: Value<'b>,
    schema: Value<'b>,
    database: Value<'b>,
}

impl<'b> Envelope<'b> {
    pub(super) fn of(fields: Struct<'b>) -> Self {
        let mut found = Self::default();
        for (name, value) in fields.iter() {
            match name {
                "before" => found.before = Some(value),
                "after" => found.after = Some(value),
                "source" => found.source = Some(value),
                "op" => found.op = Some(value),
                "ts_ms" => found.ts_ms = value,
                "transaction" => found.transaction = value,
                "table" => found.table = value,
                "schema" => found.schema = value,
                "database" | "db" => found.database = value,
                "lsn" => found.lsn = value,
                "updateDescription" => found.update_description = value,
                _ => {}
            }
        }
        found
    }

    fn source(&self) -> Option<Struct<'b>> {
        self.source?.as_struct()
    }

    /// Whether there is a source block.
    pub(super) fn has_source_block(&self) -> bool {
        self.source().is_some()
    }

    /// The source block, read.
    pub(super) fn source_block(&self) -> Option<Source<'b>> {
        self.source().map(Source::of)
    }

    /// Whether the value looks like an event, complete or not: with an operation and rows or a source block, or with all
    /// but the operation.
    pub(super) fn looks_like_event(&self) -> bool {
        let has_row = self.before.is_some() || self.after.is_some();
        match (self.op, self.source()) {
            (Some(_), Some(_)) => true,
            (Some(op), None) => has_row || self.empties_table(op),
            (None, source) => has_row && source.is_some(),
        }
    }

    /// A truncate in the flat style has no rows to know it by.
    fn empties_table(&self, op: Value<'b>) -> bool {
        let truncates = op.as_str().and_then(operation) == Some(Operation::Truncate);
        truncates && self.table.as_str().is_some_and(|table| !table.is_empty())
    }

    /// What happened. A single letter that no Debezium has sent yet is handed on as it is, for the sink to refuse.
    pub(super) fn operation(&self) -> Result<Operation, EventError> {
        let error = || EventError::Operation(Found::of_field(self.op));
        let text = self.op.and_then(|op| op.as_str()).ok_or_else(error)?;
        let known = operation(text);
        known.or_else(|| self.source().and_then(|_| unknown_letter(text))).ok_or_else(error)
    }

    /// Fills in where the event comes from, and when it happened. Gives its position.
    pub(super) fn fill(
        &self,
        parts: &mut ChangeParts<'b>,
        source: Option<Source<'b>>,
        arena: Arena<'b>,
        scratch: &mut String,
    ) -> Result<LogPosition<'b>, EventError> {
        parts.event_ms = milliseconds("ts_ms", self.ts_ms)?;
        let position = match source {
            Some(source) if parts.operation == Operation::Update && source.has_changes_only() => {
                return Err(EventError::SpannerChanges);
            }
            Some(source) => source.fill(parts, arena, scratch)?,
            None => {
                self.fill_flat(parts)?;
                position::of_flat(self.lsn, arena)
            }
        };
        if let Some(id) = self.transaction.get("id").and_then(|id| id.as_str()) {
            parts.transaction = id;
        }
        parts.source = self.source.unwrap_or_default();
        Ok(position)
    }

    fn fill_flat(&self, parts: &mut ChangeParts<'b>) -> Result<(), EventError> {
        if let Some(source) = self.source.filter(|source| !source.is_null()) {
            let (field, found, expected) = ("source", Found::of(source), "an object");
            return Err(EventError::Field { field, found, expected });
        }
        parts.table = name("table", self.table)?;
        if parts.table.is_empty() {
            return Err(EventError::NoSource(Found::of_field(self.source)));
        }
        parts.schema = name("schema", self.schema)?;
        parts.database = name("database", self.database)?;
        Ok(())
    }

    /// Takes the rows, if they are what the operation needs.
    pub(super) fn take_rows(&self, parts: &mut ChangeParts<'b>, key: Value<'b>) -> Result<(), EventError> {
        let before = row("before", self.before)?;
        let after = row("after", self.after)?;
        let operation = parts.operation;
        match operation {
            Operation::Create | Operation::Read | Operation::Update if after.is_none() => {
                return Err(EventError::NoRow { operation, found: Found::of_field(self.after) });
            }
            Operation::Delete => {
                none_expected(operation, "after", after)?;
                if before.is_none() && !has_columns(key) {
                    let (before, key) = (Found::of_field(self.before), Found::of(key));
                    return Err(EventError::NoDeletedRow { before, key });
                }
            }
            Operation::Truncate | Operation::Message => {
                none_expected(operation, "before", before)?;
                none_expected(operation, "after", after)?;
            }
            _ => {}
        }
        parts.before = before.unwrap_or_default();
        parts.after = after.unwrap_or_default();
        Ok(())
    }
}

/// A row with columns; nothing for one that is missing, null or empty.
fn row<'b>(field: &'static str, value: Option<Value<'b>>) -> Result<Option<Value<'b>>, EventError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    match value.as_struct() {
        Some(fields) => Ok((!fields.is_empty()).then_some(value)),
        None => Err(EventError::Field { field, found: Found::of(value), expected: ROW }),
    }
}

fn none_expected(
    operation: Operation,
    field: &'static str,
    row: Option<Value<'_>>,
) -> Result<(), EventError> {
    match row {
        Some(row) => Err(EventError::UnexpectedRow { operation, field, found: Found::of(row) }),
        None => Ok(()),
    }
}

/// Whether the value is an object with fields.
pub(super) fn has_columns(value: Value<'_>) -> bool {
    value.as_struct().is_some_and(|fields| !fields.is_empty())
}

/// A name, empty where there is none.
fn name<'b>(field: &'static str, value: Value<'b>) -> Result<&'b str, EventError> {
    match value.view() {
        ValueRef::Null => Ok(""),
        ValueRef::String(text) => Ok(text),
        _ => Err(EventError::Field { field, found: Found::of(value), expected: NAME }),
    }
}

/// A time in milliseconds. Some converters write whole numbers of 64 bits as text, or with a point.
fn milliseconds(field: &'static str, value: Value<'_>) -> Result<Option<i64>, EventError> {
    let number = match value.view() {
        ValueRef::Null => return Ok(None),
        ValueRef::String(text) => text.parse().ok(),
        ValueRef::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => Some(float as i64),
        // Connect's Timestamp, where a schema says so.
        ValueRef::Timestamp(at) => {
            at.seconds.checked_mul(1000).map(|millis| millis + i64::from(at.nanoseconds / 1_000_000))
        }
        _ => value.as_i64(),
    };
    let error = || EventError::Field { field, found: Found::of(value), expected: MILLISECONDS };
    number.map(Some).ok_or_else(error)
}

/// Debezium's letters, and the words of the flat style.
fn operation(op: &str) -> Option<Operation> {
    const NAMES: [(&str, Operation); 14] = [
        ("c", Operation::Create),
        ("u", Operation::Update),
        ("d", Operation::Delete),
        ("r", Operation::Read),
        ("t", Operation::Truncate),
        ("m", Operation::Message),
        ("i", Operation::Create),
        ("insert", Operation::Create),
        ("create", Operation::Create),
        ("update", Operation::Update),
        ("delete", Operation::Delete),
        ("read", Operation::Read),
        ("snapshot", Operation::Read),
        ("truncate", Operation::Truncate),
    ];
    NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(op)).map(|(_, operation)| *operation)
}

fn unknown_letter(op: &str) -> Option<Operation> {
    match op.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some(Operation::from_code(OperationCode(*letter))),
        _ => None,
    }
}

/// A source block: the fields that most connectors share, and PostgreSQL's position.
pub(super) struct Source<'b> {
    fields: Struct<'b>,
    connector: Value<'b>,
    database: Value<'b>,
    /// Its name in Vitess and Cassandra, or in Spanner.
    keyspace: Value<'b>,
    schema: Value<'b>,
    table: Value<'b>,
    collection: Option<Value<'b>>,
    snapshot: Value<'b>,
    ts_ms: Value<'b>,
    tx_id: Value<'b>,
    sequence: Option<&'b str>,
    lsn: Option<Value<'b>>,
}

impl<'b> Source<'b> {
    fn of(fields: Struct<'b>) -> Self {
        let mut found = Self {
            fields,
            connector: Value::NULL,
            database: Value::NULL,
            keyspace: Value::NULL,
            schema: Value::NULL,
            table: Value::NULL,
            collection: None,
            snapshot: Value::NULL,
            ts_ms: Value::NULL,
            tx_id: Value::NULL,
            sequence: None,
            lsn: None,
        };
        for (name, value) in fields.iter() {
            match name {
                "connector" => found.connector = value,
                "ts_ms" => found.ts_ms = value,
                "snapshot" => found.snapshot = value,
                "db" => found.database = value,
                "keyspace" => found.keyspace = value,
                "database_id" => found.keyspace = value,
                "sequence" => found.sequence = value.as_str(),
                "schema" => found.schema = value,
                "table" => found.table = value,
                "collection" => found.collection = Some(value),
                "txId" => found.tx_id = value,
                "lsn" => found.lsn = Some(value),
                _ => {}
            }
        }
        found
    }

    /// Whether rows consist of Cassandra's cells.
    pub(super) fn has_cells(&self) -> bool {
        self.connector.as_str() == Some("cassandra")
    }

    /// Whether updates have the changed columns alone, the others being null.
    fn has_changes_only(&self) -> bool {
        let capture = || self.fields.get("value_capture_type").and_then(|capture| capture.as_str());
        self.connector.as_str() == Some("spanner")
            && matches!(capture(), Some("OLD_AND_NEW_VALUES" | "NEW_VALUES"))
    }

    /// Whether rows are MongoDB's documents.
    pub(super) fn has_documents(&self) -> bool {
        match self.connector.as_str() {
            Some(connector) => connector == "mongodb",
            None => self.collection.is_some(),
        }
    }

    fn fill(
        self,
        parts: &mut ChangeParts<'b>,
        arena: Arena<'b>,
        scratch: &mut String,
    ) -> Result<LogPosition<'b>, EventError> {
        parts.connector = name("source.connector", self.connector)?;
        parts.database = name("source.db", self.database)?;
        if parts.database.is_empty() {
            parts.database = self.keyspace.as_str().unwrap_or_default();
        }
        parts.schema = name("source.schema", self.schema)?;
        parts.table = match self.collection {
            Some(collection) => name("source.collection", collection)?,
            None => name("source.table", self.table)?,
        };
        parts.commit_ms = milliseconds("source.ts_ms", self.ts_ms)?;
        parts.snapshot = snapshot(self.snapshot);
        parts.transaction = match self.tx_id.view() {
            ValueRef::String(text) => text,
            _ => self.tx_id.as_u64().map_or("", |id| decimal_text(id, arena)),
        };
        Ok(position::of_postgres(self.sequence, self.lsn, arena)
            .unwrap_or_else(|| position::of_source(self.fields, self.connector, arena, scratch)))
    }
}

/// Debezium sends a text; older versions sent true and false.
fn snapshot(value: Value<'_>) -> &str {
    match value.view() {
        ValueRef::String(text) => text,
        ValueRef::Bool(true) => "true",
        ValueRef::Bool(false) => "false",
        _ => "",
    }
}
