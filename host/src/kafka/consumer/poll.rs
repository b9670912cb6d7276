//! The interface between the consumer and the poll loop.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::commit::Committer;
use super::context::{Context, PendingRebalance, QueuedEvent};
use super::core::Core;
use super::membership::Membership;
use super::token::ConsumerTokens;
use super::topics::PatternSubscription;
use super::unowned::OwnershipCheck;
use super::{
    CommitError, Commits, ConsumerError, ConsumerEvent, ConsumerSettings, OffsetResolver, OnLostPosition,
    OnOversizedBatch, Polled, Positions, Protocol, SkippedBatch, StartAt, TopicPartition, Topics, Watermarks,
    to_list,
};
use crate::kafka::client::ClientError;
use crate::kafka::ffi::{self, FetchError, FetchedRecord, RecordQueue, UnpackingLimit};
use crate::kafka::oauth::TokenRefresher;

/// Seeking involves only librdkafka's own threads, no broker.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

/// A member of a consumer group, polled by one thread.
///
/// Close it with [`Consumer::close`]. Dropping it also leaves the group, but may block for a long time.
pub struct Consumer {
    committer: Committer,
    refresher: Option<TokenRefresher>,
    /// The start offset of each assigned partition.
    pub(super) assigned: RefCell<BTreeMap<TopicPartition, StartAt>>,
    paused: Cell<bool>,
    /// Partitions that are paused until they are [rewound](Self::rewind).
    held: RefCell<BTreeSet<TopicPartition>>,
    /// Whether [`ConsumerEvent::Fatal`] was sent.
    pub(super) failed: Cell<bool>,
    pub(super) topics: Topics,
    /// The topics that match the pattern, and how often they are queried.
    pub(super) matched: PatternSubscription,
    pub(super) refresh_topics_every: Option<Duration>,
    pub(super) protocol: Protocol,
    /// Whether the member has a `group.instance.id`.
    pub(super) is_static: bool,
    pub(super) membership: Membership,
    pub(super) ownership: OwnershipCheck,
    pub(super) on_lost_position: OnLostPosition,
    pub(super) core: Arc<Core>,
}

/// Ends a consumer's wait for records. Does nothing once the consumer is closed.
#[derive(Clone)]
pub struct Waker(Weak<Core>);

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

impl Waker {
    /// Ends the current wait, or the next one.
    pub fn wake(&self) {
        if let Some(core) = self.0.upgrade() {
            core.records.wake();
        }
    }
}

impl Consumer {
    /// Creates the consumer, which is in no group until [`Self::join`]. Does not wait for brokers.
    ///
    /// # Errors
    /// When a property is invalid.
    pub fn open(settings: &ConsumerSettings) -> Result<Self, ConsumerError> {
        let (config, tokens) = settings.to_config()?;
        let base = BaseConsumer::from_config_and_context(&config, Context::new(settings));
        let base = base.map_err(ClientError::from_creation)?;
        let records = RecordQueue::new(&base);
        let skips = settings.on_oversized_batch == OnOversizedBatch::Skip;
        let unpacking = UnpackingLimit::set(&base, settings.unpacked_bytes, skips);
        let is_debugging = settings.properties.contains_key("debug");
        let core = Arc::new(Core {
            records,
            _unpacking: unpacking,
            base,
            group: settings.group_id.clone(),
            is_debugging,
        });
        core.listen(false);
        let name = format!("{}-{}", settings.connector, settings.task);
        let refresher = match tokens {
            None => None,
            Some(source) => {
                Some(TokenRefresher::start(source, &name, ConsumerTokens(Arc::downgrade(&core)))?)
            }
        };
        Ok(Self {
            committer: Committer::start(&core, &name)?,
            refresher,
            assigned: RefCell::default(),
            paused: Cell::new(false),
            held: RefCell::default(),
            on_lost_position: settings.on_lost_position,
            failed: Cell::new(false),
            topics: settings.topics.clone(),
            matched: PatternSubscription::default(),
            refresh_topics_every: settings.refresh_topics_every()?,
            protocol: settings.protocol.clone(),
            is_static: settings.instance_id.is_some(),
            membership: Membership::default(),
            ownership: OwnershipCheck::default(),
            core,
        })
    }

