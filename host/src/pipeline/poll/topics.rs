//! Log lines about the topics that match `source.topics_regex`.

use super::PollLoop;
use crate::{
    kafka::consumer::{Topics, TopicsChange},
    telemetry,
};

/// Maximum number of topics in a log line; a cluster may have thousands.
const NAMED: usize = 20;

impl PollLoop<'_> {
    /// Logs a change of the subscription.
    pub(super) fn log_topics(&self, change: &TopicsChange) {
        let Topics::Pattern(pattern) = &self.settings.consumer.topics else { return };
        let TopicsChange { partitions, appeared, gone, reserved, own_dead_letter_topics: dead_letters } =
            change;
        if !appeared.is_empty() {
            let (count, topics) = (appeared.len(), named(appeared));
            tracing::info!(topics, "Subscribed to topics matching {pattern}: {count} found");
        }
        self.warn(
            "topics_gone",
            gone,
            "topics are no longer read: they were deleted, or the user no longer has DESCRIBE on them",
        );
        self.warn(
            "topics_reserved",
            reserved,
            "topics that begin with __ are not read through topics_regex: to read them, begin it with ^__, or name them \
             in source.topics",
        );
        self.warn(
            "own_dead_letter_topics",
            dead_letters,
            "topics are not read although topics_regex matches: the connector's own dead letters are written there",
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
