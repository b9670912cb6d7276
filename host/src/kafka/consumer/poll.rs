//! The consumer as the poll loop sees it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::commit::Committer;
use super::context::{Context, Note, Question};
use super::core::Core;
use super::token::Holder;
use super::topics::Matched;
use super::{
    CommitError, Commits, ConsumerError, ConsumerSettings, Event, LookUp, OnLostPosition, Positions,
    Protocol, StartAt, TopicPartition, Topics, Watermarks, to_list,
};
use crate::kafka::access::Access;
use crate::kafka::client::ClientError;
use crate::kafka::ffi;
use crate::kafka::oauth::Refresher;

/// Seeking is between librdkafka's own threads: no broker is asked.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

/// A member of a consumer group, for one thread that polls it.
///
/// Close it with [`Consumer::close`]; dropping it leaves the group too, but may block for long.
pub struct Consumer {
    committer: Committer,
    refresher: Option<Refresher>,
    /// Where each partition started that is being read.
    pub(super) assigned: RefCell<BTreeMap<TopicPartition, StartAt>>,
    paused: Cell<bool>,
    /// Partitions that stay paused until they are [rewound](Self::rewind).
    held: RefCell<BTreeSet<TopicPartition>>,
    /// Whether [`Event::Fatal`] was told.
    pub(super) failed: Cell<bool>,
    pub(super) topics: Topics,
    /// What a pattern takes, and how often that is looked up.
    pub(super) matched: Matched,
    pub(super) refresh_topics_every: Option<Duration>,
    protocol: Protocol,
    pub(super) on_lost_position: OnLostPosition,
    pub(super) core: Arc<Core>,
}

