//! The metrics of the host: names, types, buckets and help texts. `docs/operations.md` lists the same names.

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// The current value.
    Gauge,
    /// Counts observations in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Whether measurements of `other` can be recorded, whatever the buckets.
    pub(super) fn is_same(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// Buckets of durations.
pub(super) const SECONDS: &[f64] =
    &[0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Buckets of the time from the source to the destination, which is long while old records are read.
const LATENCY: &[f64] =
    &[0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 86_400.0];
const RECORDS: &[f64] = &[1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6];
const BYTES: &[f64] = &[1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// The lag of single partitions, whose number is limited by `metrics.max_partitions`.
pub(super) const PARTITION_LAG: &str = "tidegate_partition_lag_records";

/// Name, type and help text of every metric of the host.
pub(super) const METRICS: &[(&str, Kind, &str)] = &[
    (
        "tidegate_records_total",
        Kind::Counter,
        "Records by stage: read, delivered, filtered, rejected, dead_lettered, committed.",
    ),
    ("tidegate_bytes_total", Kind::Counter, "Bytes of keys, values and headers of records read."),
    ("tidegate_batches_total", Kind::Counter, "Batches written to the sink."),
    ("tidegate_partitions", Kind::Gauge, "Number of assigned partitions."),
    (
        "tidegate_lag_records",
        Kind::Gauge,
        "Records that are in the logs of the assigned partitions and not settled; NaN while unknown.",
    ),
    (PARTITION_LAG, Kind::Gauge, "Records that are in the log of a partition and not settled."),
    (
        "tidegate_task_state",
        Kind::Gauge,
        "1 for the current state of a task, 0 for the states that it was in before.",
    ),
    ("tidegate_task_failures_total", Kind::Counter, "Failures of a task."),
    ("tidegate_task_restarts_total", Kind::Counter, "Restarts of a task."),
    (
        "tidegate_retries_total",
        Kind::Counter,
        "Calls of a plugin that failed with a retriable error and were made again.",
    ),
    ("tidegate_panics_total", Kind::Counter, "Calls of a plugin that panicked."),
    ("tidegate_batch_records", Kind::Histogram(RECORDS), "Records read per batch."),
    ("tidegate_batch_bytes", Kind::Histogram(BYTES), "Bytes of keys, values and headers per batch."),
    (
        "tidegate_stage_duration_seconds",
        Kind::Histogram(SECONDS),
        "Time that a batch has spent in a stage, with retries: poll, decode, transform, sink, flush, commit, batch.",
    ),
    (
        "tidegate_end_to_end_latency_seconds",
        Kind::Histogram(LATENCY),
        "Time from the commit in the source, or else the timestamp of the record, until the record is durable in the sink.",
    ),
    ("tidegate_commits_total", Kind::Counter, "Commits to the consumer group by outcome: success, failure."),
    (
        "tidegate_skipped_batches_total",
        Kind::Counter,
        "Batches that unpack to more than the task's memory and were skipped, as on_oversized_batch says.",
    ),
    (
        "tidegate_rebalances_total",
        Kind::Counter,
        "Changes of the assignment by event: assigned, revoked, lost.",
    ),
    (
        "tidegate_batch_memory_bytes",
        Kind::Gauge,
        "Memory that the batches of a task are estimated to take, with decoded values and unflushed records.",
    ),
    (
        "tidegate_open_batch_fill_ratio",
        Kind::Gauge,
        "How full the open batch is, from 0 to 1: no records are read while it is full.",
    ),
    ("tidegate_in_flight_batches", Kind::Gauge, "Batches that are being transformed or written."),
    (
        "tidegate_unflushed_records",
        Kind::Gauge,
        "Records that were written to a sink that is durable on flush, and not flushed.",
    ),
    (
        "tidegate_isolated_process_memory_bytes",
        Kind::Gauge,
        "Private memory of the child process of a connector with isolation = \"process\".",
    ),
    (
        "tidegate_warnings_total",
        Kind::Counter,
        "Records in which the decoder changed, skipped or guessed something, and other warnings by cause.",
    ),
    ("tidegate_notices_total", Kind::Counter, "Normal but notable events by cause, such as resent events."),
    ("tidegate_build_info", Kind::Gauge, "1, with the version of the host as label."),
    ("process_cpu_seconds_total", Kind::Counter, "CPU time of the host in seconds."),
    ("process_resident_memory_bytes", Kind::Gauge, "Resident memory of the host in bytes."),
    ("process_open_fds", Kind::Gauge, "Open file descriptors of the host."),
    ("process_threads", Kind::Gauge, "Threads of the host."),
    ("process_start_time_seconds", Kind::Gauge, "Start of the host, in seconds since 1970."),
];

/// Type and help text of a metric; of one that is not the host's, `kind`.
pub(super) fn describe(name: &str, kind: Kind) -> (Kind, &'static str) {
    let known = METRICS.iter().find(|(known, ..)| *known == name);
    known.map_or((kind, "A metric of a plugin."), |(_, kind, help)| (*kind, *help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_all_metrics() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
        let text = std::fs::read_to_string(path).expect("docs/operations.md");
        for (name, ..) in METRICS {
            let is_listed =
                [format!("`{name}`"), format!("`{name}{{")].iter().any(|form| text.contains(form));
            assert!(is_listed, "docs/operations.md does not list {name}");
        }
    }

    #[test]
    fn names_follow_the_conventions() {
        for (name, kind, help) in METRICS {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}");
            if let Kind::Histogram(bounds) = kind {
                assert!(bounds.is_sorted(), "{name}");
            }
        }
    }
}
