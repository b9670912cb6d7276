//! What the sink worker measures: sizes of batches, times of writes and flushes, and how long records took from their source.

use std::time::Duration;

use tidegate_abi::{Record, host::Batch};

use crate::{
    pipeline::{flow::WallClock, settings::TaskSettings},
    telemetry::{self, Histogram, LocalHistogram},
};

/// The histograms of a sink worker.
pub(in crate::pipeline) struct SinkMetrics {
    records: Histogram,
    bytes: Histogram,
    write: Histogram,
    flush: Histogram,
    latency: Histogram,
    /// Counts a batch before it is added to `latency`, so that records take no atomic operation each.
    counted: LocalHistogram,
    /// When the records were committed in their source that are written and not flushed: milliseconds since 1970.
    unflushed: Vec<i64>,
}

impl SinkMetrics {
    /// The histograms of a task's sink with this name.
    pub(in crate::pipeline) fn new(settings: &TaskSettings, sink_name: &str) -> Self {
        let (connector, task) = (&settings.connector, settings.task);
        let histogram = |name: &str| telemetry::task_histogram(connector, task, name, &[]);
        let stage = |stage: &str| {
            let labels = [("stage", stage), ("plugin", sink_name)];
            telemetry::task_histogram(connector, task, "stage_duration_seconds", &labels)
        };
        let latency = histogram("end_to_end_latency_seconds");
        Self {
            records: histogram("batch_records"),
            bytes: histogram("batch_bytes"),
            write: stage("sink"),
            flush: stage("flush"),
            counted: latency.local(),
            latency,
            unflushed: Vec::new(),
        }
    }

    /// A batch of so many consumed records was written in this time, with all retries.
    pub(super) fn batch(&self, records: usize, bytes: usize, took: Duration) {
        self.records.observe(records as f64);
        self.bytes.observe(bytes as f64);
        self.write.observe(took.as_secs_f64());
    }

    /// Records `start..end` of a batch are durable, or, with `until_flush`, will be with the next flush.
    pub(super) fn written(&mut self, batch: &Batch, start: usize, end: usize, until_flush: bool) {
        let records = batch.records().skip(start).take(end.saturating_sub(start));
        if until_flush {
            self.unflushed.extend(records.filter_map(source_ms));
            return;
        }
        let now = WallClock::now().ms;
        records.filter_map(source_ms).for_each(|ms| self.counted.observe(seconds_between(ms, now)));
        self.latency.merge(&mut self.counted);
    }

    /// Everything that was written is durable, after a flush of this duration.
    pub(super) fn flushed(&mut self, took: Duration) {
        self.flush.observe(took.as_secs_f64());
        let now = WallClock::now().ms;
        self.unflushed.drain(..).for_each(|ms| self.counted.observe(seconds_between(ms, now)));
        self.latency.merge(&mut self.counted);
    }
}

/// When a record was committed in its source, or else its timestamp: milliseconds since 1970.
fn source_ms(record: Record<'_>) -> Option<i64> {
    record.change().and_then(|change| change.commit_ms()).or_else(|| record.timestamp_ms())
}

/// The clocks of source and host may differ: a time in the future counts as now.
fn seconds_between(ms: i64, now: i64) -> f64 {
    now.saturating_sub(ms).max(0) as f64 / 1e3
}
