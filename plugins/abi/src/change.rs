//! Safe access to change events: operation, rows, table, key columns, source position.

use std::fmt;

use crate::{
    arena::Arena,
    raw::{Bytes, ChangeView, OperationCode, change_flags},
    record::Record,
    schema::Schema,
    value::{Field, Struct, Value},
};

/// What happened to the row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Operation {
    /// Inserted.
    Create,
    /// Read by a snapshot.
    Read,
    /// Updated.
    Update,
    /// Deleted.
    Delete,
    /// The table was emptied.
    Truncate,
    /// A message without a row, such as PostgreSQL's logical messages.
    Message,
    /// An operation that this build does not know.
    Other(u8),
}

impl Operation {
    /// Converts a code.
    #[must_use]
    pub const fn from_code(code: OperationCode) -> Self {
        match code {
            OperationCode::CREATE => Self::Create,
            OperationCode::READ => Self::Read,
            OperationCode::UPDATE => Self::Update,
            OperationCode::DELETE => Self::Delete,
            OperationCode::TRUNCATE => Self::Truncate,
            OperationCode::MESSAGE => Self::Message,
            OperationCode(other) => Self::Other(other),
        }
    }

    /// The code: the letter that Debezium uses.
    #[must_use]
    pub const fn code(self) -> OperationCode {
        match self {
            Self::Create => OperationCode::CREATE,
            Self::Read => OperationCode::READ,
            Self::Update => OperationCode::UPDATE,
            Self::Delete => OperationCode::DELETE,
            Self::Truncate => OperationCode::TRUNCATE,
            Self::Message => OperationCode::MESSAGE,
            Self::Other(other) => OperationCode(other),
        }
    }

    /// Readable name: `INSERT`, `READ`, `UPDATE`, `DELETE`, `TRUNCATE`, `MESSAGE`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "INSERT",
            Self::Read => "READ",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::Message => "MESSAGE",
            Self::Other(_) => "UNKNOWN",
        }
    }

    /// Whether the event creates a row: an insert, or a read of a snapshot.
    #[must_use]
    pub const fn is_insert(self) -> bool {
        matches!(self, Self::Create | Self::Read)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Position in the source's log. To order events, compare it first, then the Kafka offset.
///
/// It consists of the generation of the log and the position in that log. After a failover to another server, or a restore
/// from a backup, positions start over in a new log, whose events are newer than all events of the old one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    generation: u64,
    words: [u64; 4],
}

impl Position {
    /// Generation of the source's log, counted per partition and source, starting at 0.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Position in that log, most significant word first.
    #[must_use]
    pub const fn words(&self) -> [u64; 4] {
        self.words
    }
}

/// A change event.
#[derive(Clone, Copy)]
pub struct Change<'b> {
    view: &'b ChangeView,
    record: Record<'b>,
}

impl<'b> Change<'b> {
    /// Wraps a change event.
    ///
    /// # Safety
    /// The pointer is null, or the event and all that it points to live, unchanged, for `'b`.
    pub(crate) unsafe fn from_ptr(view: *const ChangeView, record: Record<'b>) -> Option<Self> {
        // SAFETY: guaranteed by the caller.
        unsafe { view.as_ref() }.map(|view| Self { view, record })
    }

