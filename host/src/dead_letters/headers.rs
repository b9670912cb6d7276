//! The headers of a dead-letter record: those of Kafka Connect, for its tools, and more precise ones of Tidegate.

use tidegate_abi::printable::beginning;

/// Prefix of Kafka Connect's headers.
pub const CONNECT_PREFIX: &str = "__connect.errors.";
/// Prefix of Tidegate's headers.
pub const PREFIX: &str = "tidegate.errors.";
/// Header of a replayed record that counts its replays, to make loops visible.
pub const REPLAYED: &str = "tidegate.replayed";

pub(super) const TOPIC: &str = "__connect.errors.topic";
pub(super) const PARTITION: &str = "__connect.errors.partition";
pub(super) const OFFSET: &str = "__connect.errors.offset";
pub(super) const MESSAGE: &str = "__connect.errors.exception.message";
pub(super) const CONNECT_NAME: &str = "__connect.errors.connector.name";
pub(super) const CONNECT_TASK: &str = "__connect.errors.task.id";
pub(super) const CONNECT_STAGE: &str = "__connect.errors.stage";

/// The connector that rejected the record.
pub const CONNECTOR: &str = "tidegate.errors.connector";
pub(super) const TASK: &str = "tidegate.errors.task";
pub(super) const STAGE: &str = "tidegate.errors.stage";
pub(super) const NAME: &str = "tidegate.errors.name";
pub(super) const PLUGIN: &str = "tidegate.errors.plugin";
pub(super) const CLASS: &str = "tidegate.errors.class";
pub(super) const ATTEMPTS: &str = "tidegate.errors.attempts";
pub(super) const TIME: &str = "tidegate.errors.time";
pub(super) const VERSION: &str = "tidegate.errors.version";
/// Number of the record's own headers, which come first.
pub(super) const COUNT: &str = "tidegate.errors.headers";

/// Longer reasons are truncated, so that dead-letter records are not much larger than their source records.
const MAX_REASON_BYTES: usize = 4096;

/// The stage that rejected a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterStage {
    Source,
    Headers,
    Key,
    Value,
    Transform,
    Sink,
}

impl DeadLetterStage {
    /// The name in Tidegate's headers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Headers => "headers",
            Self::Key => "key",
            Self::Value => "value",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }

    /// The name in Kafka Connect's headers.
    #[must_use]
    pub fn connect_name(self) -> &'static str {
        match self {
            Self::Source => "KAFKA_CONSUME",
            Self::Headers => "HEADER_CONVERTER",
            Self::Key => "KEY_CONVERTER",
            Self::Value => "VALUE_CONVERTER",
            Self::Transform => "TRANSFORMATION",
            Self::Sink => "TASK_PUT",
        }
    }
}

/// Why and where a record was rejected.
#[derive(Clone, Copy, Debug)]
pub struct ErrorHeaders<'e> {
    /// The topic that it came from.
    pub topic: &'e str,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The connector.
    pub connector: &'e str,
    /// The task.
    pub task: u32,
    /// The stage that rejected it.
    pub stage: DeadLetterStage,
    /// The name in the connector's file of what rejected it: a transform, the sink, or a format.
    pub name: &'e str,
    /// The plugin and its version; the host and its version if no plugin rejected it.
    pub plugin: &'e str,
    /// The class of the error.
    pub class: &'e str,
    /// The reason, as text.
    pub reason: &'e str,
    /// Number of attempts, including replays.
    pub attempts: u64,
    /// When it was rejected, in UTC.
    pub time: &'e str,
    /// Number of the record's own headers.
    pub own_headers: usize,
}

impl ErrorHeaders<'_> {
    /// The headers, in order: names and values.
    #[must_use]
    pub fn list(&self) -> Vec<(&'static str, String)> {
        let Self { topic, partition, offset, connector, task, stage, name, plugin, class, time, .. } = *self;
        let reason = beginning(self.reason, MAX_REASON_BYTES);
        let trace = format!(
            "{connector}[{task}] {} {name}: {topic}-{partition} offset {offset}: {reason}",
            stage.name()
        );
        vec![
            (TOPIC, topic.to_owned()),
            (PARTITION, partition.to_string()),
            (OFFSET, offset.to_string()),
            (CONNECT_NAME, connector.to_owned()),
            (CONNECT_TASK, task.to_string()),
            (CONNECT_STAGE, stage.connect_name().to_owned()),
            ("__connect.errors.class.name", plugin.to_owned()),
            ("__connect.errors.exception.class.name", format!("{PREFIX}{class}")),
            (MESSAGE, reason.to_owned()),
            ("__connect.errors.exception.stacktrace", trace),
            (CONNECTOR, connector.to_owned()),
            (TASK, task.to_string()),
            (STAGE, stage.name().to_owned()),
            (NAME, name.to_owned()),
            (PLUGIN, plugin.to_owned()),
            (CLASS, class.to_owned()),
            (ATTEMPTS, self.attempts.to_string()),
            (TIME, time.to_owned()),
            (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
            (COUNT, self.own_headers.to_string()),
        ]
    }
}

/// How often a record with these headers was replayed.
#[must_use]
pub fn replays<'h>(headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>) -> u64 {
    let counts = headers.filter(|(name, _)| *name == REPLAYED.as_bytes());
    let count = |value: &[u8]| std::str::from_utf8(value).ok()?.parse().ok();
    counts.filter_map(|(_, value)| count(value?)).last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> ErrorHeaders<'static> {
        ErrorHeaders {
            topic: "cdc.orders",
            partition: 3,
            offset: 42,
            connector: "orders",
            task: 1,
            stage: DeadLetterStage::Value,
            name: "json",
            plugin: "tidegate/0.1.0",
            class: "decode",
            reason: "value is not JSON",
            attempts: 2,
            time: "2026-01-01T00:00:00.000Z",
            own_headers: 5,
        }
    }

    #[test]
    fn kafka_connect_headers_have_their_names() {
        let list = headers().list();
        let connect: Vec<(&str, &str)> = list
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(CONNECT_PREFIX)?, value.as_str())))
            .collect();
        assert_eq!(
            connect,
            [
                ("topic", "cdc.orders"),
                ("partition", "3"),
                ("offset", "42"),
                ("connector.name", "orders"),
                ("task.id", "1"),
                ("stage", "VALUE_CONVERTER"),
                ("class.name", "tidegate/0.1.0"),
                ("exception.class.name", "tidegate.errors.decode"),
                ("exception.message", "value is not JSON"),
                ("exception.stacktrace", "orders[1] value json: cdc.orders-3 offset 42: value is not JSON"),
            ]
        );
        assert!(list[connect.len()..].iter().all(|(name, _)| name.starts_with(PREFIX)));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = "ä".repeat(3000);
        let list = ErrorHeaders { reason: &reason, ..headers() }.list();
        let message = list.iter().find(|(name, _)| *name == MESSAGE).map(|(_, value)| value.len());
        assert_eq!(message, Some(MAX_REASON_BYTES));
    }

    #[test]
    fn the_last_count_of_replays_is_the_one_that_counts() {
        let name = REPLAYED.as_bytes();
        let headers = [(name, Some(&b"1"[..])), (b"other", Some(b"9")), (name, Some(b"2")), (name, None)];
        assert_eq!(replays(headers.into_iter()), 2);
        assert_eq!(replays(std::iter::empty()), 0);
    }
}
