//! The metrics of the host as OTLP: the same families as `/metrics`, with the same names.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use super::messages::{
    CUMULATIVE, Data, Gauge, Histogram, HistogramPoint, KeyValue, Metric, MetricsRequest, Number,
    NumberPoint, Resource, ResourceMetrics, Scope, ScopeMetrics, Sum,
};
use crate::telemetry::{
    catalog::Kind,
    registry::{Family, Labels, Value},
};

/// When values were measured, and since when they are counted: nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub(super) start_ns: u64,
    pub(super) now_ns: u64,
}

/// All metrics in one request.
pub(super) fn request(
    families: &BTreeMap<String, Family>,
    period: Period,
    resource: Resource,
    scope: Scope,
) -> MetricsRequest {
    let metrics = families.iter().map(|(name, family)| metric(name, family, period)).collect();
    MetricsRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics }],
        }],
    }
}

fn metric(name: &str, family: &Family, period: Period) -> Metric {
    let series = || family.series.iter().map(|(labels, value)| (labels, &**value));
    let numbers = || series().filter_map(|(labels, value)| number(labels, value, period)).collect();
    let data = match family.kind {
        Kind::Counter => {
            Data::Sum(Sum { data_points: numbers(), aggregation_temporality: CUMULATIVE, is_monotonic: true })
        }
        Kind::Gauge => Data::Gauge(Gauge { data_points: numbers() }),
        Kind::Histogram(_) => Data::Histogram(Histogram {
            data_points: series().filter_map(|(labels, value)| histogram(labels, value, period)).collect(),
            aggregation_temporality: CUMULATIVE,
        }),
    };
    Metric {
        name: name.to_owned(),
        description: family.help.clone(),
        unit: unit(name).to_owned(),
        data: Some(data),
    }
}

/// The unit in the code of UCUM, by the end of a name in Prometheus' conventions.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        Some("ratio") => "1",
        Some("records") => "{record}",
        Some("batches") => "{batch}",
        Some("partitions") => "{partition}",
        _ => "",
    }
}

/// `None` for a gauge that is unknown.
fn number(labels: &Labels, value: &Value, period: Period) -> Option<NumberPoint> {
    let (start_time_unix_nano, value) = match value {
        Value::Counter(count) => {
            let count = count.load(Ordering::Relaxed);
            (period.start_ns, Number::AsInt(count.try_into().unwrap_or(i64::MAX)))
        }
        Value::Gauge(bits) => {
            let value = f64::from_bits(bits.load(Ordering::Relaxed));
            (0, Number::AsDouble(Some(value).filter(|value| !value.is_nan())?))
        }
        Value::Histogram(_) => return None,
    };
    Some(NumberPoint {
        attributes: attributes(labels),
        start_time_unix_nano,
        time_unix_nano: period.now_ns,
        value: Some(value),
    })
}

fn histogram(labels: &Labels, value: &Value, period: Period) -> Option<HistogramPoint> {
    let Value::Histogram(buckets) = value else { return None };
    let bucket_counts: Vec<u64> = buckets.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    Some(HistogramPoint {
        attributes: attributes(labels),
        start_time_unix_nano: period.start_ns,
        time_unix_nano: period.now_ns,
        count: bucket_counts.iter().sum(),
        sum: Some(buckets.sum()).filter(|sum| sum.is_finite()),
        bucket_counts,
        explicit_bounds: buckets.bounds.to_vec(),
    })
}

fn attributes(labels: &Labels) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| KeyValue::text(name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{
        catalog::METRICS,
        registry::{Registry, Update},
    };

    #[test]
    fn units_follow_from_the_names() {
        let units: BTreeMap<&str, &str> = METRICS.iter().map(|(name, ..)| (*name, unit(name))).collect();
        for (name, expected) in [
            ("tidegate_records_total", "{record}"),
            ("tidegate_bytes_total", "By"),
            ("tidegate_stage_duration_seconds", "s"),
            ("tidegate_open_batch_fill_ratio", "1"),
            ("process_cpu_seconds_total", "s"),
            ("tidegate_task_state", ""),
        ] {
            assert_eq!(units.get(name), Some(&expected), "{name}");
        }
    }

    #[test]
    fn unknown_gauges_are_left_out_and_histograms_are_not_cumulative_by_bucket() {
        let registry = Registry::new(10, false);
        let labels = || vec![("connector".to_owned(), "a".to_owned())];
        registry.update("tidegate_lag_records", labels(), &Update::Set(f64::NAN));
        for value in [0.000_05, 0.3, 1e9] {
            registry.update("tidegate_stage_duration_seconds", labels(), &Update::Observe(value));
        }
        let families = registry.families();
        let period = Period { start_ns: 1, now_ns: 2 };
        let metric = |name: &str| metric(name, &families[name], period).data;
        assert_eq!(metric("tidegate_lag_records"), Some(Data::Gauge(Gauge { data_points: vec![] })));
        let Some(Data::Histogram(histogram)) = metric("tidegate_stage_duration_seconds") else {
            panic!("a histogram")
        };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.bucket_counts.len()), (3, point.explicit_bounds.len() + 1));
        assert_eq!(point.bucket_counts.iter().filter(|count| **count == 1).count(), 3);
    }
}
