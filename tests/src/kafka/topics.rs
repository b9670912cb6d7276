//! Creating, changing and deleting topics with librdkafka's admin client.

use std::fmt::Debug;

use rdkafka::{
    TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
    topic_partition_list::Offset,
};

use super::Kafka;
use crate::{TIMEOUT, wait_for};

impl Kafka {
    /// Creates a topic with these properties and a replication factor of 1.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn create_topic_with(&self, name: &str, partitions: i32, properties: &[(&str, &str)]) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = properties.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        done(name, block_on(self.admin().create_topics([&topic], &patience())));
        self.wait_for_leaders(name, partitions);
    }

    /// Creates a topic, and waits until it exists. Broker `n % brokers + 1` leads partition `n`.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn create_topic(&self, name: &str, partitions: i32, replication: i32) {
        let brokers = self.addresses.len() as i32;
        let replicas: Vec<Vec<i32>> = (0..partitions)
            .map(|partition| (0..replication).map(|replica| (partition + replica) % brokers + 1).collect())
            .collect();
        let replicas: Vec<&[i32]> = replicas.iter().map(Vec::as_slice).collect();
        let topic = NewTopic::new(name, partitions, TopicReplication::Variable(&replicas));
        let admin = self.admin();
        done(name, block_on(admin.create_topics([&topic], &patience())));
        self.wait_for_leaders(name, partitions);
    }

    /// Deletes a topic, and waits until it is gone.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn delete_topic(&self, name: &str) {
        done(name, block_on(self.admin().delete_topics(&[name], &patience())));
        let gone = wait_for(|| (self.partitions(name) == 0).then_some(()));
        gone.unwrap_or_else(|reason| panic!("the end of {name}: {reason}"));
    }

    /// Adds partitions up to this total.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn add_partitions(&self, name: &str, total: i32) {
        let partitions = NewPartitions::new(name, total as usize);
        done(name, block_on(self.admin().create_partitions([&partitions], &patience())));
        self.wait_for_leaders(name, total);
    }

    /// Deletes the records of a partition before an offset.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut offsets = TopicPartitionList::new();
        let offset = Offset::Offset(before);
        offsets.add_partition_offset(topic, partition, offset).expect("an offset that librdkafka takes");
        let deleted = block_on(self.admin().delete_records(&offsets, &patience()));
        deleted.unwrap_or_else(|error| panic!("records of {topic}: {error}"));
    }

    /// The number of partitions of a topic; 0 if there is no such topic.
    #[must_use]
    pub fn partitions(&self, topic: &str) -> i32 {
        let consumer: BaseConsumer = self.client_config().create().expect("a client");
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("the brokers answer");
        metadata.topics().first().map_or(0, |topic| topic.partitions().len() as i32)
    }

    fn wait_for_leaders(&self, topic: &str, partitions: i32) {
        let led = wait_for(|| {
            (0..partitions).all(|partition| self.leader(topic, partition).is_some()).then_some(())
        });
        led.unwrap_or_else(|reason| panic!("leaders of {topic}: {reason}"));
    }

    pub(super) fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client_config().create().expect("an admin client")
    }
}

pub(super) fn patience() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT))
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}

#[track_caller]
pub(super) fn done<E: Debug>(name: &str, results: KafkaResult<Vec<Result<String, E>>>) {
    for result in results.unwrap_or_else(|error| panic!("{name}: {error}")) {
        result.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
}