    /// What happened.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        Operation::from_code(self.view.operation)
    }

    /// The row before the change, or an empty struct if the source did not send it.
    #[must_use]
    pub fn before(&self) -> Struct<'b> {
        self.before_value().as_struct().unwrap_or(Struct::EMPTY)
    }

    /// The row after the change, or an empty struct if there is none (deletes, truncates).
    #[must_use]
    pub fn after(&self) -> Struct<'b> {
        self.after_value().as_struct().unwrap_or(Struct::EMPTY)
    }

    /// The latest row: the row after the change, or the row before it for a delete.
    #[must_use]
    pub fn row(&self) -> Struct<'b> {
        if self.after_value().is_null() { self.before() } else { self.after() }
    }

    /// The row before the change as a value; null if the source did not send it.
    #[must_use]
    pub const fn before_value(&self) -> Value<'b> {
        // SAFETY: lives for `'b`, guaranteed by the contract of `from_ptr`.
        unsafe { Value::from_node(self.view.before) }
    }

    /// The row after the change as a value; null if there is none.
    #[must_use]
    pub const fn after_value(&self) -> Value<'b> {
        // SAFETY: lives for `'b`, guaranteed by the contract of `from_ptr`.
        unsafe { Value::from_node(self.view.after) }
    }

    /// The `source` block of the event; null in flat events.
    #[must_use]
    pub const fn source(&self) -> Value<'b> {
        // SAFETY: lives for `'b`, guaranteed by the contract of `from_ptr`.
        unsafe { Value::from_node(self.view.source) }
    }

    const fn text(&self, bytes: Bytes) -> &'b str {
        // SAFETY: lives for `'b` and is UTF-8, guaranteed by the contract of `from_ptr`.
        unsafe { bytes.text() }
    }

    /// Type of the source connector, such as `postgresql`; may be empty.
    #[must_use]
    pub const fn connector(&self) -> &'b str {
        self.text(self.view.connector)
    }

    /// Database; may be empty.
    #[must_use]
    pub const fn database(&self) -> &'b str {
        self.text(self.view.database)
    }

    /// Schema; may be empty.
    #[must_use]
    pub const fn schema(&self) -> &'b str {
        self.text(self.view.schema)
    }

    /// Table or collection.
    #[must_use]
    pub const fn table(&self) -> &'b str {
        self.text(self.view.table)
    }

    /// Transaction id; may be empty.
    #[must_use]
    pub const fn transaction(&self) -> &'b str {
        self.text(self.view.transaction)
    }

    /// Snapshot marker as the source wrote it: `true`, `first`, `last`, `incremental`, `false`; may be empty.
    #[must_use]
    pub const fn snapshot(&self) -> &'b str {
        self.text(self.view.snapshot)
    }

    /// Log position as readable text, such as an LSN; may be empty.
    #[must_use]
    pub const fn position_text(&self) -> &'b str {
        self.text(self.view.position_text)
    }

    /// Log position for comparisons. Events without one inherit it from the partition's previous event.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let position = Position { generation: self.log_generation(), words: self.view.position };
        (self.view.position_len > 0).then_some(position)
    }

    /// Generation of the source's log that the event belongs to, even if it has no position: see [`Position`].
    #[must_use]
    pub const fn log_generation(&self) -> u64 {
        // An older host does not have it.
        let end = std::mem::offset_of!(ChangeView, log_generation) + size_of::<u64>();
        if self.view.size as usize >= end { self.view.log_generation } else { 0 }
    }

    /// Whether an earlier record of the partition holds the same event. Source connectors send events again after a
    /// restart. Sinks that cannot detect this by the row, as in tables without a key, skip such events.
    #[must_use]
    pub const fn is_resent(&self) -> bool {
        self.view.flags & change_flags::RESENT != 0
    }

    /// Whether the position was inherited from an earlier event of the partition, because the source gave none.
    #[must_use]
    pub fn inherits_position(&self) -> bool {
        self.view.flags & change_flags::INHERITED_POSITION != 0
    }

    /// Commit time in the source, in milliseconds since the epoch.
    #[must_use]
    pub fn commit_ms(&self) -> Option<i64> {
        (self.view.flags & change_flags::HAS_COMMIT_TIME != 0).then_some(self.view.commit_ms)
    }

    /// Time at which the source connector processed the event, in milliseconds since the epoch.
    #[must_use]
    pub fn event_ms(&self) -> Option<i64> {
        (self.view.flags & change_flags::HAS_EVENT_TIME != 0).then_some(self.view.event_ms)
    }

    /// The primary key: the fields of the record key. Empty for a table without a primary key.
    #[must_use]
    pub fn key(&self) -> Struct<'b> {
        self.record.key().as_struct().unwrap_or(Struct::EMPTY)
    }

    /// Names of the primary key columns.
    pub fn key_columns(&self) -> impl ExactSizeIterator<Item = &'b str> + use<'b> {
        self.key().iter().map(|(name, _)| name)
    }

    /// Schema of the row, if the format has one.
    #[must_use]
    pub const fn row_schema(&self) -> Option<Schema<'b>> {
        // SAFETY: the batch keeps the schemas of its records.
        unsafe { Schema::from_ptr(self.view.row_schema) }
    }

    /// The event with some parts replaced: the new value of the record, which shows the same rows and operation, and the new
    /// event. The schema of the row is kept only if the columns have the same names, because it must not describe missing
    /// columns.
    #[must_use]
    pub fn edited(&self, arena: Arena<'b>, edit: &ChangeEdit<'b>) -> (Value<'b>, &'b ChangeView) {
        let mut view = self.copy();
        if let Some((before, after)) = edit.rows {
            let same_columns =
                same_names(self.before_value(), before) && same_names(self.after_value(), after);
            view.row_schema = if same_columns { view.row_schema } else { std::ptr::null() };
            (view.before, view.after) = (before.node(), after.node());
        }
        if let Some(operation) = edit.operation {
            view.operation = operation.code();
        }
        if let Some(table) = edit.table {
            view.table = Bytes::new(table.as_bytes());
        }
        (self.edited_value(arena, edit), arena.alloc(view))
    }

    /// The event with `row` as its only row: that before a delete, or after any other change. The schema of the row is kept
    /// only if the columns have the same names.
    #[must_use]
    pub fn with_row(&self, arena: Arena<'b>, row: Value<'b>) -> &'b ChangeView {
        let mut view = self.copy();
        if !same_names(self.row().to_value(), row) {
            view.row_schema = std::ptr::null();
        }
        let rows =
            if self.operation() == Operation::Delete { [row, Value::NULL] } else { [Value::NULL, row] };
        [view.before, view.after] = rows.map(Value::node);
        arena.alloc(view)
    }

    fn edited_value(&self, arena: Arena<'b>, edit: &ChangeEdit<'b>) -> Value<'b> {
        let value = edit.value.unwrap_or(self.record.value());
        let Some(envelope) = value.as_struct().filter(|_| edit.rows.is_some() || edit.operation.is_some())
        else {
            return value;
        };
        let code = edit
            .operation
            .map(|operation| arena.string(char::from(operation.code().0).encode_utf8(&mut [0; 4])));
        let (before, after) = (edit.rows.map(|rows| rows.0), edit.rows.map(|rows| rows.1));
        let fields = envelope.fields().iter().map(|field| {
            let new = match field.name() {
                "before" => before,
                "after" => after,
                "op" => code,
                _ => None,
            };
            new.map_or(*field, |new| Field::new(field.name(), new))
        });
        Value::object(arena.collect(fields))
    }

    fn copy(&self) -> ChangeView {
        // SAFETY: the host filled `size` bytes, guaranteed by the contract of `from_ptr`.
        unsafe { self.view.copy() }
    }
}

