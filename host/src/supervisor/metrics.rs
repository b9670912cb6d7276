//! Metrics of the host, one set per task.

use metrics::{Label, counter, gauge};

use super::status::ConnectorState;
use crate::pipeline::Counts;

/// Records the progress of a task as `tidegate_records_total` by stage, `tidegate_batches_total`,
/// `tidegate_bytes_total`, `tidegate_partitions` and `tidegate_lag_records`.
pub(super) fn record(connector: &str, task: u32, counts: &Counts) {
    let labels = task_labels(connector, task);
    let stages = [
        ("read", counts.read),
        ("delivered", counts.delivered),
        ("filtered", counts.filtered),
        ("rejected", counts.rejected),
        ("dead_lettered", counts.dead_lettered),
        ("committed", counts.committed),
    ];
    for (stage, count) in stages {
        let mut labels = labels.to_vec();
        labels.push(Label::new("stage", stage));
        counter!("tidegate_records_total", labels).absolute(count);
    }
    counter!("tidegate_batches_total", labels.to_vec()).absolute(counts.batches);
    counter!("tidegate_bytes_total", labels.to_vec()).absolute(counts.bytes);
    // Prometheus has no way to say that a value is unknown, other than not-a-number.
    gauge!("tidegate_lag_records", labels.to_vec()).set(counts.lag.map_or(f64::NAN, |lag| lag as f64));
    gauge!("tidegate_partitions", labels.to_vec()).set(f64::from(counts.partitions));
}

/// Records the state of a task as `tidegate_task_state`: 1 for the current state, 0 for the others that it was in.
pub(super) fn record_state(connector: &str, task: u32, before: ConnectorState, now: ConnectorState) {
    for (state, value) in [(before, 0.0), (now, 1.0)] {
        let mut labels = task_labels(connector, task).to_vec();
        labels.push(Label::new("state", state.to_string()));
        gauge!("tidegate_task_state", labels).set(value);
    }
}

/// Counts a failure of a task in `tidegate_task_failures_total`.
pub(super) fn count_failure(connector: &str, task: u32) {
    counter!("tidegate_task_failures_total", task_labels(connector, task).to_vec()).increment(1);
}

/// Counts a restart of a task in `tidegate_task_restarts_total`.
pub(super) fn count_restart(connector: &str, task: u32) {
    counter!("tidegate_task_restarts_total", task_labels(connector, task).to_vec()).increment(1);
}

fn task_labels(connector: &str, task: u32) -> [Label; 2] {
    [Label::new("connector", connector.to_owned()), Label::new("task", task.to_string())]
}
