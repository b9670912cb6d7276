//! The embedded broker, and clients of it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{
    ClientConfig, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    message::OwnedHeaders,
    producer::{BaseProducer, BaseRecord, Producer as _},
    topic_partition_list::Offset,
};
use tidegate::kafka::{
    embedded::{EmbeddedBroker, Loader, Options},
    producer::{Producer, ProducerRecord, ProducerSettings, SendTimeouts},
};

use crate::{StoredRecord, TIMEOUT, stored, wait_for};

/// A broker on its own port, stopped when it is dropped.
#[derive(Debug)]
pub struct Broker(EmbeddedBroker);

/// A member of a group that commits only what the test commits. A thread polls it, so that it takes part in rebalances.
pub struct Member {
    consumer: Arc<BaseConsumer>,
    is_leaving: Arc<AtomicBool>,
    poller: Option<JoinHandle<()>>,
}

impl Member {
    /// Commits an offset of a partition that this member has.
    ///
    /// # Panics
    /// When the broker does not take it.
    pub fn commit(&self, topic: &str, partition: i32, offset: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("an offset");
        self.consumer.commit(&offsets, CommitMode::Sync).expect("the broker takes the commit");
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.is_leaving.store(true, Ordering::Release);
        self.poller.take().map(JoinHandle::join);
        self.consumer.unsubscribe();
    }
}

