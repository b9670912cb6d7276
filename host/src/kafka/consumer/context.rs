//! librdkafka's callbacks, which run inside `poll` and `drop`. They only queue events for the poll loop.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::answers::{Answers, BrokerAnswer};
use super::outage::{Outage, OutageNotice, RepeatFilter};
use super::reachability::advertised_address;
use super::stalls::{StallCause, Stalls};
use super::topic_ids::{KnownId, TopicIds};
use super::{CommitError, ConsumerError, ConsumerSettings, Positions, TopicPartition, from_list};
use crate::kafka::access::{Access, without_state};
use crate::kafka::topic_pattern::Selection;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PendingRebalance {
    Assign { partitions: Vec<TopicPartition>, cooperative: bool },
    Revoke { partitions: Vec<TopicPartition>, cooperative: bool },
}

/// An event that waits for the next poll.
#[derive(Debug)]
pub(super) enum QueuedEvent {
    Assigned(Vec<TopicPartition>),
    Revoked {
        partitions: Vec<TopicPartition>,
        lost: bool,
    },
    Committed(Result<Positions, CommitError>),
    /// The topics that match the pattern.
    Topics(Selection),
    /// The id that a topic has now.
    TopicId(KnownId),
    /// Subscribed topics that do not exist.
    Missing(BTreeSet<String>),
    /// Partitions that no member of the group has for long.
    Unowned(BTreeSet<TopicPartition>),
    /// Querying the topics failed permanently.
    Fatal(ConsumerError),
    /// An error of a partition that librdkafka only logs, because it has no place in a batch of records.
    PartitionError {
        code: RDKafkaErrorCode,
        reason: String,
    },
    Stalled(String),
    Recovered,
}

/// State shared by the callbacks and the poll loop.
pub(super) struct Context {
    pub(super) connector: String,
    pub(super) task: u32,
    pub(super) brokers: String,
    pub(super) access: Access,
    group: String,
    /// Set before the consumer is dropped; rebalances are then answered by the callbacks.
    pub(super) closing: AtomicBool,
    pending_rebalance: Mutex<Option<PendingRebalance>>,
    queue: Mutex<VecDeque<QueuedEvent>>,
    /// Whether the queue is not empty; avoids locking for every message.
    has_queued: AtomicBool,
    error: Mutex<Option<String>>,
    outage: Mutex<Outage>,
    /// Mirrors `outage.is_lost()`; avoids locking for every message.
    lost: AtomicBool,
    missing: Mutex<BTreeSet<String>>,
    stalls: Mutex<Stalls>,
    topic_ids: Mutex<TopicIds>,
    answers: Mutex<Answers>,
    repeat_filter: Mutex<RepeatFilter>,
}

impl Context {
    pub(super) fn new(settings: &ConsumerSettings) -> Self {
        Self {
            connector: settings.connector.clone(),
            task: settings.task,
            brokers: settings.bootstrap_servers.clone(),
            access: Access::of(&settings.properties),
            group: settings.group_id.clone(),
            closing: AtomicBool::new(false),
            pending_rebalance: Mutex::default(),
            queue: Mutex::default(),
            has_queued: AtomicBool::new(false),
            error: Mutex::default(),
            outage: Mutex::default(),
            lost: AtomicBool::new(false),
            missing: Mutex::default(),
            stalls: Mutex::default(),
            topic_ids: Mutex::default(),
            answers: Mutex::default(),
            repeat_filter: Mutex::default(),
        }
    }

    /// Queues an event for the next poll.
    pub(super) fn enqueue(&self, event: QueuedEvent) {
        lock(&self.queue).push_back(event);
        self.has_queued.store(true, Ordering::Release);
    }

    /// Takes the oldest queued event.
    pub(super) fn next_queued(&self) -> Option<QueuedEvent> {
        if !self.has_queued.load(Ordering::Acquire) {
            return None;
        }
        let mut queue = lock(&self.queue);
        let event = queue.pop_front();
        self.has_queued.store(!queue.is_empty(), Ordering::Release);
        event
    }

    /// Whether a rebalance was queued that was not polled yet: an answer to an earlier one is out of date.
    pub(super) fn has_queued_rebalance(&self) -> bool {
        let is_rebalance =
            |event: &QueuedEvent| matches!(event, QueuedEvent::Assigned(_) | QueuedEvent::Revoked { .. });
        self.has_queued.load(Ordering::Acquire) && lock(&self.queue).iter().any(is_rebalance)
    }

