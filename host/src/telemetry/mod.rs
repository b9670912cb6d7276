//! The log and the metrics of the host, its tasks and its plugins.

mod collect;
mod log;
mod metrics;
mod one_line;
mod redact;
mod relay;
mod streams;

pub use collect::{Measurement, MetricsSink, collect_metrics, take_metrics};
pub(crate) use log::now;
pub use log::{
    LineSink, LogFormat, LogOptions, init_logging, log_options, log_plugin_event, log_to, plugin_log_enabled,
    task_span,
};
pub use metrics::{Measure, PluginLabels, init_metrics, plugin_metric, render_metrics, task_count};
pub(crate) use one_line::OneLine;
pub use redact::{protect, scrub};
pub use relay::{LogRelay, log_relay};
pub use streams::{output_for_a_child, write_output};
