//! What a consumer is subscribed to: the topics in its settings, or those that its pattern takes at the moment.
//!
//! Patterns never go to librdkafka, nor to the broker: each has rules of its own for them. The consumer subscribes to names,
//! and to others when a [`Watch`] finds that the pattern takes others.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use super::stalls::Cause;
use super::watch::Watch;
use super::{Consumer, ConsumerError, Event, Topics, TopicsChange};
use crate::kafka::topic_pattern::Selection;

/// What the pattern of a consumer takes.
#[derive(Default)]
pub(super) struct Matched {
    watch: RefCell<Option<Watch>>,
    /// What was found last, until the consumer has subscribed to it.
    found: RefCell<Option<Selection>>,
    /// Mirrors `found.is_some()`.
    news: Cell<bool>,
    /// What the consumer has subscribed to.
    subscribed: RefCell<Option<Selection>>,
}

impl Matched {
    /// Whether something was found that is not subscribed to yet.
    pub(super) fn has_news(&self) -> bool {
        self.news.get()
    }

    /// Takes what was found, in place of what was found before.
    pub(super) fn learn(&self, selection: Selection) {
        *self.found.borrow_mut() = Some(selection);
        self.news.set(true);
    }
}

impl Consumer {
    /// Begins to follow which topics there are, unless it does so already.
    pub(super) fn watch_topics(&self) -> Result<(), ConsumerError> {
        if self.matched.watch.borrow().is_some() {
            return Ok(());
        }
        let context = self.context();
        let name = format!("{}-{}", context.connector, context.task);
        let watch = Watch::start(&self.core, self.topics.clone(), self.refresh_topics_every, &name)?;
        *self.matched.watch.borrow_mut() = Some(watch);
        Ok(())
    }

    /// Has the topics looked up now.
    pub(super) fn look_at_topics(&self) {
        self.matched.watch.borrow().iter().for_each(Watch::look);
    }

    /// Subscribes to these topics in place of others; to none, it leaves the group. What is assigned of topics that stay is
    /// kept with a cooperative strategy, and comes back from the rebalance with others.
    pub(super) fn subscribe(&self, topics: Vec<&str>) -> Result<(), ConsumerError> {
        let base = &self.core.base;
        if topics.is_empty() {
            base.unsubscribe();
            return Ok(());
        }
        base.subscribe(&topics).map_err(|error| ConsumerError::Subscribe {
            topics: topics.join(", "),
            reason: match error {
                KafkaError::Subscription(reason) => reason,
                other => other.to_string(),
            },
        })
    }

    /// Subscribes to what was found, unless a rebalance waits for its answer: then after that.
    pub(super) fn take_topics(&self) -> Option<Event<'_>> {
        if self.failed.get() || self.context().question().is_some() {
            return None;
        }
        let found = self.matched.found.take()?;
        self.matched.news.set(false);
        let before = self.matched.subscribed.borrow_mut().replace(found.clone());
        let is_first = before.is_none();
        let before = before.unwrap_or_default();
        let change = TopicsChange {
            partitions: found.topics.values().sum(),
            appeared: new_in(found.topics.keys(), |topic| before.topics.contains_key(topic)),
            gone: new_in(before.topics.keys(), |topic| found.topics.contains_key(topic)),
            reserved: new_in(&found.reserved, |topic| before.reserved.contains(topic)),
            letters: new_in(&found.letters, |topic| before.letters.contains(topic)),
        };
        let has_changed = !change.appeared.is_empty() || !change.gone.is_empty();
        if has_changed && let Err(error) = self.subscribe(found.topics.keys().map(String::as_str).collect()) {
            return self.fatal(error);
        }
        self.tell_of_match(&found.topics);
        (is_first
            || change != TopicsChange { partitions: before.topics.values().sum(), ..Default::default() })
        .then_some(Event::Topics(change))
    }

    /// That nothing matches is why nothing is read.
    fn tell_of_match(&self, topics: &BTreeMap<String, usize>) {
        let Topics::Pattern(pattern) = &self.topics else { return };
        if topics.is_empty() {
            let reason = format!("no topic matches {pattern}; waiting for one to appear");
            self.context().stalls(Cause::Pattern, reason);
        } else {
            self.context().goes_on(&Cause::Pattern);
        }
    }
}

/// Those of `topics` that were not there before.
fn new_in<'t>(
    topics: impl IntoIterator<Item = &'t String>,
    is_known: impl Fn(&String) -> bool,
) -> Vec<String> {
    topics.into_iter().filter(|topic| !is_known(topic)).cloned().collect()
}
