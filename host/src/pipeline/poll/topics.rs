//! What the log and the supervisor are told of the topics that a pattern takes.

use std::time::Instant;

use super::{Membership, Poll};
use crate::{
    kafka::consumer::{Topics, TopicsChange},
    telemetry,
};

/// Topics named in a line of the log; a cluster may have thousands.
const NAMED: usize = 20;

impl Poll<'_> {
    /// The consumer has subscribed to what its pattern takes now.
    pub(super) fn on_topics(&mut self, change: &TopicsChange) {
        let Topics::Pattern(pattern) = &self.settings.consumer.topics else { return };
        let TopicsChange { partitions, appeared, gone, reserved, letters } = change;
        if self.settings.until_end {
            self.counts.total_partitions = Some(u32::try_from(*partitions).unwrap_or(u32::MAX));
        }
        if !appeared.is_empty() {
            let (count, topics) = (appeared.len(), named(appeared));
            tracing::info!(topics, "Subscribed to topics matching {pattern}: {count} found");
            if self.assignment.len() == 0 {
                self.membership = Membership::Joining(Instant::now());
            }
        }
        self.warn(
            "topics_gone",
            gone,
            "topics are gone, and are not read any more: they were deleted, or the user may not describe them any more",
        );
        self.warn(
            "topics_reserved",
            reserved,
            "topics that begin with __ are not read through topics_regex: to read them, begin it with ^__, or name them \
             in source.topics",
        );
        self.warn(
            "topics_of_letters",
            letters,
            "topics are not read although topics_regex matches: the connector's own dead letters go there",
        );
        if *partitions > 0 {
            return;
        }
        if self.settings.until_end {
            tracing::warn!("no topic matches {pattern}: there is nothing to read");
        } else {
            tracing::warn!("no topic matches {pattern}; waiting for one to appear");
        }
    }

    fn warn(&self, cause: &'static str, topics: &[String], message: &str) {
        if topics.is_empty() {
            return;
        }
        let (connector, task) = (&self.settings.connector, self.settings.task);
        telemetry::task_count(connector, task, "warnings_total", &[("cause", cause)], topics.len() as u64);
        tracing::warn!(cause, count = topics.len(), topics = named(topics), "{message}");
    }
}

fn named(topics: &[String]) -> String {
    let more = if topics.len() > NAMED { " .." } else { "" };
    format!("{}{more}", topics[..topics.len().min(NAMED)].join(" "))
}