impl Consumer {
    /// Creates the consumer, which is in no group before it [joins](Self::join). Does not wait for brokers.
    ///
    /// # Errors
    /// When a property or the subscription is refused.
    pub fn open(settings: &ConsumerSettings) -> Result<Self, ConsumerError> {
        let (config, tokens) = settings.to_config()?;
        let access = Access::of(&settings.properties);
        let context = Context::new(&settings.connector, settings.task, &settings.bootstrap_servers, access);
        let base = BaseConsumer::from_config_and_context(&config, context);
        let base = base.map_err(ClientError::from_creation)?;
        let core = Arc::new(Core { base, group: settings.group_id.clone() });
        let name = format!("{}-{}", settings.connector, settings.task);
        let refresher = match tokens {
            None => None,
            Some(source) => Some(Refresher::start(source, &name, Holder(Arc::downgrade(&core)))?),
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
            matched: Matched::default(),
            refresh_topics_every: settings.refresh_topics_every()?,
            protocol: settings.protocol.clone(),
            core,
        })
    }

    /// Subscribes; the consumer joins its group with the next polls. Until then no other member notices it, so whoever may
    /// fail before it can read should do so first. With a pattern, topics that match are looked for first, and the group is
    /// joined once there is one.
    ///
    /// # Errors
    /// When the subscription is refused.
    pub fn join(&self) -> Result<(), ConsumerError> {
        match &self.topics {
            Topics::List(topics) => {
                // A broker that assigns says nothing of topics that it does not know.
                if self.protocol == Protocol::Consumer {
                    self.watch_topics()?;
                }
                self.subscribe(topics.iter().map(String::as_str).collect())
            }
            Topics::Pattern(_) => self.watch_topics(),
        }
    }

    /// Waits up to `timeout` for the next event. None may come early and means: poll again. Poll at least every
    /// `max.poll.interval.ms`, also while paused and while a rebalance waits for its answer.
    pub fn poll(&self, timeout: Duration) -> Option<Event<'_>> {
        if self.matched.has_news()
            && let Some(event) = self.take_topics()
        {
            return Some(event);
        }
        if let Some(note) = self.context().take_note() {
            return self.event(note);
        }
        match self.core.base.poll(timeout) {
            Some(Ok(message)) => {
                self.context().answered();
                Some(Event::Message(message))
            }
            Some(Err(error)) => self.failure(&error),
            None => {
                if let Some(line) = self.context().tick() {
                    self.core.say(line);
                }
                self.context().take_note().and_then(|note| self.event(note))
            }
        }
    }

    /// Answers [`Event::Assigned`]: starts reading, each partition where it is told. Partitions start paused
    /// while the consumer is [paused](Self::pause).
    ///
    /// # Errors
    /// [`ConsumerError::Superseded`] when another rebalance withdrew the assignment (go on polling);
    /// [`ConsumerError::NoStart`] when one of its partitions is missing in `starts` (answer again).
    pub fn assign(&self, starts: &[(TopicPartition, StartAt)]) -> Result<(), ConsumerError> {
        let mut question = self.context().question();
        let Some(Question::Assign { partitions, cooperative }) = &*question else {
            return if starts.is_empty() { Ok(()) } else { Err(ConsumerError::Superseded) };
        };
        let starts: BTreeMap<&TopicPartition, StartAt> =
            starts.iter().map(|(at, start)| (at, *start)).collect();
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for at in partitions {
            let start = starts.get(at).ok_or_else(|| ConsumerError::NoStart { partition: at.clone() })?;
            let added = list.add_partition_offset(&at.topic, at.partition, (*start).into());
            added.map_err(refused("start reading"))?;
        }
        let base = &self.core.base;
        let taken = if *cooperative { base.incremental_assign(&list) } else { base.assign(&list) };
        let mut assigned = self.assigned.borrow_mut();
        assigned.extend(partitions.iter().filter_map(|at| Some((at.clone(), *starts.get(at)?))));
        *question = None;
        taken.map_err(refused("start reading"))?;
        // A partition that was paused when it was given up may come back paused.
        if self.paused.get() {
            base.pause(&list).map_err(refused("pause"))
        } else {
            base.resume(&list).map_err(refused("resume"))
        }
    }

    /// Stops the flow of messages of one partition until it is [rewound](Self::rewind) or given up.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn hold(&self, partition: &TopicPartition) -> Result<(), ConsumerError> {
        self.held.borrow_mut().insert(partition.clone());
        self.core.base.pause(&to_list([partition])).map_err(refused("pause"))
    }

    pub(super) fn is_held(&self, partition: &TopicPartition) -> bool {
        self.held.borrow().contains(partition)
    }

    /// Reads held partitions again, each from where it is told. What was fetched ahead of them is thrown away.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn rewind(&self, starts: &[(TopicPartition, StartAt)]) -> Result<(), ConsumerError> {
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for (at, start) in starts {
            let added = list.add_partition_offset(&at.topic, at.partition, (*start).into());
            added.map_err(refused("rewind"))?;
        }
        let sought = self.core.base.seek_partitions(list, SEEK_TIMEOUT).map_err(refused("rewind"))?;
        for element in sought.elements() {
            element.error().map_err(refused("rewind"))?;
        }
        self.assigned.borrow_mut().extend(starts.iter().cloned());
        let mut held = self.held.borrow_mut();
        starts.iter().for_each(|(at, _)| drop(held.take(at)));
        if self.paused.get() {
            return Ok(());
        }
        let list = to_list(starts.iter().map(|(at, _)| at));
        self.core.base.resume(&list).map_err(refused("resume"))
    }

    /// Returns where reading goes on in each partition that something was read of, past control records of transactions,
    /// which no message stands for. Does not ask the brokers.
    pub fn positions(&self) -> Positions {
        let Ok(list) = self.core.base.position() else { return Positions::new() };
        let known = list.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => {
                Some((TopicPartition::new(element.topic(), element.partition()), offset))
            }
            _ => None,
        });
        known.collect()
    }

    /// Returns where the logs that are being read begin (0 if no fetch has told) and end. Of partitions whose flow is
    /// stopped that gets old: ask [`LookUp::ends`] for those.
    pub fn ends(&self) -> Watermarks {
        let end = |at: &TopicPartition| {
            Some((at.clone(), ffi::cached_ends(self.core.base.client(), &at.topic, at.partition)?))
        };
        self.assigned.borrow().keys().filter_map(end).collect()
    }

    /// Answers [`Event::Revoked`]: gives the partitions up. Positions of theirs that are not committed yet are
    /// not committed any more. Does nothing when no revocation waits for an answer.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn release(&self) -> Result<(), ConsumerError> {
        let mut question = self.context().question();
        let Some(Question::Revoke { partitions, cooperative }) = &*question else {
            return Ok(());
        };
        let base = &self.core.base;
        let given =
            if *cooperative { base.incremental_unassign(&to_list(partitions)) } else { base.unassign() };
        self.forget(partitions);
        *question = None;
        given.map_err(refused("give up partitions"))
    }

    /// Returns the partitions that are being read.
    pub fn assigned(&self) -> Vec<TopicPartition> {
        self.assigned.borrow().keys().cloned().collect()
    }

    /// Commits positions in the background; the result comes as [`Event::CommitDone`]. One request is under way at a
    /// time; positions given meanwhile go with the next.
    pub fn commit_async(&self, commits: &Commits) {
        self.committer.submit(commits);
    }

    /// Commits positions and waits for it, trying again until `deadline` where that is of use. The result
    /// also comes as [`Event::CommitDone`].
    ///
    /// # Errors
    /// When the group has moved on, refuses, or does not answer in time.
    pub fn commit_sync(&self, commits: &Commits, deadline: Instant) -> Result<(), CommitError> {
        self.committer.submit_and_wait(commits, deadline)
    }

    /// Stops the flow of messages of all partitions, also of those assigned later, until [`Self::resume`].
    /// What was fetched ahead is thrown away, so pause for stalls of half a second and more only.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn pause(&self) -> Result<(), ConsumerError> {
        self.paused.set(true);
        self.core.base.pause(&to_list(self.assigned.borrow().keys())).map_err(refused("pause"))
    }

    /// Lets messages flow again, from where they stopped.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn resume(&self) -> Result<(), ConsumerError> {
        self.paused.set(false);
        let (assigned, held) = (self.assigned.borrow(), self.held.borrow());
        let list = to_list(assigned.keys().filter(|at| !held.contains(at)));
        self.core.base.resume(&list).map_err(refused("resume"))
    }

    /// Returns whether the consumer is paused.
    pub fn is_paused(&self) -> bool {
        self.paused.get()
    }

    /// Returns a handle for look-ups from other threads.
    pub fn look_up(&self) -> LookUp {
        LookUp::new(&self.core)
    }

    /// From now on look-ups end with [`ConsumerError::Closed`]: the consumer is about to be closed. Not to be polled
    /// after this; commits still work.
    pub fn end_look_ups(&self) {
        self.context().closing.store(true, Ordering::Release);
    }

    /// Leaves the group and frees everything, for at most `timeout`. Commit before: nothing is committed here.
    /// Returns false when that takes longer; it then goes on by itself or, if it hangs, is leaked.
    pub fn close(self, timeout: Duration) -> bool {
        let Self { core, committer, refresher, matched, .. } = self;
        core.context().closing.store(true, Ordering::Release);
        drop((committer, refresher, matched));
        let (connector, task) = (core.context().connector.clone(), core.context().task);
        let (done, closed) = mpsc::channel::<()>();
        let closing = thread::Builder::new().name(format!("close {connector}-{task}")).spawn(move || {
            let mut core = core;
            // A look-up or a commit under way holds on to it.
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
                "kafka consumer does not close in time; leaving it behind"
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
        }
    }

    pub(super) fn event(&self, note: Note) -> Option<Event<'_>> {
        Some(match note {
            Note::Assigned(partitions) => Event::Assigned(partitions),
            Note::Revoked { partitions, lost } => {
                if lost {
                    self.forget(&partitions);
                }
                Event::Revoked { partitions, lost }
            }
            Note::Committed(result) => {
                if let Err(error) = &result {
                    self.context().passing("commit", &error.to_string());
                }
                Event::CommitDone(result)
            }
            Note::Topics(selection) => {
                self.matched.learn(selection);
                return self.take_topics();
            }
            Note::Missing(topics) => {
                self.context().topics_missing(&topics);
                return None;
            }
            Note::Refused(error) => return self.fatal(error),
            Note::Stalled(reason) => Event::Stalled(reason),
            Note::Recovered => Event::Recovered,
        })
    }
}

fn refused(action: &'static str) -> impl Fn(KafkaError) -> ConsumerError {
    move |source| ConsumerError::Refused { action, source }
}
