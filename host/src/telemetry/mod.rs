//! Logging set-up and metrics: what the host, its tasks and its plugins tell.

mod log;
mod metrics;
mod redact;

pub use log::{LogFormat, LogOptions, init_logging, log_plugin_event, plugin_log_enabled, task_span};
pub(crate) use log::{OneLine, now};
pub use metrics::{Measure, PluginLabels, init_metrics, plugin_metric, render_metrics};
pub use redact::{protect, scrub};
