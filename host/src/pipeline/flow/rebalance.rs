//! Joining the group, and rebalances: partitions are claimed from the sink before they are read, and released once their
//! records are settled.

use std::time::Instant;

use super::{Action, Flow, Membership, start_report};
use crate::{
    kafka::consumer::{Positions, StartAt, TopicPartition},
    pipeline::{
        backoff,
        channels::{Claimed, PartitionFailure, SinkInput, States},
        error::TaskError,
    },
    plugins::CallError,
};

/// Revoked partitions, which are released once their records are settled.
pub(super) struct Handover {
    partitions: Vec<TopicPartition>,
    deadline: Instant,
}

impl Flow {
    /// Reports once that every plugin is open. A task that cannot open one does not join the group, so it causes no rebalance.
    pub(super) fn report_ready(&mut self) {
        let is_ready = self.is_sink_open && self.is_worker_ready && self.stopping.is_none();
        if is_ready && self.membership == Membership::None {
            self.membership = Membership::Ready;
            self.act(Action::ReportReady);
        }
    }

    /// The supervisor lets the task join its group, together with the connector's other tasks.
    pub(super) fn join(&mut self, now: Instant) {
        if self.membership == Membership::Ready && self.stopping.is_none() {
            self.membership = Membership::Joining(now);
            self.act(Action::Join);
        }
    }

    /// The group assigned partitions: the sink must claim them and return their start offsets.
    pub(super) fn on_assigned(&mut self, partitions: Vec<TopicPartition>) {
        // A task that is about to leave the group must not claim partitions: that would fence their next owner.
        if partitions.is_empty() || self.stopping.is_some() {
            return;
        }
        tracing::debug!(count = partitions.len(), "partitions assigned; claiming them from the sink");
        let generation = self.next_generation();
        self.claim = Claim { generation, is_pending: true };
        self.claim(generation, partitions, Positions::new(), States::new());
    }

    /// The sink has claimed partitions.
    pub(super) fn on_claimed(&mut self, claimed: Claimed) {
        if self.backoff.is_claiming(claimed.generation) {
            return self.rewind(claimed);
        }
        // An answer to an earlier assignment is out of date, even where both have the same partitions.
        if claimed.generation != self.claim.generation {
            return;
        }
        self.claim.is_pending = false;
        self.act(Action::Assign(claimed));
    }

    /// The consumer reads claimed partitions.
    pub(in crate::pipeline) fn on_reading(&mut self, claimed: Claimed) {
        let Claimed { generation, starts, origins, states, ends, total, stores_offsets } = claimed;
        self.partitions.add(generation, &starts, &states, &ends);
        self.sink_stores_offsets = stores_offsets;
        self.counts.total_partitions = total.or(self.counts.total_partitions);
        // Offsets that the sink stores are committed to the group as well, so that Kafka's tools show the lag.
        self.has_uncommitted = true;
        let (count, partitions) = (starts.len(), start_report::describe(&starts, &origins));
        let noun = if count == 1 { "partition" } else { "partitions" };
        tracing::info!("reading {count} {noun}: {partitions}");
    }

    /// The group revokes partitions, and waits until they are released.
    pub(super) fn on_revoked(&mut self, partitions: Vec<TopicPartition>, now: Instant) {
        if partitions.is_empty() {
            return;
        }
        self.backoff.remove(&partitions);
        self.stop_reading(&partitions);
        self.handover = Some(Handover { partitions, deadline: now + self.settings.handover_timeout });
    }

    /// The group has given partitions to other members without waiting for this one.
    pub(super) fn on_lost(&mut self, partitions: Vec<TopicPartition>) {
        if partitions.is_empty() {
            return;
        }
        tracing::warn!(count = partitions.len(), "partitions lost: the group removed this task");
        self.backoff.remove(&partitions);
        self.stop_reading(&partitions);
        // A revocation or an assignment that was waiting for its answer is void.
        self.handover = None;
        self.claim = Claim { generation: self.next_generation(), is_pending: false };
        self.remove(partitions);
    }

    /// Accepts no further records of these partitions, and drops those that no stage has seen yet.
    pub(super) fn stop_reading(&mut self, partitions: &[TopicPartition]) {
        self.partitions.stop_reading(partitions);
        let partitions = &self.partitions;
        self.open_batch.retain(|slot| partitions.is_reading(&slot.topic, slot.partition, slot.generation));
    }