    /// The rebalance that waits for the poll loop's answer.
    pub(super) fn pending_rebalance(&self) -> MutexGuard<'_, Option<PendingRebalance>> {
        lock(&self.pending_rebalance)
    }

    /// Takes the text of the error that `poll` is returning.
    pub(super) fn take_error(&self) -> Option<String> {
        lock(&self.error).take()
    }

    /// Records a failed connection; `all` when no broker is reachable. Returns a notice if one is due.
    pub(super) fn unreachable(&self, reason: &str, all: bool) -> Option<OutageNotice> {
        let mut outage = lock(&self.outage);
        let now = Instant::now();
        let line = if all {
            outage.all_down(reason, now)
        } else {
            outage.failure(reason, advertised_address(reason, &self.brokers).is_some(), now)
        };
        self.lost.store(outage.is_lost(), Ordering::Relaxed);
        line
    }

    /// Returns a notice if one is due.
    pub(super) fn tick(&self) -> Option<OutageNotice> {
        lock(&self.outage).tick(Instant::now())
    }

    /// Records that a broker responded.
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
            self.end_stall(&StallCause::Brokers);
        }
    }

    /// Whether no broker is reachable, as far as is known.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Logs the notice about these brokers, and reports the stall to the poll loop.
    pub(super) fn report(&self, line: &OutageNotice, brokers: &str) {
        let (connector, task) = (&self.connector, self.task);
        let reason = without_state(line.reason());
        let outage = lock(&self.outage);
        match line {
            // The brokers became reachable while the TLS probe was running.
            OutageNotice::Lost(_) | OutageNotice::StillLost(..) if !outage.is_lost() => return,
            OutageNotice::Lost(_) => {
                tracing::warn!(connector, task, brokers, reason, "kafka brokers cannot be reached; retrying");
            }
            OutageNotice::StillLost(_, outage) => {
                let seconds = outage.as_secs();
                let message = "kafka brokers still cannot be reached";
                tracing::warn!(connector, task, brokers, reason, seconds, "{message}");
            }
            OutageNotice::OneLost(_) => {
                tracing::warn!(connector, task, reason, "connection to a kafka broker failed; retrying");
                return;
            }
        }
        self.begin_stall(StallCause::Brokers, format!("kafka brokers {brokers} cannot be reached: {reason}"));
    }

    /// Records a reason why some or all partitions cannot be read.
    pub(super) fn begin_stall(&self, cause: StallCause, reason: String) {
        // Queued while the lock is held, so that the last queued event reflects the current state.
        let mut stalls = lock(&self.stalls);
        if let Some(reason) = stalls.begin(cause, reason) {
            self.enqueue(QueuedEvent::Stalled(reason));
        }
    }

    /// Removes a reason.
    pub(super) fn end_stall(&self, cause: &StallCause) {
        let mut stalls = lock(&self.stalls);
        match stalls.end(cause) {
            Some(Some(reason)) => self.enqueue(QueuedEvent::Stalled(reason)),
            Some(None) => self.enqueue(QueuedEvent::Recovered),
            None => {}
        }
    }

    /// What is known of the ids of topics.
    pub(super) fn with_topic_ids<T>(&self, read: impl FnOnce(&mut TopicIds) -> T) -> T {
        read(&mut lock(&self.topic_ids))
    }

    /// Records what a broker has answered while the consumer waits for its group.
    fn learn(&self, answer: BrokerAnswer) {
        let now = Instant::now();
        let (coordinator, offsets) = {
            let mut answers = lock(&self.answers);
            answers.learn(answer, now);
            (answers.coordinator_reason(&self.group, now), answers.offsets_reason(now))
        };
        for (cause, reason) in [(StallCause::Coordinator, coordinator), (StallCause::Offsets, offsets)] {
            match reason {
                Some(reason) => {
                    self.log_transient(&format!("{cause:?}"), &reason);
                    self.begin_stall(cause, reason);
                }
                None => self.end_stall(&cause),
            }
        }
    }

    /// Forgets what brokers have answered, because the consumer no longer waits.
    pub(super) fn forget_answers(&self) {
        *lock(&self.answers) = Answers::default();
        self.end_stall(&StallCause::Coordinator);
        self.end_stall(&StallCause::Offsets);
    }

    /// Records that a topic does not exist, and logs it once.
    pub(super) fn topic_missing(&self, topic: &str) {
        if lock(&self.missing).insert(topic.to_owned()) {
            tracing::warn!(
                connector = self.connector,
                task = self.task,
                topic,
                "topic does not exist; waiting for it to be created"
            );
            let reason = format!("topic {topic} does not exist; waiting for it to be created");
            self.begin_stall(StallCause::Topic(topic.to_owned()), reason);
        }
    }

    /// The topics that do not exist, as far as was recorded.
    pub(super) fn missing_topics(&self) -> BTreeSet<String> {
        lock(&self.missing).clone()
    }

    /// Records which topics do not exist. All others do.
    pub(super) fn topics_missing(&self, topics: &BTreeSet<String>) {
        let mut found = Vec::new();
        lock(&self.missing).retain(|topic| {
            let is_missing = topics.contains(topic);
            if !is_missing {
                found.push(topic.clone());
            }
            is_missing
        });
        found.into_iter().for_each(|topic| self.end_stall(&StallCause::Topic(topic)));
        topics.iter().for_each(|topic| self.topic_missing(topic));
    }

    /// Records that topics exist, because partitions of them were assigned.
    fn topics_found(&self, partitions: &[TopicPartition]) {
        let mut missing = lock(&self.missing);
        for partition in partitions {
            if missing.remove(&partition.topic) {
                self.end_stall(&StallCause::Topic(partition.topic.clone()));
            }
        }
    }

    /// Logs a transient error, unless the same one was logged a moment ago.
    pub(super) fn log_transient(&self, kind: &str, reason: &str) {
        let admitted = lock(&self.repeat_filter).admit(kind, Instant::now());
        if let Some(repeated) = admitted {
            tracing::warn!(connector = self.connector, task = self.task, reason, repeated, "kafka client");
        }
    }

    fn assigned(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList, cooperative: bool) {
        let partitions = from_list(list);
        self.answered();
        self.topics_found(&partitions);
        // An empty assignment needs no decision. While closing, accept the assignment so that it can be revoked.
        if partitions.is_empty() || self.closing.load(Ordering::Acquire) {
            let taken = if cooperative { consumer.incremental_assign(list) } else { consumer.assign(list) };
            self.log_failure("assign", taken);
        } else {
            *self.pending_rebalance() =
                Some(PendingRebalance::Assign { partitions: partitions.clone(), cooperative });
        }
        self.enqueue(QueuedEvent::Assigned(partitions));
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList, cooperative: bool) {
        let partitions = from_list(list);
        let lost = consumer.assignment_lost();
        if lost || partitions.is_empty() || self.closing.load(Ordering::Acquire) {
            *self.pending_rebalance() = None;
            let given = if cooperative { consumer.incremental_unassign(list) } else { consumer.unassign() };
            self.log_failure("unassign", given);
        } else {
            *self.pending_rebalance() =
                Some(PendingRebalance::Revoke { partitions: partitions.clone(), cooperative });
        }
        self.enqueue(QueuedEvent::Revoked { partitions, lost });
    }

    fn log_failure(&self, action: &str, result: KafkaResult<()>) {
        if let Err(error) = result {
            tracing::debug!(connector = self.connector, task = self.task, action, %error, "rebalance");
        }
    }
}

