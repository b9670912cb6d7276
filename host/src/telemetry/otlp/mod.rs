//! OpenTelemetry's protocol: the metrics of the host, and a trace of each batch, sent to a collector over HTTP.
//!
//! - [`batch_trace`]: what the stages of a task record of a batch, if traces are exported.
//! - [`queue`]: traces that wait to be exported. A child process passes them on to the host.
//! - [`exporter`]: the thread that sends metrics and traces, and tries again when the collector is away ([`backoff`]).
//! - [`metrics`], [`spans`]: metrics and traces as [`messages`] of the protocol.

mod backoff;
mod batch_trace;
mod exporter;
mod messages;
mod metrics;
mod queue;
mod spans;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use self::batch_trace::{BatchSpans, BatchTrace, Sampler, TracedTask};
use self::exporter::Exporter;

/// The encoding of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// `http/protobuf`.
    Protobuf,
    /// `http/json`.
    Json,
}

/// Where to send metrics and traces, and how. It has no `Debug` form, because headers may be secret.
#[derive(Clone)]
pub struct OtlpOptions {
    /// Base URL of the collector; `/v1/metrics` and `/v1/traces` are appended.
    pub endpoint: String,
    /// The encoding of requests.
    pub protocol: OtlpProtocol,
    /// Headers of every request.
    pub headers: BTreeMap<String, String>,
    /// How often metrics are sent; `None` for never.
    pub metrics_interval: Option<Duration>,
    /// Whether and which batches are traced.
    pub traces: Option<TraceOptions>,
    /// What the host is called, and other attributes of it.
    pub resource: BTreeMap<String, String>,
}

/// Which batches are traced.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct TraceOptions {
    /// The part of all batches, from 0 to 1.
    pub ratio: f64,
}

static EXPORTER: Mutex<Option<Exporter>> = Mutex::new(None);
static TRACES: std::sync::OnceLock<TraceOptions> = std::sync::OnceLock::new();

/// Starts to send metrics and traces. Tasks that are started later are traced.
pub fn start_otlp(options: OtlpOptions) {
    if let Some(traces) = options.traces {
        trace_batches(traces);
    }
    let mut exporter = EXPORTER.lock().unwrap_or_else(PoisonError::into_inner);
    *exporter = Exporter::start(options);
}

/// Sends what is left, within this time.
pub fn stop_otlp(within: Duration) {
    let exporter = EXPORTER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(exporter) = exporter {
        exporter.stop(within);
    }
}

/// Records traces in this process from now on. A child process passes them on with [`take_traces`].
pub fn trace_batches(options: TraceOptions) {
    queue::open();
    // Only the first call counts.
    let _options = TRACES.get_or_init(|| options);
}

/// Which batches are traced in this process; `None` for none.
#[must_use]
pub fn trace_options() -> Option<TraceOptions> {
    TRACES.get().copied()
}

/// The traces that wait, some hundred at most.
#[must_use]
pub fn take_traces() -> Vec<BatchSpans> {
    queue::get().map(|queue| queue.take().0).unwrap_or_default()
}

/// Keeps traces for [`take_traces`] from now on.
#[cfg(test)]
pub(crate) fn open_trace_queue() {
    queue::open();
}

/// Exports traces that a child process has recorded.
pub fn relay_traces(traces: Vec<BatchSpans>) {
    traces.into_iter().for_each(queue::export);
}