impl Broker {
    /// Starts a broker.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self(EmbeddedBroker::start(&Options::default()).expect("the embedded broker starts"))
    }

    /// Starts a broker that stores this many bytes of records and rejects more.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn of_size(max_bytes: u64) -> Self {
        let options = Options { max_bytes, ..Options::default() };
        Self(EmbeddedBroker::start(&options).expect("the embedded broker starts"))
    }

    /// A broker with the topic `events`, whose only partition contains these values.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn with_events<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Self {
        let broker = Self::start();
        broker.topic("events", 1);
        broker.send("events", values);
        broker
    }

    /// `host:port`.
    #[must_use]
    pub fn servers(&self) -> &str {
        self.0.bootstrap_servers()
    }

    /// Creates a topic.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn topic(&self, name: &str, partitions: u32) {
        self.0.create_topic(name, partitions).expect("a topic that the broker takes");
    }

    /// Makes a topic unknown to clients.
    ///
    /// # Panics
    /// If librdkafka rejects it.
    pub fn delete_topic(&self, name: &str) {
        self.0.delete_topic(name).expect("the broker obeys");
    }

    /// Loads a file of captured events into topics with this number of partitions.
    ///
    /// # Panics
    /// When it cannot be loaded.
    pub fn load(&self, file: &Path, partitions: u32) {
        Loader::new(&self.0).partitions(partitions).load(file).expect("a capture that the broker takes");
    }

    /// Makes the broker unreachable, which closes all connections, or reachable again.
    ///
    /// # Panics
    /// If librdkafka rejects it.
    pub fn set_reachable(&self, reachable: bool) {
        self.0.set_reachable(reachable).expect("the broker obeys");
    }

    /// Sends values without keys to partition 0 of a topic.
    ///
    /// # Panics
    /// If the broker rejects one.
    pub fn send<V: AsRef<[u8]>>(&self, topic: &str, values: impl IntoIterator<Item = V>) {
        self.produce(values.into_iter().map(|value| (topic, 0, None, Some(value))));
    }

    /// Sends records: topic, partition, key, value.
    ///
    /// # Panics
    /// If the broker rejects one.
    pub fn produce<'a, V: AsRef<[u8]>>(
        &self,
        records: impl IntoIterator<Item = (&'a str, i32, Option<&'a str>, Option<V>)>,
    ) {
        let producer: BaseProducer = self
            .client()
            .set("message.max.bytes", "100000000")
            .set("linger.ms", "0")
            .create()
            .expect("a producer");
        for (topic, partition, key, value) in records {
            let mut record =
                BaseRecord::<str, [u8]>::to(topic).partition(partition).headers(OwnedHeaders::new());
            record.key = key;
            record.payload = value.as_ref().map(AsRef::as_ref);
            producer.send(record).map_err(|(error, _)| error).expect("a record that the producer takes");
            producer.poll(Duration::ZERO);
        }
        producer.flush(TIMEOUT).expect("records that the broker takes");
    }

    /// Sends values to partition 0 of a topic in one batch, compressed with this codec.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn send_batch<V: AsRef<[u8]>>(&self, topic: &str, codec: &str, values: impl IntoIterator<Item = V>) {
        let producer: BaseProducer = self
            .client()
            .set("compression.type", codec)
            .set("message.max.bytes", "1000000000")
            .set("batch.size", "1000000000")
            .set("linger.ms", "1000")
            .create()
            .expect("a producer");
        for value in values {
            let record = BaseRecord::<(), [u8]>::to(topic).partition(0).payload(value.as_ref());
            producer.send(record).map_err(|(error, _)| error).expect("a record that the producer takes");
        }
        producer.flush(TIMEOUT).expect("a batch that the broker takes");
    }

    /// Sends records unchanged.
    ///
    /// # Panics
    /// If the broker rejects one.
    pub fn send_exactly<'r>(&self, records: impl IntoIterator<Item = ProducerRecord<'r>>) {
        let timeouts = SendTimeouts { initial: TIMEOUT, max: TIMEOUT, timeout: TIMEOUT };
        let settings = ProducerSettings {
            owner: "test".to_owned(),
            bootstrap_servers: self.servers().to_owned(),
            client_id: "test".to_owned(),
            properties: BTreeMap::new(),
            timeouts,
        };
        let mut producer = Producer::open(&settings).expect("a producer");
        producer.send(records, &mut |_| true).expect("records that the broker takes");
    }

    /// All records of a topic, by partition and offset; empty if there is no such topic.
    #[must_use]
    pub fn stored(&self, topic: &str) -> Vec<StoredRecord> {
        stored(self.servers(), topic)
    }

    /// The offset that a group has committed for a partition.
    ///
    /// # Panics
    /// If the broker does not respond.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let consumer = self.group(group);
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition(topic, partition);
        let committed = consumer.committed_offsets(partitions, TIMEOUT).expect("the broker answers");
        let found = committed.find_partition(topic, partition)?;
        if let Offset::Offset(offset) = found.offset() { Some(offset) } else { None }
    }

    /// The metadata of that commit; empty without a commit.
    ///
    /// # Panics
    /// If the broker does not respond.
    #[must_use]
    pub fn committed_metadata(&self, group: &str, topic: &str, partition: i32) -> String {
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition(topic, partition);
        let committed = self.group(group).committed_offsets(partitions, TIMEOUT).expect("the broker answers");
        let found = committed.find_partition(topic, partition);
        found.map(|found| found.metadata().to_owned()).unwrap_or_default()
    }

    /// Sets the committed offset of all partitions of these topics, for a group without members.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn set_committed(&self, group: &str, topics: &[&str], offset: i64) {
        self.set_committed_with(group, topics, offset, "");
    }

    /// As [`Broker::set_committed`], with metadata.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn set_committed_with(&self, group: &str, topics: &[&str], offset: i64, metadata: &str) {
        let consumer = self.group(group);
        consumer.subscribe(topics).expect("topics that librdkafka takes");
        // The broker accepts commits from members only, so join and wait for the assignment.
        let all = topics.iter().map(|topic| self.partitions(topic)).sum::<usize>();
        let assigned = wait_for(|| {
            // Records that arrive meanwhile are ignored.
            let _message = consumer.poll(Duration::from_millis(10)).is_some();
            consumer.assignment().ok().filter(|assigned| assigned.count() == all)
        });
        let mut partitions = assigned.expect("an assignment");
        partitions.set_all_offsets(Offset::Offset(offset)).expect("an offset that librdkafka takes");
        for mut partition in partitions.elements() {
            partition.set_metadata(metadata);
        }
        consumer.commit(&partitions, CommitMode::Sync).expect("the broker takes the commit");
    }

    /// Joins a group, and waits until a partition of the topic is assigned. The member leaves the group when it is
    /// dropped.
    ///
    /// # Panics
    /// If none is assigned.
    #[must_use]
    pub fn join(&self, group: &str, topic: &str) -> Member {
        let mut config = self.client();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("partition.assignment.strategy", "cooperative-sticky");
        let consumer: Arc<BaseConsumer> = Arc::new(config.create().expect("a consumer"));
        consumer.subscribe(&[topic]).expect("a topic that librdkafka takes");
        let assigned = wait_for(|| {
            // Records that arrive meanwhile are ignored.
            let _message = consumer.poll(Duration::from_millis(10)).is_some();
            consumer.assignment().ok().filter(|assigned| assigned.count() > 0)
        });
        assert!(assigned.is_ok(), "no partition of {topic} for a new member of {group}");
        let is_leaving = Arc::new(AtomicBool::new(false));
        let poller = thread::spawn({
            let (consumer, is_leaving) = (Arc::clone(&consumer), Arc::clone(&is_leaving));
            move || {
                while !is_leaving.load(Ordering::Acquire) {
                    let _message = consumer.poll(Duration::from_millis(50)).is_some();
                }
            }
        });
        Member { consumer, is_leaving, poller: Some(poller) }
    }

    fn partitions(&self, topic: &str) -> usize {
        let consumer: BaseConsumer = self.client().create().expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("the broker answers");
        metadata.topics().first().map_or(0, |topic| topic.partitions().len())
    }

    fn group(&self, group: &str) -> BaseConsumer {
        self.client().set("group.id", group).create().expect("a consumer")
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.servers())
            .set_log_level(rdkafka::config::RDKafkaLogLevel::Critical);
        config
    }
}
