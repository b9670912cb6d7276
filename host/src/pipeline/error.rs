//! Why a task fails.

use std::{fmt, time::Duration};

use tidegate_abi::host::Part;

use super::message::Recovery;
use crate::{
    dead_letters::DeadLetterStage,
    formats::registry::RegistryError,
    kafka::{
        consumer::{CommitError, ConsumerError},
        producer::ProduceError,
    },
    plugins::{CallError, ErrorClass, OpenError},
};

/// The part of a task where a record or a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading from Kafka.
    Source,
    /// Decoding this part of a record.
    Decode(Part),
    /// A transform, by its name in the connector.
    Transform(String),
    /// The sink.
    Sink(String),
}

impl Stage {
    /// Its kind, and the plugin's name in the connector or nothing: labels of metrics.
    pub(super) fn labels(&self) -> (&'static str, &str) {
        match self {
            Self::Source => ("source", ""),
            Self::Decode(_) => ("decode", ""),
            Self::Transform(name) => ("transform", name),
            Self::Sink(name) => ("sink", name),
        }
    }

    /// The stage in the headers of dead letters.
    pub(super) fn dead_letter_stage(&self) -> DeadLetterStage {
        match self {
            Self::Source => DeadLetterStage::Source,
            Self::Decode(Part::Headers) => DeadLetterStage::Headers,
            Self::Decode(Part::Key) => DeadLetterStage::Key,
            Self::Decode(Part::Record | Part::Value) => DeadLetterStage::Value,
            Self::Transform(_) => DeadLetterStage::Transform,
            Self::Sink(_) => DeadLetterStage::Sink,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => formatter.write_str("source"),
            Self::Decode(_) => formatter.write_str("decode"),
            Self::Transform(name) => write!(formatter, "transform \"{name}\""),
            Self::Sink(name) => write!(formatter, "sink \"{name}\""),
        }
    }
}

/// Why a task fails.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The consumer cannot continue.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// The last commit before the end failed.
    #[error("committing: {0}")]
    Commit(#[from] CommitError),
    /// The schema registry does not give the schemas of the records.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A plugin could not be opened.
    #[error("opening {stage}: {source}")]
    Open {
        /// The stage.
        stage: Stage,
        /// The error.
        source: OpenError,
    },
    /// A plugin call failed permanently.
    #[error("{stage} failed: {}", source.message)]
    Call {
        /// The stage.
        stage: Stage,
        /// The error.
        source: CallError,
    },
    /// A plugin call still failed after `errors.retry.timeout`.
    #[error("{stage} still fails after {} retries over {:.1} s: {}", attempts, waited.as_secs_f64(), source.message)]
    RetriesExhausted {
        /// The stage.
        stage: Stage,
        /// Number of retries.
        attempts: u32,
        /// Time since the first attempt.
        waited: Duration,
        /// The last error.
        source: CallError,
    },
    /// A record was rejected, and the error policy stops the task.
    #[error(
        "{stage} rejected {topic}-{partition} offset {offset}: {reason}; fix the record or the connector, or set [errors] tolerance = \"all\" with dead_letter_topic to write such records to a separate topic, or with on_reject = \"drop\" to skip them"
    )]
    Rejected {
        /// The stage that rejected it.
        stage: Stage,
        /// The record's topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// The reason.
        reason: String,
    },
    /// More records were rejected than the error policy allows.
    #[error("{count} records were rejected within {} s, more than errors.max_rejected = {limit} allows; the last one: {last}", window.as_secs())]
    TooManyRejected {
        /// Number of rejected records.
        count: u64,
        /// The limit.
        limit: u64,
        /// The time window.
        window: Duration,
        /// Why the last one was rejected.
        last: String,
    },
    /// Rejected records could not be written to their dead-letter topic.
    #[error(
        "rejected records cannot be written to the dead-letter topic, and no offset after them is committed: {0}"
    )]
    DeadLetter(#[from] ProduceError),
    /// A rejected record is a dead letter that this connector wrote.
    #[error(
        "{topic}-{partition} offset {offset} is a dead letter of this connector and was rejected again: the connector reads its own dead-letter topic; change errors.dead_letter_topic or the topics in [source]"
    )]
    OwnDeadLetter {
        /// The record's topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
    },
    /// A plugin call did not return.
    #[error("{stage} has not returned for {} s (limits.call_timeout is {} s)", waited.as_secs(), limit.as_secs())]
    Hung {
        /// The stage.
        stage: Stage,
        /// Time since the call started.
        waited: Duration,
        /// The limit.
        limit: Duration,
    },
    /// The task failed, and the thread of a stage did not end in time. The supervisor decides whether it is abandoned.
    #[error("{0}")]
    ThreadRunning(Box<TaskError>),
    /// The call of an abandoned stage has returned after the end of the task.
    #[error("the task has ended without this stage")]
    Ended,
    /// A thread of the task panicked or could not be started: a bug in the host, or a machine without resources.
    #[error("the task's {role} thread failed: {reason}")]
    Thread {
        /// The thread.
        role: &'static str,
        /// The panic message or the system's error.
        reason: String,
    },
}

impl TaskError {
    /// Whether a restart may help. It does not if an option of a plugin is invalid, or if Kafka's error is permanent.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        let is_permanent = match self {
            Self::Open { source: OpenError::Call(source), .. } | Self::Call { source, .. } => {
                source.class == ErrorClass::Config
            }
            Self::Consumer(error) if error.is_over_after_a_wait() => return Recovery::Wait,
            Self::Consumer(error) => error.is_permanent(),
            Self::Commit(error) => error.is_permanent(),
            Self::DeadLetter(error) => error.is_permanent(),
            Self::ThreadRunning(error) => return error.recovery(),
            _ => false,
        };
        if is_permanent { Recovery::None } else { Recovery::Restart }
    }

    /// Whether a thread that cannot be stopped was abandoned.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        matches!(self, Self::Hung { .. } | Self::ThreadRunning(_))
    }
}
