//! Why a task fails.

use std::{fmt, time::Duration};

use tidegate_abi::host::Part;

use crate::{
    dead_letters::DeadLetterStage,
    kafka::{
        consumer::{CommitError, ConsumerError},
        producer::ProduceError,
    },
    plugins::{CallError, OpenError},
};

/// The part of a task where a record or a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading from Kafka.
    Source,
    /// Turning bytes into values: which.
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

    /// What letters call it.
    pub(super) fn place(&self) -> DeadLetterStage {
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
    /// The consumer cannot go on.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// The last commit before the end failed.
    #[error("committing: {0}")]
    Commit(#[from] CommitError),
    /// A plugin could not be opened.
    #[error("opening {stage}: {source}")]
    Open {
        /// Which.
        stage: Stage,
        /// Why.
        source: OpenError,
    },
    /// A plugin call failed permanently.
    #[error("{stage} failed: {}", source.message)]
    Call {
        /// Which.
        stage: Stage,
        /// Why.
        source: CallError,
    },
    /// A plugin call went on failing until the retries' time was up.
    #[error("{stage} still fails after {} retries over {:.1} s: {}", attempts, waited.as_secs_f64(), source.message)]
    RetriesExhausted {
        /// Which.
        stage: Stage,
        /// How often it was tried again.
        attempts: u32,
        /// How long.
        waited: Duration,
        /// The last error.
        source: CallError,
    },
    /// A record was refused, and the policy is to stop.
    #[error(
        "{stage} refused {topic}-{partition} offset {offset}: {reason}; fix the record or the connector, or set [errors] tolerance = \"all\" with dead_letter_topic to keep such records apart, or with on_reject = \"drop\" to skip them"
    )]
    Rejected {
        /// By whom.
        stage: Stage,
        /// The record's topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// Why.
        reason: String,
    },
    /// More records were refused than the policy allows.
    #[error("{count} records were refused within {} s, more than errors.max_rejected = {limit} allows; the last one: {last}", window.as_secs())]
    TooManyRejected {
        /// How many.
        count: u64,
        /// How many are allowed.
        limit: u64,
        /// Within which time.
        window: Duration,
        /// Why the last one was refused.
        last: String,
    },
    /// Refused records could not be written to their dead-letter topic.
    #[error("refused records cannot be kept, and nothing is committed past them: {0}")]
    DeadLetter(#[from] ProduceError),
    /// A refused record is a letter of this very connector.
    #[error(
        "{topic}-{partition} offset {offset} is a dead letter of this connector and was refused again: it reads its own letters; change errors.dead_letter_topic or what [source] reads"
    )]
    OwnLetter {
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
        /// Which.
        stage: Stage,
        /// For how long.
        waited: Duration,
        /// How long it may take.
        limit: Duration,
    },
    /// It failed, and a thread of a stage did not end in time. Whether that is left behind is for the supervisor to say.
    #[error("{0}")]
    LeftBehind(Box<TaskError>),
    /// A stage that was left behind comes back: nobody is there to hear this.
    #[error("the task has ended without this stage")]
    Ended,
    /// A thread of the task panicked or could not be started: a bug in the host, or a machine without resources.
    #[error("the task's {role} thread failed: {reason}")]
    Thread {
        /// Which.
        role: &'static str,
        /// What it said.
        reason: String,
    },
}

impl TaskError {
    /// Whether a thread that cannot be stopped is left behind.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        matches!(self, Self::Hung { .. } | Self::LeftBehind(_))
    }
}
