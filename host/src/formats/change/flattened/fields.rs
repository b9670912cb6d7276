//! Rows that ExtractNewRecordState has flattened become events in an envelope again.
//!
//! Names: Debezium's `ExtractNewRecordStateConfigDefinition` and `AbstractExtractNewRecordState.FieldReference`. A field
//! that `add.fields` has added is its name in the envelope or source block behind a prefix; `source_` or `transaction_`
//! may stand in between. `__deleted` is always called that. Headers of `add.headers` have the same names.

use tidegate_abi::{Arena, Field, Headers, Operation, Struct, Value, ValueRef};

use crate::formats::{
    change::{
        error::{EventError, Found},
        inner_json,
    },
    json::Scratch,
    types::Unavailable,
};

const DELETED: &str = "__deleted";
const OP: &str = "op";

/// Fields of the source blocks of all connectors. Any other field is a column of the table, whatever its name begins with.
pub(in crate::formats::change) const SOURCE_FIELDS: [&str; 45] = [
    "version",
    "connector",
    "name",
    "ts_ms",
    "ts_us",
    "ts_ns",
    "snapshot",
    "db",
    "sequence",
    "schema",
    "table",
    "collection",
    "txId",
    "lsn",
    "xmin",
    "server_id",
    "gtid",
    "file",
    "pos",
    "row",
    "thread",
    "query",
    "change_lsn",
    "commit_lsn",
    "event_serial_no",
    "scn",
    "commit_scn",
    "start_scn",
    "start_ts_ms",
    "lcr_position",
    "rs_id",
    "ssn",
    "redo_thread",
    "redo_sql",
    "user_name",
    "row_id",
    "ord",
    "lsid",
    "txnNumber",
    "wallTime",
    "rs",
    "keyspace",
    "shard",
    "vgtid",
    "cluster",
];
const TRANSACTION_FIELDS: [&str; 3] = ["id", "total_order", "data_collection_order"];

/// The names of added fields, which all begin alike.
pub(in crate::formats::change) struct AddedFields {
    prefix: Box<str>,
    op: Box<str>,
}

