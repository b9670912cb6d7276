//! When a sink that is durable on flush is flushed.
//!
//! What it has written and not flushed is neither settled nor committed. So it is flushed when a limit of `[flush]` is reached, and
//! before anything that needs all records to be settled: a hand-over, a pause, the end of the task. The sink worker flushes before a
//! reopening on its own, since only it knows which batch came before.

use std::time::{Duration, Instant};

use tidegate_abi::host::Batch;

use super::{Action, Flow};
use crate::{config::FlushLimits, pipeline::channels::SinkInput};

/// What the sink has written since the last flush.
#[derive(Debug)]
pub(super) struct Unflushed {
    /// `None` for a sink that is durable after each write, of which nothing is ever unflushed.
    limits: Option<FlushLimits>,
    /// The originals are kept with their payload.
    keeps_payload: bool,
    /// Records written.
    records: u64,
    /// Consumed records.
    inputs: u64,
    /// Bytes of keys, values and headers.
    bytes: u64,
    /// Bytes that the sink worker keeps of the consumed records.
    memory: usize,
    /// Bytes that it will keep of the batches that are in flight.
    in_flight: usize,
    /// When the first batch was written.
    since: Option<Instant>,
    /// The sink was asked to flush and has not answered.
    is_flushing: bool,
}

impl Unflushed {
    /// `keeps_payload`: rejected records go to a dead-letter topic.
    pub(super) fn new(limits: Option<FlushLimits>, keeps_payload: bool) -> Self {
        Self {
            limits,
            keeps_payload,
            records: 0,
            inputs: 0,
            bytes: 0,
            memory: 0,
            in_flight: 0,
            since: None,
            is_flushing: false,
        }
    }

    /// The sink is replaced by one with these limits.
    pub(super) fn set_limits(&mut self, limits: Option<FlushLimits>) {
        self.limits = limits;
    }

    /// Whether everything that was written is settled.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Records that were written.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Bytes that the sink worker keeps.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// A batch is on its way to the sink.
    pub(super) fn dispatched(&mut self, batch: &Batch) {
        if self.limits.is_some() {
            self.in_flight += batch.original_bytes(self.keeps_payload);
        }
    }

    /// A batch was written. Returns the number of consumed records that are settled by that: those of a sink that is durable
    /// after each write.
    pub(super) fn written(&mut self, batch: &Batch, now: Instant) -> u64 {
        let inputs = batch.input_count() as u64;
        if self.limits.is_none() || inputs == 0 {
            return inputs;
        }
        let memory = batch.original_bytes(self.keeps_payload);
        self.in_flight = self.in_flight.saturating_sub(memory);
        self.memory += memory;
        self.records += batch.len() as u64;
        self.inputs += inputs;
        self.bytes += batch.payload_bytes() as u64;
        self.since.get_or_insert(now);
        0
    }

    /// No batch is in flight: those whose records were dropped on the way do not count any more.
    pub(super) fn nothing_in_flight(&mut self) {
        self.in_flight = 0;
    }

    /// The sink was flushed. Returns the number of consumed records that are settled by that.
    pub(super) fn flushed(&mut self) -> u64 {
        let Self { inputs, in_flight, .. } = *self;
        *self = Self { in_flight, ..Self::new(self.limits, self.keeps_payload) };
        inputs
    }

    /// Whether another batch, of which `bytes` have to be kept, fits into the memory for unflushed records. An empty sink takes
    /// any batch.
    pub(super) fn has_space(&self, bytes: usize) -> bool {
        let kept = self.memory + self.in_flight;
        self.limits.is_none_or(|limits| kept == 0 || kept.saturating_add(bytes) <= limits.memory)
    }

    /// Asks whether a flush begins now: a limit is reached, or `at_once`. The answer is yes once until it was flushed.
    pub(super) fn begin(&mut self, at_once: bool, now: Instant) -> bool {
        let is_due = at_once || self.is_full() || self.time_left(now).is_some_and(|left| left.is_zero());
        if self.is_flushing || self.is_empty() || !is_due {
            return false;
        }
        self.is_flushing = true;
        true
    }

