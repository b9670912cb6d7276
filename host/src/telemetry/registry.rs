//! The metrics of this process: families of series, which are recorded by name or through handles, and removed with their connector.
//!
//! A value is an atomic number, so a handle is recorded to without a lock and without allocation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    catalog::{self, Kind},
    histogram::Buckets,
};

/// Maximum number of series that one connector may have in a family. The labels of plugins have as many values as their authors like.
const MAX_SERIES: usize = 1_000;

/// Name and value of each label.
pub(super) type Labels = Vec<(String, String)>;

/// All metrics of a process.
#[derive(Debug)]
pub(super) struct Registry {
    families: Mutex<BTreeMap<String, Family>>,
    /// Families whose measurements were dropped, each of which is logged once.
    reported: Mutex<BTreeSet<String>>,
    /// Connectors that were forgotten, whose processes may still report what they have measured last.
    forgotten: Mutex<BTreeSet<String>>,
    /// Series that were removed since they were last asked for, in a process whose metrics are relayed.
    removed: Option<Mutex<Vec<(String, Labels)>>>,
    max_partitions: usize,
}

/// The series of one name.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) kind: Kind,
    pub(super) help: String,
    pub(super) series: BTreeMap<Labels, Arc<Value>>,
}

/// The current value of a series.
#[derive(Debug)]
pub(super) enum Value {
    Counter(AtomicU64),
    /// The bits of a floating point number.
    Gauge(AtomicU64),
    Histogram(Buckets),
}

impl Value {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter(AtomicU64::new(0)),
            Kind::Gauge => Self::Gauge(AtomicU64::new(f64::NAN.to_bits())),
            Kind::Histogram(bounds) => Self::Histogram(Buckets::new(bounds)),
        }
    }

    fn update(&self, update: &Update<'_>) {
        match (self, update) {
            (Self::Counter(count), Update::Add(delta)) => {
                count.fetch_add(*delta, Ordering::Relaxed);
            }
            (Self::Counter(count), Update::Total(total)) => {
                count.fetch_max(*total, Ordering::Relaxed);
            }
            (Self::Gauge(bits), Update::Set(value)) => bits.store(value.to_bits(), Ordering::Relaxed),
            (Self::Histogram(buckets), Update::Observe(value)) => buckets.observe(*value),
            (Self::Histogram(buckets), Update::Merge { counts, sum }) => buckets.add(counts, *sum),
            // The kind of the family was compared before.
            _ => {}
        }
    }
}

/// A change of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Update<'u> {
    /// Adds to a counter.
    Add(u64),
    /// Raises a counter to a total that is counted elsewhere.
    Total(u64),
    /// Sets a gauge.
    Set(f64),
    /// One observation of a histogram.
    Observe(f64),
    /// Observations of a histogram with the same buckets: how many in each, and their sum.
    Merge { counts: &'u [u64], sum: f64 },
}

impl Update<'_> {
    fn kind(&self) -> Kind {
        match self {
            Self::Add(_) | Self::Total(_) => Kind::Counter,
            Self::Set(_) => Kind::Gauge,
            Self::Observe(_) | Self::Merge { .. } => Kind::Histogram(catalog::SECONDS),
        }
    }
}

impl Registry {
    /// A registry that exports at most `max_partitions` partitions of a connector. With `is_relayed`, it remembers what was removed.
    pub(super) fn new(max_partitions: usize, is_relayed: bool) -> Self {
        let removed = is_relayed.then(Mutex::default);
        Self {
            families: Mutex::default(),
            reported: Mutex::default(),
            forgotten: Mutex::default(),
            removed,
            max_partitions,
        }
    }

    pub(super) fn families(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        lock(&self.families)
    }

    /// Updates a series with what the process of a connector has measured, unless the connector was deleted.
    pub(super) fn relay(&self, connector: &str, name: &str, labels: Labels, update: &Update<'_>) {
        if !lock(&self.forgotten).contains(connector) {
            self.update(name, labels, update);
        }
    }

    /// Updates the series with this name and these labels, and creates it if it does not exist.
    pub(super) fn update(&self, name: &str, labels: Labels, update: &Update<'_>) {
        match self.series(name, labels, update.kind()) {
            Some(value) => value.update(update),
            None => self.report(name),
        }
    }

    /// The value with this name and these labels; a detached one if the name has another kind, or the connector too many series.
    pub(super) fn histogram(&self, name: &str, labels: Labels) -> Arc<Value> {
        let kind = Kind::Histogram(catalog::SECONDS);
        self.series(name, labels, kind).unwrap_or_else(|| Arc::new(Value::new(kind)))
    }

    fn series(&self, name: &str, labels: Labels, kind: Kind) -> Option<Arc<Value>> {
        let mut families = self.families();
        if !families.contains_key(name) {
            let (kind, help) = catalog::describe(name, kind);
            families.insert(name.to_owned(), Family { kind, help: help.to_owned(), series: BTreeMap::new() });
        }
        let family = families.get_mut(name)?;
        if !family.kind.is_same(kind) {
            return None;
        }
        if let Some(value) = family.series.get(&labels) {
            return Some(Arc::clone(value));
        }
        let limit = if name == catalog::PARTITION_LAG { self.max_partitions } else { MAX_SERIES };
        let of_connector = connector(&labels).map(str::to_owned);
        let used = family.series.keys().filter(|labels| connector(labels) == of_connector.as_deref());
        if used.count() >= limit {
            return None;
        }
        // A connector of this name was added again.
        if let Some(connector) = &of_connector {
            lock(&self.forgotten).remove(connector);
        }
        let value = Arc::new(Value::new(family.kind));
        family.series.insert(labels, Arc::clone(&value));
        Some(value)
    }

