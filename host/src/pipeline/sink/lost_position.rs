//! Positions that are not in the log from which they come, and committed offsets that do not count.

use std::{collections::HashMap, time::Instant};

use super::{OpenSink, claim::named};
use crate::{
    formats::{self, TopicIdentity},
    kafka::{
        TopicId,
        consumer::{
            ClaimedTopics, Commit, Commits, ConsumerError, OnLostPosition, ResolvedStarts, StartAt,
            StartOrigin, TopicPartition, Watermarks,
        },
    },
    pipeline::{channels::States, error::TaskError},
};

/// Maximum number of partitions in a log line.
const NAMED: usize = 10;

impl OpenSink<'_> {
    /// Fails for positions that are outside their logs or belong to a deleted topic of the same name, before they are committed
    /// to the group, or replaces them according to `source.on_lost_position`. With the default, the consumer itself reports
    /// positions of the group that are outside their logs.
    pub(super) fn check_positions(
        &mut self,
        resolved: &mut ResolvedStarts,
        stored: &HashMap<TopicPartition, i64>,
        states: &mut States,
        topics: &ClaimedTopics,
        deadline: Instant,
    ) -> Result<(), TaskError> {
        let worker = self.worker;
        let (consumer, offset_resolver) = (&worker.settings.consumer, &worker.offset_resolver);
        let policy = consumer.on_lost_position;
        // A topic that was created again may have fewer partitions, and no leader would answer for the others.
        let is_same = |at: &TopicPartition| {
            let before = states.get(at).and_then(|state| formats::ids(state));
            let is_recreated = |(before, now): (TopicIdentity<'_>, TopicIdentity<'_>)| {
                before.topic != now.topic && (before.cluster == now.cluster || stored.contains_key(at))
            };
            !before.zip(identity(topics, &at.topic)).is_some_and(is_recreated)
        };
        let is_checked = |(at, start): &&(TopicPartition, StartAt)| {
            let is_asked = policy != OnLostPosition::Fail || stored.contains_key(at);
            *start != StartAt::Beginning && is_asked && is_same(at)
        };
        let checked: Vec<TopicPartition> =
            resolved.starts.iter().filter(is_checked).map(|(at, _)| at.clone()).collect();
        let bounds = match checked.is_empty() {
            true => Watermarks::new(),
            false => offset_resolver.log_bounds(&checked, deadline)?,
        };
        let mut reset = Vec::new();
        for ((at, start), origin) in resolved.starts.iter_mut().zip(&mut resolved.origins) {
            let StartAt::Offset(position) = *start else { continue };
            let found = Found {
                is_stored: stored.contains_key(at),
                before: states.get(at).and_then(|state| formats::ids(state)),
                now: identity(topics, &at.topic),
                bounds: bounds.get(at).copied(),
            };
            let lost = lost_position(at, position, &found, &consumer.group_id);
            let Some(lost) = lost else { continue };
            *start = match policy {
                OnLostPosition::Fail => return Err(lost.into()),
                OnLostPosition::Earliest => StartAt::Beginning,
                OnLostPosition::Latest => StartAt::Offset(offset_resolver.watermarks(at, deadline)?.1),
            };
            *origin = StartOrigin::Lost(policy);
            let reason = reason(&lost);
            tracing::warn!(
                partition = %at, position,
                "position lost; reading continues according to source.on_lost_position: {reason}"
            );
            let begins_again = match &lost {
                ConsumerError::OutOfRange { latest, .. } => position > *latest,
                _ => true,
            };
            if begins_again {
                // All records of the new topic are newer than those of the one before.
                let state = formats::state_of_new_topic(states.get(at).map(|state| &**state));
                state.into_iter().for_each(|state| drop(states.insert(at.clone(), state)));
            }
            if stored.contains_key(at) {
                reset.push(at.clone());
            }
        }
        if reset.is_empty() { Ok(()) } else { self.reset_offsets(&reset) }
    }

    /// Resets the sink's offsets of logs that were deleted, so that it does not mistake new records for old ones.
    fn reset_offsets(&mut self, partitions: &[TopicPartition]) -> Result<(), TaskError> {
        let named = named(partitions);
        self.call_with_retries(|sink| sink.reset_offsets(&named))
    }
}

/// What is known of a position.
struct Found<'a> {
    /// The sink stores it; otherwise it is the group's.
    is_stored: bool,
    /// The topic when the position was stored.
    before: Option<TopicIdentity<'a>>,
    /// The topic that is there now.
    now: Option<TopicIdentity<'a>>,
    /// The bounds of its log.
    bounds: Option<(i64, i64)>,
}

/// What tells a topic from others of the same name; `None` if the brokers know no ids.
pub(super) fn identity<'a>(topics: &'a ClaimedTopics, topic: &str) -> Option<TopicIdentity<'a>> {
    Some(TopicIdentity { cluster: topics.cluster(), topic: topics.id(topic)?.0 })
}

