//! Why a consumer cannot go on.

use rdkafka::error::KafkaError;

use super::TopicPartition;
use crate::kafka::client::ClientError;

/// Why a consumer cannot be opened or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// The settings are refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A property must be a number.
    #[error("kafka property {property:?} is refused: it must be a whole number")]
    NotANumber {
        /// The property.
        property: &'static str,
    },
    /// The subscription is refused, such as a bad regular expression.
    #[error("cannot subscribe to {topics}: {reason}")]
    Subscribe {
        /// The topics or the expression.
        topics: String,
        /// librdkafka's reason.
        reason: String,
    },
    /// A thread of the consumer's own could not be started.
    #[error("cannot start a thread for the consumer: {0}")]
    Thread(#[from] std::io::Error),
    /// The position lies outside of what the broker still, or already, has.
    #[error(
        "position {position} of {partition} is outside the log, which goes from {earliest} to {latest}: records \
         were deleted before they were read, or the topic was created anew; to go on, reset the offsets of \
         group {group:?} (kafka-consumer-groups --group {group} --topic {}:{} --reset-offsets) and, if the sink \
         keeps offsets of its own, those too", partition.topic, partition.partition
    )]
    OutOfRange {
        /// Where.
        partition: TopicPartition,
        /// The offset that was to be read next.
        position: i64,
        /// The log's first offset.
        earliest: i64,
        /// The offset after the log's last.
        latest: i64,
        /// The consumer group.
        group: String,
    },
    /// Brokers or librdkafka refuse for a reason that does not pass.
    #[error("{reason}; {fix}")]
    Permanent {
        /// What librdkafka or the broker said.
        reason: String,
        /// What to do.
        fix: String,
    },
    /// The assignment to be answered was withdrawn meanwhile; another one follows.
    #[error("the assignment was withdrawn by another rebalance")]
    Superseded,
    /// An answer to an assignment left out a partition.
    #[error("no start was given for {partition}, which the group assigned")]
    NoStart {
        /// The partition.
        partition: TopicPartition,
    },
    /// librdkafka refuses an answer to a rebalance, a pause or a resumption.
    #[error("cannot {action}: {source}")]
    Refused {
        /// What was attempted.
        action: &'static str,
        /// librdkafka's reason.
        source: KafkaError,
    },
    /// A look-up was not answered in time.
    #[error("{what} was not answered in time: {reason}")]
    LookUp {
        /// What was asked for.
        what: &'static str,
        /// The last reason.
        reason: String,
    },
    /// The consumer was closed during a look-up.
    #[error("the consumer is closed")]
    Closed,
}
