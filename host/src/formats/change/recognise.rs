//! Is this value a change event, and what does it say of itself? Answered once, in one pass over the fields.

use tidegate_abi::{Arena, ChangeParts, Operation, Schema, Struct, Value, ValueRef, raw::OperationCode};

use super::position::{self, LogPosition, decimal_text};

/// The top-level fields that count.
#[derive(Default)]
struct Envelope<'b> {
    op: Option<&'b str>,
    before: Option<Value<'b>>,
    after: Option<Value<'b>>,
    source: Value<'b>,
    transaction: Value<'b>,
    ts_ms: Option<i64>,
    table: &'b str,
    schema: &'b str,
    database: &'b str,
    lsn: Value<'b>,
}

/// The change event in `value`, if it is one. `schema` is the value's, where the format has one.
pub(crate) fn recognise<'b>(
    value: Value<'b>,
    schema: Option<Schema>,
    arena: Arena<'b>,
    scratch: &mut String,
) -> Option<ChangeParts<'b>> {
    let envelope = Envelope::of(value.as_struct()?);
    let op = envelope.op?;
    let has_row = envelope.before.is_some() || envelope.after.is_some();
    let rows_fit = [envelope.before, envelope.after]
        .iter()
        .flatten()
        .all(|row| row.is_null() || row.as_struct().is_some());
    if !rows_fit {
        return None;
    }
    let mut parts = ChangeParts::new(Operation::Message);
    let position = match envelope.source.as_struct() {
        Some(source) => {
            parts.operation = operation(op).or_else(|| unknown_letter(op))?;
            Source::of(source).fill(&mut parts, source, arena, scratch)
        }
        None => {
            parts.operation = operation(op)?;
            if envelope.table.is_empty() || !(has_row || parts.operation == Operation::Truncate) {
                return None;
            }
            parts.table = envelope.table;
            parts.schema = envelope.schema;
            parts.database = envelope.database;
            position::of_flat(envelope.lsn, arena)
        }
    };
    parts.position = position.words;
    parts.position_text = position.text;
    parts.before = envelope.before.unwrap_or_default();
    parts.after = envelope.after.unwrap_or_default();
    parts.source = envelope.source;
    parts.event_ms = envelope.ts_ms;
    if let Some(id) = envelope.transaction.get("id").and_then(|id| id.as_str()) {
        parts.transaction = id;
    }
    parts.row_schema = schema.and_then(row_schema);
    Some(parts)
}

impl<'b> Envelope<'b> {
    fn of(fields: Struct<'b>) -> Self {
        let mut found = Self::default();
        for (name, value) in fields.iter() {
            match name {
                "before" => found.before = Some(value),
                "after" => found.after = Some(value),
                "source" => found.source = value,
                "op" => found.op = value.as_str(),
                "ts_ms" => found.ts_ms = value.as_i64(),
                "transaction" => found.transaction = value,
                "table" => found.table = value.as_str().unwrap_or_default(),
                "schema" => found.schema = value.as_str().unwrap_or_default(),
                "database" | "db" => found.database = value.as_str().unwrap_or_default(),
                "lsn" => found.lsn = value,
                _ => {}
            }
        }
        found
    }
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

/// A letter that a later Debezium may bring.
fn unknown_letter(op: &str) -> Option<Operation> {
    match op.as_bytes() {
        [letter] => Some(Operation::from_code(OperationCode(*letter))),
        _ => None,
    }
}

/// The fields of a source block that most connectors share, and PostgreSQL's position.
#[derive(Default)]
struct Source<'b> {
    connector: &'b str,
    database: &'b str,
    schema: &'b str,
    table: &'b str,
    snapshot: &'b str,
    ts_ms: Option<i64>,
    tx_id: Value<'b>,
    sequence: Option<&'b str>,
    lsn: Option<Value<'b>>,
}

impl<'b> Source<'b> {
    fn of(fields: Struct<'b>) -> Self {
        let mut found = Self::default();
        for (name, value) in fields.iter() {
            match name {
                "connector" => found.connector = value.as_str().unwrap_or_default(),
                "ts_ms" => found.ts_ms = value.as_i64(),
                "snapshot" => found.snapshot = snapshot(value),
                "db" => found.database = value.as_str().unwrap_or_default(),
                "sequence" => found.sequence = value.as_str(),
                "schema" => found.schema = value.as_str().unwrap_or_default(),
                "table" | "collection" => found.table = value.as_str().unwrap_or_default(),
                "txId" => found.tx_id = value,
                "lsn" => found.lsn = Some(value),
                _ => {}
            }
        }
        found
    }

    fn fill(
        self,
        parts: &mut ChangeParts<'b>,
        source: Struct<'b>,
        arena: Arena<'b>,
        scratch: &mut String,
    ) -> LogPosition<'b> {
        parts.connector = self.connector;
        parts.database = self.database;
        parts.schema = self.schema;
        parts.table = self.table;
        parts.snapshot = self.snapshot;
        parts.commit_ms = self.ts_ms;
        parts.transaction = match self.tx_id.view() {
            ValueRef::String(text) => text,
            _ => self.tx_id.as_u64().map_or("", |id| decimal_text(id, arena)),
        };
        position::of_postgres(self.sequence, self.lsn, arena)
            .unwrap_or_else(|| position::of_source(source, arena, scratch))
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

fn row_schema(schema: Schema) -> Option<Schema> {
    ["after", "before"].iter().find_map(|name| schema.get(name)?.nested())
}
