//! A dead-letter record as read from its topic.

use super::headers::{
    ATTEMPTS, CLASS, CONNECT_NAME, CONNECT_PREFIX, CONNECT_STAGE, CONNECT_TASK, CONNECTOR, COUNT, MESSAGE,
    NAME, OFFSET, PARTITION, PLUGIN, PREFIX, STAGE, TASK, TIME, TOPIC,
};

/// A dead-letter record. Information that its headers do not contain is empty or `None`: Kafka Connect's dead-letter
/// records have fewer headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// Partition of the dead-letter topic.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The record's timestamp, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value.
    pub value: Option<Vec<u8>>,
    /// All headers: the record's own come first.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl DeadLetter {
    /// The text of an error header.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().rev().find(|(header, _)| header == name.as_bytes())?;
        std::str::from_utf8(found.1.as_deref()?).ok()
    }

    fn either(&self, ours: &str, connect: &str) -> &str {
        self.text(ours).or_else(|| self.text(connect)).unwrap_or_default()
    }

    /// The source topic; `None` if the record is not a dead letter.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.text(TOPIC)
    }

    /// Partition and offset of the source record.
    #[must_use]
    pub fn source_position(&self) -> Option<(i32, i64)> {
        Some((self.text(PARTITION)?.parse().ok()?, self.text(OFFSET)?.parse().ok()?))
    }

    /// The connector that rejected it.
    #[must_use]
    pub fn connector(&self) -> &str {
        self.either(CONNECTOR, CONNECT_NAME)
    }

    /// The task that rejected it.
    #[must_use]
    pub fn task(&self) -> &str {
        self.either(TASK, CONNECT_TASK)
    }

    /// The stage that rejected it.
    #[must_use]
    pub fn stage(&self) -> &str {
        self.either(STAGE, CONNECT_STAGE)
    }

    /// The name in the connector's file of what rejected it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text(NAME).unwrap_or_default()
    }

    /// The plugin that rejected it, and its version.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.either(PLUGIN, "__connect.errors.class.name")
    }

    /// The class of the error.
    #[must_use]
    pub fn class(&self) -> &str {
        self.either(CLASS, "__connect.errors.exception.class.name")
    }

    /// The reason of the rejection.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.text(MESSAGE).unwrap_or_default()
    }

    /// Number of attempts.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.text(ATTEMPTS).and_then(|count| count.parse().ok()).unwrap_or(1)
    }

    /// When it was rejected; empty if unknown.
    #[must_use]
    pub fn time(&self) -> &str {
        self.text(TIME).unwrap_or_default()
    }

    /// The headers of the source record.
    #[must_use]
    pub fn own_headers(&self) -> &[(Vec<u8>, Option<Vec<u8>>)] {
        let is_error =
            |name: &[u8]| name.starts_with(CONNECT_PREFIX.as_bytes()) || name.starts_with(PREFIX.as_bytes());
        let stated = self.text(COUNT).and_then(|count| count.parse::<usize>().ok());
        let count = stated.unwrap_or_else(|| {
            self.headers.iter().rposition(|(name, _)| !is_error(name)).map_or(0, |last| last + 1)
        });
        &self.headers[..count.min(self.headers.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::{DeadLetterStage, ErrorHeaders};

    type Header = (Vec<u8>, Option<Vec<u8>>);

    fn header(name: &str, value: &str) -> Header {
        (name.into(), Some(value.into()))
    }

    #[test]
    fn what_is_written_is_read_back_and_the_record_s_own_headers_are_exact() {
        // The record had been a dead letter itself.
        let own = [header("a", "1"), header(TOPIC, "older"), (b"a".to_vec(), None)];
        let written = ErrorHeaders {
            topic: "t",
            partition: 1,
            offset: 2,
            connector: "c",
            task: 3,
            stage: DeadLetterStage::Sink,
            name: "files",
            plugin: "file/1.0.0",
            class: "rejected",
            reason: "no",
            attempts: 4,
            time: "2026-01-01T00:00:00.000Z",
            own_headers: own.len(),
        };
        let error = written.list().into_iter().map(|(name, value)| header(name, &value));
        let dead_letter =
            DeadLetter { headers: own.iter().cloned().chain(error).collect(), ..DeadLetter::default() };
        assert_eq!((dead_letter.topic(), dead_letter.source_position()), (Some("t"), Some((1, 2))));
        assert_eq!((dead_letter.connector(), dead_letter.task(), dead_letter.stage()), ("c", "3", "sink"));
        assert_eq!(
            (dead_letter.name(), dead_letter.plugin(), dead_letter.class()),
            ("files", "file/1.0.0", "rejected")
        );
        assert_eq!((dead_letter.reason(), dead_letter.attempts()), ("no", 4));
        assert_eq!(dead_letter.own_headers(), own);
    }

    #[test]
    fn kafka_connect_s_letters_are_read_too() {
        let headers = vec![
            header("mine", "1"),
            header(TOPIC, "t"),
            header(PARTITION, "0"),
            header(OFFSET, "7"),
            header(CONNECT_STAGE, "VALUE_CONVERTER"),
            header(MESSAGE, "bad"),
        ];
        let dead_letter = DeadLetter { headers, ..DeadLetter::default() };
        assert_eq!(
            (dead_letter.source_position(), dead_letter.stage(), dead_letter.reason()),
            (Some((0, 7)), "VALUE_CONVERTER", "bad")
        );
        assert_eq!((dead_letter.attempts(), dead_letter.time()), (1, ""));
        assert_eq!(dead_letter.own_headers(), [header("mine", "1")]);
        assert_eq!(DeadLetter::default().topic(), None);
    }
}
