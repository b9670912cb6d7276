//! Partitions that no member of the group owns, although the group is stable.
//!
//! With `cooperative-sticky`, a partition that moves has no owner for one generation: its owner revokes it and joins again,
//! and the group assigns it then. If the owner is a static member and dies in between, its successor gets the rest of the
//! assignment without a rebalance, and does not know that it has to join again. The partition would stay without an owner
//! until something else causes a rebalance. So a static member looks at the group after its start, and joins again if
//! partitions stay without an owner.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;

use super::context::QueuedEvent;
use super::core::Core;
use super::{Consumer, ConsumerError, ConsumerEvent, OffsetResolver, Protocol, TopicPartition, Topics};
use crate::kafka::ffi;

const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks at the group. It doubles whenever the member has joined again.
const PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// How often in a row a partition has to be without an owner: an owner that is alive takes a moment to write what is in flight.
const LOOKS: u32 = 3;
/// How often a pause looks whether the consumer was closed.
const TICK: Duration = Duration::from_millis(250);

/// Whether the group was looked at since the consumer joined.
#[derive(Default)]
pub(super) struct OwnershipCheck(Cell<bool>);

impl Consumer {
    /// Starts to look at the group, once, if this member is static and can be the successor of one that died.
    pub(super) fn check_ownership(&self) {
        let is_cooperative =
            matches!(&self.protocol, Protocol::Classic(strategy) if strategy == "cooperative-sticky");
        if !self.is_static || !is_cooperative || self.ownership.0.replace(true) {
            return;
        }
        let (core, topics) = (Arc::downgrade(&self.core), self.topics.clone());
        let resolver = OffsetResolver::new(&self.core);
        let check = move || watch(&core, &resolver, &topics);
        if let Err(error) = thread::Builder::new().name("group check".to_owned()).spawn(check) {
            tracing::debug!(%error, "cannot start the thread that looks for partitions without an owner");
        }
    }

    /// Joins the group again, so that it assigns these partitions. Keeps its own partitions meanwhile.
    pub(super) fn join_again(&self, unowned: &BTreeSet<TopicPartition>) -> Option<ConsumerEvent> {
        let context = self.context();
        if self.failed.get() || context.pending_rebalance().is_some() || context.has_queued_rebalance() {
            return None;
        }
        let partitions: Vec<String> = unowned.iter().map(ToString::to_string).collect();
        let (connector, task, partitions) = (&context.connector, context.task, partitions.join(", "));
        tracing::warn!(
            connector,
            task,
            partitions,
            "no member of the group has these partitions, because a static member was restarted during a rebalance; joining \
             the group again"
        );
        // Brokers ignore a member that joins as it has joined before, so one without partitions leaves first.
        if self.core.base.assignment().is_ok_and(|own| own.count() == 0) {
            self.core.base.unsubscribe();
        }
        let topics = self.subscribed_topics();
        match self.subscribe(topics.iter().map(String::as_str).collect()) {
            Ok(()) => None,
            Err(error) => self.fatal(error),
        }
    }
}

/// Looks at the group until every partition has an owner, and queues [`QueuedEvent::Unowned`] if one stays without.
fn watch(core: &Weak<Core>, resolver: &OffsetResolver, topics: &Topics) {
    let mut looks = Looks::new();
    while pause(core, looks.pause) {
        let seen = match look(core, resolver, topics) {
            Ok(seen) => seen,
            Err(LookError::Unsupported(error)) => {
                return tracing::debug!(%error, "the group cannot be described");
            }
            Err(LookError::Closed) => return,
            Err(LookError::Failed(error)) => {
                tracing::debug!(%error, "the group could not be described; trying again");
                Seen::Rebalance
            }
        };
        match looks.next(seen) {
            Next::LookAgain => {}
            Next::Done => return,
            Next::JoinAgain(partitions) => {
                let Some(core) = core.upgrade() else { return };
                core.enqueue(QueuedEvent::Unowned(partitions));
            }
        }
    }
}

/// Waits. Returns whether the consumer is still open.
fn pause(core: &Weak<Core>, length: Duration) -> bool {
    let end = Instant::now() + length;
    while Instant::now() < end {
        if core.upgrade().is_none_or(|core| core.is_closing()) {
            return false;
        }
        thread::sleep(TICK);
    }
    true
}

enum LookError {
    Closed,
    /// Another try would get the same answer.
    Unsupported(RDKafkaErrorCode),
    Failed(String),
}

