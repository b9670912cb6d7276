//! The log line that says where a task starts to read its partitions, and why there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::kafka::consumer::{OnLostPosition, Start, StartAt, StartOrigin, TopicPartition};

/// Up to this number of partitions, each of them is named.
const NAMED: usize = 20;

/// Describes each partition, or the partitions of each topic if there are many.
pub(super) fn describe(starts: &[(TopicPartition, StartAt)], origins: &[StartOrigin]) -> String {
    if starts.len() <= NAMED { each(starts, origins) } else { by_topic(starts, origins) }
}

fn each(starts: &[(TopicPartition, StartAt)], origins: &[StartOrigin]) -> String {
    let mut text = String::new();
    let mut last: Option<&StartOrigin> = None;
    for ((at, start), origin) in starts.iter().zip(origins) {
        // The reason follows the last of the partitions that it holds for.
        if let Some(last) = last
            && last != origin
        {
            let _infallible = write!(text, " ({})", reason(*last));
        }
        let separator = if text.is_empty() { "" } else { ", " };
        let _infallible = match start {
            StartAt::Beginning => write!(text, "{separator}{at} at its beginning"),
            StartAt::Offset(offset) => write!(text, "{separator}{at} at {offset}"),
        };
        last = Some(origin);
    }
    if let Some(last) = last {
        let _infallible = write!(text, " ({})", reason(*last));
    }
    text
}

fn by_topic(starts: &[(TopicPartition, StartAt)], origins: &[StartOrigin]) -> String {
    let mut counts: BTreeMap<(&str, StartOrigin), usize> = BTreeMap::new();
    for ((at, _), origin) in starts.iter().zip(origins) {
        *counts.entry((&at.topic, *origin)).or_default() += 1;
    }
    let describe = |((topic, origin), count): ((&str, StartOrigin), usize)| {
        format!("{count} of {topic} ({})", reason(origin))
    };
    counts.into_iter().map(describe).collect::<Vec<_>>().join(", ")
}

fn reason(origin: StartOrigin) -> &'static str {
    match origin {
        StartOrigin::Stored => "stored by the sink",
        StartOrigin::Committed => "committed offset",
        StartOrigin::NothingCommitted(Start::Earliest) => "no committed offset, start = \"earliest\"",
        StartOrigin::NothingCommitted(Start::Latest) => {
            "no committed offset of the topic, start = \"latest\""
        }
        StartOrigin::OthersCommitted => {
            "no committed offset, while other partitions have one: it was added later, or its offset has expired"
        }
        StartOrigin::Lost(OnLostPosition::Latest) => "position lost, on_lost_position = \"latest\"",
        StartOrigin::Lost(_) => "position lost, on_lost_position = \"earliest\"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(topic: &str, partition: i32, start: StartAt) -> (TopicPartition, StartAt) {
        (TopicPartition::new(topic, partition), start)
    }

    #[test]
    fn every_partition_is_named_with_the_reason_behind_those_that_share_it() {
        let starts =
            [at("a", 0, StartAt::Offset(5)), at("a", 1, StartAt::Offset(7)), at("b", 0, StartAt::Beginning)];
        let new = StartOrigin::NothingCommitted(Start::Earliest);
        let text = describe(&starts, &[StartOrigin::Committed, StartOrigin::Committed, new]);
        assert_eq!(
            text,
            "a-0 at 5, a-1 at 7 (committed offset), b-0 at its beginning (no committed offset, start = \"earliest\")"
        );
        assert_eq!(describe(&[], &[]), "");
    }

    #[test]
    fn many_partitions_are_counted() {
        let starts: Vec<_> = (0..30).map(|n| at("a", n, StartAt::Offset(1))).collect();
        let mut origins = vec![StartOrigin::Committed; 29];
        origins.push(StartOrigin::Lost(OnLostPosition::Latest));
        assert_eq!(
            describe(&starts, &origins),
            "29 of a (committed offset), 1 of a (position lost, on_lost_position = \"latest\")"
        );
    }
}
