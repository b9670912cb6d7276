//! `[otlp]` of the host's file: the export of metrics and traces to an OpenTelemetry collector.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::document::TomlValue;
use super::registry::check_url;
use super::section::{Section, join};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// `protocol`: how requests are encoded. Default: Protobuf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtlpEncoding {
    /// `http/protobuf`.
    #[default]
    Protobuf,
    /// `http/json`.
    Json,
}

/// `[otlp]`, if it has an endpoint.
#[derive(Clone, PartialEq)]
pub struct OtlpConfig {
    /// `endpoint`: base URL of the collector, without a slash at its end.
    pub endpoint: String,
    /// `protocol`.
    pub encoding: OtlpEncoding,
    /// `headers` of every request. They are secrets.
    pub headers: BTreeMap<String, String>,
    /// `metrics`: whether metrics are exported. Default: true.
    pub metrics: bool,
    /// `interval` of metrics. Default: 1 min.
    pub interval: Duration,
    /// `traces`: whether batches are traced. Default: true.
    pub traces: bool,
    /// `trace_ratio`: the part of batches that are traced, from 0 to 1. Default: 1.
    pub trace_ratio: f64,
    /// `service_name`. Default: `tidegate`.
    pub service_name: String,
    /// `resource_attributes`: further attributes of the host.
    pub resource_attributes: BTreeMap<String, String>,
}

/// Without the headers.
impl fmt::Debug for OtlpConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OtlpConfig").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl OtlpConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let endpoint = section.name("endpoint").map(|url| url.trim_end_matches('/').to_owned());
        let endpoint = endpoint.and_then(|url| match check_url(&url, "write it as http://host:4318") {
            Ok(()) => Some(url),
            Err(message) => {
                section.error("endpoint", message, None);
                None
            }
        });
        let has_others = section.table().is_some_and(|table| !table.entries.is_empty());
        if has_others && !section.has("endpoint") {
            section.error("endpoint", "is missing", Some("write the URL of the collector".to_owned()));
        }
        let protocols = vec![("http/protobuf", OtlpEncoding::Protobuf), ("http/json", OtlpEncoding::Json)];
        let encoding = section.choice("protocol", protocols).unwrap_or_default();
        let headers = texts(&section.section("headers"));
        headers.values().for_each(|value| section.report().secret(value));
        check_headers(&section, &headers);
        let (metrics, traces) = (section.boolean("metrics"), section.boolean("traces"));
        let interval = section.duration("interval", INTERVALS);
        let trace_ratio = section.number("trace_ratio", 0.0..=1.0);
        let service_name = section.name("service_name");
        let resource_attributes = texts(&section.section("resource_attributes"));
        section.finish();
        Some(Self {
            endpoint: endpoint?,
            encoding,
            headers,
            metrics: metrics.unwrap_or(true),
            interval: interval.unwrap_or(DEFAULT_INTERVAL),
            traces: traces.unwrap_or(true),
            trace_ratio: trace_ratio.unwrap_or(1.0),
            service_name: service_name.unwrap_or_else(|| "tidegate".to_owned()),
            resource_attributes,
        })
    }
}

/// A table of texts. Names with dots may be quoted or not.
fn texts(section: &Section<'_>) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let mut open: Vec<_> = section.table().into_iter().map(|table| (String::new(), table)).collect();
    while let Some((prefix, table)) = open.pop() {
        for (key, node) in &table.entries {
            let name = join(&prefix, key);
            match &node.value {
                TomlValue::Text(text) | TomlValue::Filled(text) => drop(texts.insert(name, text.clone())),
                TomlValue::Table(inner) => open.push((name, inner)),
                TomlValue::Unresolved => {}
                other => {
                    let message = format!("expected a string, found {}", other.kind());
                    section.report().error(&node.location, &join(section.path(), &name), message, None);
                }
            }
        }
    }
    texts
}

fn check_headers(section: &Section<'_>, headers: &BTreeMap<String, String>) {
    for (name, value) in headers {
        let is_name = name.parse::<ureq::http::HeaderName>().is_ok();
        if !is_name || value.parse::<ureq::http::HeaderValue>().is_err() {
            let fix = "use ASCII characters without spaces in names, and no line ends in values";
            section.error("headers", format!("{name:?} is not an HTTP header"), Some(fix.to_owned()));
        }
    }
}
