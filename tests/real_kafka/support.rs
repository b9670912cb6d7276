//! What tests of several files do.

use std::ops::Range;

use tidegate_tests::kafka::Kafka;

/// Libraries that the tests use.
pub(crate) const PLUGINS: [&str; 4] = ["console-sink", "discard-sink", "file-sink", "misbehaving"];

/// Sends numbers, each its own key.
pub(crate) fn send_numbers(kafka: &Kafka, topic: &str, range: Range<u32>) {
    let numbers: Vec<String> = range.map(|number| number.to_string()).collect();
    kafka.produce(topic, numbers.iter().map(|number| (Some(number.as_str()), Some(number.as_str()))));
}
