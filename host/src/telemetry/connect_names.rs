//! The same numbers under the names that the JMX exporter's usual configuration gives the metrics of Kafka Connect, so that
//! existing dashboards show them: `kafka_connect_<group>_<attribute>{connector,task}`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use super::{
    registry::{Family, Labels, Value},
    render::write_sample,
};

/// Label of one task: connector and task.
type Task = (String, String);

/// Samples of one metric.
type Samples = Vec<(Labels, f64)>;

/// Writes what there is under Kafka Connect's names.
pub(super) fn render(families: &BTreeMap<String, Family>) -> String {
    let source = Source(families);
    let mut text = String::new();
    for (name, kind, samples) in metrics(&source) {
        if samples.is_empty() {
            continue;
        }
        text.push_str(&format!("# HELP {name} As in Kafka Connect.\n# TYPE {name} {kind}\n"));
        for (labels, value) in samples {
            write_sample(&mut text, &name, &labels, value);
        }
    }
    text
}

fn metrics(source: &Source<'_>) -> Vec<(String, &'static str, Samples)> {
    let stage = |stage| source.of_tasks("tidegate_records_total", ("stage", stage));
    let (read, sent, rejected, dead) =
        (stage("read"), stage("delivered"), stage("rejected"), stage("dead_lettered"));
    let retries = source.of_tasks("tidegate_retries_total", ("", ""));
    let commits = |outcome| source.of_tasks("tidegate_commits_total", ("outcome", outcome));
    let (committed, failed) = (commits("success"), commits("failure"));
    let put = source.means("tidegate_stage_duration_seconds", ("stage", "sink"), 1e3);
    let commit_time = source.means("tidegate_stage_duration_seconds", ("stage", "commit"), 1e3);
    let batch_size = source.means("tidegate_batch_records", ("", ""), 1.0);
    let percentage = |part: &BTreeMap<Task, f64>| {
        let share = |task: &Task| {
            let of = |all: &BTreeMap<Task, f64>| all.get(task).copied().unwrap_or_default();
            let total = of(&committed) + of(&failed);
            (total > 0.0).then(|| (task.clone(), 100.0 * of(part) / total))
        };
        committed.keys().chain(failed.keys()).filter_map(share).collect::<BTreeMap<_, _>>()
    };
    let active = difference(&read, &stage("committed"));
    let sink = |name: &str, kind, values: &BTreeMap<Task, f64>| {
        (format!("kafka_connect_sink_task_metrics_{name}"), kind, samples(values))
    };
    let task = |name: &str, values: &BTreeMap<Task, f64>| {
        (format!("kafka_connect_connector_task_metrics_{name}"), "gauge", samples(values))
    };
    let error = |name: &str, values: &BTreeMap<Task, f64>| {
        (format!("kafka_connect_task_error_metrics_{name}"), "gauge", samples(values))
    };
    let tasks = source.tasks();
    let connectors: BTreeSet<&str> = tasks.iter().map(|(connector, _)| connector.as_str()).collect();
    let worker = |name: &str, count: usize| {
        let name = format!("kafka_connect_connect_worker_metrics_{name}");
        (name, "gauge", vec![(Labels::new(), count as f64)])
    };
    vec![
        sink("sink_record_read_total", "counter", &read),
        sink("sink_record_send_total", "counter", &sent),
        sink("sink_record_active_count", "gauge", &active),
        sink("partition_count", "gauge", &source.of_tasks("tidegate_partitions", ("", ""))),
        sink("offset_commit_completion_total", "counter", &committed),
        sink("put_batch_avg_time_ms", "gauge", &put),
        task("batch_size_avg", &batch_size),
        task("offset_commit_avg_time_ms", &commit_time),
        task("offset_commit_success_percentage", &percentage(&committed)),
        task("offset_commit_failure_percentage", &percentage(&failed)),
        ("kafka_connect_connector_task_metrics_status".to_owned(), "gauge", source.states()),
        error("total_record_errors", &rejected),
        error("total_record_failures", &rejected),
        error("total_records_skipped", &difference(&rejected, &dead)),
        error("total_retries", &retries),
        error("deadletterqueue_produce_requests", &dead),
        worker("connector_count", connectors.len()),
        worker("task_count", tasks.len()),
    ]
}

fn difference(all: &BTreeMap<Task, f64>, part: &BTreeMap<Task, f64>) -> BTreeMap<Task, f64> {
    let less = |(task, value): (&Task, &f64)| {
        (task.clone(), (value - part.get(task).copied().unwrap_or_default()).max(0.0))
    };
    all.iter().map(less).collect()
}

fn samples(values: &BTreeMap<Task, f64>) -> Samples {
    values.iter().map(|(task, value)| (task_labels(task), *value)).collect()
}

fn task_labels((connector, task): &Task) -> Labels {
    [("connector", connector), ("task", task)].map(|(name, value)| (name.to_owned(), value.clone())).into()
}

/// The metrics that the samples are made of.
struct Source<'f>(&'f BTreeMap<String, Family>);