    /// Removes the series of a family for which `remove` is true.
    pub(super) fn remove(&self, name: &str, mut remove: impl FnMut(&Labels) -> bool) {
        let mut families = self.families();
        let Some(family) = families.get_mut(name) else { return };
        let gone: Vec<Labels> = family.series.keys().filter(|labels| remove(labels)).cloned().collect();
        for labels in gone {
            family.series.remove(&labels);
            if let Some(removed) = &self.removed {
                lock(removed).push((name.to_owned(), labels));
            }
        }
    }

    /// The series that were removed since the last call, in a process whose metrics are relayed.
    pub(super) fn take_removed(&self) -> Vec<(String, Labels)> {
        self.removed.as_ref().map(|removed| std::mem::take(&mut *lock(removed))).unwrap_or_default()
    }

    /// Removes all series of a connector.
    pub(super) fn forget(&self, name: &str) {
        let mut families = self.families();
        lock(&self.forgotten).insert(name.to_owned());
        for family in families.values_mut() {
            family.series.retain(|labels, _| connector(labels) != Some(name));
        }
        families.retain(|_, family| !family.series.is_empty());
    }

    /// Removes all series of a task.
    pub(super) fn forget_task(&self, name: &str, task: u32) {
        let task = task.to_string();
        for family in self.families().values_mut() {
            family.series.retain(|labels, _| {
                let is_tasks = labels.iter().any(|(label, value)| label == "task" && *value == task);
                !is_tasks || connector(labels) != Some(name)
            });
        }
    }

    fn report(&self, name: &str) {
        // The limit of partitions is what the user has configured.
        if name != catalog::PARTITION_LAG && lock(&self.reported).insert(name.to_owned()) {
            tracing::warn!(
                metric = name,
                "measurements are dropped: a connector has {MAX_SERIES} series of this name, or it is of another type"
            );
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connector(labels: &Labels) -> Option<&str> {
    labels.iter().find(|(name, _)| name == "connector").map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(connector: &str, more: &str) -> Labels {
        [("connector", connector), ("more", more)].map(|(name, value)| (name.into(), value.into())).into()
    }

    fn count(registry: &Registry, name: &str) -> usize {
        registry.families().get(name).map_or(0, |family| family.series.len())
    }

    #[test]
    fn a_connector_is_forgotten_with_all_its_series() {
        let registry = Registry::new(10, false);
        for connector in ["a", "b"] {
            registry.update("x_total", labels(connector, "1"), &Update::Add(1));
            registry.update("y", labels(connector, "1"), &Update::Set(1.0));
        }
        registry.update("of_a", labels("a", "1"), &Update::Set(1.0));
        registry.forget("a");
        assert_eq!([count(&registry, "x_total"), count(&registry, "y"), count(&registry, "of_a")], [1, 1, 0]);
        assert!(!registry.families().contains_key("of_a"), "a name without series is not shown");
        registry.relay("a", "x_total", labels("a", "1"), &Update::Add(1));
        assert_eq!(count(&registry, "x_total"), 1, "its process has reported late");
        registry.update("y", labels("a", "1"), &Update::Set(1.0));
        registry.relay("a", "x_total", labels("a", "1"), &Update::Add(1));
        assert_eq!([count(&registry, "x_total"), count(&registry, "y")], [2, 2], "it was added again");
    }

    #[test]
    fn a_task_is_forgotten_with_all_its_series() {
        let registry = Registry::new(10, false);
        let of_task = |connector: &str, task: &str| -> Labels {
            [("connector", connector), ("task", task)].map(|(name, value)| (name.into(), value.into())).into()
        };
        for (connector, task) in [("a", "0"), ("a", "1"), ("b", "1")] {
            registry.update("state", of_task(connector, task), &Update::Set(1.0));
        }
        registry.forget_task("a", 1);
        let families = registry.families();
        let left: Vec<&Labels> = families["state"].series.keys().collect();
        assert_eq!(left, [&of_task("a", "0"), &of_task("b", "1")]);
    }

    #[test]
    fn the_series_of_a_connector_are_bounded() {
        let registry = Registry::new(2, false);
        for number in 0..2 * MAX_SERIES {
            registry.update("x_total", labels("a", &number.to_string()), &Update::Add(1));
            registry.update(catalog::PARTITION_LAG, labels("a", &number.to_string()), &Update::Set(1.0));
        }
        registry.update("x_total", labels("b", ""), &Update::Add(1));
        assert_eq!(count(&registry, "x_total"), MAX_SERIES + 1);
        assert_eq!(count(&registry, catalog::PARTITION_LAG), 2);
    }

    #[test]
    fn a_name_has_one_kind() {
        let registry = Registry::new(2, false);
        registry.update("x", labels("a", ""), &Update::Set(1.0));
        registry.update("x", labels("a", "other"), &Update::Observe(1.0));
        assert_eq!(count(&registry, "x"), 1);
    }
}
