//! Metrics: recorded by the `metrics` crate, rendered in Prometheus' text format.

use std::sync::OnceLock;

use metrics::{Label, counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::collect::collect;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts recording. Only the first call counts.
pub fn init_metrics() {
    if RECORDER.get().is_some() {
        return;
    }
    match PrometheusBuilder::new().install_recorder() {
        Ok(handle) => drop(RECORDER.set(handle)),
        Err(error) => tracing::warn!(%error, "metrics are not recorded"),
    }
}

/// All metrics, in Prometheus' text format; empty before [`init_metrics`].
#[must_use]
pub fn render_metrics() -> String {
    RECORDER.get().map(PrometheusHandle::render).unwrap_or_default()
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

/// The labels of a plugin's measurement.
#[derive(Clone, Copy, Debug)]
pub struct PluginLabels<'a> {
    /// Connector.
    pub connector: &'a str,
    /// Task.
    pub task: u32,
    /// Plugin, as the connector names it; empty for the task itself.
    pub plugin: &'a str,
}

/// Adds to a counter of a task, `tidegate_<name>`; in a child process, for its parent to record.
pub fn task_count(connector: &str, task: u32, name: &str, labels: &[(&str, &str)], delta: u64) {
    let who = PluginLabels { connector, task, plugin: "" };
    plugin_metric(who, name, labels.iter().copied(), Measure::Count(delta));
}

/// Records a measurement of a plugin, as `tidegate_plugin_<name>`; in a child process, for its parent to record.
pub fn plugin_metric<'a>(
    who: PluginLabels<'_>,
    name: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    measure: Measure,
) {
    let labels: Vec<(&str, &str)> = labels.collect();
    if collect(who, name, &labels, measure) || RECORDER.get().is_none() {
        return;
    }
    let mut all =
        vec![Label::new("connector", who.connector.to_owned()), Label::new("task", who.task.to_string())];
    let prefix = if who.plugin.is_empty() {
        "tidegate_"
    } else {
        all.push(Label::new("plugin", who.plugin.to_owned()));
        "tidegate_plugin_"
    };
    all.extend(labels.iter().map(|(name, value)| Label::new((*name).to_owned(), (*value).to_owned())));
    let name = format!("{prefix}{name}");
    match measure {
        Measure::Count(delta) => counter!(name, all).increment(delta),
        Measure::Gauge(value) => gauge!(name, all).set(value),
        Measure::Observe(value) => histogram!(name, all).record(value),
    }
}
