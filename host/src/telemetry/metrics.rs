//! Measurements of tasks, plugins and the host. In a child process they are relayed to the parent, which shows them with its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use super::{
    catalog,
    collect::{self, Measurement},
    connect_names,
    histogram::{Buckets, Histogram},
    process,
    registry::{Family, Labels, Registry, Update, Value},
    render,
};

static METRICS: OnceLock<Metrics> = OnceLock::new();

#[derive(Debug)]
struct Metrics {
    registry: Registry,
    options: MetricsOptions,
}

/// What is exported: `[metrics]` of the host's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsOptions {
    /// The lag of at most so many partitions per connector; 0 for none.
    pub max_partitions: usize,
    /// Also the names that the JMX exporter gives the metrics of Kafka Connect.
    pub kafka_connect_names: bool,
}

/// One measurement of a plugin.
#[derive(Clone, Copy, Debug)]
pub enum Measure {
    /// Adds to a counter.
    Count(u64),
    /// Sets a gauge.
    Gauge(f64),
    /// One observation of a distribution.
    Observe(f64),
}

/// Whose measurement it is.
#[derive(Clone, Copy, Debug)]
pub struct PluginLabels<'a> {
    /// Connector.
    pub connector: &'a str,
    /// Task.
    pub task: u32,
    /// Plugin, as the connector names it.
    pub plugin: &'a str,
}

/// The lag of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Records in its log that are not settled.
    pub records: u64,
}

