//! Detects that a topic was deleted and created again under the same name, also when its log has grown past the old position.
//!
//! Offsets belong to the topic id (KIP-516) with which they are stored. When a topic is claimed, its id is queried and compared
//! with the stored one. While it is read, librdkafka logs the new id when its metadata changes, before it fetches the first
//! record of the new topic: brokers of Kafka 3.1 and newer refuse to serve a fetch with another id. There is no other way to
//! learn that from librdkafka, so this reads its log, whose lines are events in the consumer's queue.

use std::collections::{BTreeSet, HashMap};

use super::context::QueuedEvent;
use super::{Consumer, ConsumerError, ConsumerEvent, OnLostPosition, StartAt, TopicPartition};
use crate::kafka::ffi::TopicId;

/// The debug context whose lines contain the ids of topics.
const LOG_CONTEXT: &str = "metadata";

/// The topics of claimed partitions.
#[derive(Debug)]
pub struct ClaimedTopics {
    pub(super) cluster: String,
    pub(super) ids: HashMap<String, TopicId>,
}

impl ClaimedTopics {
    /// The id of the cluster; empty if it is unknown.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The id of a topic; `None` if the brokers know no ids.
    pub fn id(&self, topic: &str) -> Option<TopicId> {
        self.ids.get(topic).copied()
    }
}

/// A topic has this id now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownId {
    topic: String,
    id: TopicId,
}

/// Why partitions of a topic cannot be claimed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClaimError {
    /// A broker has returned an id that librdkafka knows to be replaced: that broker does not know the new topic yet.
    Stale,
    /// This consumer has read the topic before it was created again.
    Recreated { topic: String, before: TopicId, now: TopicId },
}

/// What is known of the ids of topics.
#[derive(Debug, Default)]
pub(super) struct TopicIds {
    /// As of the claims of this consumer, all of which have found the same ids.
    claimed: HashMap<String, TopicId>,
    /// What librdkafka has logged since.
    logged: HashMap<String, TopicId>,
    /// Ids that librdkafka has replaced.
    replaced: HashMap<String, TopicId>,
}

impl TopicIds {
    /// Reads a line of librdkafka's log.
    pub(super) fn read_log(&mut self, line: &str) -> Option<KnownId> {
        // [thrd:main]: Topic orders changed id from aaIvZP83RnK1dSpoaKVhZw to PZK0cLFURCygLkJwpZnIVw
        let (topic, ids) = line.split_once(" changed id from ")?;
        let (_, topic) = topic.rsplit_once("Topic ")?;
        let (before, id) = ids.split_once(" to ")?;
        let id = TopicId::from_log(id)?;
        self.logged.insert(topic.to_owned(), id);
        if let Some(before) = TopicId::from_log(before) {
            self.replaced.insert(topic.to_owned(), before);
        }
        Some(KnownId { topic: topic.to_owned(), id })
    }

    /// Partitions of these topics are claimed now.
    ///
    /// # Errors
    /// When an id is out of date, or differs from that of an earlier claim.
    pub(super) fn claim(&mut self, ids: &HashMap<String, TopicId>) -> Result<(), ClaimError> {
        if ids.iter().any(|(topic, id)| self.replaced.get(topic) == Some(id)) {
            return Err(ClaimError::Stale);
        }
        for (topic, id) in ids {
            self.logged.remove(topic);
            let before = *self.claimed.entry(topic.clone()).or_insert(*id);
            if before != *id {
                return Err(ClaimError::Recreated { topic: topic.clone(), before, now: *id });
            }
        }
        Ok(())
    }
}

/// The property `debug` that makes librdkafka log the ids of topics, besides what the user wants to see.
pub(super) fn debug_contexts(wanted: Option<&str>) -> String {
    match wanted {
        Some(wanted) => format!("{wanted},{LOG_CONTEXT}"),
        None => LOG_CONTEXT.to_owned(),
    }
}

