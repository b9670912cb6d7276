//! Prometheus' text format, version 0.0.4.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Write},
    sync::atomic::Ordering,
};

use super::registry::{Family, Labels, Value};

/// Writes all families, sorted by name.
pub(super) fn render(families: &BTreeMap<String, Family>) -> String {
    let mut text = String::new();
    for (name, family) in families {
        let written = write_family(&mut text, name, family);
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    }
    text
}

fn write_family(text: &mut String, name: &str, family: &Family) -> fmt::Result {
    writeln!(text, "# HELP {name} {}", family.help)?;
    writeln!(text, "# TYPE {name} {}", family.kind.name())?;
    for (labels, value) in &family.series {
        write_series(text, name, labels, value)?;
    }
    Ok(())
}

fn write_series(text: &mut String, name: &str, labels: &Labels, value: &Value) -> fmt::Result {
    match value {
        Value::Counter(count) => {
            writeln!(text, "{name}{} {}", Braced(labels, None), count.load(Ordering::Relaxed))
        }
        Value::Gauge(bits) => {
            let value = f64::from_bits(bits.load(Ordering::Relaxed));
            writeln!(text, "{name}{} {}", Braced(labels, None), Number(value))
        }
        Value::Histogram(buckets) => {
            let mut total = 0;
            let bounds = buckets.bounds.iter().copied().chain([f64::INFINITY]);
            for (count, bound) in buckets.counts.iter().zip(bounds) {
                total += count.load(Ordering::Relaxed);
                writeln!(text, "{name}_bucket{} {total}", Braced(labels, Some(bound)))?;
            }
            writeln!(text, "{name}_sum{} {}", Braced(labels, None), Number(buckets.sum()))?;
            writeln!(text, "{name}_count{} {total}", Braced(labels, None))
        }
    }
}

/// Writes one sample of a gauge or counter.
pub(super) fn write_sample(text: &mut String, name: &str, labels: &Labels, value: f64) {
    let written = writeln!(text, "{name}{} {}", Braced(labels, None), Number(value));
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
}

/// Labels in braces, with the upper bound of a bucket.
struct Braced<'l>(&'l Labels, Option<f64>);

impl Display for Braced<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(labels, bound) = self;
        if labels.is_empty() && bound.is_none() {
            return Ok(());
        }
        let mut separator = '{';
        for (name, value) in *labels {
            write!(formatter, "{separator}{name}=\"")?;
            for character in value.chars() {
                match character {
                    '\\' => formatter.write_str("\\\\")?,
                    '"' => formatter.write_str("\\\"")?,
                    '\n' => formatter.write_str("\\n")?,
                    other => formatter.write_char(other)?,
                }
            }
            formatter.write_char('"')?;
            separator = ',';
        }
        if let Some(bound) = bound {
            write!(formatter, "{separator}le=\"{}\"", Number(*bound))?;
        }
        formatter.write_char('}')
    }
}

/// A number in Prometheus' form.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.is_nan() => formatter.write_str("NaN"),
            f64::INFINITY => formatter.write_str("+Inf"),
            f64::NEG_INFINITY => formatter.write_str("-Inf"),
            value => write!(formatter, "{value}"),
        }
    }
}

/// A name with only the characters that Prometheus allows.
pub(super) fn valid_name(name: &str) -> String {
    name.chars().map(|char| if char.is_ascii_alphanumeric() || char == '_' { char } else { '_' }).collect()
}

/// A name of a label that Prometheus allows, and that the host does not use itself. As Prometheus does with labels of targets,
/// `exported_` is put before those that it does.
pub(super) fn valid_label(name: &str) -> String {
    let name = valid_name(name);
    if matches!(name.as_str(), "connector" | "task" | "plugin" | "le" | "quantile") {
        return format!("exported_{name}");
    }
    match name.chars().next() {
        Some(first) if !first.is_ascii_digit() => name,
        _ => format!("_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::registry::*, *};

    #[test]
    fn labels_of_plugins_have_valid_names() {
        for (name, valid) in [
            ("table", "table"),
            ("", "_"),
            ("1st", "_1st"),
            ("a-b", "a_b"),
            ("le", "exported_le"),
            ("connector", "exported_connector"),
        ] {
            assert_eq!(valid_label(name), valid);
        }
    }

    #[test]
    fn values_have_the_form_that_prometheus_reads() {
        let registry = Registry::new(10, false);
        let labels = |value: &str| vec![("connector".to_owned(), value.to_owned())];
        registry.update("tidegate_batches_total", labels("a\"\\\n"), &Update::Add(2));
        registry.update("tidegate_lag_records", labels("a"), &Update::Set(f64::NAN));
        registry.update("tidegate_batch_records", labels("a"), &Update::Observe(10.0));
        registry.update("tidegate_batch_records", labels("a"), &Update::Observe(1e7));
        let text = render(&registry.families());
        for line in [
            "# HELP tidegate_batches_total Batches written to the sink.",
            "# TYPE tidegate_batches_total counter",
            r#"tidegate_batches_total{connector="a\"\\\n"} 2"#,
            r#"tidegate_lag_records{connector="a"} NaN"#,
            "# TYPE tidegate_batch_records histogram",
            r#"tidegate_batch_records_bucket{connector="a",le="1"} 0"#,
            r#"tidegate_batch_records_bucket{connector="a",le="10"} 1"#,
            r#"tidegate_batch_records_bucket{connector="a",le="+Inf"} 2"#,
            r#"tidegate_batch_records_sum{connector="a"} 10000010"#,
            r#"tidegate_batch_records_count{connector="a"} 2"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
