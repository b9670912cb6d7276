//! Notices that a topic was deleted and created again under the same name, also when its log has grown past the old position.
//!
//! Offsets belong to the topic id (KIP-516) with which they are stored. When a topic is claimed, its id is queried and compared
//! with the stored one. While it is read, librdkafka logs the new id when its metadata changes, before it fetches the first
//! record of the new topic: brokers of Kafka 3.1 and newer refuse to serve a fetch with another id. There is no other way to
//! learn that from librdkafka, so this reads its log, whose lines are events in the consumer's queue.

use std::collections::{BTreeMap, HashMap};

use super::context::QueuedEvent;
use super::{Consumer, ConsumerError, ConsumerEvent, OnLostPosition, StartAt, TopicPartition};
use crate::kafka::ffi::TopicId;

/// The debug context whose lines contain the ids of topics.
const LOG_CONTEXT: &str = "metadata";

/// The ids of the partitions that are read.
pub(super) type ReadIds = BTreeMap<TopicPartition, TopicId>;

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

/// A broker has returned an id that librdkafka knows to be replaced: that broker does not know the new topic yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StaleId;

/// What is known of the ids of topics.
#[derive(Debug, Default)]
pub(super) struct TopicIds {
    /// As of the last claim of partitions.
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

    /// Partitions of these topics are claimed now. Returns the ids that differ from those of the claim before.
    pub(super) fn claim(&mut self, ids: &HashMap<String, TopicId>) -> Result<Vec<KnownId>, StaleId> {
        if ids.iter().any(|(topic, id)| self.replaced.get(topic) == Some(id)) {
            return Err(StaleId);
        }
        let mut changed = Vec::new();
        for (topic, id) in ids {
            self.logged.remove(topic);
            if self.claimed.insert(topic.clone(), *id).is_some_and(|before| before != *id) {
                changed.push(KnownId { topic: topic.clone(), id: *id });
            }
        }
        Ok(changed)
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
    /// Notes with which ids these partitions were claimed, before they are read.
    pub(super) fn note_ids(&self, starts: &[(TopicPartition, StartAt)]) {
        let mut read_ids = self.read_ids.borrow_mut();
        let mut changed = Vec::new();
        self.context().with_topic_ids(|ids| {
            for (at, _) in starts {
                match ids.claimed.get(&at.topic) {
                    Some(id) => read_ids.insert(at.clone(), *id),
                    None => read_ids.remove(at),
                };
                changed.extend(ids.logged.get(&at.topic).map(|id| (at.topic.clone(), *id)));
            }
        });
        // Logged between the claim and now, when the partitions were not read yet.
        changed.dedup();
        for (topic, id) in changed {
            self.context().enqueue(QueuedEvent::TopicId(KnownId { topic, id }));
        }
    }

    /// Compares the id of a topic with those of its partitions that are read. If the topic was created again, fails, or holds
    /// the partitions so that they are claimed again, as `on_lost_position` says.
    pub(super) fn compare_ids(&self, known: KnownId) -> Option<ConsumerEvent> {
        let KnownId { topic, id: now } = known;
        let differs = |(at, id): &(&TopicPartition, &TopicId)| {
            at.topic == topic && **id != now && !self.is_held(at) && self.assigned.borrow().contains_key(*at)
        };
        let read_ids = self.read_ids.borrow();
        let (partitions, before): (Vec<TopicPartition>, Vec<TopicId>) =
            read_ids.iter().filter(differs).map(|(at, id)| (at.clone(), *id)).unzip();
        let before = *before.first()?;
        if self.on_lost_position == OnLostPosition::Fail {
            let group = self.core.group.clone();
            return self.fatal(ConsumerError::TopicRecreated { topic, before, now, group });
        }
        match partitions.iter().try_for_each(|at| self.hold(at)) {
            Ok(()) => Some(ConsumerEvent::LostPositions(partitions)),
            Err(error) => self.fatal(error),
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
        assert_eq!(ids.claim(&orders(old)), Ok(Vec::new()));
        assert_eq!(ids.read_log(&line(NONE, old)), Some(known(old)));
        assert_eq!(ids.claim(&orders(new)), Ok(vec![known(new)]), "noticed by the claim");
        assert!(ids.logged.is_empty());
        assert_eq!(ids.read_log("[thrd:main]: Topic orders [0] Leader 1 Epoch 0"), None);
        assert_eq!(ids.read_log(&line(&new.to_string(), TopicId([0; 16]))), None, "a broker that is too old");
    }

    #[test]
    fn a_broker_that_does_not_know_the_new_topic_yet_is_asked_again() {
        let (old, new) = (TopicId([1; 16]), TopicId([2; 16]));
        let mut ids = TopicIds::default();
        ids.claim(&orders(old)).unwrap();
        assert_eq!(ids.read_log(&line(&old.to_string(), new)), Some(known(new)));
        assert_eq!(ids.claim(&orders(old)), Err(StaleId));
        assert_eq!(ids.claim(&orders(new)), Ok(vec![known(new)]));
    }

    #[test]
    fn what_the_user_debugs_is_kept() {
        assert_eq!(debug_contexts(None), "metadata");
        assert_eq!(debug_contexts(Some("cgrp,fetch")), "cgrp,fetch,metadata");
    }
}
