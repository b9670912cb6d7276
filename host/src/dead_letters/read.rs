//! Reads dead letters from their topic.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use rdkafka::message::{BorrowedMessage, Message as _};

use super::DeadLetter;
use crate::kafka::raw_headers;
use crate::kafka::reader::{ReadError, TopicReader};

/// The consumer group that stores the replay progress of a dead-letter topic.
#[must_use]
pub fn replay_group(topic: &str) -> String {
    format!("tidegate-replay-{topic}")
}

/// Converts a message to a dead letter.
pub(super) fn dead_letter(message: &BorrowedMessage<'_>) -> DeadLetter {
    DeadLetter {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: raw_headers(message)
            .map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)))
            .collect(),
    }
}

/// Calls `each` for every dead letter in these offset ranges, until it breaks.
///
/// # Errors
/// When the brokers do not answer or return an error.
pub fn read(
    reader: &TopicReader,
    offsets: &BTreeMap<i32, Range<i64>>,
    each: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    reader.read(offsets, &mut |message| each(dead_letter(message)))
}