impl Source<'_> {
    /// The series of a family with this label; with an empty name, all.
    fn series(&self, name: &str, wanted: (&str, &str)) -> impl Iterator<Item = (Task, &Labels, &Value)> {
        let series = self.0.get(name).into_iter().flat_map(|family| &family.series);
        series.filter_map(move |(labels, value)| {
            let is_wanted = wanted.0.is_empty() || label(labels, wanted.0) == Some(wanted.1);
            let task = (label(labels, "connector")?.to_owned(), label(labels, "task")?.to_owned());
            is_wanted.then_some((task, labels, &**value))
        })
    }

    /// The sums of counters or gauges per task.
    fn of_tasks(&self, name: &str, wanted: (&str, &str)) -> BTreeMap<Task, f64> {
        let mut sums = BTreeMap::new();
        for (task, _, value) in self.series(name, wanted) {
            let value = match value {
                Value::Counter(count) => count.load(Ordering::Relaxed) as f64,
                Value::Gauge(bits) => f64::from_bits(bits.load(Ordering::Relaxed)),
                Value::Histogram(_) => continue,
            };
            *sums.entry(task).or_default() += value;
        }
        sums
    }

    /// The mean of a histogram per task since the start, in another unit.
    fn means(&self, name: &str, wanted: (&str, &str), factor: f64) -> BTreeMap<Task, f64> {
        let mean = |(task, _, value): (Task, &Labels, &Value)| {
            let Value::Histogram(buckets) = value else { return None };
            let count: u64 = buckets.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
            (count > 0).then(|| (task, buckets.sum() * factor / count as f64))
        };
        self.series(name, wanted).filter_map(mean).collect()
    }

    fn tasks(&self) -> BTreeSet<Task> {
        self.series("tidegate_task_state", ("", "")).map(|(task, ..)| task).collect()
    }

    /// The state of each task as a label, in Kafka Connect's states.
    fn states(&self) -> Samples {
        let current = self.series("tidegate_task_state", ("", "")).filter(|(_, _, value)| {
            matches!(value, Value::Gauge(bits) if f64::from_bits(bits.load(Ordering::Relaxed)) == 1.0)
        });
        let sample = |(task, labels, _): (Task, &Labels, &Value)| {
            let status = match label(labels, "state")? {
                // It is a member of its group, and waits for something.
                "RETRYING" | "STALLED" | "STOPPING" => "running",
                "STARTING" | "UNASSIGNED" => "unassigned",
                "PAUSED" => "paused",
                "RESTARTING" => "restarting",
                "FAILED" => "failed",
                "STOPPED" => "stopped",
                _ => "running",
            };
            let mut labels = task_labels(&task);
            labels.push(("status".to_owned(), status.to_owned()));
            Some((labels, 1.0))
        };
        current.filter_map(sample).collect()
    }
}

fn label<'l>(labels: &'l Labels, name: &str) -> Option<&'l str> {
    labels.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::{
        super::registry::{Registry, Update},
        *,
    };

    #[test]
    fn dashboards_of_kafka_connect_find_their_names() {
        let registry = Registry::new(10, false);
        let update = |name: &str, more: (&str, &str), update: Update<'_>| {
            let mut labels = task_labels(&("c".to_owned(), "0".to_owned()));
            labels.push((more.0.to_owned(), more.1.to_owned()));
            registry.update(name, labels, &update);
        };
        for (stage, total) in
            [("read", 10), ("delivered", 6), ("committed", 9), ("rejected", 3), ("dead_lettered", 1)]
        {
            update("tidegate_records_total", ("stage", stage), Update::Total(total));
        }
        update("tidegate_commits_total", ("outcome", "success"), Update::Add(3));
        update("tidegate_commits_total", ("outcome", "failure"), Update::Add(1));
        update("tidegate_stage_duration_seconds", ("stage", "sink"), Update::Observe(0.25));
        update("tidegate_task_state", ("state", "STARTING"), Update::Set(0.0));
        update("tidegate_task_state", ("state", "STALLED"), Update::Set(1.0));
        let text = render(&registry.families());
        for line in [
            r#"kafka_connect_sink_task_metrics_sink_record_read_total{connector="c",task="0"} 10"#,
            r#"kafka_connect_sink_task_metrics_sink_record_send_total{connector="c",task="0"} 6"#,
            r#"kafka_connect_sink_task_metrics_sink_record_active_count{connector="c",task="0"} 1"#,
            r#"kafka_connect_sink_task_metrics_put_batch_avg_time_ms{connector="c",task="0"} 250"#,
            r#"kafka_connect_connector_task_metrics_offset_commit_failure_percentage{connector="c",task="0"} 25"#,
            r#"kafka_connect_connector_task_metrics_status{connector="c",task="0",status="running"} 1"#,
            r#"kafka_connect_task_error_metrics_total_records_skipped{connector="c",task="0"} 2"#,
            "kafka_connect_connect_worker_metrics_task_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
