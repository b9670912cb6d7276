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
        let (policy, group) = (consumer.on_lost_position, &consumer.group_id);
        let in_other_topic = |(at, start): &(TopicPartition, StartAt)| {
            let before = states.get(at).and_then(|state| formats::ids(state))?;
            let now = identity(topics, &at.topic).filter(|_| *start != StartAt::Beginning)?;
            other_topic(&at.topic, before, now, stored.contains_key(at), group)
        };
        let in_other_topics: Vec<Option<ConsumerError>> =
            resolved.starts.iter().map(in_other_topic).collect();
        // A topic that was created again may have fewer partitions, and no leader would answer for the others.
        let is_checked = |((at, start), other): &(&(TopicPartition, StartAt), &Option<ConsumerError>)| {
            let is_asked = policy != OnLostPosition::Fail || stored.contains_key(at);
            *start != StartAt::Beginning && is_asked && other.is_none()
        };
        let checked = resolved.starts.iter().zip(&in_other_topics).filter(is_checked);
        let checked: Vec<TopicPartition> = checked.map(|((at, _), _)| at.clone()).collect();
        let bounds = match checked.is_empty() {
            true => Watermarks::new(),
            false => offset_resolver.log_bounds(&checked, deadline)?,
        };
        let mut reset = Vec::new();
        let starts = resolved.starts.iter_mut().zip(&mut resolved.origins);
        for (((at, start), origin), other) in starts.zip(in_other_topics) {
            let StartAt::Offset(position) = *start else { continue };
            let outside = || outside_log(at, position, bounds.get(at).copied()?, group);
            let Some(lost) = other.or_else(outside) else { continue };
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

/// What tells a topic from others of the same name; `None` if the brokers know no ids.
pub(super) fn identity<'a>(topics: &'a ClaimedTopics, topic: &str) -> Option<TopicIdentity<'a>> {
    Some(TopicIdentity { cluster: topics.cluster(), topic: topics.id(topic)?.0 })
}

/// Why a position that belongs to the topic `before` cannot be used in the topic `now` of the same name, if it cannot.
fn other_topic(
    topic: &str,
    before: TopicIdentity<'_>,
    now: TopicIdentity<'_>,
    is_stored: bool,
    group: &str,
) -> Option<ConsumerError> {
    if before.topic == now.topic {
        return None;
    }
    let topic = topic.to_owned();
    if before.cluster == now.cluster {
        let (before, now) = (TopicId(before.topic), TopicId(now.topic));
        return Some(ConsumerError::TopicRecreated { topic, before, now, group: group.to_owned() });
    }
    // Offsets of a group in another cluster than they were committed in were put there by a tool that translates them, such as
    // MirrorMaker, together with their metadata.
    let (before, now) = (before.cluster.to_owned(), now.cluster.to_owned());
    is_stored.then_some(ConsumerError::OtherCluster { topic, before, now })
}

/// Why reading cannot continue at a position in a log with these bounds, if it cannot.
fn outside_log(
    at: &TopicPartition,
    position: i64,
    (earliest, latest): (i64, i64),
    group: &str,
) -> Option<ConsumerError> {
    let is_inside = (earliest..=latest).contains(&position);
    let (partition, group) = (at.clone(), group.to_owned());
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
        let lost =
            |position, is_stored, before: Option<TopicIdentity<'_>>, now, bounds: Option<(i64, i64)>| {
                let other =
                    before.zip(now).and_then(|(before, now)| other_topic("t", before, now, is_stored, "g"));
                let lost = other.or_else(|| outside_log(&at, position, bounds?, "g"));
                lost.map(|lost| reason(&lost))
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