    fn is_full(&self) -> bool {
        let Some(limits) = self.limits else { return true };
        self.records >= limits.max_records || self.bytes >= limits.max_bytes || self.memory >= limits.memory
    }

    fn time_left(&self, now: Instant) -> Option<Duration> {
        let limit = self.limits.map_or(Duration::ZERO, |limits| limits.max_wait);
        self.since.map(|since| limit.saturating_sub(now.saturating_duration_since(since)))
    }
}

impl Flow {
    /// Has the sink flushed, if that is due.
    pub(super) fn flush(&mut self, now: Instant) {
        let is_idle = self.in_flight == 0;
        let all_written = is_idle && self.open_batch.is_empty();
        // At the end of the logs nothing more may come.
        let is_end = self.is_halted() || (self.settings.until_end && self.is_queue_empty);
        let lacks_space = self.open_batch.lacks_memory() || !self.has_flush_space();
        let at_once = (is_idle && (self.handover.is_some() || lacks_space)) || (all_written && is_end);
        if self.unflushed.begin(at_once, now) {
            self.act(Action::SendToSink(SinkInput::Flush));
        }
    }

    /// Whether the next batch fits into the memory for unflushed records.
    pub(super) fn has_flush_space(&self) -> bool {
        self.unflushed.has_space(self.open_batch.next_original_bytes(self.unflushed.keeps_payload))
    }

    /// The sink was flushed, and has rejected so many consumed records.
    pub(super) fn on_flushed(&mut self, rejected: usize) {
        self.counts.rejected += rejected as u64;
        self.settled_inputs += self.unflushed.flushed();
        self.open_batch.set_unflushed(self.unflushed.memory());
        self.count_committed();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_abi::host::NewRecord;

    use super::*;

    const LIMITS: FlushLimits =
        FlushLimits { max_records: 10, max_bytes: 1_000, max_wait: Duration::from_secs(1), memory: 100_000 };

    fn batch(records: i64, bytes: usize) -> Batch {
        let (mut batch, value) = (Batch::new(), vec![b'x'; bytes]);
        let slot = batch.slot(&Arc::from("t"), 0, 1);
        for offset in 0..records {
            let record = NewRecord { offset, timestamp_ms: None, key: None, value: Some(&value) };
            batch.push(slot, record, std::iter::empty());
        }
        batch
    }

    #[test]
    fn each_limit_causes_one_flush() {
        let now = Instant::now();
        for (records, bytes, waited) in [(10, 1, 0), (2, 1_000, 0), (2, 1, 1)] {
            let mut unflushed = Unflushed::new(Some(LIMITS), true);
            assert_eq!(unflushed.written(&batch(1, 1), now), 0, "nothing is settled yet");
            assert!(!unflushed.begin(false, now));
            unflushed.written(&batch(records - 1, bytes), now);
            let later = now + Duration::from_secs(waited);
            assert!(unflushed.begin(false, later), "{records} records of {bytes} bytes after {waited} s");
            assert!(!unflushed.begin(true, later), "it is being flushed already");
            assert_eq!(unflushed.flushed(), records as u64);
            assert!(unflushed.is_empty() && !unflushed.begin(true, later));
        }
    }

    #[test]
    fn a_sink_that_is_durable_after_each_write_is_never_flushed() {
        let mut unflushed = Unflushed::new(None, true);
        assert_eq!(unflushed.written(&batch(3, 10), Instant::now()), 3);
        assert!(unflushed.is_empty() && unflushed.has_space(usize::MAX));
        assert!(!unflushed.begin(true, Instant::now()));
    }

    #[test]
    fn batches_on_their_way_count_for_the_memory() {
        let batch = batch(10, 4_000);
        let bytes = batch.original_bytes(true);
        let mut unflushed = Unflushed::new(Some(LIMITS), true);
        assert!(unflushed.has_space(usize::MAX), "an empty sink takes any batch");
        unflushed.dispatched(&batch);
        assert!(unflushed.has_space(bytes));
        unflushed.written(&batch, Instant::now());
        unflushed.dispatched(&batch);
        assert_eq!(unflushed.memory(), bytes);
        assert!(!unflushed.has_space(bytes));
    }
}
