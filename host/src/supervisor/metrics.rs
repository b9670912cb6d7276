//! Metrics of the host, one set per task.

use super::status::ConnectorState;
use crate::{pipeline::Counts, telemetry};

/// Records the progress of a task as `tidegate_records_total` by stage, `tidegate_batches_total`,
/// `tidegate_bytes_total`, `tidegate_partitions` and `tidegate_lag_records`.
pub(super) fn record(connector: &str, task: u32, counts: &Counts) {
    let stages = [
        ("read", counts.read),
        ("delivered", counts.delivered),
        ("filtered", counts.filtered),
        ("rejected", counts.rejected),
        ("dead_lettered", counts.dead_lettered),
        ("committed", counts.committed),
    ];
    for (stage, count) in stages {
        telemetry::task_total(connector, task, "records_total", &[("stage", stage)], count);
    }
    telemetry::task_total(connector, task, "batches_total", &[], counts.batches);
    telemetry::task_total(connector, task, "bytes_total", &[], counts.bytes);
    // Prometheus has no way to say that a value is unknown, other than not-a-number.
    let lag = counts.lag.map_or(f64::NAN, |lag| lag as f64);
    telemetry::task_gauge(connector, task, "lag_records", &[], lag);
    telemetry::task_gauge(connector, task, "partitions", &[], f64::from(counts.partitions));
}

/// Records the state of a task as `tidegate_task_state`: 1 for the current state, 0 for the others that it was in.
pub(super) fn record_state(connector: &str, task: u32, before: ConnectorState, now: ConnectorState) {
    for (state, value) in [(before, 0.0), (now, 1.0)] {
        telemetry::task_gauge(connector, task, "task_state", &[("state", &state.to_string())], value);
    }
}

/// Counts a failure of a task in `tidegate_task_failures_total`.
pub(super) fn count_failure(connector: &str, task: u32) {
    telemetry::task_count(connector, task, "task_failures_total", &[], 1);
}

/// Counts a restart of a task in `tidegate_task_restarts_total`.
pub(super) fn count_restart(connector: &str, task: u32) {
    telemetry::task_count(connector, task, "task_restarts_total", &[], 1);
}