    /// Releases revoked partitions once none of their records is in flight or unflushed, or after the timeout.
    pub(super) fn hand_over(&mut self, now: Instant) {
        let Some(handover) = &self.handover else { return };
        let is_late = now >= handover.deadline;
        if (self.in_flight > 0 || !self.unflushed.is_empty()) && !is_late {
            return;
        }
        if is_late {
            tracing::warn!(
                "partitions are handed over before all of their records are written: the next owner reads those records again"
            );
        }
        let Some(Handover { partitions, .. }) = self.handover.take() else { return };
        let commits = self.partitions.uncommitted();
        self.act(Action::CommitAndWait(commits));
        self.act(Action::Release);
        tracing::info!(count = partitions.len(), "partitions handed over");
        self.remove(partitions);
    }

    fn remove(&mut self, partitions: Vec<TopicPartition>) {
        self.partitions.remove(&partitions);
        self.act(Action::SendToSink(SinkInput::Release(partitions)));
    }

    /// The sink could not write records of a partition: they are read again after a backoff.
    pub(super) fn on_partition_failed(&mut self, failure: PartitionFailure, now: Instant) {
        let PartitionFailure { partition, generation, stage, error } = failure;
        // It was revoked, or is already being read again.
        if !self.partitions.is_reading(&partition.topic, partition.partition, generation) {
            return;
        }
        self.stop_reading(std::slice::from_ref(&partition));
        self.act(Action::PausePartition(partition.clone()));
        let policy = self.settings.retry;
        let pause = |attempts| backoff(&policy, attempts).max(error.retry_after.unwrap_or_default());
        let CallError { message, .. } = &error;
        let failed = self.backoff.fail(&partition, format!("{stage}: {message}"), pause, now);
        let (attempts, retry_in_ms) = (failed.attempts, failed.pause.as_millis() as u64);
        tracing::warn!(
            stage = %stage, %partition, attempt = attempts, retry_in_ms,
            "partition paused, to be read again from its committable offset: {message}"
        );
        let waited = failed.waited;
        if waited + failed.pause > policy.timeout {
            self.fail(TaskError::RetriesExhausted { stage, attempts, waited, source: error });
        }
    }

    /// Positions are gone from their logs, and `source.on_lost_position` determines where reading continues. The
    /// consumer has paused the partitions.
    pub(super) fn on_positions_lost(&mut self, mut partitions: Vec<TopicPartition>, now: Instant) {
        // A partition that was revoked in the meantime must not be claimed again.
        partitions.retain(|at| self.partitions.slot(&at.topic, at.partition).is_some());
        self.stop_reading(&partitions);
        self.backoff.reclaim(&partitions, "querying the offset where reading continues", now);
    }

    /// Another sink was opened. It claims the partitions, and they are read from the offsets that it has stored.
    pub(super) fn on_sink_replaced(&mut self, now: Instant) {
        let partitions = self.partitions.reading();
        self.stop_reading(&partitions);
        for at in &partitions {
            self.act(Action::PausePartition(at.clone()));
        }
        self.backoff.reclaim(&partitions, "claiming partitions from the new sink", now);
    }

    /// Claims failed partitions again when their backoff is over.
    pub(super) fn retry_partitions(&mut self, now: Instant) {
        if self.stopping.is_some() {
            return;
        }
        let partitions = self.backoff.due(now);
        if partitions.is_empty() {
            return;
        }
        let generation = self.next_generation();
        self.backoff.claiming(&partitions, generation);
        let committable = self.partitions.committable(&partitions);
        let states = self.partitions.states(&partitions);
        self.claim(generation, partitions, committable, states);
    }

    /// Reads partitions again that were claimed again, except those that were revoked or have failed in the meantime.
    fn rewind(&mut self, claimed: Claimed) {
        let Claimed { generation, starts, states, ends, .. } = claimed;
        let is_ours = |at: &TopicPartition| self.backoff.is_claiming_partition(at, generation);
        let starts: Vec<(TopicPartition, StartAt)> =
            starts.into_iter().filter(|(at, _)| is_ours(at)).collect();
        self.partitions.add(generation, &starts, &states, &ends);
        self.backoff.rewound(starts.iter().map(|(at, _)| at), generation);
        self.has_uncommitted = true;
        self.act(Action::Rewind(starts));
    }

    fn claim(
        &mut self,
        generation: u64,
        partitions: Vec<TopicPartition>,
        committable: Positions,
        states: States,
    ) {
        self.act(Action::SendToSink(SinkInput::Claim { generation, partitions, committable, states }));
    }

    fn next_generation(&mut self) -> u64 {
        self.last_generation += 1;
        self.last_generation
    }
}

/// The claim of the last assignment.
#[derive(Debug, Default)]
pub(super) struct Claim {
    pub(super) generation: u64,
    /// The sink has not answered yet.
    pub(super) is_pending: bool,
}
