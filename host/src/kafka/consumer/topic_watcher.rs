//! Watches for topics that appear or disappear: queries all topics of the cluster at intervals, on a separate thread.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::context::QueuedEvent;
use super::core::Core;
use super::{ConsumerError, OffsetResolver, Topics};
use crate::kafka::topic_pattern::{Selection, TopicPattern};

/// Timeout of a query; after it, a new one starts.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// When to query again after a topic is missing in one response: a broker that has just started may not know all topics.
const CONFIRM_AFTER: Duration = Duration::from_secs(1);

/// Stops watching when dropped.
pub(super) struct TopicWatcher(Sender<()>);

impl TopicWatcher {
    /// Starts the thread. It queues [`QueuedEvent::Topics`] for a pattern, and [`QueuedEvent::Missing`] for a list of topics:
    /// the first result and every change. It queries again after `every`, or only on [`Self::refresh`].
    pub(super) fn start(
        core: &Arc<Core>,
        topics: Topics,
        every: Option<Duration>,
        name: &str,
    ) -> io::Result<Self> {
        let (sender, wake) = mpsc::channel();
        let (core, resolver) = (Arc::downgrade(core), OffsetResolver::new(core));
        let follow = TopicPoller { core, resolver, topics, every, known: None };
        thread::Builder::new().name(format!("topics {name}")).spawn(move || follow.run(&wake))?;
        Ok(Self(sender))
    }

    /// Queries the topics now.
    pub(super) fn refresh(&self) {
        // A watcher that has ended has queued the reason.
        let _ended = self.0.send(()).is_err();
    }
}

struct TopicPoller {
    core: Weak<Core>,
    resolver: OffsetResolver,
    topics: Topics,
    every: Option<Duration>,
    /// The last result for a pattern.
    known: Option<Selection>,
}

impl TopicPoller {
    fn run(mut self, wake: &Receiver<()>) {
        let mut absent = Vec::new();
        loop {
            let wait = match self.resolver.topics(Instant::now() + QUERY_TIMEOUT) {
                Ok(topics) => {
                    absent = self.learn(&topics, &absent);
                    if absent.is_empty() { self.pause() } else { Some(CONFIRM_AFTER) }
                }
                Err(ConsumerError::Closed) => return,
                Err(ConsumerError::QueryTimeout { reason, .. }) => {
                    tracing::debug!(reason, "cannot query the topics of the cluster; retrying");
                    Some(CONFIRM_AFTER)
                }
                Err(error) => return self.enqueue(QueuedEvent::Fatal(error)),
            };
            if is_over(wake, wait) {
                return;
            }
        }
    }

    /// Processes a response. A topic counts as deleted once it is missing in two consecutive responses; `absent` were
    /// missing in the previous one. Returns the topics that are missing for the first time.
    fn learn(&mut self, topics: &BTreeMap<String, usize>, absent: &[String]) -> Vec<String> {
        match self.topics.clone() {
            Topics::Pattern(pattern) => self.select(&pattern, topics, absent),
            Topics::List(names) => self.check_named(&names, topics, absent),
        }
    }

    fn check_named(
        &mut self,
        names: &[String],
        topics: &BTreeMap<String, usize>,
        absent: &[String],
    ) -> Vec<String> {
        let Some(core) = self.core.upgrade() else { return Vec::new() };
        // librdkafka may have reported a topic as missing that exists by now.
        let reported = core.context().missing_topics();
        let missing = names.iter().filter(|name| !topics.contains_key(*name));
        let (missing, fresh): (BTreeSet<String>, BTreeSet<String>) =
            missing.cloned().partition(|name| absent.contains(name) || reported.contains(name));
        if reported != missing {
            self.enqueue(QueuedEvent::Missing(missing));
        }
        fresh.into_iter().collect()
    }

    fn select(
        &mut self,
        pattern: &TopicPattern,
        topics: &BTreeMap<String, usize>,
        absent: &[String],
    ) -> Vec<String> {
        let mut found = pattern.select(topics);
        let before = self.known.as_ref().map(|known| &known.topics);
        let missing = before.into_iter().flatten().filter(|(topic, _)| !found.topics.contains_key(*topic));
        let fresh: Vec<(String, usize)> = missing
            .filter(|(topic, _)| !absent.contains(topic))
            .map(|(topic, partitions)| (topic.clone(), *partitions))
            .collect();
        found.topics.extend(fresh.iter().cloned());
        if self.known.as_ref() != Some(&found) {
            self.known = Some(found.clone());
            self.enqueue(QueuedEvent::Topics(found));
        }
        fresh.into_iter().map(|(topic, _)| topic).collect()
    }

    /// The interval until the next query, with jitter so that tasks that started together do not query together.
    fn pause(&self) -> Option<Duration> {
        let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
        self.every.map(|every| every.mul_f64(0.9 + random / 5.0))
    }

    fn enqueue(&self, event: QueuedEvent) {
        if let Some(core) = self.core.upgrade() {
            core.enqueue(event);
        }
    }
}

/// Waits until the next query is due. Returns true when the watcher was dropped.
fn is_over(wake: &Receiver<()>, wait: Option<Duration>) -> bool {
    let woken = match wait {
        Some(wait) => wake.recv_timeout(wait),
        None => wake.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    if woken == Err(RecvTimeoutError::Disconnected) {
        return true;
    }
    // One query serves all pending requests.
    while wake.try_recv().is_ok() {}
    false
}
