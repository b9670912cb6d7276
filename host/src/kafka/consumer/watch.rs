//! Follows which topics there are, of those that a pattern takes or that were named: asks the brokers for all topics now and
//! then, on a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::context::Note;
use super::core::Core;
use super::{ConsumerError, LookUp, Topics};
use crate::kafka::topic_pattern::{Selection, TopicPattern};

/// How long brokers that do not answer are asked, before that starts over.
const PATIENCE: Duration = Duration::from_secs(30);
/// When to look again at a topic that is missing in one answer: a broker that has just started may not know of all yet.
const CONFIRM_AFTER: Duration = Duration::from_secs(1);

/// Ends when it is dropped.
pub(super) struct Watch(Sender<()>);

impl Watch {
    /// Starts the thread. What it finds, first and whenever it is something else, comes as [`Note::Topics`], and of topics that
    /// were named as [`Note::Missing`]. It looks again every `every`, or only when asked to.
    pub(super) fn start(
        core: &Arc<Core>,
        topics: Topics,
        every: Option<Duration>,
        name: &str,
    ) -> io::Result<Self> {
        let (sender, wake) = mpsc::channel();
        let (core, look_up) = (Arc::downgrade(core), LookUp::new(core));
        let follow = Follow { core, look_up, topics, every, known: None, missing: BTreeSet::new() };
        thread::Builder::new().name(format!("topics {name}")).spawn(move || follow.run(&wake))?;
        Ok(Self(sender))
    }

    /// Looks now: something has changed.
    pub(super) fn look(&self) {
        // A watch that has ended has told why.
        let _ended = self.0.send(()).is_err();
    }
}

struct Follow {
    core: Weak<Core>,
    look_up: LookUp,
    topics: Topics,
    every: Option<Duration>,
    /// What the pattern took at the last look.
    known: Option<Selection>,
    /// What was missing at the last look of the topics that were named.
    missing: BTreeSet<String>,
}

impl Follow {
    fn run(mut self, wake: &Receiver<()>) {
        let mut absent = Vec::new();
        loop {
            let wait = match self.look_up.topics(Instant::now() + PATIENCE) {
                Ok(topics) => {
                    absent = self.learn(&topics, &absent);
                    if absent.is_empty() { self.pause() } else { Some(CONFIRM_AFTER) }
                }
                Err(ConsumerError::Closed) => return,
                Err(ConsumerError::LookUp { reason, .. }) => {
                    tracing::debug!(reason, "the topics of the cluster are not known; asking again");
                    Some(CONFIRM_AFTER)
                }
                Err(error) => return self.tell(Note::Refused(error)),
            };
            if is_over(wake, wait) {
                return;
            }
        }
    }

    /// Takes an answer. Topics count as gone once they are missing in two answers: `absent` were missing in the one before.
    /// Returns those that are missing in this one, and not in that.
    fn learn(&mut self, topics: &BTreeMap<String, usize>, absent: &[String]) -> Vec<String> {
        match self.topics.clone() {
            Topics::Pattern(pattern) => self.select(&pattern, topics, absent),
            Topics::List(names) => self.look_for(&names, topics, absent),
        }
    }

    fn look_for(
        &mut self,
        names: &[String],
        topics: &BTreeMap<String, usize>,
        absent: &[String],
    ) -> Vec<String> {
        let missing = names.iter().filter(|name| !topics.contains_key(*name));
        let (missing, fresh): (BTreeSet<String>, BTreeSet<String>) =
            missing.cloned().partition(|name| absent.contains(name) || self.missing.contains(name));
        if self.missing != missing {
            self.missing = missing.clone();
            self.tell(Note::Missing(missing));
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
            self.tell(Note::Topics(found));
        }
        fresh.into_iter().map(|(topic, _)| topic).collect()
    }

    /// The wait until the next look. Tasks that started together do not go on asking together.
    fn pause(&self) -> Option<Duration> {
        let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
        self.every.map(|every| every.mul_f64(0.9 + random / 5.0))
    }

    fn tell(&self, note: Note) {
        if let Some(core) = self.core.upgrade() {
            core.context().note(note);
        }
    }
}

/// Waits for the next look. Returns whether there is none.
fn is_over(wake: &Receiver<()>, wait: Option<Duration>) -> bool {
    let woken = match wait {
        Some(wait) => wake.recv_timeout(wait),
        None => wake.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    if woken == Err(RecvTimeoutError::Disconnected) {
        return true;
    }
    // One look answers everybody who asked for one.
    while wake.try_recv().is_ok() {}
    false
}
