//! The records of a topic, as bytes.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Message, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    topic_partition_list::Offset,
};
use tidegate::kafka::raw_headers;

use crate::TIMEOUT;

/// A record of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl StoredRecord {
    /// The last header with this name, as text; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let found = self.headers.iter().rev().find(|(header, _)| header == name.as_bytes());
        let value = found.and_then(|(_, value)| value.clone()).unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    }

    /// The value as text; empty if there is none.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

/// All records of a topic, by partition and offset; empty if there is no such topic.
///
/// # Panics
/// If the broker does not respond.
#[must_use]
pub fn stored(servers: &str, topic: &str) -> Vec<StoredRecord> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers)
        .set("group.id", "tests")
        .set_log_level(RDKafkaLogLevel::Critical);
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("the broker answers");
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions()).map(|at| at.id());
    let mut records = Vec::new();
    for partition in partitions.collect::<Vec<_>>() {
        read(&consumer, topic, partition, &mut records);
    }
    records
}

fn read(consumer: &BaseConsumer, topic: &str, partition: i32, records: &mut Vec<StoredRecord>) {
    let (low, high) = consumer.fetch_watermarks(topic, partition, TIMEOUT).expect("the broker answers");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(low)).expect("a partition");
    consumer.assign(&list).expect("an assignment");
    let mut next = low;
    while next < high {
        let Some(message) = consumer.poll(Duration::from_secs(1)) else { continue };
        let message = message.expect("a record");
        next = message.offset() + 1;
        records.push(StoredRecord {
            partition,
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: raw_headers(&message)
                .map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)))
                .collect(),
        });
    }
}