impl Consumer {
    /// Compares the ids of these partitions' topics again that were logged since the partitions were claimed: they were not read
    /// then.
    pub(super) fn compare_logged_ids(&self, starts: &[(TopicPartition, StartAt)]) {
        let topics: BTreeSet<&str> = starts.iter().map(|(at, _)| at.topic.as_str()).collect();
        for topic in topics {
            let logged = self.context().with_topic_ids(|ids| ids.logged.get(topic).copied());
            if let Some(id) = logged {
                self.context().enqueue(QueuedEvent::TopicId(KnownId { topic: topic.to_owned(), id }));
            }
        }
    }

    /// Compares the id of a topic with the one that its partitions were claimed with, if they are read. Fails if the topic was
    /// created again.
    ///
    /// librdkafka 2.12 does not read it on: if the old topic has had more elections of leaders, it takes the leaders of the new
    /// one for outdated. So the task has to start again with another consumer, which applies `on_lost_position`.
    pub(super) fn compare_ids(&self, known: KnownId) -> Option<ConsumerEvent> {
        let KnownId { topic, id: now } = known;
        let claimed = self.context().with_topic_ids(|ids| ids.claimed.get(&topic).copied());
        let before = claimed.filter(|before| *before != now)?;
        let is_read = self.assigned.borrow().keys().any(|at| at.topic == topic);
        is_read.then(|| self.recreated(topic, before, now)).and_then(|error| self.fatal(error))
    }

    fn recreated(&self, topic: String, before: TopicId, now: TopicId) -> ConsumerError {
        match self.on_lost_position {
            OnLostPosition::Fail => {
                ConsumerError::TopicRecreated { topic, before, now, group: self.core.group.clone() }
            }
            OnLostPosition::Earliest | OnLostPosition::Latest => {
                ConsumerError::TopicReplaced { topic, before, now }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn line(from: &str, to: TopicId) -> String {
        format!("[thrd:main]: Topic orders changed id from {from} to {to}")
    }

    fn orders(id: TopicId) -> HashMap<String, TopicId> {
        HashMap::from([("orders".to_owned(), id)])
    }

    fn known(id: TopicId) -> KnownId {
        KnownId { topic: "orders".to_owned(), id }
    }

    #[test]
    fn ids_come_from_the_log_and_from_claims() {
        let (old, new) = (TopicId([1; 16]), TopicId([2; 16]));
        let mut ids = TopicIds::default();
        assert_eq!(ids.claim(&orders(old)), Ok(()));
        assert_eq!(ids.read_log(&line(NONE, old)), Some(known(old)));
        assert_eq!(ids.claim(&orders(old)), Ok(()));
        assert!(ids.logged.is_empty());
        let recreated = ClaimError::Recreated { topic: "orders".to_owned(), before: old, now: new };
        assert_eq!(ids.claim(&orders(new)), Err(recreated), "noticed by the claim");
        assert_eq!(ids.read_log("[thrd:main]: Topic orders [0] Leader 1 Epoch 0"), None);
        assert_eq!(ids.read_log(&line(&new.to_string(), TopicId([0; 16]))), None, "a broker that is too old");
    }

    #[test]
    fn a_broker_that_does_not_know_the_new_topic_yet_is_asked_again() {
        let (old, new) = (TopicId([1; 16]), TopicId([2; 16]));
        let mut ids = TopicIds::default();
        ids.claim(&orders(old)).unwrap();
        assert_eq!(ids.read_log(&line(&old.to_string(), new)), Some(known(new)));
        assert_eq!(ids.claim(&orders(old)), Err(ClaimError::Stale));
        assert!(matches!(ids.claim(&orders(new)), Err(ClaimError::Recreated { .. })));
    }

    #[test]
    fn what_the_user_debugs_is_kept() {
        assert_eq!(debug_contexts(None), "metadata");
        assert_eq!(debug_contexts(Some("cgrp,fetch")), "cgrp,fetch,metadata");
    }
}