/// Starts recording. Only the first call counts; before it, measurements are lost.
pub fn init_metrics(options: MetricsOptions) {
    let registry = Registry::new(options.max_partitions, false);
    registry.update(
        "tidegate_build_info",
        vec![("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())],
        &Update::Set(1.0),
    );
    if METRICS.set(Metrics { registry, options }).is_err() {
        tracing::debug!("metrics are recorded already");
    }
}

/// Starts recording in a child process, whose metrics are taken by [`take_metrics`] instead of shown.
pub fn relay_metrics() {
    let options = MetricsOptions { max_partitions: usize::MAX, kafka_connect_names: false };
    let registry = Registry::new(options.max_partitions, true);
    if METRICS.set(Metrics { registry, options }).is_err() {
        tracing::debug!("metrics are recorded already");
    }
}

/// What has changed since the last call, in parts of limited size.
#[must_use]
pub fn take_metrics() -> Vec<Vec<Measurement>> {
    METRICS.get().map(|metrics| collect::take(&metrics.registry)).unwrap_or_default()
}

/// What `read` returns of all metrics as they are now; `None` before [`init_metrics`].
pub(super) fn with_families<T>(read: impl FnOnce(&BTreeMap<String, Family>) -> T) -> Option<T> {
    let Metrics { registry, .. } = METRICS.get()?;
    process::measure(registry);
    Some(read(&registry.families()))
}

/// All metrics, in Prometheus' text format; empty before [`init_metrics`].
#[must_use]
pub fn render_metrics() -> String {
    let Some(Metrics { registry, options }) = METRICS.get() else { return String::new() };
    process::measure(registry);
    let families = registry.families();
    let mut text = render::render(&families);
    if options.kafka_connect_names {
        text.push_str(&connect_names::render(&families));
    }
    text
}

/// Removes all series of a connector that was deleted, after its tasks have ended.
pub fn forget_connector(name: &str) {
    if let Some(metrics) = METRICS.get() {
        metrics.registry.forget(name);
    }
}

/// Removes all series of a task that the connector no longer has.
pub fn forget_task(connector: &str, task: u32) {
    if let Some(metrics) = METRICS.get() {
        metrics.registry.forget_task(connector, task);
    }
}

/// Adds to a counter of a task, `tidegate_<name>`.
pub fn task_count(connector: &str, task: u32, name: &str, labels: &[(&str, &str)], delta: u64) {
    update(&format!("tidegate_{name}"), || task_labels(connector, task, labels), &Update::Add(delta));
}

/// Raises a counter of a task, `tidegate_<name>`, to a total that is counted elsewhere.
pub fn task_total(connector: &str, task: u32, name: &str, labels: &[(&str, &str)], total: u64) {
    update(&format!("tidegate_{name}"), || task_labels(connector, task, labels), &Update::Total(total));
}

/// Sets a gauge of a task, `tidegate_<name>`.
pub fn task_gauge(connector: &str, task: u32, name: &str, labels: &[(&str, &str)], value: f64) {
    update(&format!("tidegate_{name}"), || task_labels(connector, task, labels), &Update::Set(value));
}

/// Sets a gauge of a connector, `tidegate_<name>`.
pub fn connector_gauge(connector: &str, name: &str, value: f64) {
    let labels = || vec![("connector".to_owned(), connector.to_owned())];
    update(&format!("tidegate_{name}"), labels, &Update::Set(value));
}

/// Removes a gauge of a connector, `tidegate_<name>`.
pub fn clear_connector_gauge(connector: &str, name: &str) {
    if let Some(metrics) = METRICS.get() {
        let labels = vec![("connector".to_owned(), connector.to_owned())];
        metrics.registry.remove(&format!("tidegate_{name}"), |found| *found == labels);
    }
}

/// The histogram `tidegate_<name>` of a task, which is recorded to without a lookup.
#[must_use]
pub fn task_histogram(connector: &str, task: u32, name: &str, labels: &[(&str, &str)]) -> Histogram {
    let name = format!("tidegate_{name}");
    let detached = || Arc::new(Value::Histogram(Buckets::new(catalog::SECONDS)));
    let value =
        METRICS.get().map(|metrics| metrics.registry.histogram(&name, task_labels(connector, task, labels)));
    Histogram(value.unwrap_or_else(detached))
}

/// How many partitions of a connector are exported at most.
#[must_use]
pub fn max_partitions() -> usize {
    METRICS.get().map_or(0, |metrics| metrics.options.max_partitions)
}

/// Replaces the lags of a task's partitions.
pub fn set_partition_lags(connector: &str, task: u32, lags: &[PartitionLag]) {
    let Some(Metrics { registry, .. }) = METRICS.get() else { return };
    let new: Vec<(Labels, u64)> = lags
        .iter()
        .map(|PartitionLag { topic, partition, records }| {
            let partition = partition.to_string();
            (task_labels(connector, task, &[("topic", topic), ("partition", &partition)]), *records)
        })
        .collect();
    let of_task = task_labels(connector, task, &[]);
    registry.remove(catalog::PARTITION_LAG, |labels| {
        labels.starts_with(&of_task) && !new.iter().any(|(new, _)| new == labels)
    });
    for (labels, records) in new {
        registry.update(catalog::PARTITION_LAG, labels, &Update::Set(records as f64));
    }
}

/// Records a measurement of a plugin, as `tidegate_plugin_<name>`; `_total` is added to the names of counters.
pub fn plugin_metric<'a>(
    who: PluginLabels<'_>,
    name: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    measure: Measure,
) {
    let is_counter = matches!(measure, Measure::Count(_)) && !name.ends_with("_total");
    let suffix = if is_counter { "_total" } else { "" };
    let name = format!("tidegate_plugin_{}{suffix}", render::valid_name(name));
    let all = || {
        let own = task_labels(who.connector, who.task, &[("plugin", who.plugin)]);
        with_labels(own, labels)
    };
    let measured = match measure {
        Measure::Count(delta) => Update::Add(delta),
        Measure::Gauge(value) => Update::Set(value),
        Measure::Observe(value) => Update::Observe(value),
    };
    update(&name, all, &measured);
}

/// Adds labels of a plugin. Of several with the same name, the first counts: Prometheus refuses everything else that is exported
/// together with a series that has a name twice.
fn with_labels<'a>(mut all: Labels, labels: impl Iterator<Item = (&'a str, &'a str)>) -> Labels {
    for (name, value) in labels {
        let name = render::valid_label(name);
        if all.iter().all(|(known, _)| *known != name) {
            all.push((name, value.to_owned()));
        }
    }
    all
}

impl Measurement {
    /// Records what was measured in the child process of a connector.
    pub fn record(&self, connector: &str) {
        if let Some(metrics) = METRICS.get() {
            self.apply(&metrics.registry, connector);
        }
    }
}

fn update(name: &str, labels: impl FnOnce() -> Labels, update: &Update<'_>) {
    if let Some(metrics) = METRICS.get() {
        metrics.registry.update(name, labels(), update);
    }
}

fn task_labels(connector: &str, task: u32, more: &[(&str, &str)]) -> Labels {
    let own = [("connector", connector.to_owned()), ("task", task.to_string())];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    own.chain(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_cannot_repeat_a_label() {
        let given = [("task", "x"), ("a-b", "1"), ("a.b", "2")];
        let all = with_labels(task_labels("c", 0, &[]), given.into_iter());
        let expected = [("connector", "c"), ("task", "0"), ("exported_task", "x"), ("a_b", "1")];
        assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
