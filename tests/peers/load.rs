//! The records that are read: captured change events over and over, and small records.

use tidegate_tests::{
    captured,
    kafka::{Kafka, flush, send},
};

/// The topic of the change events.
pub(crate) const EVENTS: &str = "events";
/// The topic of small records.
pub(crate) const SMALL: &str = "small";
/// Partitions of both.
pub(crate) const PARTITIONS: i32 = 6;
/// Bytes of the value of a small record.
pub(crate) const SMALL_BYTES: usize = 97;

/// What the topic of change events contains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events {
    /// Different events.
    pub(crate) different: usize,
    /// Their mean size: bytes of the value.
    pub(crate) mean_bytes: usize,
}

/// Fills both topics with this number of records.
pub(crate) fn fill(kafka: &Kafka, records: usize) -> Events {
    eprintln!("loading {records} change events and {records} small records");
    for topic in [EVENTS, SMALL] {
        kafka.create_topic(topic, PARTITIONS, 1);
    }
    let events = events();
    let producer = kafka.producer(&[("linger.ms", "50"), ("batch.size", "500000")]);
    for (index, (key, value)) in (0..records).zip(events.iter().cycle()) {
        send(&producer, EVENTS, Some(index as i32 % PARTITIONS), key.as_deref(), Some(value));
    }
    for index in 0..records {
        send(&producer, SMALL, Some(index as i32 % PARTITIONS), None, Some(&small(index)));
    }
    flush(&producer);
    // Creates the topic of committed offsets, for which the first program would wait otherwise.
    kafka.set_committed("loaded", EVENTS, 0, 0);
    let bytes: usize = events.iter().map(|(_, value)| value.len()).sum();
    Events { different: events.len(), mean_bytes: bytes / events.len() }
}

/// The captured change events: no tombstones, no transaction markers, and none with a line break in a column, because Connect's
/// file sink would write several lines for it.
fn events() -> Vec<(Option<String>, String)> {
    let captured = captured("shop-string/json.jsonl.gz").into_iter();
    let changes = captured.filter(|record| record.topic != "cdc.transaction");
    let events = changes.filter_map(|record| Some((record.key, record.value?)));
    events.filter(|(_, value)| !value.contains(r"\n") && !value.contains(r"\r")).collect()
}

/// A small record: its number in eight digits, then padding.
pub(crate) fn small(number: usize) -> String {
    let start = format!("{{\"n\":\"{number:08}\",\"text\":\"");
    format!("{start:x<width$}\"}}", width = SMALL_BYTES - 2)
}

/// The number of a small record.
pub(crate) fn number(line: &[u8]) -> Option<usize> {
    std::str::from_utf8(line.get(6..14)?).ok()?.parse().ok()
}
