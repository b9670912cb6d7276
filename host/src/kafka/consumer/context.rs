//! librdkafka's callbacks: they only take notes for the poll loop. They run inside `poll` and `drop`.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;

use super::outage::{Line, Outage, Repeats};
use super::stalls::{Cause, Stalls};
use super::{CommitError, ConsumerError, Positions, TopicPartition, from_list};
use crate::kafka::access::{Access, without_state};
use crate::kafka::topic_pattern::Selection;

/// A rebalance that the poll loop has to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    Assign { partitions: Vec<TopicPartition>, cooperative: bool },
    Revoke { partitions: Vec<TopicPartition>, cooperative: bool },
}

/// What waits for the next poll.
#[derive(Debug)]
pub(super) enum Note {
    Assigned(Vec<TopicPartition>),
    Revoked {
        partitions: Vec<TopicPartition>,
        lost: bool,
    },
    Committed(Result<Positions, CommitError>),
    /// The pattern takes these topics.
    Topics(Selection),
    /// Of the topics that were named, these do not exist.
    Missing(BTreeSet<String>),
    /// The topics cannot be looked up, for good.
    Refused(ConsumerError),
    Stalled(String),
    Recovered,
}

/// What the callbacks and the poll loop share.
pub(super) struct Context {
    pub(super) connector: String,
    pub(super) task: u32,
    pub(super) brokers: String,
    pub(super) access: Access,
    /// Set before the consumer is dropped: nobody answers questions any more.
    pub(super) closing: AtomicBool,
    question: Mutex<Option<Question>>,
    notes: Mutex<VecDeque<Note>>,
    /// Whether there are notes: spares the lock for every message.
    noted: AtomicBool,
    error: Mutex<Option<String>>,
    outage: Mutex<Outage>,
    /// Mirrors `outage.is_lost()`: spares the lock for every message.
    lost: AtomicBool,
    missing: Mutex<BTreeSet<String>>,
    stalls: Mutex<Stalls>,
    repeats: Mutex<Repeats>,
}

impl Context {
    pub(super) fn new(connector: &str, task: u32, brokers: &str, access: Access) -> Self {
        Self {
            connector: connector.to_owned(),
            task,
            brokers: brokers.to_owned(),
            access,
            closing: AtomicBool::new(false),
            question: Mutex::default(),
            notes: Mutex::default(),
            noted: AtomicBool::new(false),
            error: Mutex::default(),
            outage: Mutex::default(),
            lost: AtomicBool::new(false),
            missing: Mutex::default(),
            stalls: Mutex::default(),
            repeats: Mutex::default(),
        }
    }

    /// Leaves a note for the next poll.
    pub(super) fn note(&self, note: Note) {
        lock(&self.notes).push_back(note);
        self.noted.store(true, Ordering::Release);
    }

    /// Takes the oldest note.
    pub(super) fn take_note(&self) -> Option<Note> {
        if !self.noted.load(Ordering::Acquire) {
            return None;
        }
        let mut notes = lock(&self.notes);
        let note = notes.pop_front();
        self.noted.store(!notes.is_empty(), Ordering::Release);
        note
    }