/// Where an added field was in the event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Added<'n> {
    Deleted,
    Op,
    Event(&'n str),
    Source(&'n str),
    Transaction(&'n str),
}

/// What a row says of its event.
#[derive(Clone, Copy, Default)]
pub(in crate::formats::change) struct Marks {
    pub(super) op: Option<Operation>,
    pub(super) deleted: Option<bool>,
    /// `__deleted` is true or false, not text: ExtractNewDocumentState made the row.
    pub(super) deleted_is_boolean: bool,
}

/// A row taken out of a flattened value, and what goes with it.
pub(super) struct Flattened<'b> {
    /// The columns.
    pub(super) row: Value<'b>,
    /// The source block, as far as fields and headers tell it.
    pub(super) source: Struct<'b>,
    /// The transaction block.
    pub(super) transaction: Struct<'b>,
    /// When the connector handled the event.
    pub(super) ts_ms: Value<'b>,
    /// What happened.
    pub(super) operation: Operation,
    /// It is one of MongoDB's documents.
    pub(super) has_documents: bool,
    /// Deletes come as rows in this topic.
    pub(super) announces_deletes: bool,
}

impl AddedFields {
    pub(in crate::formats::change) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into(), op: format!("{prefix}{OP}").into() }
    }

    /// The error of an added field that should hold a name.
    pub(super) fn wrong_name(&self, name: &str, value: Value<'_>) -> EventError {
        let field = format!("{}{name}", self.prefix).into();
        EventError::FlattenedField { field, found: Found::of(value), expected: "text" }
    }

    /// The fields of a row that flattening has not added.
    pub(in crate::formats::change) fn columns<'b>(&self, row: Struct<'b>, arena: Arena<'b>) -> Struct<'b> {
        Value::object(arena.filter(row.fields(), |field| self.place(field.name()).is_none()))
            .as_struct()
            .unwrap_or(Struct::EMPTY)
    }

    fn place<'n>(&self, name: &'n str) -> Option<Added<'n>> {
        if name == DELETED {
            return Some(Added::Deleted);
        }
        let bare = name.strip_prefix(&*self.prefix)?;
        if let Some(field) = bare.strip_prefix("source_").filter(|field| SOURCE_FIELDS.contains(field)) {
            return Some(Added::Source(field));
        }
        if let Some(field) =
            bare.strip_prefix("transaction_").filter(|field| TRANSACTION_FIELDS.contains(field))
        {
            return Some(Added::Transaction(field));
        }
        match bare {
            OP => Some(Added::Op),
            "ts_ms" | "ts_us" | "ts_ns" => Some(Added::Event(bare)),
            "total_order" | "data_collection_order" => Some(Added::Transaction(bare)),
            _ => SOURCE_FIELDS.contains(&bare).then_some(Added::Source(bare)),
        }
    }

    /// Whether the row or its headers say that it was flattened. `row` is empty for a tombstone.
    ///
    /// # Errors
    /// When what they say contradicts itself.
    pub(in crate::formats::change) fn marks(
        &self,
        row: Struct<'_>,
        headers: Headers<'_>,
    ) -> Result<Option<Marks>, EventError> {
        let (mut op, mut deleted) = (None, None);
        for (name, value) in row.iter() {
            if name == &*self.op {
                op = Some(value);
            } else if name == DELETED {
                deleted = Some(value);
            }
        }
        let header = || headers.get(&self.op).and_then(|header| header.value).and_then(plain_text);
        let op = op.filter(|op| !op.is_null()).or_else(|| header().map(Value::string));
        let deleted = deleted.filter(|deleted| !deleted.is_null());
        let (letter, is_deleted) = (op.and_then(operation), deleted.and_then(truth));
        if letter.is_none() && is_deleted.is_none() {
            return Ok(None);
        }
        if let Some(op) = op.filter(|_| letter.is_none()) {
            let (field, found, expected) = (self.op.clone(), Found::of(op), "c, r, u or d");
            return Err(EventError::FlattenedField { field, found, expected });
        }
        if let Some(deleted) = deleted.filter(|_| is_deleted.is_none()) {
            let (field, found, expected) = (DELETED.into(), Found::of(deleted), "true or false");
            return Err(EventError::FlattenedField { field, found, expected });
        }
        if let (Some(operation), Some(deleted)) = (letter, is_deleted)
            && deleted != (operation == Operation::Delete)
        {
            let letter = char::from(operation.code().0);
            return Err(EventError::Contradiction { op: self.op.clone(), letter, deleted });
        }
        let deleted_is_boolean = deleted.is_some_and(|deleted| deleted.as_bool().is_some());
        Ok(Some(Marks { op: letter, deleted: is_deleted, deleted_is_boolean }))
    }

    /// Takes the row out of a flattened value.
    pub(super) fn unpack<'b>(
        &self,
        value: Struct<'b>,
        headers: Headers<'b>,
        marks: Marks,
        arena: Arena<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Flattened<'b> {
        let base = scratch.fields.len();
        let mut has_gaps = false;
        for field in value.fields().iter().filter(|field| self.place(field.name()).is_none()) {
            let is_unavailable = is_unavailable(field.value(), &scratch.unavailable);
            has_gaps |= is_unavailable;
            let value = if is_unavailable { Value::UNAVAILABLE } else { field.value() };
            scratch.fields.push(Field::new(field.name(), value));
        }
        let row = arena.object(&scratch.fields[base..]);
        scratch.fields.truncate(base);
        let mut part = |wanted: fn(Added<'b>) -> Option<&'b str>| {
            let fields = self.part(value, headers, wanted, arena, scratch);
            fields.as_struct().unwrap_or(Struct::EMPTY)
        };
        let source = part(|added| match added {
            Added::Source(name) => Some(name),
            _ => None,
        });
        let transaction = part(|added| match added {
            Added::Transaction(name) => Some(name),
            _ => None,
        });
        let event = part(|added| match added {
            Added::Event(name) => Some(name),
            _ => None,
        });
        let is_delete = marks.op == Some(Operation::Delete) || marks.deleted == Some(true);
        let operation = match marks.op {
            Some(operation) => operation,
            None if is_delete => Operation::Delete,
            // A row without a word of what happened to it is put in its place whether there was one or not. One that does
            // not have all of its values needs the row that is there.
            None if has_gaps => Operation::Update,
            None => Operation::Read,
        };
        let is_of_mongodb = || {
            source.get("collection").is_some()
                || source.get("connector").and_then(|name| name.as_str()) == Some("mongodb")
        };
        Flattened {
            row,
            source,
            transaction,
            ts_ms: event.get("ts_ms").unwrap_or_default(),
            operation,
            has_documents: marks.deleted_is_boolean || is_of_mongodb(),
            announces_deletes: marks.deleted.is_some() || is_delete,
        }
    }

    /// The added fields of one part of the event, under their own names. A field takes precedence over a header.
    fn part<'b>(
        &self,
        value: Struct<'b>,
        headers: Headers<'b>,
        wanted: fn(Added<'b>) -> Option<&'b str>,
        arena: Arena<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Value<'b> {
        let base = scratch.fields.len();
        for field in value.fields() {
            if let Some(name) = self.place(field.name()).and_then(wanted) {
                scratch.fields.push(Field::new(name, field.value()));
            }
        }
        for header in headers.iter() {
            let Some(name) = self.place(header.name).and_then(wanted) else { continue };
            let is_known = scratch.fields[base..].iter().any(|field| field.name() == name);
            if let Some(bytes) = header.value.filter(|_| !is_known) {
                let value = header_value(bytes, arena, scratch);
                scratch.fields.push(Field::new(name, value));
            }
        }
        let part = arena.object(&scratch.fields[base..]);
        scratch.fields.truncate(base);
        part
    }
}

