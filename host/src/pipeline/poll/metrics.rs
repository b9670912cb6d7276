//! What the poll loop measures: how long batches fill and take as a whole, commits, rebalances, and how full the task is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::PollLoop;
use crate::{
    kafka::consumer::SkippedBatch,
    pipeline::{
        channels::WorkerInput,
        flow::{Fill, KafkaEvent, StageTime},
        settings::TaskSettings,
        traces::TaskTraces,
    },
    telemetry::{self, Histogram},
};

/// The histograms of the poll loop.
pub(super) struct PollMetrics {
    poll: Histogram,
    batch: Histogram,
    commit: Histogram,
    /// When the commit began that was not answered yet, the first one if there are several.
    committing: Option<Instant>,
    traces: Arc<TaskTraces>,
    /// How long the batch was filled that is sent to the transform worker next.
    last_poll: Duration,
}

impl PollMetrics {
    pub(super) fn new(settings: &TaskSettings, traces: Arc<TaskTraces>) -> Self {
        let stage = |stage: &str| {
            let labels = [("stage", stage)];
            telemetry::task_histogram(&settings.connector, settings.task, "stage_duration_seconds", &labels)
        };
        let (committing, last_poll) = (None, Duration::ZERO);
        Self {
            poll: stage("poll"),
            batch: stage("batch"),
            commit: stage("commit"),
            committing,
            traces,
            last_poll,
        }
    }

    pub(super) fn stage(&mut self, time: &StageTime) {
        match time {
            StageTime::Poll(took) => {
                self.poll.observe(took.as_secs_f64());
                self.last_poll = *took;
            }
            StageTime::Batch(took) => self.batch.observe(took.as_secs_f64()),
        }
    }

    /// This is sent to the transform worker.
    pub(super) fn sent(&self, input: &WorkerInput) {
        if let WorkerInput::Batch(batch) = input {
            self.traces.polled(batch, self.last_poll);
        }
    }

    /// A commit begins in the background.
    pub(super) fn commit_begins(&mut self) {
        self.committing.get_or_insert_with(Instant::now);
        self.traces.committing();
    }

    /// A commit in the background is answered, with an error or without.
    pub(super) fn commit_ended(&mut self, error: Option<&str>) {
        self.committing.take().into_iter().for_each(|began| self.committed(began, error));
    }

    /// A commit that began then has ended now.
    pub(super) fn committed(&self, began: Instant, error: Option<&str>) {
        self.commit.observe(began.elapsed().as_secs_f64());
        self.traces.committed(began, error);
    }

    /// The task ends.
    pub(super) fn end(&self) {
        self.traces.end();
    }

    /// A commit of everything that is settled begins, and is waited for.
    pub(super) fn last_commit_begins(&self) {
        self.traces.committing();
    }
}

impl PollLoop<'_> {
    /// Counts changes of the assignment in `tidegate_rebalances_total`.
    pub(super) fn count_rebalance(&self, event: &KafkaEvent) {
        let event = match event {
            KafkaEvent::Assigned(_) => "assigned",
            KafkaEvent::Revoked(_) => "revoked",
            KafkaEvent::Lost(_) => "lost",
            _ => return,
        };
        let (connector, task) = (&self.settings.connector, self.settings.task);
        telemetry::task_count(connector, task, "rebalances_total", &[("event", event)], 1);
    }

    /// Reports a skipped batch, and counts it in `tidegate_skipped_batches_total`.
    pub(super) fn count_skipped(&self, batch: &SkippedBatch) {
        let SkippedBatch { topic, partition, offset, reason } = batch;
        tracing::warn!(topic, partition, offset, "batch skipped, its records are not delivered: {reason}");
        let (connector, task) = (&self.settings.connector, self.settings.task);
        telemetry::task_count(connector, task, "skipped_batches_total", &[], 1);
    }

    /// Records how full the task is.
    pub(super) fn measure_fill(&self) {
        let Fill { memory, open_batch, in_flight, unflushed } = self.flow.fill();
        for (name, value) in [
            ("batch_memory_bytes", memory as f64),
            ("open_batch_fill_ratio", open_batch),
            ("in_flight_batches", in_flight as f64),
            ("unflushed_records", unflushed as f64),
        ] {
            telemetry::task_gauge(&self.settings.connector, self.settings.task, name, &[], value);
        }
    }

    /// Records the lag of each partition.
    pub(super) fn measure_partition_lags(&self) {
        let limit = telemetry::max_partitions();
        if limit > 0 {
            let mut lags = self.flow.partition_lags();
            // Always the same ones, if there are more than are exported.
            lags.sort_by(|left, right| (&left.topic, left.partition).cmp(&(&right.topic, right.partition)));
            lags.truncate(limit);
            telemetry::set_partition_lags(&self.settings.connector, self.settings.task, &lags);
        }
    }

    /// The task has ended: it has no partitions, batches and memory any more.
    pub(super) fn clear_gauges(&self) {
        let (connector, task) = (&self.settings.connector, self.settings.task);
        telemetry::set_partition_lags(connector, task, &[]);
        for name in ["batch_memory_bytes", "open_batch_fill_ratio", "in_flight_batches", "unflushed_records"]
        {
            telemetry::task_gauge(connector, task, name, &[], 0.0);
        }
    }
}
