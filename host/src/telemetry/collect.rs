//! Measurements of a child process since its last report. The parent adds them to its own metrics.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::registry::{Labels, Registry, Update, Value};

/// Maximum number of measurements in one message.
const CHUNK: usize = 256;

/// What has changed of one series in a child process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    name: String,
    /// Without the label `connector`, which the parent knows.
    labels: Labels,
    measured: Measured,
}

/// Counters and histograms are added to those of the parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Measured {
    Count(u64),
    Gauge(Exact),
    Observed { counts: Vec<u64>, sum: Exact },
    Removed,
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

/// Takes what has changed since the last call, in parts of limited size.
pub(super) fn take(registry: &Registry) -> Vec<Vec<Measurement>> {
    let is_own = |(name, _): &&(String, String)| name != "connector";
    let measurement = |name: &str, labels: &Labels, measured| Measurement {
        name: name.to_owned(),
        labels: labels.iter().filter(is_own).cloned().collect(),
        measured,
    };
    // Before the others: a series may have been removed and set again.
    let removed = registry.take_removed();
    let mut all: Vec<Measurement> =
        removed.iter().map(|(name, labels)| measurement(name, labels, Measured::Removed)).collect();
    for (name, family) in &*registry.families() {
        for (labels, value) in &family.series {
            let measured = match &**value {
                Value::Counter(count) => Measured::Count(count.swap(0, Ordering::Relaxed)),
                Value::Gauge(bits) => Measured::Gauge(Exact(f64::from_bits(bits.load(Ordering::Relaxed)))),
                Value::Histogram(buckets) => {
                    let (counts, sum) = buckets.take();
                    Measured::Observed { counts, sum: Exact(sum) }
                }
            };
            if !measured.is_nothing() {
                all.push(measurement(name, labels, measured));
            }
        }
    }
    all.chunks(CHUNK).map(<[Measurement]>::to_vec).collect()
}

impl Measured {
    fn is_nothing(&self) -> bool {
        match self {
            Self::Count(count) => *count == 0,
            Self::Observed { counts, .. } => counts.iter().all(|count| *count == 0),
            Self::Gauge(_) | Self::Removed => false,
        }
    }
}

impl Measurement {
    /// Records it, with the label `connector`.
    pub(super) fn apply(&self, registry: &Registry, connector: &str) {
        let mut labels = vec![("connector".to_owned(), connector.to_owned())];
        labels.extend(self.labels.iter().cloned());
        let update = match &self.measured {
            Measured::Count(delta) => Update::Add(*delta),
            Measured::Gauge(value) => Update::Set(value.0),
            Measured::Observed { counts, sum } => Update::Merge { counts, sum: sum.0 },
            Measured::Removed => return registry.remove(&self.name, |found| *found == labels),
        };
        registry.relay(connector, &self.name, labels, &update);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::render::render, *};

    fn labels() -> Labels {
        [("connector", "c"), ("task", "1"), ("tone", "loud")]
            .map(|(name, value)| (name.into(), value.into()))
            .into()
    }

    #[test]
    fn what_a_child_measures_is_shown_by_its_parent() {
        let (child, parent) = (Registry::new(10, true), Registry::new(10, false));
        let relay = || {
            let text = serde_json::to_string(&take(&child)).unwrap();
            let taken: Vec<Vec<Measurement>> = serde_json::from_str(&text).unwrap();
            taken.iter().flatten().for_each(|measurement| measurement.apply(&parent, "c"));
        };
        for count in [2, 3] {
            child.update("a_total", labels(), &Update::Add(count));
            child.update("b", labels(), &Update::Set(f64::INFINITY));
            child.update("d_seconds", labels(), &Update::Observe(0.02));
            relay();
        }
        relay();
        let text = render(&parent.families());
        for line in [
            r#"a_total{connector="c",task="1",tone="loud"} 5"#,
            r#"b{connector="c",task="1",tone="loud"} +Inf"#,
            r#"d_seconds_count{connector="c",task="1",tone="loud"} 2"#,
            r#"d_seconds_sum{connector="c",task="1",tone="loud"} 0.04"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        child.remove("b", |_| true);
        relay();
        assert!(!render(&parent.families()).contains("b{"));
    }
}
