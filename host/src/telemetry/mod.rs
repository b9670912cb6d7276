//! The log and the metrics of the host, its tasks and its plugins.

mod collect;
mod log;
mod metrics;
mod one_line;
mod recorder;
mod redact;
mod relay;
mod streams;

pub use collect::{Measurement, MetricsSink, collect_metrics, take_metrics};
pub use log::{
    LineSink, LogFormat, LogOptions, init_logging, log_options, log_plugin_event, log_to, plugin_log_enabled,
    task_span,
};
pub(crate) use log::{batch_log_interval, now, time};
pub use metrics::{plugin_metric, task_count, task_observe};
pub(crate) use one_line::OneLine;
pub use recorder::{Measure, PluginLabels, init_metrics, render_metrics};
pub use redact::{protect, scrub};
pub use relay::{LogRelay, log_relay};
pub use streams::{output_for_a_child, write_output};
