//! Producing records with every acknowledgement checked, and reading them back.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Headers},
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
    topic_partition_list::Offset,
    util::Timeout,
};

use super::Kafka;
use crate::TIMEOUT;

/// A record of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// Headers, in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Counts the records that the brokers did not take.
#[derive(Debug, Default)]
pub struct RejectedCount(AtomicUsize);

impl ClientContext for RejectedCount {}

impl ProducerContext for RejectedCount {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Kafka {
    /// Sends records (key and value), each once, and waits until every one is acknowledged. Keys choose partitions as in
    /// Java's clients, and records without a key go to one partition.
    ///
    /// # Panics
    /// When one is not.
    pub fn produce<'r>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (Option<&'r str>, Option<&'r str>)>,
    ) {
        let producer = self.producer(&[]);
        for (key, value) in records {
            send(&producer, topic, None, key, value);
        }
        flush(&producer);
    }

    /// Sends values without keys to one partition, as [`Kafka::produce`] does.
    ///
    /// # Panics
    /// When one is not acknowledged.
    pub fn produce_to<V: AsRef<str>>(
        &self,
        topic: &str,
        partition: i32,
        values: impl IntoIterator<Item = V>,
    ) {
        let producer = self.producer(&[]);
        for value in values {
            send(&producer, topic, Some(partition), None, Some(value.as_ref()));
        }
        flush(&producer);
    }

    /// A producer that sends every record once, with further properties.
    ///
    /// While partitions change their leaders, librdkafka's idempotent producer can nevertheless repeat records: after an
    /// OUT_OF_ORDER_SEQUENCE_NUMBER, it starts a new epoch, and sends what is in flight again (librdkafka#4953). One request at a
    /// time makes this rare.
    ///
    /// # Panics
    /// When a property is refused.
    #[must_use]
    pub fn producer(&self, properties: &[(&str, &str)]) -> BaseProducer<RejectedCount> {
        let mut config: ClientConfig = self.client_config();
        config
            .set("enable.idempotence", "true")
            .set("max.in.flight.requests.per.connection", "1")
            .set("linger.ms", "5")
            .set("partitioner", "murmur2");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        config.create_with_context(RejectedCount::default()).expect("a producer")
    }

    /// Everything that can be read of a topic, by partition and offset.
    ///
    /// # Panics
    /// When it cannot be read to its end.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<Record> {
        let mut config = self.client_config();
        config
            .set("group.id", "records")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let count = self.partitions(topic);
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(topic, 0, count - 1);
        partitions.set_all_offsets(Offset::Beginning).expect("an offset that librdkafka takes");
        consumer.assign(&partitions).expect("partitions that librdkafka takes");
        let (mut records, mut ended) = (Vec::new(), 0);
        let deadline = Instant::now() + TIMEOUT;
        while ended < count {
            assert!(Instant::now() < deadline, "{topic} is not read to its end: {} records", records.len());
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(record(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                // Unreachable brokers come back.
                Some(Err(_)) | None => {}
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }
}

/// Sends a record; waits while the producer's queue is full.
///
/// # Panics
/// When the producer refuses it.
pub fn send(
    producer: &BaseProducer<RejectedCount>,
    topic: &str,
    partition: Option<i32>,
    key: Option<&str>,
    value: Option<&str>,
) {
    let mut record = BaseRecord::<str, str>::to(topic);
    (record.partition, record.key, record.payload) = (partition, key, value);
    let mut sent = producer.send(record);
    while let Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) = sent {
        producer.poll(Duration::from_millis(10));
        sent = producer.send(record);
    }
    sent.map_err(|(error, _)| error).expect("a record that the producer takes");
    producer.poll(Duration::ZERO);
}

/// Waits until everything that was sent is acknowledged.
///
/// # Panics
/// When something is not.
pub fn flush(producer: &BaseProducer<RejectedCount>) {
    producer.flush(Timeout::After(TIMEOUT)).expect("brokers that take records");
    let rejected = producer.context().0.load(Ordering::Relaxed);
    assert_eq!(rejected, 0, "records were not acknowledged");
}

fn record(message: &impl Message) -> Record {
    let headers = message.headers().map(|headers| {
        let headers = headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)));
        headers.collect()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
