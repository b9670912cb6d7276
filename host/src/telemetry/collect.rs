//! Collects the measurements of plugins in a child process for the parent, which records them like its own.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::recorder::{self, Measure, PluginLabels};

/// Maximum number of observations that wait to be taken.
const MAX_OBSERVATIONS: usize = 4096;
/// Maximum number of measurements in one message.
const CHUNK: usize = 256;

static COLLECTOR: OnceLock<Collector> = OnceLock::new();

/// Receives measurements when too many wait. It may block the caller that measures.
pub type MetricsSink = Box<dyn Fn(Vec<Measurement>) + Send + Sync>;

/// A plugin's measurement since the last call of [`take_metrics`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    series: Series,
    measured: Measured,
}

/// Connector, task, plugin, metric name and labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Series {
    task: u32,
    plugin: String,
    name: String,
    labels: Vec<(String, String)>,
}

/// Counters are added up, gauges keep the last value, and every observation is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Measured {
    Count(u64),
    Gauge(Exact),
    Observed(Vec<Exact>),
}

/// A number that is serialised as its bits, because JSON has no infinity.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Exact(f64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.0.to_bits())
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u64::deserialize(from).map(|bits| Self(f64::from_bits(bits)))
    }
}

struct Collector {
    pending: Mutex<PendingMeasurements>,
    overflow: MetricsSink,
}

/// A counter, a gauge and a distribution may share a name: so each kind has its own map.
#[derive(Default)]
struct PendingMeasurements {
    counts: HashMap<Series, u64>,
    gauges: HashMap<Series, f64>,
    observed: HashMap<Series, Vec<Exact>>,
    observations: usize,
}

/// Collects measurements from now on; `overflow` receives them when too many wait. Only the first call counts.
pub fn collect_metrics(overflow: MetricsSink) {
    let collector = Collector { pending: Mutex::default(), overflow };
    if COLLECTOR.set(collector).is_err() {
        tracing::debug!("measurements are collected already");
    }
}

/// The measurements since the last call, in parts of limited size.
#[must_use]
pub fn take_metrics() -> Vec<Vec<Measurement>> {
    let Some(collector) = COLLECTOR.get() else { return Vec::new() };
    collector.take().chunks(CHUNK).map(<[Measurement]>::to_vec).collect()
}

/// Takes a measurement, if this process collects them.
pub(super) fn collect(
    source: PluginLabels<'_>,
    name: &str,
    labels: &[(&str, &str)],
    measure: Measure,
) -> bool {
    let Some(collector) = COLLECTOR.get() else { return false };
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let series =
        Series { task: source.task, plugin: source.plugin.to_owned(), name: name.to_owned(), labels };
    if collector.add(series, measure) {
        collector.take().chunks(CHUNK).for_each(|chunk| (collector.overflow)(chunk.to_vec()));
    }
    true
}

impl Collector {
    /// Returns true when too many observations wait.
    fn add(&self, series: Series, measure: Measure) -> bool {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match measure {
            Measure::Count(delta) => {
                let count = pending.counts.entry(series).or_default();
                *count = count.saturating_add(delta);
            }
            Measure::Gauge(value) => {
                pending.gauges.insert(series, value);
            }
            Measure::Observe(value) => {
                pending.observed.entry(series).or_default().push(Exact(value));
                pending.observations += 1;
            }
        }
        pending.observations >= MAX_OBSERVATIONS
    }

    fn take(&self) -> Vec<Measurement> {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let counts = pending.counts.into_iter().map(|(series, count)| (series, Measured::Count(count)));
        let gauges =
            pending.gauges.into_iter().map(|(series, value)| (series, Measured::Gauge(Exact(value))));
        let observed = pending.observed.into_iter().map(|(series, all)| (series, Measured::Observed(all)));
        let all = counts.chain(gauges).chain(observed);
        all.map(|(series, measured)| Measurement { series, measured }).collect()
    }
}

impl Measurement {
    /// Records it in this process, with the label `connector`.
    pub fn record(&self, connector: &str) {
        let Series { task, plugin, name, labels } = &self.series;
        let who = PluginLabels { connector, task: *task, plugin };
        let labels = || labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let record = |measure| recorder::record(who, name, labels(), measure);
        match &self.measured {
            Measured::Count(delta) => record(Measure::Count(*delta)),
            Measured::Gauge(value) => record(Measure::Gauge(value.0)),
            Measured::Observed(all) => all.iter().for_each(|value| record(Measure::Observe(value.0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_collected_crosses_exactly() {
        let collector = Collector { pending: Mutex::default(), overflow: Box::new(drop) };
        let series = |name: &str| Series {
            task: 1,
            plugin: "p".to_owned(),
            name: name.to_owned(),
            labels: vec![("tone".to_owned(), "loud".to_owned())],
        };
        for measure in
            [Measure::Count(2), Measure::Count(3), Measure::Gauge(1.0), Measure::Gauge(f64::INFINITY)]
        {
            assert!(!collector.add(series("a"), measure));
        }
        for value in [0.1, f64::NEG_INFINITY] {
            assert!(!collector.add(series("b"), Measure::Observe(value)));
        }
        let taken = collector.take();
        let text = serde_json::to_string(&taken).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Measurement>>(&text).unwrap(), taken);
        let measured: Vec<&Measured> = taken.iter().map(|measurement| &measurement.measured).collect();
        let observed = vec![Exact(0.1), Exact(f64::NEG_INFINITY)];
        let expected =
            [Measured::Count(5), Measured::Gauge(Exact(f64::INFINITY)), Measured::Observed(observed)];
        assert_eq!(measured, expected.iter().collect::<Vec<_>>());
        assert!(collector.take().is_empty());
    }

    #[test]
    fn too_many_observations_are_told() {
        let collector = Collector { pending: Mutex::default(), overflow: Box::new(drop) };
        let series = || Series { task: 0, plugin: "p".to_owned(), name: "n".to_owned(), labels: Vec::new() };
        let full = (1..=MAX_OBSERVATIONS).find(|_| collector.add(series(), Measure::Observe(1.0)));
        assert_eq!(full, Some(MAX_OBSERVATIONS));
    }
}