    /// Subscribes; the consumer joins its group during the next polls. Do everything that may fail before this call, so
    /// that a failure does not cause a rebalance for the other members. With a pattern, the consumer joins the group when
    /// the first topic matches.
    ///
    /// # Errors
    /// When the subscription is invalid.
    pub fn join(&self) -> Result<(), ConsumerError> {
        match &self.topics {
            Topics::List(topics) => {
                // With the new group protocol, the broker does not report unknown topics.
                if self.protocol == Protocol::Consumer {
                    self.watch_topics()?;
                }
                self.subscribe(topics.iter().map(String::as_str).collect())
            }
            Topics::Pattern(_) => self.watch_topics(),
        }
    }

    /// Returns the next event. Without one, passes records to `take` in order, up to about `count`, until it breaks; waits up
    /// to `timeout` for the first, but may return early. Records borrow librdkafka's fetch buffer. Poll at least every
    /// `max.poll.interval.ms`, also while a rebalance waits for its answer.
    pub fn poll(
        &self,
        timeout: Duration,
        count: usize,
        mut take: impl FnMut(&FetchedRecord<'_>) -> ControlFlow<()>,
    ) -> Polled {
        if let Some(event) = self.poll_event() {
            return Polled::Event(event);
        }
        let (mut has_records, mut failed) = (false, None);
        self.core.records.read(timeout, count, |item| match item {
            Ok(record) => {
                has_records = true;
                take(&record)
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        });
        if let Some(batch) = failed.as_ref().and_then(SkippedBatch::of) {
            return Polled::Skipped(batch);
        }
        let event = match failed {
            Some(error) => self.cannot_fetch(&error),
            None if has_records => None,
            None => self.poll_event(),
        };
        match event {
            Some(event) => Polled::Event(event),
            None if has_records || self.core.records.has_taken() => Polled::Records,
            None => Polled::Nothing,
        }
    }

    /// Handles an error of one partition. librdkafka may have moved the position past the offset that the error names, as if it
    /// were a record, so a pause would skip one (fixed in librdkafka 2.13.2): seeks back, unless the error ends the reading.
    fn cannot_fetch(&self, error: &FetchError) -> Option<ConsumerEvent> {
        let event =
            self.failure(&KafkaError::MessageConsumption(error.code), Some(&error.reason), Some(error));
        let at = TopicPartition::new(error.topic.as_str(), error.partition);
        let is_read = self.assigned.borrow().contains_key(&at) && !self.is_held(&at);
        let has_moved = || {
            let positions = self.core.base.position().ok();
            let position = positions.as_ref().and_then(|list| list.find_partition(&at.topic, at.partition));
            position.is_some_and(|element| element.offset() == Offset::Offset(error.offset + 1))
        };
        if event.is_some() || !is_read || error.offset < 0 || !has_moved() {
            return event;
        }
        match self.seek(&[(at, StartAt::Offset(error.offset))]) {
            Ok(()) => None,
            Err(error) => self.fatal(error),
        }
    }

    /// Returns the next event without waiting, and passes no records on. Counts as a poll.
    pub fn poll_event(&self) -> Option<ConsumerEvent> {
        if self.matched.has_update()
            && let Some(event) = self.take_topics()
        {
            return Some(event);
        }
        loop {
            if let Some(event) = self.queued_event() {
                return Some(event);
            }
            match self.core.base.poll(Duration::ZERO) {
                Some(Ok(message)) => return self.misdirected(&message),
                Some(Err(error)) => {
                    if let Some(event) = self.failure(&error, None, None) {
                        return Some(event);
                    }
                }
                None => {
                    if let Some(line) = self.context().tick() {
                        self.core.report(line);
                    }
                    if let Some(event) = self.membership_event() {
                        return Some(event);
                    }
                }
            }
            if !self.core.records.has_events() {
                return self.queued_event();
            }
        }
    }

    /// The next event that a callback or another thread has queued, without those that need no answer.
    fn queued_event(&self) -> Option<ConsumerEvent> {
        while let Some(queued) = self.context().next_queued() {
            if let Some(event) = self.event(queued) {
                return Some(event);
            }
        }
        None
    }

    /// Returns a handle that ends a wait in [`Self::poll`] from other threads.
    pub fn waker(&self) -> Waker {
        Waker(Arc::downgrade(&self.core))
    }

    /// A record that librdkafka did not send to the queue of records. Passed on late, it might break the order of its
    /// partition; dropped, it would be lost.
    fn misdirected(&self, message: &BorrowedMessage<'_>) -> Option<ConsumerEvent> {
        let partition = TopicPartition::new(message.topic(), message.partition());
        self.fatal(ConsumerError::Misdirected { partition, offset: message.offset() })
    }

    /// Answers [`ConsumerEvent::Assigned`]: starts reading each partition at the given offset. Partitions start paused while
    /// the consumer is [paused](Self::pause).
    ///
    /// # Errors
    /// [`ConsumerError::Superseded`] when another rebalance revoked the assignment: keep polling.
    /// [`ConsumerError::NoStart`] when one of its partitions is missing in `starts`: answer again.
    pub fn assign(&self, starts: &[(TopicPartition, StartAt)]) -> Result<(), ConsumerError> {
        if self.context().has_queued_rebalance() {
            return Err(ConsumerError::Superseded);
        }
        let mut pending_rebalance = self.context().pending_rebalance();
        let Some(PendingRebalance::Assign { partitions, cooperative }) = &*pending_rebalance else {
            return if starts.is_empty() { Ok(()) } else { Err(ConsumerError::Superseded) };
        };
        self.compare_logged_ids(starts);
        let starts: BTreeMap<&TopicPartition, StartAt> =
            starts.iter().map(|(at, start)| (at, *start)).collect();
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for at in partitions {
            let start = starts.get(at).ok_or_else(|| ConsumerError::NoStart { partition: at.clone() })?;
            let added = list.add_partition_offset(&at.topic, at.partition, (*start).into());
            added.map_err(librdkafka_error("start reading"))?;
        }
        let base = &self.core.base;
        // Attached before, so that no record goes elsewhere, and again after: the end of an earlier assignment detaches.
        let attach = || partitions.iter().for_each(|at| self.core.records.attach(&at.topic, at.partition));
        attach();
        let taken = if *cooperative { base.incremental_assign(&list) } else { base.assign(&list) };
        attach();
        let mut assigned = self.assigned.borrow_mut();
        assigned.extend(partitions.iter().filter_map(|at| Some((at.clone(), *starts.get(at)?))));
        *pending_rebalance = None;
        self.core.listen(false);
        taken.map_err(librdkafka_error("start reading"))?;
        // A partition that was paused when it was released is still paused when it is assigned again.
        if self.paused.get() {
            base.pause(&list).map_err(librdkafka_error("pause"))
        } else {
            base.resume(&list).map_err(librdkafka_error("resume"))
        }
    }

    /// Pauses one partition until it is [rewound](Self::rewind) or released.
    ///
    /// # Errors
    /// When librdkafka returns an error.
    pub fn hold(&self, partition: &TopicPartition) -> Result<(), ConsumerError> {
        self.held.borrow_mut().insert(partition.clone());
        self.core.records.discard(&partition.topic, partition.partition);
        self.core.base.pause(&to_list([partition])).map_err(librdkafka_error("pause"))
    }

    pub(super) fn is_held(&self, partition: &TopicPartition) -> bool {
        self.held.borrow().contains(partition)
    }

    /// Resumes held partitions at the given offsets. Prefetched records of them are discarded. Partitions that the group has
    /// revoked in the meantime are left out: the event that reports it was not polled yet.
    ///
    /// # Errors
    /// When librdkafka returns an error.
    pub fn rewind(&self, starts: &[(TopicPartition, StartAt)]) -> Result<(), ConsumerError> {
        let owned = self.core.base.assignment().map_err(librdkafka_error("rewind"))?;
        let is_owned = |at: &TopicPartition| owned.find_partition(&at.topic, at.partition).is_some();
        let starts: Vec<_> = starts.iter().filter(|(at, _)| is_owned(at)).cloned().collect();
        if starts.is_empty() {
            return Ok(());
        }
        self.compare_logged_ids(&starts);
        self.seek(&starts)?;
        self.assigned.borrow_mut().extend(starts.iter().cloned());
        let mut held = self.held.borrow_mut();
        starts.iter().for_each(|(at, _)| drop(held.take(at)));
        if self.paused.get() {
            return Ok(());
        }
        let list = to_list(starts.iter().map(|(at, _)| at));
        self.core.base.resume(&list).map_err(librdkafka_error("resume"))
    }

    /// Moves positions, and drops what was fetched from these partitions.
    fn seek(&self, starts: &[(TopicPartition, StartAt)]) -> Result<(), ConsumerError> {
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for (at, start) in starts {
            let added = list.add_partition_offset(&at.topic, at.partition, (*start).into());
            added.map_err(librdkafka_error("rewind"))?;
            self.core.records.discard(&at.topic, at.partition);
        }
        let sought =
            self.core.base.seek_partitions(list, SEEK_TIMEOUT).map_err(librdkafka_error("rewind"))?;
        for element in sought.elements() {
            element.error().map_err(librdkafka_error("rewind"))?;
        }
        Ok(())
    }

    /// Returns the position of each partition from which something was read. Positions include control records of
    /// transactions, which are not returned as messages. Does not query the brokers.
    pub fn positions(&self) -> Positions {
        let Ok(list) = self.core.base.position() else { return Positions::new() };
        let known = list.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => {
                Some((TopicPartition::new(element.topic(), element.partition()), offset))
            }
            _ => None,
        });
        let mut positions: Positions = known.collect();
        for (topic, partition, offset) in self.core.records.first_taken() {
            positions.insert(TopicPartition { topic, partition }, offset);
        }
        positions
    }

