//! Histograms with fixed buckets: shared ones, and local ones that are added to them at once.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::registry::Value;

/// The buckets of a series.
#[derive(Debug)]
pub(super) struct Buckets {
    /// Upper bounds, ascending.
    pub(super) bounds: &'static [f64],
    /// Observations in each bucket, and above the last bound.
    pub(super) counts: Box<[AtomicU64]>,
    /// The bits of the sum.
    sum: AtomicU64,
}

impl Buckets {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0.0_f64.to_bits()) }
    }

    pub(super) fn observe(&self, value: f64) {
        if let Some(count) = self.counts.get(bucket(self.bounds, value)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.add_to_sum(value);
    }

    /// Adds observations, given by how many are in each bucket, and their sum.
    pub(super) fn add(&self, counts: &[u64], sum: f64) {
        for (count, delta) in self.counts.iter().zip(counts) {
            count.fetch_add(*delta, Ordering::Relaxed);
        }
        self.add_to_sum(sum);
    }

    fn add_to_sum(&self, value: f64) {
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        let _sum = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    pub(super) fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Ordering::Relaxed))
    }

    /// The observations since the last call, and their sum.
    pub(super) fn take(&self) -> (Vec<u64>, f64) {
        let counts = self.counts.iter().map(|count| count.swap(0, Ordering::Relaxed)).collect();
        (counts, f64::from_bits(self.sum.swap(0.0_f64.to_bits(), Ordering::Relaxed)))
    }
}

/// The index of the bucket of a value; not-a-number is above all bounds.
fn bucket(bounds: &[f64], value: f64) -> usize {
    bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len())
}

/// A histogram of a task. Recording takes no lock and allocates nothing.
#[derive(Clone, Debug)]
pub struct Histogram(pub(super) Arc<Value>);

impl Histogram {
    /// Adds an observation, in the base unit of the histogram.
    pub fn observe(&self, value: f64) {
        if let Value::Histogram(buckets) = &*self.0 {
            buckets.observe(value);
        }
    }

    /// Observations to be added at once.
    #[must_use]
    pub fn local(&self) -> LocalHistogram {
        let bounds = match &*self.0 {
            Value::Histogram(buckets) => buckets.bounds,
            _ => &[],
        };
        LocalHistogram { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Adds all observations of `local`, and empties it.
    pub fn merge(&self, local: &mut LocalHistogram) {
        if let Value::Histogram(buckets) = &*self.0 {
            buckets.add(&local.counts, local.sum);
        }
        local.counts.fill(0);
        local.sum = 0.0;
    }
}

/// Observations that are counted without atomic operations, for values per record.
#[derive(Clone, Debug)]
pub struct LocalHistogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
}

impl LocalHistogram {
    /// Adds an observation.
    pub fn observe(&mut self, value: f64) {
        if let Some(count) = self.counts.get_mut(bucket(self.bounds, value)) {
            *count += 1;
        }
        self.sum += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_observations_are_the_same_as_shared_ones() {
        let new = || Histogram(Arc::new(Value::Histogram(Buckets::new(&[1.0, 2.0]))));
        let (shared, merged) = (new(), new());
        let mut local = merged.local();
        for value in [0.5, 1.0, 1.5, 2.5, f64::INFINITY] {
            shared.observe(value);
            local.observe(value);
        }
        merged.merge(&mut local);
        merged.merge(&mut local);
        for histogram in [shared, merged] {
            let Value::Histogram(buckets) = &*histogram.0 else { panic!("a histogram") };
            let counts: Vec<u64> = buckets.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
            assert_eq!((counts, buckets.sum()), (vec![2, 1, 2], f64::INFINITY));
        }
    }
}
