//! The log, the metrics and the traces of the host, its tasks and its plugins.

mod catalog;
mod collect;
mod connect_names;
mod histogram;
mod levels;
mod log;
mod metrics;
mod otlp;
mod process;
mod redact;
mod registry;
mod relay;
mod render;
mod streams;

pub use collect::Measurement;
pub use histogram::{Histogram, LocalHistogram};
pub use levels::{LevelChange, ROOT_LOGGER, level_filter, level_of, levels, set_level};
pub(crate) use log::{EVERY_LINE, batch_log_interval, now, time};
pub use log::{
    LineSink, LogFormat, LogOptions, default_log_format, flush_log, init_logging, log_options,
    log_plugin_event, log_to, plugin_log_enabled, task_span,
};
pub use metrics::{
    Measure, MetricsOptions, PartitionLag, PluginLabels, clear_connector_gauge, connector_gauge,
    forget_connector, forget_task, init_metrics, max_partitions, plugin_metric, relay_metrics,
    render_metrics, set_partition_lags, take_metrics, task_count, task_gauge, task_histogram, task_total,
};
#[cfg(test)]
pub(crate) use otlp::open_trace_queue;
pub use otlp::{
    BatchSpans, BatchTrace, OtlpOptions, OtlpProtocol, Sampler, TraceOptions, TracedTask, relay_traces,
    start_otlp, stop_otlp, take_traces, trace_batches, trace_options,
};
pub use redact::{Protection, protect, scrub};
pub use relay::{LogRelay, log_relay};
pub use streams::{output_for_a_child, write_output};