    /// Returns the cached watermarks of the assigned partitions; the low one is 0 if no fetch has returned it. The values of
    /// paused partitions become stale: use [`OffsetResolver::ends`] for those.
    pub fn ends(&self) -> Watermarks {
        let end = |at: &TopicPartition| {
            Some((at.clone(), ffi::cached_ends(self.core.base.client(), &at.topic, at.partition)?))
        };
        self.assigned.borrow().keys().filter_map(end).collect()
    }

    /// Answers [`ConsumerEvent::Revoked`]: releases the partitions and drops their pending commits. Does nothing when no
    /// revocation is pending.
    ///
    /// # Errors
    /// When librdkafka returns an error.
    pub fn release(&self) -> Result<(), ConsumerError> {
        let mut pending_rebalance = self.context().pending_rebalance();
        let Some(PendingRebalance::Revoke { partitions, cooperative }) = &*pending_rebalance else {
            return Ok(());
        };
        let base = &self.core.base;
        let given =
            if *cooperative { base.incremental_unassign(&to_list(partitions)) } else { base.unassign() };
        self.forget(partitions);
        *pending_rebalance = None;
        given.map_err(librdkafka_error("give up partitions"))
    }

    pub fn assigned(&self) -> Vec<TopicPartition> {
        self.assigned.borrow().keys().cloned().collect()
    }

