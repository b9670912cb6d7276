//! Logging set-up and metrics: what the host, its tasks and its plugins tell.

mod log;
mod metrics;
mod redact;
mod streams;

pub(crate) use log::OneLine;
pub use log::{LogFormat, LogOptions, init_logging, log_plugin_event, plugin_log_enabled, task_span};
pub use metrics::{Measure, PluginLabels, init_metrics, plugin_metric, render_metrics};
pub use redact::{protect, scrub};
pub use streams::write_output;
