//! Where the value of an added field or header comes from.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_plugin::{Arena, Timestamp, prelude::*};

use crate::{filter::Scalar, path::find_header};

/// A value to add.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Source {
    /// A property of the event, the record or the host.
    Property(Property),
    /// A fixed value.
    Constant(Constant),
    /// A header.
    Header(Header),
}

/// A header.
#[derive(Clone, Deserialize, JsonSchema)]
pub(crate) struct Header {
    /// Name of the header, or a path into it. Its value has a type if the connector sets `header_format = "simple"`.
    header: String,
}

/// A fixed value.
#[derive(Clone, Deserialize, JsonSchema)]
pub(crate) struct Constant {
    /// The value. Text may have placeholders: `"${env:REGION}"`.
    constant: Scalar,
}

/// A property of the event, the record or the host. Those of the event are null for other records.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Property {
    /// What happened: `insert`, `read`, `update`, `delete`, `truncate` or `message`.
    Operation,
    /// The same as Debezium's letter: `c`, `r`, `u`, `d`, `t` or `m`.
    Op,
    /// Table of the event.
    Table,
    /// Schema of the table.
    Schema,
    /// Database.
    Database,
    /// Type of the source connector, such as `postgresql`.
    Source,
    /// Snapshot marker of the source: `true`, `first`, `last`, `incremental` or `false`.
    Snapshot,
    /// Position in the source's log, such as an LSN.
    Position,
    /// Transaction id.
    Transaction,
    /// Commit time in the source.
    CommitTime,
    /// Time at which the source connector processed the event.
    EventTime,
    /// Milliseconds from the commit until now.
    LagMs,
    /// Time of processing.
    Now,
    /// Topic that the record was read from.
    Topic,
    /// Partition that the record was read from.
    Partition,
    /// Offset of the record.
    Offset,
    /// Timestamp of the record in Kafka.
    Timestamp,
    /// Name of the connector.
    Connector,
    /// Number of the task.
    Task,
    /// Name of the machine.
    Host,
}

/// What does not depend on the record.
pub(super) struct Fixed {
    pub(super) connector: String,
    pub(super) task: u32,
    pub(super) host: String,
}

impl Source {
    pub(super) fn is(&self, property: Property) -> bool {
        matches!(self, Self::Property(own) if *own == property)
    }

    /// The value for a record.
    pub(super) fn value<'b>(&self, record: Record<'b>, fixed: &Fixed, arena: Arena<'b>) -> Value<'b> {
        match self {
            Self::Property(property) => property.value(record, fixed, arena),
            Self::Header(Header { header }) => find_header(record, header, arena).unwrap_or_default(),
            Self::Constant(Constant { constant }) => match constant {
                Scalar::Bool(value) => Value::bool(*value),
                Scalar::Int(value) => Value::int(*value),
                Scalar::Float(value) => Value::float(*value),
                Scalar::Text(text) => arena.string(text),
            },
        }
    }
}

impl Property {
    fn value<'b>(self, record: Record<'b>, fixed: &Fixed, arena: Arena<'b>) -> Value<'b> {
        match self {
            Self::Topic => Value::string(record.source_topic()),
            Self::Partition => Value::int(i64::from(record.source_partition())),
            Self::Offset => Value::int(record.offset()),
            Self::Timestamp => time(record.timestamp_ms()),
            Self::Now => time(now_ms()),
            Self::Connector => arena.string(&fixed.connector),
            Self::Task => Value::int(i64::from(fixed.task)),
            Self::Host => arena.string(&fixed.host),
            _ => record.change().map_or(Value::NULL, |change| self.value_of(change, arena)),
        }
    }

    fn value_of<'b>(self, change: Change<'b>, arena: Arena<'b>) -> Value<'b> {
        match self {
            Self::Operation => Value::string(name(change.operation())),
            Self::Op => {
                let letter = char::from(change.operation().code().0);
                arena.string(letter.encode_utf8(&mut [0; 4]))
            }
            Self::Table => text(change.table()),
            Self::Schema => text(change.schema()),
            Self::Database => text(change.database()),
            Self::Source => text(change.connector()),
            Self::Snapshot => text(change.snapshot()),
            Self::Position => text(change.position_text()),
            Self::Transaction => text(change.transaction()),
            Self::CommitTime => time(change.commit_ms()),
            Self::EventTime => time(change.event_ms()),
            Self::LagMs => {
                let lag = now_ms().zip(change.commit_ms()).map(|(now, commit)| now.saturating_sub(commit));
                lag.map_or(Value::NULL, Value::int)
            }
            _ => Value::NULL,
        }
    }
}

/// The name of an operation as conditions use it.
fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "insert",
        Operation::Read => "read",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Truncate => "truncate",
        Operation::Message => "message",
        _ => "unknown",
    }
}

fn text(text: &str) -> Value<'_> {
    if text.is_empty() { Value::NULL } else { Value::string(text) }
}

fn time<'b>(milliseconds: Option<i64>) -> Value<'b> {
    let at = |milliseconds| Value::timestamp(Timestamp::from_parts(milliseconds, 1000, Some(0)));
    milliseconds.map_or(Value::NULL, at)
}

fn now_ms() -> Option<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}
