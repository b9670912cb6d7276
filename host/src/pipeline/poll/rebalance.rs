//! Rebalances: partitions are claimed from the sink before they are read, and handed over once they are settled.

use std::time::Instant;

use super::{LAST_COMMIT, Poll};
use crate::{
    kafka::consumer::{ConsumerError, Positions, TopicPartition},
    pipeline::channels::{Claimed, SinkInput, States},
};

/// Partitions that are handed over once what was read of them is settled.
pub(super) struct Revocation {
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) deadline: Instant,
}

impl Poll<'_> {
    pub(super) fn on_assigned(&mut self, partitions: Vec<TopicPartition>) {
        // Whoever is leaving takes nothing any more.
        if partitions.is_empty() || self.stopping.is_some() {
            return;
        }
        tracing::debug!(count = partitions.len(), "partitions assigned, asking the sink where they start");
        self.generation += 1;
        (self.claiming, self.claim_pending) = (self.generation, true);
        let (settled, states) = (Positions::new(), States::new());
        self.send_to_sink(SinkInput::Claim { generation: self.generation, partitions, settled, states });
    }

    pub(super) fn on_claimed(&mut self, claimed: &Claimed) {
        if self.set_backs.is_claim(claimed.generation) {
            return self.rewind(claimed);
        }
        // What the sink said of an earlier assignment is out of date, even if it has the same partitions.
        if claimed.generation != self.claiming {
            return;
        }
        self.claim_pending = false;
        match self.consumer.assign(&claimed.starts) {
            Ok(()) => {
                self.assignment.add(claimed.generation, &claimed.starts, &claimed.states, &claimed.ends);
                self.counts.total_partitions = claimed.total.or(self.counts.total_partitions);
                // Where a sink keeps the offsets, the group's follow them, so that lag is seen where people look.
                self.uncommitted = true;
                let partitions: Vec<String> = claimed.starts.iter().map(|(at, _)| at.to_string()).collect();
                tracing::info!(partitions = partitions.join(" "), "reading {} partitions", partitions.len());
            }
            // Another rebalance has come in between; its own claim is on the way.
            Err(ConsumerError::Superseded | ConsumerError::NoStart { .. }) => {}
            Err(error) => self.fail(error.into()),
        }
    }

    pub(super) fn on_revoked(&mut self, partitions: Vec<TopicPartition>, lost: bool) {
        if partitions.is_empty() {
            return;
        }
        self.set_backs.forget(&partitions);
        self.drop_unread(&partitions);
        if lost {
            tracing::warn!(count = partitions.len(), "partitions lost: the group went on without this task");
            // There is nothing left to hand over, and what was claimed has another owner.
            self.revocation = None;
            self.generation += 1;
            (self.claiming, self.claim_pending) = (self.generation, false);
            self.let_go(partitions);
        } else {
            let deadline = Instant::now() + self.settings.shutdown;
            self.revocation = Some(Revocation { partitions, deadline });
        }
    }

    /// Takes no more records of these partitions, and forgets those that nobody has begun to work on.
    pub(super) fn drop_unread(&mut self, partitions: &[TopicPartition]) {
        self.assignment.leave(partitions);
        let assignment = &self.assignment;
        self.intake.retain(|slot| assignment.takes(&slot.topic, slot.partition, slot.generation));
    }

    /// Gives revoked partitions away once nothing of them is in flight.
    pub(super) fn hand_over(&mut self) {
        let Some(revocation) = &self.revocation else { return };
        let late = Instant::now() >= revocation.deadline;
        if self.in_flight > 0 && !late {
            return;
        }
        if late {
            tracing::warn!(
                "partitions are handed over before everything read of them is written: it will be read again"
            );
        }
        self.commit_and_wait(LAST_COMMIT);
        let released = self.consumer.release();
        self.fail_on(released);
        if let Some(revocation) = self.revocation.take() {
            tracing::info!(count = revocation.partitions.len(), "partitions handed over");
            self.let_go(revocation.partitions);
        }
    }

    pub(super) fn let_go(&mut self, partitions: Vec<TopicPartition>) {
        self.assignment.remove(&partitions);
        self.send_to_sink(SinkInput::Release(partitions));
    }
}