/// What to replace in an event, see [`Change::edited`]; what is `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChangeEdit<'b> {
    /// The rows before and after the change.
    pub rows: Option<(Value<'b>, Value<'b>)>,
    /// The table.
    pub table: Option<&'b str>,
    /// The operation.
    pub operation: Option<Operation>,
    /// The value that shows the event, such as an envelope with further fields.
    pub value: Option<Value<'b>>,
}

fn same_names(old: Value<'_>, new: Value<'_>) -> bool {
    let (old, new) = (old.as_struct().unwrap_or(Struct::EMPTY), new.as_struct().unwrap_or(Struct::EMPTY));
    old.fields().iter().map(Field::name).eq(new.fields().iter().map(Field::name))
}

impl fmt::Debug for Change<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {:?}", self.operation(), self.table(), self.record)
    }
}

/// Definition of a change event, for formats. See the getters of [`Change`] for the meaning of each field.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is explained at the getter of the same name")]
pub struct ChangeParts<'b> {
    pub operation: Operation,
    pub before: Value<'b>,
    pub after: Value<'b>,
    pub source: Value<'b>,
    pub connector: &'b str,
    pub database: &'b str,
    pub schema: &'b str,
    pub table: &'b str,
    pub snapshot: &'b str,
    pub transaction: &'b str,
    pub position_text: &'b str,
    pub position: Option<[u64; 4]>,
    pub inherited_position: bool,
    pub log_generation: u64,
    pub resent: bool,
    pub commit_ms: Option<i64>,
    pub event_ms: Option<i64>,
    pub row_schema: Option<Schema<'b>>,
}

impl ChangeParts<'_> {
    /// An event of `operation` without any other field.
    #[must_use]
    pub const fn new(operation: Operation) -> Self {
        Self {
            operation,
            before: Value::NULL,
            after: Value::NULL,
            source: Value::NULL,
            connector: "",
            database: "",
            schema: "",
            table: "",
            snapshot: "",
            transaction: "",
            position_text: "",
            position: None,
            inherited_position: false,
            log_generation: 0,
            resent: false,
            commit_ms: None,
            event_ms: None,
            row_schema: None,
        }
    }

    pub(crate) fn to_view(self) -> ChangeView {
        let mut flags = 0;
        for (set, flag) in [
            (self.commit_ms.is_some(), change_flags::HAS_COMMIT_TIME),
            (self.event_ms.is_some(), change_flags::HAS_EVENT_TIME),
            (self.inherited_position, change_flags::INHERITED_POSITION),
            (self.resent, change_flags::RESENT),
        ] {
            flags |= if set { flag } else { 0 };
        }
        ChangeView {
            size: size_of::<ChangeView>() as u32,
            operation: self.operation.code(),
            flags,
            position_len: if self.position.is_some() { 4 } else { 0 },
            reserved: 0,
            before: self.before.node(),
            after: self.after.node(),
            source: self.source.node(),
            connector: Bytes::new(self.connector.as_bytes()),
            database: Bytes::new(self.database.as_bytes()),
            schema: Bytes::new(self.schema.as_bytes()),
            table: Bytes::new(self.table.as_bytes()),
            snapshot: Bytes::new(self.snapshot.as_bytes()),
            transaction: Bytes::new(self.transaction.as_bytes()),
            position_text: Bytes::new(self.position_text.as_bytes()),
            position: self.position.unwrap_or_default(),
            commit_ms: self.commit_ms.unwrap_or_default(),
            event_ms: self.event_ms.unwrap_or_default(),
            row_schema: self.row_schema.map_or(std::ptr::null(), Schema::as_ptr),
            log_generation: self.log_generation,
        }
    }
}
