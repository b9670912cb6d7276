//! What the host does about each error of brokers and of librdkafka: the only place where this is decided.
//!
//! The table in docs/operations.md is generated from these rules.

#[cfg(test)]
mod tests;

use rdkafka::error::RDKafkaErrorCode;

/// What the host does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// It is logged, and the client recovers by itself.
    Transient,
    /// No broker answers: the task waits and is stalled.
    Unreachable,
    /// A topic does not exist: the task waits for it and is stalled.
    MissingTopic,
    /// A position is outside its log: `source.on_lost_position` decides.
    LostPosition,
    /// The task fails and is restarted until the brokers accept it, and these restarts do not count.
    Wait,
    /// The task fails and is restarted, because the cause may be corrected without a change of the connector.
    Restart,
    /// The task fails and is not restarted, because a restart would fail as well.
    Permanent,
}

impl ErrorClass {
    /// Whether the task fails.
    pub(super) fn is_fatal(self) -> bool {
        matches!(self, Self::Wait | Self::Restart | Self::Permanent)
    }
}

/// What a client was doing when the error occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// Reading, joining the group, committing.
    Read,
    /// Writing to the dead-letter topic.
    Write,
    /// Creating the dead-letter topic.
    Create,
}

/// What the remedy of an error refers to; empty if unknown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Subject<'s> {
    /// The user as in ACLs.
    pub(super) user: &'s str,
    /// The topic, or a description of several.
    pub(super) topic: &'s str,
    pub(super) group: &'s str,
}

/// How one or several errors are handled.
#[derive(Debug)]
pub(super) struct Rule {
    codes: &'static [RDKafkaErrorCode],
    operations: &'static [Operation],
    pub(super) class: ErrorClass,
    /// What the user should do. `{user}`, `{topic}` and `{group}` are replaced.
    remedy: &'static str,
}

impl Rule {
    /// The remedy for this subject.
    pub(super) fn remedy(&self, subject: &Subject<'_>) -> String {
        let or =
            |text: &str, unknown: &str| if text.is_empty() { unknown.to_owned() } else { text.to_owned() };
        self.remedy
            .replace("{user}", &or(subject.user, "the user"))
            .replace("{topic}", &or(subject.topic, "the topic"))
            .replace("{group}", &or(subject.group, "the consumer group"))
    }
}

/// The rule for an error, or `None` if there is none: see [`class`].
pub(super) fn rule(code: RDKafkaErrorCode, operation: Operation) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.codes.contains(&code) && rule.operations.contains(&operation))
}

/// The class of an error. Errors without a rule are transient for a consumer, whose client retries. A producer reports an
/// error only after its retries, so it is restarted.
pub(super) fn class(code: RDKafkaErrorCode, operation: Operation) -> ErrorClass {
    let otherwise = if operation == Operation::Read { ErrorClass::Transient } else { ErrorClass::Restart };
    rule(code, operation).map_or(otherwise, |rule| rule.class)
}

const ALL: &[Operation] = &[Operation::Read, Operation::Write, Operation::Create];
const READ: &[Operation] = &[Operation::Read];
const WRITE: &[Operation] = &[Operation::Write];
const CREATE: &[Operation] = &[Operation::Create];
const PRODUCE: &[Operation] = &[Operation::Write, Operation::Create];

use RDKafkaErrorCode as Code;

