//! Records that Debezium and other tools send about themselves: heartbeats, transaction markers, schema changes,
//! notifications, signals, watermarks.
//!
//! Recognised by the name of their schema, or by the exact set of their fields together with the key or the
//! topic that goes with them: a table may well have columns `id` and `status`.

use tidegate_abi::{Record, Schema, Struct, Value, ValueRef};

use crate::formats::{Cause, notices::Notices};

/// What a tool says about itself or its source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ControlEvent {
    /// It is alive.
    Heartbeat,
    /// A transaction begins or ends.
    Transaction,
    /// A table's structure changed.
    SchemaChange,
    /// A step of a snapshot, or the like.
    Notification,
    /// Somebody asks it for something.
    Signal,
    /// All events before a time were sent.
    Watermark,
    /// A statement that changed rows, whose rows may not be sent.
    Statement,
}

impl ControlEvent {
    const fn cause(self) -> Cause {
        Cause(match self {
            Self::Heartbeat => "heartbeats",
            Self::Transaction => "transaction_markers",
            Self::SchemaChange => "schema_changes",
            Self::Notification => "notifications",
            Self::Signal => "signals",
            Self::Watermark => "watermarks",
            Self::Statement => "statements",
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeats",
            Self::Transaction => "transaction markers",
            Self::SchemaChange => "schema changes",
            Self::Notification => "notifications",
            Self::Signal => "signals",
            Self::Watermark => "watermarks",
            Self::Statement => "statements",
        }
    }
}

/// The most fields that such a record has: a transaction marker of Vitess.
const MAX_FIELDS: usize = 7;

/// What the record is, if Debezium sent it about itself. Of a record that a transform made, the topic is the one that it
/// was read from.
pub(super) fn recognise(
    value: Struct<'_>,
    schema: Option<Schema<'_>>,
    key: Value<'_>,
    record: Record<'_>,
) -> Option<ControlEvent> {
    if value.len() > MAX_FIELDS {
        return None;
    }
    if let Some(kind) = schema.and_then(of_schema) {
        return Some(kind);
    }
    let (key, topic) = (key.as_struct().unwrap_or(Struct::EMPTY), record.source_topic());
    match value.fields().first()?.name() {
        "ts_ms" if value.len() == 1 => is_heartbeat(value, key, topic).then_some(ControlEvent::Heartbeat),
        _ if value.get("status").is_some() => {
            is_transaction(value, key, topic).then_some(ControlEvent::Transaction)
        }
        _ if value.get("ddl").is_some() => {
            is_schema_change(value, key, topic).then_some(ControlEvent::SchemaChange)
        }
        _ if value.get("aggregate_type").is_some() => {
            is_notification(value, key).then_some(ControlEvent::Notification)
        }
        _ if value.get("type").is_some() => is_signal(value, topic).then_some(ControlEvent::Signal),
        _ => None,
    }
}

/// Debezium itself looks at the end of the name: adjusting names may change what comes before.
fn of_schema(schema: Schema<'_>) -> Option<ControlEvent> {
    let name = schema.name();
    [
        ("io.debezium.connector.common.Heartbeat", ControlEvent::Heartbeat),
        ("io.debezium.connector.common.TransactionMetadataValue", ControlEvent::Transaction),
        (".SchemaChangeValue", ControlEvent::SchemaChange),
        ("io.debezium.connector.common.Notification", ControlEvent::Notification),
    ]
    .into_iter()
    .find_map(|(end, kind)| name.ends_with(end).then_some(kind))
}

fn is_heartbeat(value: Struct<'_>, key: Struct<'_>, topic: &str) -> bool {
    let is_key = matches!(key.fields(), [only] if only.name() == "serverName" && is_text(only.value()));
    value.get("ts_ms").is_some_and(is_whole) && (is_key || topic.starts_with("__debezium-heartbeat"))
}

fn is_transaction(value: Struct<'_>, key: Struct<'_>, topic: &str) -> bool {
    let needed = ["status", "id", "event_count", "data_collections"];
    // Older versions have no time, and Vitess says more.
    let others = ["ts_ms", "transaction_epoch", "transaction_rank"];
    let status = value.get("status").and_then(|status| status.as_str());
    has_fields(value, &needed, &others)
        && matches!(status, Some("BEGIN" | "END"))
        && value.get("event_count").is_some_and(|count| count.is_null() || is_whole(count))
        && value.get("data_collections").is_some_and(|all| all.is_null() || all.as_list().is_some())
        && (same_id(value, key) || topic.ends_with(".transaction"))
}

fn is_schema_change(value: Struct<'_>, key: Struct<'_>, topic: &str) -> bool {
    let Some(source) = value.get("source").and_then(|source| source.as_struct()) else { return false };
    if !value.get("tableChanges").is_some_and(|all| all.is_null() || all.as_list().is_some()) {
        return false;
    }
    let others = ["ts_ms", "schemaName"];
    if has_fields(value, &["source", "databaseName", "ddl", "tableChanges"], &others) {
        let name = source.get("name").and_then(|name| name.as_str());
        let is_key = matches!(key.fields(), [only] if only.name() == "databaseName");
        return source.get("connector").is_some_and(is_text) && (is_key || name == Some(topic));
    }
    // In the topic with the history of a database's schema.
    has_fields(
        value,
        &["source", "position", "ddl", "tableChanges"],
        &["ts_ms", "databaseName", "schemaName"],
    ) && source.get("server").is_some_and(is_text)
        && value.get("position").is_some_and(|position| position.as_struct().is_some())
}

fn is_notification(value: Struct<'_>, key: Struct<'_>) -> bool {
    // Older versions have no time.
    has_fields(value, &["id", "type", "aggregate_type", "additional_data"], &["timestamp"])
        && value.get("type").is_some_and(is_text)
        && value.get("aggregate_type").is_some_and(is_text)
        && same_id(value, key)
}

fn is_signal(value: Struct<'_>, topic: &str) -> bool {
    const KINDS: [&str; 6] =
        ["execute-snapshot", "stop-snapshot", "pause-snapshot", "resume-snapshot", "log", "schema-changes"];
    let kind = value.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
    has_fields(value, &["type", "data"], &["id"]) && KINDS.contains(&kind) && topic.ends_with("-signal")
}

/// The key is the id alone.
fn same_id(value: Struct<'_>, key: Struct<'_>) -> bool {
    let [only] = key.fields() else { return false };
    let id = value.get("id").and_then(|id| id.as_str());
    only.name() == "id" && id.is_some() && only.value().as_str() == id
}

/// Whether the fields are all of `needed` and some of `others`.
fn has_fields(value: Struct<'_>, needed: &[&str], others: &[&str]) -> bool {
    needed.iter().all(|name| value.get(name).is_some())
        && value.fields().iter().all(|field| needed.contains(&field.name()) || others.contains(&field.name()))
}

fn is_text(value: Value<'_>) -> bool {
    matches!(value.view(), ValueRef::String(text) if !text.is_empty())
}

fn is_whole(value: Value<'_>) -> bool {
    value.as_i64().is_some()
}

/// Counts a control event; the first of its kind in a topic is logged, so that nobody misses it in a table.
pub(super) fn note(kind: ControlEvent, tool: &str, topic: &str, passes: bool, notices: &mut Notices) {
    let cause = kind.cause();
    if kind == ControlEvent::Statement {
        return notices.note(cause, topic, || {
            format!(
                "{topic} contains SQL statements from {tool}; their row changes may be missing. With binlog_format=ROW and \
                 binlog_rows_query_log_events=ON, {tool} also sends the rows: set canal.instance.filter.query.dml=true. \
                 With another binlog_format, it does not: set binlog_format=ROW, and load the tables again"
            )
        });
    }
    notices.inform(cause, topic, || {
        let done = if passes {
            "they are messages, which no table gets"
        } else {
            "they are filtered; pass_control_events = true in [source] passes them to transforms and sinks"
        };
        format!("{topic} has {} of {tool}: {done}", kind.name())
    });
}
