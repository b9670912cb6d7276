//! Errors of the consumer.

use rdkafka::error::KafkaError;

use super::TopicPartition;
use crate::kafka::access::FatalError;
use crate::kafka::client::ClientError;
use crate::kafka::error_rules::ErrorClass;
use crate::kafka::ffi::TopicId;

/// Why a consumer cannot be opened or cannot continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A property must be a number.
    #[error("kafka property {property:?} is invalid: it must be an integer")]
    NotANumber { property: &'static str },
    /// The subscription is invalid.
    #[error("cannot subscribe to {topics}: {reason}")]
    Subscribe { topics: String, reason: String },
    #[error("cannot start a thread for the consumer: {0}")]
    Thread(#[from] std::io::Error),
    #[error(
        "position {position} of {partition} is outside the log, which goes from {earliest} to {latest}: records \
         were deleted before they were read, or the topic was deleted and created again; to continue, reset the offsets of \
         group {group:?} (kafka-consumer-groups --group {group} --topic {}:{} --reset-offsets) and, if the sink \
         stores its own offsets, those as well", partition.topic, partition.partition
    )]
    OutOfRange {
        partition: TopicPartition,
        /// The next offset to be read.
        position: i64,
        /// The log's first offset.
        earliest: i64,
        /// The offset after the log's last record.
        latest: i64,
        group: String,
    },
    #[error(
        "topic {topic} was deleted and created again: the offsets belong to the topic with the id {before}, and its id is \
         {now}; to read the new topic, reset the offsets of group {group:?} (kafka-consumer-groups --group {group} --topic \
         {topic} --reset-offsets) and, if the sink stores its own offsets, those as well, or set source.on_lost_position"
    )]
    TopicRecreated { topic: String, before: TopicId, now: TopicId, group: String },
    #[error(
        "topic {topic} was deleted and created again (its id was {before} and is {now}): the task starts again to read the new one"
    )]
    TopicReplaced { topic: String, before: TopicId, now: TopicId },
    #[error(
        "the sink's offsets of topic {topic} were stored for another Kafka cluster, {before}, and this is {now}; to read the \
         topic of this cluster, reset the offsets that the sink stores, or set source.on_lost_position"
    )]
    OtherCluster { topic: String, before: String, now: String },
    /// The client does not recover by itself.
    #[error("{reason}; {fix}")]
    Fatal {
        reason: String,
        /// What the user should do.
        fix: String,
        /// Whether a restart may help.
        class: ErrorClass,
    },
    /// The assignment was revoked by another rebalance before it was answered.
    #[error("the assignment was withdrawn by another rebalance")]
    Superseded,
    /// The answer to an assignment has no start offset for one of its partitions.
    #[error("no start offset was given for {partition}, which the group assigned")]
    NoStart { partition: TopicPartition },
    /// librdkafka returned an error for an assignment, a pause or a resume.
    #[error("cannot {action}: {source}")]
    Librdkafka { action: &'static str, source: KafkaError },
    /// librdkafka returned a record outside the queue of records.
    #[error("librdkafka returned offset {offset} of {partition} as an event; a restart reads it again")]
    Misdirected { partition: TopicPartition, offset: i64 },
    /// A query to the brokers timed out.
    #[error("timed out while querying {what}: {reason}")]
    QueryTimeout { what: &'static str, reason: String },
    /// The consumer was closed during a query.
    #[error("the consumer is closed")]
    Closed,
}

impl ConsumerError {
    /// Whether a restart of the task would fail as well.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Client(ClientError::Property { .. }) | Self::NotANumber { .. } | Self::Subscribe { .. } => {
                true
            }
            Self::Fatal { class, .. } => *class == ErrorClass::Permanent,
            _ => false,
        }
    }

    /// Whether only time has to pass until a restart helps.
    #[must_use]
    pub fn is_over_after_a_wait(&self) -> bool {
        matches!(self, Self::TopicReplaced { .. } | Self::Fatal { class: ErrorClass::Wait, .. })
    }
}

impl From<FatalError> for ConsumerError {
    fn from(FatalError { reason, fix, class }: FatalError) -> Self {
        Self::Fatal { reason, fix, class }
    }
}
