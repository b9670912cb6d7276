//! Log lines: as text or JSON or for the journal, with connector and task, written immediately and without secrets.

mod cut;
mod journal;
mod line;
mod output;
mod repeats;

use std::{
    sync::{Arc, LazyLock, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tidegate_abi::Timestamp;
use tracing::{Level, Span, level_filters::LevelFilter};
use tracing_subscriber::{Layer, Registry, layer::SubscriberExt, util::SubscriberInitExt};

use self::{
    journal::Journal,
    output::{Lines, Output},
};
use super::{
    levels::{self, CurrentLevels},
    streams::{keep_streams, write_errors},
};

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
    /// Entries of systemd's journal, with fields.
    Journal,
}

/// Options of the log.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LogOptions {
    /// The format of the lines.
    pub format: LogFormat,
    /// The least important level that is logged.
    #[serde(with = "name_of_level")]
    pub level: LevelFilter,
    /// Whether the level is colored in text format.
    pub color: bool,
    /// Each table that is written gets at most one line in this time.
    pub batch_interval: Duration,
    /// Like lines of a task are left out and counted once there are too many in this time; zero to log all.
    pub repeat_interval: Duration,
}

static OPTIONS: OnceLock<LogOptions> = OnceLock::new();
static OUTPUT: OnceLock<Arc<Output>> = OnceLock::new();
static JOURNAL: LazyLock<Journal> = LazyLock::new(Journal::of_the_system);

/// Receives finished lines, each with its line end.
pub type LineSink = Box<dyn Fn(&str) + Send + Sync>;

/// The target of plugins' events.
const PLUGIN: &str = "plugin";
/// Field of a plugin's event that holds the plugin's own fields, already in the format of the line.
const PLUGIN_FIELDS: &str = "plugin.fields";

/// Field of events that are all logged, however many like ones there are: their number is limited already.
pub(crate) const EVERY_LINE: &str = "log.every_line";

/// Sends log lines to standard error from now on. Only the first call counts.
pub fn init_logging(options: LogOptions) {
    keep_streams();
    log_to(options, Box::new(write_line));
}

/// The format of a log for which none is configured: that of the journal, if it reads standard error.
#[must_use]
pub fn default_log_format() -> LogFormat {
    if journal::is_connected() { LogFormat::Journal } else { LogFormat::Human }
}

/// Writes a finished line to where this process logs to.
pub(super) fn write_line(line: &str) {
    match log_options().map(|options| options.format) {
        Some(LogFormat::Journal) => JOURNAL.write(line),
        // There is no other place to report that the log cannot be written.
        _ => drop(write_errors(line.as_bytes())),
    }
}

/// Writes the summaries of lines that were left out because they repeated, before the process ends.
pub fn flush_log() {
    if let Some(output) = OUTPUT.get() {
        output.flush();
    }
}

/// The options of this process's log; `None` before it is initialized.
#[must_use]
pub fn log_options() -> Option<LogOptions> {
    OPTIONS.get().copied()
}

/// The shortest time between two lines about batches written to a table.
pub(crate) fn batch_log_interval() -> Duration {
    log_options().map_or(Duration::ZERO, |options| options.batch_interval)
}

/// As [`init_logging`], and sends the lines elsewhere.
pub fn log_to(options: LogOptions, sink: LineSink) {
    let options = *OPTIONS.get_or_init(|| options);
    let output = OUTPUT.get_or_init(|| Arc::new(Output::new(options, sink)));
    levels::init(options.level);
    let lines = Lines(Arc::clone(output)).with_filter(CurrentLevels);
    let already_set = Registry::default().with(lines).try_init().is_err();
    if already_set {
        tracing::debug!("logging was set up before");
    }
}

/// The span that names connector and task in every line of a task's threads.
#[must_use]
pub fn task_span(connector: &str, task: u32) -> Span {
    tracing::error_span!("task", connector, task)
}

/// Whether an event of a plugin would be logged. Levels: 1 error to 5 trace.
#[must_use]
pub fn plugin_log_enabled(level: u8, _target: &str) -> bool {
    from_number(level) <= LevelFilter::current()
}

fn from_number(level: u8) -> Level {
    match level {
        0 | 1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

/// Logs an event of a plugin, with the span of this thread.
pub fn log_plugin_event<'a>(
    level: u8,
    module: &str,
    message: &str,
    fields: impl Iterator<Item = (&'a str, &'a str)>,
) {
    let format = OPTIONS.get().map_or(LogFormat::Human, |options| options.format);
    let own = line::plugin_fields(format, fields);
    let own = own.as_str();
    // Levels and targets of tracing are static, so each level has its own call.
    match from_number(level) {
        Level::ERROR => tracing::error!(target: PLUGIN, module, { PLUGIN_FIELDS } = own, "{message}"),
        Level::WARN => tracing::warn!(target: PLUGIN, module, { PLUGIN_FIELDS } = own, "{message}"),
        Level::INFO => tracing::info!(target: PLUGIN, module, { PLUGIN_FIELDS } = own, "{message}"),
        Level::DEBUG => tracing::debug!(target: PLUGIN, module, { PLUGIN_FIELDS } = own, "{message}"),
        Level::TRACE => tracing::trace!(target: PLUGIN, module, { PLUGIN_FIELDS } = own, "{message}"),
    }
}

/// A time in milliseconds since 1970 as RFC 3339, UTC.
pub(crate) fn time(ms: i64) -> String {
    Timestamp::from_parts(ms, 1000, Some(0)).to_string()
}

/// The time, in UTC to the millisecond.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_parts(since.as_millis() as i64, 1000, Some(0))
}

/// Serialises a level as `info` and so on, the form of `LevelFilter`'s `Display` and `FromStr`.
mod name_of_level {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use tracing::level_filters::LevelFilter;

    pub(super) fn serialize<S: Serializer>(level: &LevelFilter, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(level)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<LevelFilter, D::Error> {
        String::deserialize(from)?.parse().map_err(Error::custom)
    }
}