    /// The rebalance that waits for an answer.
    pub(super) fn question(&self) -> MutexGuard<'_, Option<Question>> {
        lock(&self.question)
    }

    /// Takes the text of the error that the poll is just returning.
    pub(super) fn take_error(&self) -> Option<String> {
        lock(&self.error).take()
    }

    /// Notes a failed connection; `all` when no broker is left. Returns what there is to say about it.
    pub(super) fn unreachable(&self, reason: &str, all: bool) -> Option<Line> {
        let mut outage = lock(&self.outage);
        let now = Instant::now();
        let line = if all { outage.all_down(reason, now) } else { outage.failure(reason, now) };
        self.lost.store(outage.is_lost(), Ordering::Relaxed);
        line
    }

    /// Returns what is due to be said after a silence.
    pub(super) fn tick(&self) -> Option<Line> {
        lock(&self.outage).tick(Instant::now())
    }

    /// Notes that a broker answered.
    pub(super) fn answered(&self) {
        if !self.lost.load(Ordering::Relaxed) {
            return;
        }
        self.lost.store(false, Ordering::Relaxed);
        if let Some(outage) = lock(&self.outage).answered(Instant::now()) {
            let seconds = outage.as_secs();
            tracing::info!(
                connector = self.connector,
                task = self.task,
                brokers = self.brokers,
                seconds,
                "kafka brokers are reachable again"
            );
            self.goes_on(&Cause::Brokers);
        }
    }

    /// Returns whether no broker could be reached when last heard of.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Says it, in the log and to the poll loop.
    pub(super) fn say(&self, line: &Line) {
        let (connector, task, brokers) = (&self.connector, self.task, &self.brokers);
        let reason = without_state(line.reason());
        let outage = lock(&self.outage);
        match line {
            // It took a while to find out why, and meanwhile the brokers are back.
            Line::Lost(_) | Line::StillLost(..) if !outage.is_lost() => return,
            Line::Lost(_) => {
                tracing::warn!(connector, task, brokers, reason, "kafka brokers cannot be reached; retrying");
            }
            Line::StillLost(_, outage) => {
                let seconds = outage.as_secs();
                let message = "kafka brokers still cannot be reached";
                tracing::warn!(connector, task, brokers, reason, seconds, "{message}");
            }
            Line::OneLost(_) => {
                tracing::warn!(connector, task, reason, "connection to a kafka broker failed; trying again");
                return;
            }
        }
        self.stalls(Cause::Brokers, format!("kafka brokers {brokers} cannot be reached: {reason}"));
    }

    /// Nothing can be read, or not everything, for this reason.
    pub(super) fn stalls(&self, cause: Cause, reason: String) {
        // The note is left under the lock, so that what is told last is what holds.
        let mut stalls = lock(&self.stalls);
        if let Some(reason) = stalls.begin(cause, reason) {
            self.note(Note::Stalled(reason));
        }
    }

    /// One of the reasons is gone.
    pub(super) fn goes_on(&self, cause: &Cause) {
        let mut stalls = lock(&self.stalls);
        match stalls.end(cause) {
            Some(Some(reason)) => self.note(Note::Stalled(reason)),
            Some(None) => self.note(Note::Recovered),
            None => {}
        }
    }

    /// Notes that a topic does not exist; says it once.
    pub(super) fn topic_missing(&self, topic: &str) {
        if lock(&self.missing).insert(topic.to_owned()) {
            tracing::warn!(
                connector = self.connector,
                task = self.task,
                topic,
                "topic does not exist; waiting for it to be created"
            );
            let reason = format!("topic {topic} does not exist; waiting for it to be created");
            self.stalls(Cause::Topic(topic.to_owned()), reason);
        }
    }

    /// Notes which topics do not exist, and so that others do.
    pub(super) fn topics_missing(&self, topics: &BTreeSet<String>) {
        let mut found = Vec::new();
        lock(&self.missing).retain(|topic| {
            let is_missing = topics.contains(topic);
            if !is_missing {
                found.push(topic.clone());
            }
            is_missing
        });
        found.into_iter().for_each(|topic| self.goes_on(&Cause::Topic(topic)));
        topics.iter().for_each(|topic| self.topic_missing(topic));
    }

    /// Notes that the group hands out partitions, and so which topics exist by now.
    fn topics_found(&self, partitions: &[TopicPartition]) {
        let mut missing = lock(&self.missing);
        for partition in partitions {
            if missing.remove(&partition.topic) {
                self.goes_on(&Cause::Topic(partition.topic.clone()));
            }
        }
    }

    /// Logs a passing error, unless the same one was logged a moment ago.
    pub(super) fn passing(&self, kind: &str, reason: &str) {
        let admitted = lock(&self.repeats).admit(kind, Instant::now());
        if let Some(repeated) = admitted {
            tracing::warn!(connector = self.connector, task = self.task, reason, repeated, "kafka client");
        }
    }

    fn assigned(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList, cooperative: bool) {
        let partitions = from_list(list);
        self.answered();
        self.topics_found(&partitions);
        // Nothing to decide about nothing; and while closing, take it, so that it can be given back.
        if partitions.is_empty() || self.closing.load(Ordering::Acquire) {
            let taken = if cooperative { consumer.incremental_assign(list) } else { consumer.assign(list) };
            self.log_refusal("assign", taken);
        } else {
            *self.question() = Some(Question::Assign { partitions: partitions.clone(), cooperative });
        }
        self.note(Note::Assigned(partitions));
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList, cooperative: bool) {
        let partitions = from_list(list);
        let lost = consumer.assignment_lost();
        if lost || partitions.is_empty() || self.closing.load(Ordering::Acquire) {
            *self.question() = None;
            let given = if cooperative { consumer.incremental_unassign(list) } else { consumer.unassign() };
            self.log_refusal("unassign", given);
        } else {
            *self.question() = Some(Question::Revoke { partitions: partitions.clone(), cooperative });
        }
        self.note(Note::Revoked { partitions, lost });
    }

    fn log_refusal(&self, action: &str, result: KafkaResult<()>) {
        if let Err(error) = result {
            tracing::debug!(connector = self.connector, task = self.task, action, %error, "rebalance");
        }
    }
}

impl ClientContext for Context {
    // Tokens are set by a thread of their own (see `oauth`), so the request for one is ignored.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let (connector, task) = (&self.connector, self.task);
        // Failures of connections come as errors too, and are counted there.
        let echo = matches!(facility, "FAIL" | "ERROR" | "MAXPOLL" | "SSL");
        if facility == "FAIL" && !matches!(level, RDKafkaLogLevel::Error | RDKafkaLogLevel::Debug) {
            // "[thrd:x]: y: Disconnected", which comes as no error.
            let reason = message.split_once("]: ").map_or(message, |(_, reason)| reason);
            lock(&self.outage).hint(reason);
        }
        match level {
            _ if echo => tracing::debug!(connector, task, facility, message, "librdkafka"),
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => self.passing(facility, message),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::debug!(connector, task, facility, message, "librdkafka");
            }
            RDKafkaLogLevel::Debug => tracing::trace!(connector, task, facility, message, "librdkafka"),
        }
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, _: KafkaError, reason: &str) {
        *lock(&self.error) = Some(reason.to_owned());
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assigned(consumer, list, cooperative)
            }
            _ => self.revoked(consumer, list, cooperative),
        }
    }
}

/// Locks; a panic elsewhere while holding the lock leaves plain data, which is used as it is.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