    /// Commits offsets in the background; the result is sent as [`ConsumerEvent::CommitDone`]. One request is in flight at a
    /// time; later offsets are part of the next request.
    pub fn commit_async(&self, commits: &Commits) {
        self.committer.submit(commits);
    }

    /// Commits offsets and waits for the result, retrying transient errors until `deadline`. The result is also sent as
    /// [`ConsumerEvent::CommitDone`].
    ///
    /// # Errors
    /// When the group rebalances, the error is permanent, or there is no response in time.
    pub fn commit_sync(&self, commits: &Commits, deadline: Instant) -> Result<(), CommitError> {
        self.committer.submit_and_wait(commits, deadline)
    }

    /// Pauses all partitions, including those assigned later, until [`Self::resume`]. Prefetched records are
    /// discarded, except those that were already taken out of librdkafka's queue.
    ///
    /// # Errors
    /// When librdkafka returns an error.
    pub fn pause(&self) -> Result<(), ConsumerError> {
        self.paused.set(true);
        self.core.base.pause(&to_list(self.assigned.borrow().keys())).map_err(librdkafka_error("pause"))
    }

    /// Resumes all partitions that are not held, from their positions.
    ///
    /// # Errors
    /// When librdkafka returns an error.
    pub fn resume(&self) -> Result<(), ConsumerError> {
        self.paused.set(false);
        let (assigned, held) = (self.assigned.borrow(), self.held.borrow());
        let list = to_list(assigned.keys().filter(|at| !held.contains(at)));
        self.core.base.resume(&list).map_err(librdkafka_error("resume"))
    }

