//! Partitions that are read again: their records could not be written for now, or their position is gone from the log.
//!
//! The other partitions go on. What was read of a set-back partition is forgotten everywhere (its assignment gets a new
//! number), its flow is held, and after a pause it is claimed anew and rewound to what is settled of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tidegate_abi::host::PartitionPosition;

use super::Poll;
use crate::{
    kafka::consumer::{StartAt, TopicPartition},
    pipeline::{
        backoff,
        channels::{Claimed, SetBack, SinkInput},
        error::TaskError,
    },
    plugins::CallError,
};

/// The partitions that are set back, or that were and have written nothing since.
#[derive(Debug, Default)]
pub(super) struct SetBacks(BTreeMap<TopicPartition, Trouble>);

#[derive(Debug)]
struct Trouble {
    since: Instant,
    attempts: u32,
    phase: Phase,
    /// Why, for people.
    reason: String,
}

impl Trouble {
    /// Whether the partition is not being read.
    fn is_held(&self) -> bool {
        !matches!(self.phase, Phase::Trying(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Held until then.
    Waiting(Instant),
    /// The claim of this number is under way.
    Claiming(u64),
    /// Read again under the assignment of this number, and not settled yet.
    Trying(u64),
}

impl SetBacks {
    /// How many partitions are not being read.
    pub(super) fn held(&self) -> usize {
        self.0.values().filter(|trouble| trouble.is_held()).count()
    }

    /// Why nothing is being read, if that is so: all of the task's partitions are held.
    pub(super) fn stall(&self, partitions: usize) -> Option<String> {
        let first = self.0.values().find(|trouble| trouble.is_held())?;
        (self.held() == partitions).then(|| first.reason.clone())
    }

    /// Whether the claim of this number is of set-back partitions.
    pub(super) fn is_claim(&self, generation: u64) -> bool {
        self.0.values().any(|trouble| trouble.phase == Phase::Claiming(generation))
    }

    /// Partitions that are somebody else's trouble now.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.0.retain(|at, _| !partitions.contains(at));
    }

    /// What was tried again and is settled is out of trouble.
    pub(super) fn settled(&mut self, positions: &[PartitionPosition]) {
        if self.0.is_empty() {
            return;
        }
        self.0.retain(|at, trouble| {
            let over = positions.iter().any(|position| {
                trouble.phase == Phase::Trying(position.generation)
                    && position.partition == at.partition
                    && *position.topic == *at.topic
            });
            if over {
                let seconds = trouble.since.elapsed().as_secs();
                tracing::info!(partition = %at, attempts = trouble.attempts, seconds, "partition works again");
            }
            !over
        });
    }

    fn due(&self, now: Instant) -> Vec<TopicPartition> {
        let is_due = |trouble: &Trouble| matches!(trouble.phase, Phase::Waiting(until) if now >= until);
        self.0.iter().filter(|(_, trouble)| is_due(trouble)).map(|(at, _)| at.clone()).collect()
    }

    /// Notes a failure. Returns when it began and the pause before the next attempt.
    fn failed(
        &mut self,
        at: &TopicPartition,
        reason: String,
        pause: impl Fn(u32) -> Duration,
    ) -> (Instant, u32, Duration) {
        let now = Instant::now();
        let fresh = || Trouble { since: now, attempts: 0, phase: Phase::Waiting(now), reason: String::new() };
        let trouble = self.0.entry(at.clone()).or_insert_with(fresh);
        trouble.reason = reason;
        let wait = pause(trouble.attempts);
        trouble.attempts += 1;
        trouble.phase = Phase::Waiting(now + wait);
        (trouble.since, trouble.attempts, wait)
    }

    fn enter(&mut self, partitions: &[TopicPartition], phase: Phase) {
        for at in partitions {
            if let Some(trouble) = self.0.get_mut(at) {
                trouble.phase = phase;
            }
        }
    }
}

impl Poll<'_> {
    /// The sink could not write a partition's records: they are read again after a pause.
    pub(super) fn on_set_back(&mut self, set_back: SetBack) {
        let SetBack { partition, generation, stage, error } = set_back;
        // Somebody else's by now, or read again already.
        if !self.assignment.takes(&partition.topic, partition.partition, generation) {
            return;
        }
        self.drop_unread(std::slice::from_ref(&partition));
        let held = self.consumer.hold(&partition);
        self.fail_on(held);
        let policy = self.settings.errors.retry;
        let pause = |attempts| backoff(&policy, attempts).max(error.retry_after.unwrap_or_default());
        let CallError { message, .. } = &error;
        let (since, attempts, wait) = self.set_backs.failed(&partition, format!("{stage}: {message}"), pause);
        let retry_in_ms = wait.as_millis() as u64;
        tracing::warn!(stage = %stage, %partition, attempt = attempts, retry_in_ms, "partition set back: {message}");
        let waited = since.elapsed();
        if waited + wait > policy.timeout {
            self.fail(TaskError::RetriesExhausted { stage, attempts, waited, source: error });
        }
    }

    /// Positions are gone from their logs, and the connector says to go on: they are looked up anew.
    pub(super) fn on_lost_positions(&mut self, partitions: Vec<TopicPartition>) {
        self.drop_unread(&partitions);
        for at in &partitions {
            self.set_backs.failed(at, "looking up where to read on".to_owned(), |_| Duration::ZERO);
        }
    }

    /// Claims set-back partitions whose pause is over.
    pub(super) fn read_again(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let partitions = self.set_backs.due(Instant::now());
        if partitions.is_empty() {
            return;
        }
        self.generation += 1;
        let generation = self.generation;
        self.set_backs.enter(&partitions, Phase::Claiming(generation));
        let settled = self.assignment.settled(&partitions);
        let states = self.assignment.states(&partitions);
        self.send_to_sink(SinkInput::Claim { generation, partitions, settled, states });
    }

    /// Reads claimed partitions again, unless they were given away meanwhile.
    pub(super) fn rewind(&mut self, claimed: &Claimed) {
        let ours = |at: &TopicPartition| {
            self.set_backs
                .0
                .get(at)
                .is_some_and(|trouble| trouble.phase == Phase::Claiming(claimed.generation))
        };
        let starts: Vec<(TopicPartition, StartAt)> =
            claimed.starts.iter().filter(|(at, _)| ours(at)).cloned().collect();
        if let Err(error) = self.consumer.rewind(&starts) {
            return self.fail(error.into());
        }
        self.assignment.add(claimed.generation, &starts, &claimed.states, &claimed.ends);
        let partitions: Vec<TopicPartition> = starts.into_iter().map(|(at, _)| at).collect();
        self.set_backs.enter(&partitions, Phase::Trying(claimed.generation));
        self.uncommitted = true;
    }
}