/// Letters that rows can have: truncates and messages have none.
fn operation(op: Value<'_>) -> Option<Operation> {
    match op.as_str()? {
        "c" => Some(Operation::Create),
        "r" => Some(Operation::Read),
        "u" => Some(Operation::Update),
        "d" => Some(Operation::Delete),
        _ => None,
    }
}

fn truth(deleted: Value<'_>) -> Option<bool> {
    match deleted.view() {
        ValueRef::Bool(deleted) => Some(deleted),
        ValueRef::String("true") => Some(true),
        ValueRef::String("false") => Some(false),
        _ => None,
    }
}

/// Whether the value is Debezium's mark for one that an update left alone. A schema has made bytes of some.
pub(in crate::formats::change) fn is_unavailable(value: Value<'_>, placeholder: &Unavailable) -> bool {
    match value.view() {
        ValueRef::Unavailable => true,
        ValueRef::String(text) => placeholder.is_text(text),
        ValueRef::Bytes(bytes) => std::str::from_utf8(bytes).is_ok_and(|text| placeholder.is_text(text)),
        ValueRef::Uuid(_) => {
            let list = Value::list(std::slice::from_ref(&value)).as_list();
            list.is_some_and(|list| placeholder.is_list(list))
        }
        ValueRef::List(list) => placeholder.is_list(list),
        ValueRef::Struct(row) => placeholder.is_struct(row),
        _ => false,
    }
}

/// The text of a header, out of the quotes and the schema that a JSON converter may put around it.
fn plain_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let payload = text.starts_with('{').then(|| text.split_once("\"payload\":")).flatten();
    let text = payload.map_or(text, |(_, payload)| payload.trim_end_matches('}'));
    Some(text.trim().trim_matches('"'))
}

/// The value of a header: JSON, as Connect's converters write it, or else its text.
fn header_value<'b>(bytes: &'b [u8], arena: Arena<'b>, scratch: &mut Scratch<'b>) -> Value<'b> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Value::NULL };
    let value = inner_json::parse(text, arena, scratch).unwrap_or(Value::string(text));
    match (value.get("schema"), value.get("payload")) {
        (Some(_), Some(payload)) => payload,
        _ => value,
    }
}

/// Table and schema by the usual name of a topic, `<prefix>.<schema>.<table>`.
pub(in crate::formats::change) fn names_of(topic: &str) -> (&str, &str) {
    let (rest, table) = topic.rsplit_once('.').unwrap_or(("", topic));
    (rest.rsplit_once('.').map_or("", |(_, schema)| schema), table)
}