impl ClientContext for Context {
    // A separate thread sets tokens (see `oauth`), so librdkafka's request for one is ignored.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let (connector, task) = (&self.connector, self.task);
        if let Some(answer) = BrokerAnswer::parse(facility, message) {
            self.learn(answer);
        }
        // These are also reported as errors and are handled there.
        let echo = matches!(facility, "FAIL" | "MAXPOLL" | "SSL" | "ERROR");
        if facility == "ERROR" {
            self.enqueue(QueuedEvent::PartitionError { code: code_in(message), reason: message.to_owned() });
        }
        if facility == "METADATA"
            && let Some(known) = self.with_topic_ids(|ids| ids.read_log(message))
        {
            self.enqueue(QueuedEvent::TopicId(known));
        }
        if facility == "FAIL" && !matches!(level, RDKafkaLogLevel::Error | RDKafkaLogLevel::Debug) {
            // "[thrd:x]: y: Disconnected" is not reported as an error.
            let reason = message.split_once("]: ").map_or(message, |(_, reason)| reason);
            lock(&self.outage).hint(reason);
        }
        match level {
            _ if echo => tracing::debug!(connector, task, facility, message, "librdkafka"),
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => self.log_transient(facility, message),
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

/// The code of an error that librdkafka logs: its text is at the end of the message.
fn code_in(message: &str) -> RDKafkaErrorCode {
    use RDKafkaErrorCode as Code;
    match message.rsplit(": ").next() {
        Some("Topic authorization failed") => Code::TopicAuthorizationFailed,
        Some("Unknown topic or partition") => Code::UnknownTopicOrPartition,
        Some("Unknown topic") => Code::UnknownTopic,
        Some("Unknown partition") => Code::UnknownPartition,
        _ => Code::Unknown,
    }
}

/// Locks a mutex, ignoring poisoning: the data is plain and stays valid after a panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
