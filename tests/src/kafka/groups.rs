//! Consumer groups: their members, and what they have committed.

use std::collections::BTreeMap;

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    topic_partition_list::Offset,
};

use super::{
    Kafka,
    topics::{block_on, done, patience},
};
use crate::{TIMEOUT, wait_for};

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Member id.
    pub id: String,
    /// Client id.
    pub client_id: String,
}

impl Kafka {
    /// The committed offsets of a group in a topic, by partition.
    ///
    /// # Panics
    /// If the brokers do not respond.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(topic, 0, self.partitions(topic) - 1);
        let client = self.of_group(group);
        let committed = wait_for(|| match client.committed_offsets(partitions.clone(), TIMEOUT) {
            // The first request creates `__consumer_offsets`, whose leaders are not ready at once.
            Err(KafkaError::MetadataFetch(
                RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress,
            )) => None,
            answer => Some(answer),
        });
        let committed = committed.expect("a coordinator of the group");
        let committed = committed.unwrap_or_else(|error| panic!("committed offsets of {group}: {error}"));
        let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
        let elements = committed.elements();
        elements.iter().filter_map(|at| Some((at.partition(), offset(at.offset())?))).collect()
    }

    /// The sum of the committed offsets of a group in a topic.
    ///
    /// # Panics
    /// If the brokers do not respond.
    #[must_use]
    pub fn committed_in_all(&self, group: &str, topic: &str) -> i64 {
        self.committed(group, topic).into_values().sum()
    }

    /// Commits for a group without members.
    ///
    /// # Panics
    /// If the brokers reject it.
    pub fn set_committed(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let mut partitions = TopicPartitionList::new();
        partitions
            .add_partition_offset(topic, partition, Offset::Offset(offset))
            .expect("an offset that librdkafka takes");
        let committed = self.of_group(group).commit(&partitions, CommitMode::Sync);
        committed.unwrap_or_else(|error| panic!("a commit for {group}: {error}"));
    }

    /// Deletes a group without members, with its committed offsets.
    ///
    /// # Panics
    /// If the brokers reject it.
    pub fn delete_group(&self, group: &str) {
        let deleted = block_on(self.admin().delete_groups(&[group], &patience()));
        done(group, deleted);
    }

    /// The members of a group of the classic protocol.
    ///
    /// # Panics
    /// If the brokers do not respond.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<Member> {
        let client: BaseConsumer = self.client_config().create().expect("a client");
        let groups = client.fetch_group_list(Some(group), TIMEOUT).expect("the brokers answer");
        let members = groups.groups().iter().flat_map(|group| group.members());
        members
            .map(|member| Member { id: member.id().to_owned(), client_id: member.client_id().to_owned() })
            .collect()
    }

    fn of_group(&self, group: &str) -> BaseConsumer {
        self.client_config().set("group.id", group).create().expect("a consumer")
    }
}
