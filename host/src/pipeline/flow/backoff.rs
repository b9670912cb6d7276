//! Partitions that are paused and read again after a backoff: the sink cannot write their records for now, or their position
//! is gone from the log.
//!
//! The other partitions continue. Records that were read from a failed partition are dropped by every stage, since its
//! next claim gets a new generation; after the backoff it is claimed again and rewound to its committable offset.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tidegate_abi::host::PartitionPosition;

use crate::kafka::consumer::TopicPartition;

/// The partitions that have failed and have written nothing since.
#[derive(Debug, Default)]
pub(super) struct PartitionBackoff(BTreeMap<TopicPartition, Failing>);

#[derive(Debug)]
struct Failing {
    since: Instant,
    attempts: u32,
    /// When the current pause ends, or the last one ended.
    until: Instant,
    phase: Phase,
    reason: String,
    /// No write has failed, so the partition works again as soon as it is read again.
    is_reclaim: bool,
}

impl Failing {
    fn is_paused(&self) -> bool {
        !matches!(self.phase, Phase::Retrying(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Paused until then.
    Waiting(Instant),
    /// Being claimed again, under this generation.
    Claiming(u64),
    /// Read again under this generation; none of its records is settled yet.
    Retrying(u64),
}

/// A failure as [`PartitionBackoff::fail`] has recorded it.
pub(super) struct Failure {
    /// How long the partition has been failing.
    pub(super) waited: Duration,
    /// How often it has failed.
    pub(super) attempts: u32,
    /// How long it is paused now.
    pub(super) pause: Duration,
}

/// A partition that has failed, and has written nothing since.
pub(super) struct FailingPartition<'b> {
    pub(super) partition: &'b TopicPartition,
    pub(super) reason: &'b str,
    /// How often it has failed.
    pub(super) attempts: u32,
    /// When it is read again, or was.
    pub(super) until: Instant,
}

impl PartitionBackoff {
    /// Number of partitions that are not read for now.
    pub(super) fn paused(&self) -> usize {
        self.0.values().filter(|failing| failing.is_paused()).count()
    }

    /// Number of partitions that have failed and have written nothing since.
    pub(super) fn failing(&self) -> usize {
        self.0.len()
    }

    /// The partition that has failed and is read again first, or was.
    pub(super) fn first_failing(&self) -> Option<FailingPartition<'_>> {
        let failing = self.0.iter().map(|(partition, Failing { reason, attempts, until, .. })| {
            FailingPartition { partition, reason, attempts: *attempts, until: *until }
        });
        failing.min_by_key(|failing| failing.until)
    }

    /// Whether failed partitions are being claimed again under this generation.
    pub(super) fn is_claiming(&self, generation: u64) -> bool {
        self.0.values().any(|failing| failing.phase == Phase::Claiming(generation))
    }

    /// Whether this partition is being claimed again under this generation.
    pub(super) fn is_claiming_partition(&self, at: &TopicPartition, generation: u64) -> bool {
        self.0.get(at).is_some_and(|failing| failing.phase == Phase::Claiming(generation))
    }

    /// Removes partitions that the task does not own any more.
    pub(super) fn remove(&mut self, partitions: &[TopicPartition]) {
        self.0.retain(|at, _| !partitions.contains(at));
    }

    /// Removes partitions of which records were settled since they failed.
    pub(super) fn settled(&mut self, positions: &[PartitionPosition], now: Instant) {
        if self.0.is_empty() {
            return;
        }
        self.0.retain(|at, failing| {
            let has_recovered = positions.iter().any(|position| {
                failing.phase == Phase::Retrying(position.generation)
                    && position.partition == at.partition
                    && *position.topic == *at.topic
            });
            if has_recovered {
                let seconds = now.saturating_duration_since(failing.since).as_secs();
                tracing::info!(partition = %at, attempts = failing.attempts, seconds, "partition works again");
            }
            !has_recovered
        });
    }

    /// The partitions whose backoff is over.
    pub(super) fn due(&self, now: Instant) -> Vec<TopicPartition> {
        let is_due = |failing: &Failing| matches!(failing.phase, Phase::Waiting(until) if now >= until);
        self.0.iter().filter(|(_, failing)| is_due(failing)).map(|(at, _)| at.clone()).collect()
    }

    /// Records a failure of a partition; `backoff` gives the pause behind this many attempts.
    pub(super) fn fail(
        &mut self,
        at: &TopicPartition,
        reason: String,
        backoff: impl Fn(u32) -> Duration,
        now: Instant,
    ) -> Failure {
        let fresh = || Failing {
            since: now,
            attempts: 0,
            until: now,
            phase: Phase::Waiting(now),
            reason: String::new(),
            is_reclaim: false,
        };
        let failing = self.0.entry(at.clone()).or_insert_with(fresh);
        (failing.reason, failing.is_reclaim) = (reason, false);
        let pause = backoff(failing.attempts);
        failing.attempts += 1;
        failing.until = now + pause;
        failing.phase = Phase::Waiting(failing.until);
        let waited = now.saturating_duration_since(failing.since);
        Failure { waited, attempts: failing.attempts, pause }
    }

    /// The partitions are paused and claimed again at once, although no write has failed.
    pub(super) fn reclaim(&mut self, partitions: &[TopicPartition], reason: &str, now: Instant) {
        for at in partitions {
            self.fail(at, reason.to_owned(), |_| Duration::ZERO, now);
            self.0.entry(at.clone()).and_modify(|failing| failing.is_reclaim = true);
        }
    }

    /// The partitions are claimed again under this generation.
    pub(super) fn claiming(&mut self, partitions: &[TopicPartition], generation: u64) {
        self.enter(partitions.iter(), Phase::Claiming(generation));
    }

    /// The partitions are read again under this generation.
    pub(super) fn rewound<'p>(
        &mut self,
        partitions: impl Iterator<Item = &'p TopicPartition>,
        generation: u64,
    ) {
        self.enter(partitions, Phase::Retrying(generation));
        self.0.retain(|_, failing| !(failing.is_reclaim && failing.phase == Phase::Retrying(generation)));
    }

    fn enter<'p>(&mut self, partitions: impl Iterator<Item = &'p TopicPartition>, phase: Phase) {
        for at in partitions {
            if let Some(failing) = self.0.get_mut(at) {
                failing.phase = phase;
            }
        }
    }
}