/// Compares the assignments of all members with the partitions of the topics.
fn look(core: &Weak<Core>, resolver: &OffsetResolver, topics: &Topics) -> Result<Seen, LookError> {
    let described = {
        let core = core.upgrade().filter(|core| !core.is_closing()).ok_or(LookError::Closed)?;
        ffi::describe_group(core.base.client(), &core.group, QUERY_TIMEOUT)
    };
    let group = described.map_err(|code| match code {
        RDKafkaErrorCode::UnsupportedFeature
        | RDKafkaErrorCode::UnsupportedVersion
        | RDKafkaErrorCode::GroupAuthorizationFailed => LookError::Unsupported(code),
        code => LookError::Failed(code.to_string()),
    })?;
    if !group.is_stable {
        return Ok(Seen::Rebalance);
    }
    let found = resolver.topics(Instant::now() + QUERY_TIMEOUT).map_err(|error| match error {
        ConsumerError::Closed => LookError::Closed,
        error => LookError::Failed(error.to_string()),
    })?;
    let owned: BTreeSet<TopicPartition> =
        group.assigned.into_iter().map(|(topic, partition)| TopicPartition { topic, partition }).collect();
    let all = found.into_iter().filter(|(topic, _)| topics.reads(topic)).flat_map(|(topic, count)| {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        (0..count).map(move |partition| TopicPartition::new(topic.as_str(), partition))
    });
    Ok(Seen::Stable { unowned: all.filter(|at| !owned.contains(at)).collect() })
}

/// What the group was seen to do.
enum Seen {
    /// It rebalances, or could not be described.
    Rebalance,
    /// It is stable, with these partitions that no member has.
    Stable { unowned: BTreeSet<TopicPartition> },
}

/// What to do after a look.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Done,
    LookAgain,
    /// Join again, because of these partitions, and look again.
    JoinAgain(BTreeSet<TopicPartition>),
}

/// The looks at a group so far.
struct Looks {
    /// Partitions without an owner in each of the last looks.
    unowned: BTreeSet<TopicPartition>,
    count: u32,
    /// How long to wait before the next look.
    pause: Duration,
}

impl Looks {
    fn new() -> Self {
        Self { unowned: BTreeSet::new(), count: 0, pause: PAUSE }
    }

    fn next(&mut self, seen: Seen) -> Next {
        let Seen::Stable { unowned } = seen else {
            self.count = 0;
            return Next::LookAgain;
        };
        if unowned.is_empty() {
            return Next::Done;
        }
        if self.count > 0 {
            self.unowned.retain(|at| unowned.contains(at));
        }
        if self.count == 0 || self.unowned.is_empty() {
            (self.unowned, self.count) = (unowned, 0);
        }
        self.count += 1;
        if self.count < LOOKS {
            return Next::LookAgain;
        }
        self.count = 0;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        Next::JoinAgain(std::mem::take(&mut self.unowned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stable(partitions: &[i32]) -> Seen {
        Seen::Stable { unowned: set(partitions) }
    }

    fn set(partitions: &[i32]) -> BTreeSet<TopicPartition> {
        partitions.iter().map(|partition| TopicPartition::new("t", *partition)).collect()
    }

    #[test]
    fn a_group_whose_partitions_all_have_owners_needs_no_other_look() {
        let mut looks = Looks::new();
        assert_eq!(looks.next(Seen::Rebalance), Next::LookAgain);
        assert_eq!(looks.next(stable(&[])), Next::Done);
    }

    #[test]
    fn partitions_have_to_stay_without_an_owner() {
        let mut looks = Looks::new();
        assert_eq!(looks.next(stable(&[1, 2])), Next::LookAgain);
        assert_eq!(looks.next(stable(&[2, 3])), Next::LookAgain);
        assert_eq!(looks.next(stable(&[2])), Next::JoinAgain(set(&[2])));
        // Others, one after the other: the group is working on it.
        let mut looks = Looks::new();
        for partition in 0..10 {
            assert_eq!(looks.next(stable(&[partition])), Next::LookAgain);
        }
        assert_eq!(looks.next(stable(&[])), Next::Done);
    }

    #[test]
    fn a_rebalance_starts_over() {
        let mut looks = Looks::new();
        for _ in 0..10 {
            assert_eq!(looks.next(stable(&[1])), Next::LookAgain);
            assert_eq!(looks.next(stable(&[1])), Next::LookAgain);
            assert_eq!(looks.next(Seen::Rebalance), Next::LookAgain);
        }
    }

    #[test]
    fn joining_again_becomes_rarer_if_it_does_not_help() {
        let (mut looks, mut pauses) = (Looks::new(), Vec::new());
        while pauses.last() != Some(&MAX_PAUSE) {
            while looks.next(stable(&[1])) == Next::LookAgain {}
            pauses.push(looks.pause);
        }
        let seconds: Vec<u64> = pauses.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [10, 20, 40, 80, 160, 300]);
    }
}
