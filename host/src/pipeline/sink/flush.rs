//! Flushes: what a sink that is durable on flush has written is settled by the next flush.

use std::{collections::HashSet, time::Instant};

use tidegate_abi::host::{Batch, Part, PartitionPosition, Rejection};

use super::OpenSink;
use crate::{
    kafka::consumer::{Positions, TopicPartition},
    pipeline::{
        channels::{PollMessage, Settled, States},
        error::TaskError,
        reject::Unhandled,
    },
    plugins::{CallError, RejectedAt, SinkInstance},
};

/// What the sink has written since the last flush.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Unflushed {
    /// The positions that are settled by the flush.
    positions: Vec<PartitionPosition>,
    /// Records that are delivered by it.
    delivered: usize,
    /// The consumed records, which the flush may reject.
    originals: Batch,
}

impl Unflushed {
    fn add(&mut self, positions: Vec<PartitionPosition>, delivered: usize) {
        self.delivered += delivered;
        for position in positions {
            let same = self.positions.iter_mut().find(|known| {
                known.topic == position.topic
                    && known.partition == position.partition
                    && known.generation == position.generation
            });
            match same {
                Some(known) => *known = position,
                None => self.positions.push(position),
            }
        }
    }
}

impl OpenSink<'_> {
    /// Records before index `end` of a batch are written: settled at once, or by the next flush.
    pub(super) fn on_written(&mut self, batch: &Batch, end: usize, delivered: usize) {
        let positions = super::state::positions_before(&self.worker.settings.decoder, batch, end);
        let is_flushed = self.plugins.flush.is_some();
        self.metrics.written(batch, end.saturating_sub(delivered), end, is_flushed);
        if is_flushed {
            return self.unflushed.add(positions, delivered);
        }
        self.worker.traces.part_settled();
        let _ended = self.worker.poll.send(PollMessage::Settled(Settled { positions, delivered })).is_err();
    }

    /// Keeps what a flush may reject of a batch that was written.
    pub(super) fn keep_originals(&mut self, batch: &Batch) {
        if self.plugins.flush.is_some() {
            let keeps_payload = self.worker.settings.errors.on_reject.dead_letter_policy().is_some();
            self.unflushed.originals.keep_originals(batch, keeps_payload);
        }
    }

    /// Flushes the sink, and settles what it has written. Records that it rejects are handled first.
    ///
    /// # Errors
    /// Why the task fails: then nothing is settled, and the records are read again.
    pub(in crate::pipeline) fn flush(&mut self) -> Result<(), TaskError> {
        let (mut rejected, began) = (Rejected::default(), Instant::now());
        // A sink without stored offsets needs no flush for records that were filtered or rejected.
        if self.unflushed.delivered > 0 || (self.stores_offsets && !self.unflushed.positions.is_empty()) {
            rejected = self.flush_sink()?;
        }
        let Unflushed { positions, delivered, originals } = &mut self.unflushed;
        let settled = Settled {
            positions: std::mem::take(positions),
            delivered: std::mem::take(delivered).saturating_sub(rejected.outputs),
        };
        originals.reset(0);
        self.worker.traces.flushed(&self.plugins.sink_name, began);
        for message in [PollMessage::Settled(settled), PollMessage::Flushed { rejected: rejected.inputs }] {
            let _ended = self.worker.poll.send(message).is_err();
        }
        Ok(())
    }

    /// Calls the sink until it rejects no more records. Returns how many it has rejected.
    fn flush_sink(&mut self) -> Result<Rejected, TaskError> {
        let mut total = Rejected::default();
        loop {
            let began = Instant::now();
            let report = self.call_with_retries(SinkInstance::flush)?;
            if report.rejected.is_empty() {
                self.written.add_rows(&report.rows);
                self.metrics.flushed(began.elapsed());
                tracing::debug!(
                    records = self.unflushed.delivered,
                    duration_ms = began.elapsed().as_millis() as u64,
                    "flushed"
                );
                return Ok(total);
            }
            total += self.reject_unflushed(report.rejected)?;
        }
    }

    /// Handles records that a flush has rejected.
    fn reject_unflushed(&mut self, rejected: Vec<RejectedAt>) -> Result<Rejected, TaskError> {
        let Self { unflushed, worker, stage, .. } = self;
        let originals = &mut unflushed.originals;
        let known: HashSet<u32> = originals.rejected().iter().map(|rejected| rejected.input).collect();
        let mut unhandled = Unhandled::after(known.len());
        let mut counted = Rejected::default();
        let mut inputs = HashSet::new();
        for RejectedAt { topic, partition, offset, reason } in rejected {
            let input = originals.find_input(&topic, partition, offset);
            // A record that was rejected before would be rejected forever.
            let Some(input) = input.filter(|input| !known.contains(input)) else {
                let place = format!("{topic}-{partition} offset {offset}");
                let broken = format!("its flush rejected {place}, which it does not hold: {reason}");
                let source = CallError::contract_violation(self.sink.name(), broken);
                return Err(TaskError::Call { stage: stage.clone(), source });
            };
            if inputs.insert(input) {
                counted.inputs += 1;
                counted.outputs += originals.kept_outputs(input);
                let part = Part::Record;
                originals.reject_input(input, Rejection { part, too_large: false, reason });
            }
        }
        worker.rejections.admit(stage, originals, &mut unhandled)?;
        worker.rejections.handle(originals, &unhandled)?;
        Ok(counted)
    }

    /// Flushes what the sink has written of partitions that it is to claim again, so that they are not read from the flush
    /// before: moves their positions and states behind it.
    pub(in crate::pipeline) fn flush_before_claim(
        &mut self,
        partitions: &[TopicPartition],
        committable: &mut Positions,
        states: &mut States,
    ) -> Result<(), TaskError> {
        let is_claimed = |position: &&PartitionPosition| {
            partitions.iter().any(|at| at.partition == position.partition && *at.topic == *position.topic)
        };
        let written: Vec<PartitionPosition> =
            self.unflushed.positions.iter().filter(is_claimed).cloned().collect();
        if written.is_empty() {
            return Ok(());
        }
        self.flush()?;
        for PartitionPosition { topic, partition, next_offset, state, .. } in written {
            let at = TopicPartition::new(&*topic, partition);
            committable.insert(at.clone(), next_offset);
            match state {
                Some(state) => drop(states.insert(at, state)),
                None => drop(states.remove(&at)),
            }
        }
        Ok(())
    }

    /// Flushes what a sink has written before it is closed and another one is opened in its place.
    pub(in crate::pipeline) fn flush_before_reopen(&mut self) -> Result<(), TaskError> {
        if self.plugins.flush.is_some() { self.flush() } else { Ok(()) }
    }

    /// The sink drops what it has not flushed of these partitions: their next owner reads it again.
    pub(super) fn forget_unflushed(&mut self, partitions: &[TopicPartition]) {
        self.unflushed.positions.retain(|position| {
            !partitions.iter().any(|at| at.partition == position.partition && *at.topic == *position.topic)
        });
    }
}

/// How many records a flush has rejected.
#[derive(Clone, Copy, Debug, Default)]
struct Rejected {
    /// Consumed records.
    inputs: usize,
    /// Records that were made from them.
    outputs: usize,
}

impl std::ops::AddAssign for Rejected {
    fn add_assign(&mut self, other: Self) {
        self.inputs += other.inputs;
        self.outputs += other.outputs;
    }
}
