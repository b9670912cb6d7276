//! The subscription of a consumer: a list of topics, or the topics that currently match a pattern.
//!
//! Patterns are not passed to librdkafka or the broker, because each has its own regex dialect. The consumer subscribes to
//! topic names, and changes its subscription when a [`TopicWatcher`] finds that other topics match.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use super::stalls::StallCause;
use super::topic_watcher::TopicWatcher;
use super::{Consumer, ConsumerError, ConsumerEvent, Topics, TopicsChange};
use crate::kafka::topic_pattern::Selection;

/// The topics that match the pattern of a consumer.
#[derive(Default)]
pub(super) struct PatternSubscription {
    watch: RefCell<Option<TopicWatcher>>,
    /// The latest result, until the consumer has subscribed to it.
    found: RefCell<Option<Selection>>,
    /// Mirrors `found.is_some()`.
    updated: Cell<bool>,
    /// The current subscription.
    subscribed: RefCell<Option<Selection>>,
}

impl PatternSubscription {
    /// Whether there is a result that is not subscribed to yet.
    pub(super) fn has_update(&self) -> bool {
        self.updated.get()
    }

    /// Replaces the latest result.
    pub(super) fn learn(&self, selection: Selection) {
        *self.found.borrow_mut() = Some(selection);
        self.updated.set(true);
    }
}

impl Consumer {
    /// Starts watching the topics of the cluster, unless it is watching already.
    pub(super) fn watch_topics(&self) -> Result<(), ConsumerError> {
        if self.matched.watch.borrow().is_some() {
            return Ok(());
        }
        let context = self.context();
        let name = format!("{}-{}", context.connector, context.task);
        let watch = TopicWatcher::start(&self.core, self.topics.clone(), self.refresh_topics_every, &name)?;
        *self.matched.watch.borrow_mut() = Some(watch);
        Ok(())
    }

    /// The topics that the consumer is subscribed to.
    pub fn subscribed_topics(&self) -> Vec<String> {
        match &self.topics {
            Topics::List(topics) => topics.clone(),
            Topics::Pattern(_) => {
                let subscribed = self.matched.subscribed.borrow();
                subscribed.iter().flat_map(|selection| selection.topics.keys().cloned()).collect()
            }
        }
    }

    /// Queries the topics now.
    pub(super) fn refresh_topics(&self) {
        self.matched.watch.borrow().iter().for_each(TopicWatcher::refresh);
    }

    /// Replaces the subscription; with no topics, leaves the group. With a cooperative strategy, assigned partitions of
    /// topics that stay subscribed are kept; with other strategies, the rebalance assigns them again.
    pub(super) fn subscribe(&self, topics: Vec<&str>) -> Result<(), ConsumerError> {
        let base = &self.core.base;
        if topics.is_empty() {
            base.unsubscribe();
            return Ok(());
        }
        self.membership.set(false);
        self.core.listen(true);
        base.subscribe(&topics).map_err(|error| ConsumerError::Subscribe {
            topics: topics.join(", "),
            reason: match error {
                KafkaError::Subscription(reason) => reason,
                other => other.to_string(),
            },
        })
    }

    /// Subscribes to the latest result, unless a rebalance is pending: then later.
    pub(super) fn take_topics(&self) -> Option<ConsumerEvent> {
        if self.failed.get() || self.context().pending_rebalance().is_some() {
            return None;
        }
        let found = self.matched.found.take()?;
        self.matched.updated.set(false);
        let before = self.matched.subscribed.borrow_mut().replace(found.clone());
        let is_first = before.is_none();
        let before = before.unwrap_or_default();
        let change = TopicsChange {
            partitions: found.topics.values().sum(),
            appeared: new_in(found.topics.keys(), |topic| before.topics.contains_key(topic)),
            gone: new_in(before.topics.keys(), |topic| found.topics.contains_key(topic)),
            reserved: new_in(&found.reserved, |topic| before.reserved.contains(topic)),
            own_dead_letter_topics: new_in(&found.own_dead_letter_topics, |topic| {
                before.own_dead_letter_topics.contains(topic)
            }),
        };
        let has_changed = !change.appeared.is_empty() || !change.gone.is_empty();
        if has_changed && let Err(error) = self.subscribe(found.topics.keys().map(String::as_str).collect()) {
            return self.fatal(error);
        }
        self.update_pattern_stall(&found.topics);
        (is_first
            || change != TopicsChange { partitions: before.topics.values().sum(), ..Default::default() })
        .then_some(ConsumerEvent::Topics(change))
    }

    /// Reports a stall while no topic matches.
    fn update_pattern_stall(&self, topics: &BTreeMap<String, usize>) {
        let Topics::Pattern(pattern) = &self.topics else { return };
        if topics.is_empty() {
            let reason = format!("no topic matches {pattern}; waiting for one to appear");
            self.context().begin_stall(StallCause::Pattern, reason);
        } else {
            self.context().end_stall(&StallCause::Pattern);
        }
    }
}

/// The items of `topics` that are not known.
fn new_in<'t>(
    topics: impl IntoIterator<Item = &'t String>,
    is_known: impl Fn(&String) -> bool,
) -> Vec<String> {
    topics.into_iter().filter(|topic| !is_known(topic)).cloned().collect()
}
