//! Records measurements with the `metrics` recorder, and shows them in Prometheus' text format.

use std::sync::OnceLock;

use metrics::{Label, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Buckets of `tidegate_batch_records`.
const RECORD_BUCKETS: [f64; 7] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6];
/// Buckets of `tidegate_batch_duration_seconds`.
const DURATION_BUCKETS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0, 300.0];

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts recording. Only the first call counts.
pub fn init_metrics() {
    if RECORDER.get().is_some() {
        return;
    }
    let bucketed = |name: &str| Matcher::Full(format!("tidegate_{name}"));
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(bucketed("batch_records"), &RECORD_BUCKETS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(bucketed("batch_duration_seconds"), &DURATION_BUCKETS)
        })
        .and_then(PrometheusBuilder::install_recorder);
    match recorder {
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

/// Whose measurement it is.
#[derive(Clone, Copy, Debug)]
pub struct PluginLabels<'a> {
    /// Connector.
    pub connector: &'a str,
    /// Task.
    pub task: u32,
    /// Plugin, as the connector names it; empty for the task itself.
    pub plugin: &'a str,
}

/// Records a measurement: `tidegate_plugin_<name>` of a plugin, or `tidegate_<name>` of a task.
pub(super) fn record<'a>(
    who: PluginLabels<'_>,
    name: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    measure: Measure,
) {
    if RECORDER.get().is_none() {
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
    all.extend(labels.map(|(name, value)| Label::new(name.to_owned(), value.to_owned())));
    let name = format!("{prefix}{name}");
    match measure {
        Measure::Count(delta) => counter!(name, all).increment(delta),
        Measure::Gauge(value) => gauge!(name, all).set(value),
        Measure::Observe(value) => histogram!(name, all).record(value),
    }
}