/// Why reading cannot continue at a position, if it cannot.
fn lost_position(
    at: &TopicPartition,
    position: i64,
    found: &Found<'_>,
    group: &str,
) -> Option<ConsumerError> {
    let (topic, group) = (at.topic.clone(), group.to_owned());
    if let (Some(before), Some(now)) = (found.before, found.now)
        && before.topic != now.topic
    {
        if before.cluster == now.cluster {
            let (before, now) = (TopicId(before.topic), TopicId(now.topic));
            return Some(ConsumerError::TopicRecreated { topic, before, now, group });
        }
        // Offsets of a group in another cluster than they were committed in were put there by a tool that translates them,
        // such as MirrorMaker, together with their metadata.
        if found.is_stored {
            let (before, now) = (before.cluster.to_owned(), now.cluster.to_owned());
            return Some(ConsumerError::OtherCluster { topic, before, now });
        }
    }
    let (earliest, latest) = found.bounds?;
    let is_inside = (earliest..=latest).contains(&position);
    let partition = at.clone();
    (!is_inside).then_some(ConsumerError::OutOfRange { partition, position, earliest, latest, group })
}

/// Warns where the group's offset is not the sink's, and was not left behind by this connector: the sink's counts, which
/// someone who has reset the group's does not expect.
pub(super) fn warn_of_other_commits(stored: &HashMap<TopicPartition, i64>, committed: &Commits) {
    let mut differing: Vec<(&TopicPartition, i64)> = stored
        .iter()
        .map(|(at, position)| (at, *position))
        .filter(|(at, position)| has_other_commit(*position, committed.get(*at)))
        .collect();
    differing.sort();
    let describe = |(at, position): &(&TopicPartition, i64)| {
        let committed = committed.get(*at).map_or("none".to_owned(), |commit| commit.offset.to_string());
        format!("{at}: stored={position} committed={committed}")
    };
    let named = differing.iter().take(NAMED).map(describe).collect::<Vec<_>>().join(", ");
    if !differing.is_empty() {
        let partitions = differing.len();
        tracing::warn!(
            partitions,
            "the group's committed offset differs from the one that the sink stores; the sink's counts: to read from another \
             offset, change the one that the sink stores ({named})"
        );
    }
}

fn has_other_commit(position: i64, committed: Option<&Commit>) -> bool {
    match committed {
        // After a crash, the group's offset is behind the sink's.
        Some(commit) => commit.offset > position || (commit.is_foreign && commit.offset != position),
        None => position > 0,
    }
}

/// The reason without the advice for those who do not want to go on.
fn reason(lost: &ConsumerError) -> String {
    match lost {
        ConsumerError::OutOfRange { position, earliest, latest, .. } => {
            format!("{position} is outside the log, which goes from {earliest} to {latest}")
        }
        ConsumerError::TopicRecreated { topic, before, now, .. } => {
            format!("topic {topic} was deleted and created again (its id was {before} and is {now})")
        }
        ConsumerError::OtherCluster { topic, before, now } => {
            format!("offsets of topic {topic} are those of another cluster ({before}, not {now})")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_commit_that_a_crash_explains_is_no_reason_for_a_warning() {
        let commit = |offset, is_foreign| Commit { offset, metadata: Arc::default(), is_foreign };
        for (position, committed, differs) in [
            (10, Some(commit(10, false)), false),
            (10, Some(commit(4, false)), false),
            (10, Some(commit(4, true)), true),
            (10, Some(commit(10, true)), false),
            (10, Some(commit(12, false)), true),
            (10, None, true),
            (0, None, false),
        ] {
            assert_eq!(has_other_commit(position, committed.as_ref()), differs, "{committed:?}");
        }
    }

    #[test]
    fn a_position_is_lost_outside_its_log_and_in_another_topic_of_the_same_name() {
        let at = TopicPartition::new("t", 0);
        let topic = |cluster, byte| Some(TopicIdentity { cluster, topic: [byte; 16] });
        let (old, new, elsewhere) = (topic("here", 1), topic("here", 2), topic("elsewhere", 1));
        let lost = |position, is_stored, before, now, bounds| {
            let found = Found { is_stored, before, now, bounds };
            lost_position(&at, position, &found, "g").map(|lost| reason(&lost))
        };
        let says = |text: Option<String>, part: &str| text.is_some_and(|text| text.contains(part));
        assert_eq!(lost(5, true, old, old, Some((0, 10))), None);
        assert_eq!(lost(5, true, None, new, Some((5, 5))), None, "an offset from before ids were stored");
        assert_eq!(lost(5, true, old, None, None), None, "a broker without ids");
        assert!(says(lost(5, true, old, new, Some((0, 10))), "created again"));
        assert!(says(lost(5, false, old, new, Some((0, 10))), "created again"));
        assert!(says(lost(5, true, elsewhere, new, Some((0, 10))), "another cluster (elsewhere, not here)"));
        assert_eq!(lost(5, false, elsewhere, new, Some((0, 10))), None, "translated offsets");
        assert!(says(lost(5, true, old, old, Some((6, 10))), "from 6 to 10"));
        assert!(lost(11, false, elsewhere, new, Some((6, 10))).is_some());
    }
}