    pub fn is_paused(&self) -> bool {
        self.paused.get()
    }

    /// Returns a handle for blocking queries from other threads.
    pub fn offset_resolver(&self) -> OffsetResolver {
        OffsetResolver::new(&self.core)
    }

    /// Makes all queries of offset resolvers fail with [`ConsumerError::Closed`] before the consumer is closed. Do not poll
    /// after this call; commits still work.
    pub fn close_offset_resolver(&self) {
        self.context().closing.store(true, Ordering::Release);
    }

    /// Leaves the group and closes the consumer, waiting at most `timeout`. Does not commit. Returns false when closing
    /// takes longer; it then continues in the background or, if it hangs, is leaked.
    pub fn close(self, timeout: Duration) -> bool {
        let Self { core, committer, refresher, matched, .. } = self;
        core.context().closing.store(true, Ordering::Release);
        drop((committer, refresher, matched));
        let (connector, task) = (core.context().connector.clone(), core.context().task);
        let (done, closed) = mpsc::channel::<()>();
        let closing = thread::Builder::new().name(format!("close {connector}-{task}")).spawn(move || {
            let mut core = core;
            // A query or a commit in flight holds a reference.
            while let Err(shared) = Arc::try_unwrap(core) {
                core = shared;
                thread::sleep(Duration::from_millis(5));
            }
            drop(done);
        });
        let in_time =
            closing.is_ok() && closed.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Disconnected);
        if !in_time {
            let seconds = timeout.as_secs_f32();
            tracing::warn!(
                connector,
                task,
                seconds,
                "kafka consumer did not close in time and was abandoned"
            );
        }
        in_time
    }

    pub(super) fn context(&self) -> &Context {
        self.core.context()
    }

    fn forget(&self, partitions: &[TopicPartition]) {
        self.committer.forget(partitions);
        let (mut assigned, mut held) = (self.assigned.borrow_mut(), self.held.borrow_mut());
        for at in partitions {
            assigned.remove(at);
            held.remove(at);
            self.core.records.discard(&at.topic, at.partition);
        }
    }

    pub(super) fn event(&self, event: QueuedEvent) -> Option<ConsumerEvent> {
        Some(match event {
            QueuedEvent::Assigned(partitions) => {
                self.membership.set(true);
                self.check_ownership();
                // Until the partitions are read, their committed offsets are queried.
                self.core.listen(!partitions.is_empty());
                ConsumerEvent::Assigned(partitions)
            }
            QueuedEvent::Revoked { partitions, lost } => {
                if lost {
                    self.forget(&partitions);
                }
                ConsumerEvent::Revoked { partitions, lost }
            }
            QueuedEvent::Committed(result) => {
                // A commit that a rebalance has overtaken is a part of it.
                if let Err(error) = result.as_ref()
                    && !error.is_rebalance()
                {
                    self.context().log_transient("commit", &error.to_string());
                }
                ConsumerEvent::CommitDone(result)
            }
            QueuedEvent::Topics(selection) => {
                self.matched.learn(selection);
                return self.take_topics();
            }
            QueuedEvent::TopicId(known) => return self.compare_ids(known),
            QueuedEvent::Missing(topics) => {
                self.context().topics_missing(&topics);
                return None;
            }
            QueuedEvent::Unowned(partitions) => return self.join_again(&partitions),
            QueuedEvent::Fatal(error) => return self.fatal(error),
            QueuedEvent::PartitionError { code, reason } => {
                return self.failure(&KafkaError::MessageConsumption(code), Some(&reason), None);
            }
            QueuedEvent::Stalled(reason) => ConsumerEvent::Stalled(reason),
            QueuedEvent::Recovered => ConsumerEvent::Recovered,
        })
    }
}

fn librdkafka_error(action: &'static str) -> impl Fn(KafkaError) -> ConsumerError {
    move |source| ConsumerError::Librdkafka { action, source }
}