/// The first rule that fits applies.
static RULES: &[Rule] = &[
    Rule {
        codes: &[
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::Resolve,
            Code::SSL,
            Code::OperationTimedOut,
            Code::TimedOutQueue,
            Code::BrokerNotAvailable,
            Code::NetworkException,
        ],
        operations: ALL,
        class: ErrorClass::Unreachable,
        remedy: "check `bootstrap_servers`, the brokers' `advertised.listeners`, the network and `security.protocol`",
    },
    Rule {
        codes: &[Code::RequestTimedOut, Code::NotController, Code::ThrottlingQuotaExceeded],
        operations: CREATE,
        class: ErrorClass::Unreachable,
        remedy: "wait until the cluster has a controller that answers",
    },
    Rule {
        codes: &[Code::UnknownTopic, Code::UnknownTopicOrPartition, Code::UnknownPartition],
        operations: READ,
        class: ErrorClass::MissingTopic,
        remedy: "create the topic, or correct its name in `source.topics`",
    },
    Rule {
        codes: &[Code::AutoOffsetReset, Code::OffsetOutOfRange],
        operations: READ,
        class: ErrorClass::LostPosition,
        remedy: "reset the offsets of {group}, or set `source.on_lost_position`",
    },
    Rule {
        codes: &[Code::Authentication, Code::SaslAuthenticationFailed],
        operations: ALL,
        class: ErrorClass::Restart,
        remedy: "check the credentials, `sasl.mechanism` and `security.protocol`",
    },
    Rule {
        codes: &[Code::UnsupportedSASLMechanism, Code::IllegalSASLState],
        operations: ALL,
        class: ErrorClass::Permanent,
        remedy: "set `sasl.mechanism` to one that the brokers support",
    },
    Rule {
        codes: &[Code::TopicAuthorizationFailed],
        operations: READ,
        class: ErrorClass::Restart,
        remedy: "grant {user} READ on {topic}",
    },
    Rule {
        codes: &[Code::GroupAuthorizationFailed],
        operations: READ,
        class: ErrorClass::Restart,
        remedy: "grant {user} READ on {group}",
    },
    Rule {
        codes: &[Code::ClusterAuthorizationFailed],
        operations: READ,
        class: ErrorClass::Restart,
        remedy: "grant {user} the missing cluster permission",
    },
    Rule {
        codes: &[Code::TopicAuthorizationFailed],
        operations: WRITE,
        class: ErrorClass::Restart,
        remedy: "grant {user} WRITE and DESCRIBE on {topic}",
    },
    // Since Kafka 3.0, brokers let a user with WRITE on any topic produce idempotently.
    Rule {
        codes: &[Code::ClusterAuthorizationFailed],
        operations: WRITE,
        class: ErrorClass::Restart,
        remedy: "grant {user} WRITE and DESCRIBE on {topic} and, with brokers older than Kafka 3.0, IDEMPOTENT_WRITE on the \
                 cluster",
    },
    Rule {
        codes: &[Code::TopicAuthorizationFailed, Code::ClusterAuthorizationFailed],
        operations: CREATE,
        class: ErrorClass::Restart,
        remedy: "create it, or grant {user} CREATE, DESCRIBE and WRITE on it",
    },
    Rule {
        codes: &[Code::InvalidTopic],
        operations: READ,
        class: ErrorClass::Permanent,
        remedy: "correct the topic's name in `source.topics`",
    },
    Rule {
        codes: &[Code::InvalidTopic],
        operations: PRODUCE,
        class: ErrorClass::Permanent,
        remedy: "set another `errors.dead_letter_topic`",
    },
    Rule {
        codes: &[Code::InvalidGroupId],
        operations: READ,
        class: ErrorClass::Permanent,
        remedy: "correct `source.group_id`",
    },
    Rule {
        codes: &[Code::InvalidSessionTimeout],
        operations: READ,
        class: ErrorClass::Permanent,
        remedy: "set `session.timeout.ms` within the brokers' group.min.session.timeout.ms and \
                 group.max.session.timeout.ms",
    },
    Rule {
        codes: &[Code::InconsistentGroupProtocol],
        operations: READ,
        class: ErrorClass::Permanent,
        remedy: "{group} has members with another group protocol or assignment strategy: set \
                 `source.group_protocol` to theirs, set another `source.group_id`, or stop them",
    },
    Rule {
        codes: &[Code::UnsupportedAssignor],
        operations: READ,
        class: ErrorClass::Permanent,
        remedy: "set `group.remote.assignor` to one that the brokers have, or remove it",
    },
    Rule {
        codes: &[Code::FencedInstanceId],
        operations: READ,
        class: ErrorClass::Permanent,
        remedy: "another consumer has joined {group} with the same `group.instance.id`: set \
                 `source.group_instance_id` to a name that no other host uses",
    },
    Rule {
        codes: &[Code::UnreleasedInstanceId],
        operations: READ,
        class: ErrorClass::Wait,
        remedy: "a member of {group} still has this `group.instance.id`: if its host was killed, the brokers release it after \
                 their group.consumer.session.timeout.ms; if another host runs with it, set \
                 `source.group_instance_id` to a name that no other host uses",
    },
    Rule {
        codes: &[Code::GroupMaxSizeReached],
        operations: READ,
        class: ErrorClass::Restart,
        remedy: "raise the brokers' group.max.size, or run fewer tasks",
    },
    Rule {
        codes: &[Code::MessageSizeTooLarge, Code::InvalidMessageSize],
        operations: READ,
        class: ErrorClass::Permanent,
        remedy: "raise `receive.message.max.bytes` in `[source.properties]`",
    },
    Rule {
        codes: &[Code::MessageSizeTooLarge, Code::InvalidMessageSize],
        operations: WRITE,
        class: ErrorClass::Permanent,
        remedy: "raise max.message.bytes of {topic}",
    },
    Rule {
        codes: &[Code::BadMessage],
        operations: READ,
        class: ErrorClass::Restart,
        remedy: "a response is damaged or larger than `receive.message.max.bytes`: raise it, or look for corrupt records on \
                 the broker",
    },
    Rule {
        codes: &[Code::BadCompression],
        operations: READ,
        class: ErrorClass::Permanent,
        remedy: "the batch is damaged: compare the replicas of its partition",
    },
    Rule {
        codes: &[Code::NotImplemented],
        operations: READ,
        class: ErrorClass::Permanent,
        remedy: "the records have a format or a compression that this version does not support",
    },
    Rule {
        codes: &[Code::UnsupportedFeature, Code::UnsupportedVersion, Code::UnsupportedForMessageFormat],
        operations: ALL,
        class: ErrorClass::Permanent,
        remedy: "remove the feature from the configuration, or upgrade the brokers: they do not support it",
    },
    Rule {
        codes: &[Code::UnknownTopic, Code::UnknownTopicOrPartition, Code::UnknownPartition],
        operations: WRITE,
        class: ErrorClass::Restart,
        remedy: "create the topic: it does not exist, or has fewer partitions than before",
    },
    Rule {
        codes: &[Code::InvalidRecord, Code::InvalidDifferentRecord],
        operations: WRITE,
        class: ErrorClass::Permanent,
        remedy: "change {topic} so that it takes the record: if it is compacted, which requires keys, set \
                 cleanup.policy=delete",
    },
    Rule {
        codes: &[Code::InvalidTimestamp],
        operations: WRITE,
        class: ErrorClass::Permanent,
        remedy: "raise message.timestamp.before.max.ms and message.timestamp.after.max.ms of {topic}",
    },
    Rule {
        codes: &[Code::InvalidReplicationFactor],
        operations: CREATE,
        class: ErrorClass::Permanent,
        remedy: "lower `errors.dead_letter_replication` to the number of brokers",
    },
    Rule {
        codes: &[Code::InvalidPartitions],
        operations: CREATE,
        class: ErrorClass::Permanent,
        remedy: "correct `errors.dead_letter_partitions`",
    },
    Rule {
        codes: &[Code::PolicyViolation, Code::InvalidConfig],
        operations: CREATE,
        class: ErrorClass::Permanent,
        remedy: "create it with settings that the brokers allow, and with cleanup.policy=delete",
    },
    Rule {
        codes: &[Code::UnknownTopicOrPartition],
        operations: CREATE,
        class: ErrorClass::Permanent,
        remedy: "create it, with cleanup.policy=delete: the brokers do not create topics",
    },
];
