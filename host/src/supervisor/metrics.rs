//! Metrics of the host, one set per task.

use metrics::{Label, counter, gauge};

use crate::pipeline::Counts;

/// Records the progress of a task as `tidegate_records_total` by stage, `tidegate_batches_total`,
/// `tidegate_bytes_total`, `tidegate_partitions` and `tidegate_lag_records`.
pub(super) fn record(connector: &str, task: u32, counts: &Counts) {
    let labels = [Label::new("connector", connector.to_owned()), Label::new("task", task.to_string())];
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
    if let Some(lag) = counts.lag {
        gauge!("tidegate_lag_records", labels.to_vec()).set(lag as f64);
    }
    gauge!("tidegate_partitions", labels.to_vec()).set(f64::from(counts.partitions));
}
