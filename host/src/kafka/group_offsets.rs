//! Reads and changes the committed offsets of a consumer group that has no members.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::admin::{AdminError, LastError};
use super::client::{self, ClientError};
use super::group_deletion::{self, Job};
use super::oauth::set_token_once;

/// Committed offsets by topic and partition.
pub type GroupOffsets = BTreeMap<(String, i32), i64>;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Why offsets cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The client cannot be created.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The group still has members.
    #[error(
        "group {0:?} still has members: wait until the connector has stopped, and stop other programs that use the group"
    )]
    HasMembers(String),
    /// The partition does not exist.
    #[error("partition {0} does not exist")]
    NoPartition(String),
    /// The brokers cannot do this.
    #[error(
        "the brokers do not support that offsets of group {0:?} are deleted: Apache Kafka 2.4 and newer do; offsets can be set to \
         other values"
    )]
    Unsupported(String),
    /// The brokers refuse.
    #[error("offsets of group {group:?}: {reason}")]
    Kafka {
        /// The group.
        group: String,
        /// Why.
        reason: String,
    },
}

/// A client of one group. Every call blocks for up to half a minute.
pub struct GroupAdmin {
    client: BaseConsumer<LastError>,
    bootstrap_servers: String,
    group: String,
    properties: BTreeMap<String, String>,
}

impl GroupAdmin {
    /// Creates the client, with the properties of a consumer of the group.
    ///
    /// # Errors
    /// When a property is invalid or no token can be obtained.
    pub fn connect(
        bootstrap_servers: &str,
        group: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<Self, GroupError> {
        let (mut config, tokens) =
            client::configure(bootstrap_servers, properties).map_err(AdminError::from)?;
        config.set("group.id", group).set("allow.auto.create.topics", "false");
        let made = BaseConsumer::from_config_and_context(&config, LastError::default());
        let client: BaseConsumer<LastError> =
            made.map_err(ClientError::from_creation).map_err(AdminError::from)?;
        if let Some(source) = tokens {
            set_token_once(client.client(), &source).map_err(AdminError::from)?;
        }
        Ok(Self {
            client,
            bootstrap_servers: bootstrap_servers.to_owned(),
            group: group.to_owned(),
            properties: properties.clone(),
        })
    }

    /// The offsets that are committed in topics that `wanted` returns true for.
    ///
    /// # Errors
    /// When the brokers do not answer, or refuse.
    pub fn committed(&self, wanted: impl Fn(&str) -> bool) -> Result<GroupOffsets, GroupError> {
        let metadata = self.client.fetch_metadata(None, TIMEOUT).map_err(|error| self.failed(&error))?;
        let mut partitions = TopicPartitionList::new();
        for topic in metadata.topics().iter().filter(|topic| topic.error().is_none() && wanted(topic.name()))
        {
            for partition in topic.partitions() {
                partitions.add_partition(topic.name(), partition.id());
            }
        }
        if partitions.count() == 0 {
            return Ok(GroupOffsets::new());
        }
        let committed =
            self.client.committed_offsets(partitions, TIMEOUT).map_err(|error| self.failed(&error))?;
        let offsets = committed.elements();
        let offsets = offsets.iter().filter_map(|at| match at.offset() {
            Offset::Offset(offset) => Some(((at.topic().to_owned(), at.partition()), offset)),
            _ => None,
        });
        Ok(offsets.collect())
    }

    /// Commits offsets. All partitions have to exist.
    ///
    /// # Errors
    /// When the group has members, a partition does not exist, or the brokers refuse.
    pub fn alter(&self, offsets: &GroupOffsets) -> Result<(), GroupError> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in offsets {
            self.require(topic, *partition)?;
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))
                .map_err(|error| self.failed(&error))?;
        }
        // Shows that the coordinator answers: a commit waits for it without a limit.
        self.client.committed_offsets(list.clone(), TIMEOUT).map_err(|error| self.failed(&error))?;
        self.client.commit(&list, CommitMode::Sync).map_err(|error| self.failed(&error))
    }

    /// Deletes the offsets of these partitions.
    ///
    /// # Errors
    /// As for [`GroupAdmin::alter`].
    pub fn delete_offsets(&self, partitions: &[(String, i32)]) -> Result<(), GroupError> {
        for (topic, partition) in partitions {
            self.require(topic, *partition)?;
        }
        self.delete(Some(partitions.to_vec()))
    }

    /// Deletes the group with all its offsets.
    ///
    /// # Errors
    /// When the group has members, or the brokers refuse.
    pub fn delete_group(&self) -> Result<(), GroupError> {
        self.delete(None)
    }

    fn delete(&self, partitions: Option<Vec<(String, i32)>>) -> Result<(), GroupError> {
        group_deletion::run(&Job {
            bootstrap_servers: self.bootstrap_servers.clone(),
            group: self.group.clone(),
            properties: self.properties.clone(),
            partitions,
        })
    }

    pub(super) fn client(&self) -> &Client<LastError> {
        self.client.client()
    }

    fn require(&self, topic: &str, partition: i32) -> Result<(), GroupError> {
        let metadata =
            self.client.fetch_metadata(Some(topic), TIMEOUT).map_err(|error| self.failed(&error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let exists =
            found.is_some_and(|found| found.partitions().iter().any(|known| known.id() == partition));
        if exists { Ok(()) } else { Err(GroupError::NoPartition(format!("{topic}-{partition}"))) }
    }

    fn failed(&self, error: &KafkaError) -> GroupError {
        match error.rdkafka_error_code() {
            Some(code) => self.refused(code),
            None => GroupError::Kafka { group: self.group.clone(), reason: error.to_string() },
        }
    }

    fn refused(&self, code: RDKafkaErrorCode) -> GroupError {
        use RDKafkaErrorCode as Code;
        match code {
            Code::NonEmptyGroup
            | Code::UnknownMemberId
            | Code::RebalanceInProgress
            | Code::IllegalGeneration => GroupError::HasMembers(self.group.clone()),
            code => GroupError::Kafka { group: self.group.clone(), reason: code.to_string() },
        }
    }
}

/// The id of a cluster; `None` if no broker answers within two seconds.
#[must_use]
pub fn cluster_id(bootstrap_servers: &str, properties: &BTreeMap<String, String>) -> Option<String> {
    let (config, _) = client::configure(bootstrap_servers, properties).ok()?;
    let client: BaseConsumer<LastError> =
        BaseConsumer::from_config_and_context(&config, LastError::default()).ok()?;
    client.client().fetch_cluster_id(Duration::from_secs(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::embedded::{EmbeddedBroker, Options};

    #[test]
    fn offsets_are_read_and_altered_and_unknown_partitions_are_named() {
        let broker = EmbeddedBroker::start(&Options::default()).unwrap();
        broker.create_topic("a", 2).unwrap();
        let group = GroupAdmin::connect(broker.bootstrap_servers(), "g", &BTreeMap::new()).unwrap();
        assert_eq!(group.committed(|_| true).unwrap(), GroupOffsets::new());
        let offsets = GroupOffsets::from([(("a".to_owned(), 0), 5), (("a".to_owned(), 1), 7)]);
        group.alter(&offsets).unwrap();
        assert_eq!(group.committed(|topic| topic == "a").unwrap(), offsets);
        assert_eq!(group.committed(|topic| topic == "b").unwrap(), GroupOffsets::new());
        let error = group.alter(&GroupOffsets::from([(("a".to_owned(), 2), 5)])).unwrap_err();
        assert_eq!(error.to_string(), "partition a-2 does not exist");
    }
}
