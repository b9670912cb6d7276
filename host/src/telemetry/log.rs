//! Log lines: as text or JSON, with connector and task, written immediately and without secrets.

use std::{
    cell::RefCell,
    fmt::{self, Debug, Write as _},
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tidegate_abi::{Timestamp, value::write_json_string};
use tracing::{
    Event, Id, Level, Span, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::{
    levels::{self, CurrentLevels},
    one_line::OneLine,
    redact::scrub,
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
}

static OPTIONS: OnceLock<LogOptions> = OnceLock::new();

/// Receives finished lines, each with its line end.
pub type LineSink = Box<dyn Fn(&str) + Send + Sync>;

/// Field of a plugin's event that holds the plugin's own fields, already in the format of the line.
const PLUGIN_FIELDS: &str = "plugin.fields";

/// Sends log lines to standard error from now on. Only the first call counts.
pub fn init_logging(options: LogOptions) {
    keep_streams();
    // There is no other place to report that the log cannot be written.
    log_to(options, Box::new(|line| drop(write_errors(line.as_bytes()))));
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
    let lines = Lines { format: options.format, color: options.color, sink };
    levels::init(options.level);
    let already_set = Registry::default().with(lines.with_filter(CurrentLevels)).try_init().is_err();
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
    let mut own = String::new();
    let json = OPTIONS.get().is_some_and(|options| options.format == LogFormat::Json);
    for (name, value) in fields {
        // Writing to a string cannot fail.
        let _infallible =
            if json { write_json_field(&mut own, name, value) } else { write!(own, " {name}={value}") };
    }
    let own = own.as_str();
    // Levels and targets of tracing are static, so each level has its own call.
    match from_number(level) {
        Level::ERROR => tracing::error!(target: "plugin", module, { PLUGIN_FIELDS } = own, "{message}"),
        Level::WARN => tracing::warn!(target: "plugin", module, { PLUGIN_FIELDS } = own, "{message}"),
        Level::INFO => tracing::info!(target: "plugin", module, { PLUGIN_FIELDS } = own, "{message}"),
        Level::DEBUG => tracing::debug!(target: "plugin", module, { PLUGIN_FIELDS } = own, "{message}"),
        Level::TRACE => tracing::trace!(target: "plugin", module, { PLUGIN_FIELDS } = own, "{message}"),
    }
}

fn write_json_field(out: &mut String, name: &str, value: &str) -> fmt::Result {
    out.write_char(',')?;
    write_json_string(out, name)?;
    out.write_char(':')?;
    write_json_string(out, value)
}

/// The layer that writes lines.
struct Lines {
    format: LogFormat,
    color: bool,
    sink: LineSink,
}

/// Connector and task of a span, stored in its extensions.
#[derive(Default)]
struct TaskNames {
    connector: Option<String>,
    task: Option<u64>,
}

impl Visit for TaskNames {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "connector" {
            self.connector = Some(value.to_owned());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "task" {
            self.task = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Message and fields of an event, formatted in their order.
#[derive(Default)]
struct Parts {
    format: LogFormat,
    message: String,
    fields: String,
    task: TaskNames,
}

impl Parts {
    /// Connector and task are at the front of the line, whether they come from the span or the event.
    fn names_task(&mut self, field: &Field) -> bool {
        matches!(field.name(), "connector" | "task")
    }

    fn plain(&mut self, field: &Field, value: &dyn fmt::Display) {
        let _infallible = match self.format {
            LogFormat::Human => write!(self.fields, " {}={value}", field.name()),
            LogFormat::Json => {
                let _infallible = self.fields.write_char(',');
                let _infallible = write_json_string(&mut self.fields, field.name());
                write!(self.fields, ":{value}")
            }
        };
    }

    fn text(&mut self, field: &Field, value: &str) {
        let _infallible = match self.format {
            LogFormat::Human => write!(self.fields, " {}={value}", field.name()),
            LogFormat::Json => write_json_field(&mut self.fields, field.name(), value),
        };
    }
}

impl Visit for Parts {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if self.names_task(field) {
            self.task.record_u64(field, value);
        } else {
            self.plain(field, &value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() { self.plain(field, &value) } else { self.text(field, &value.to_string()) }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            PLUGIN_FIELDS => self.fields.push_str(value),
            // The module of a plugin's event is only part of the JSON format.
            "module" if self.format == LogFormat::Human => {}
            _ if self.names_task(field) => self.task.record_str(field, value),
            _ => self.text(field, value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _infallible = write!(self.message, "{value:?}");
        } else {
            self.text(field, &format!("{value:?}"));
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut names = TaskNames::default();
        attributes.record(&mut names);
        span.extensions_mut().insert(names);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut parts = Parts { format: self.format, ..Parts::default() };
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(names) = span.extensions().get::<TaskNames>() {
                parts.task.connector = parts.task.connector.take().or_else(|| names.connector.clone());
                parts.task.task = parts.task.task.or(names.task);
            }
        }
        event.record(&mut parts);
        if levels::is_logged(event.metadata(), parts.task.connector.as_deref()) {
            self.write(event, &parts);
        }
    }
}

impl Lines {
    fn write(&self, event: &Event<'_>, parts: &Parts) {
        thread_local! {
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        LINE.with_borrow_mut(|line| {
            line.clear();
            let _infallible = match self.format {
                LogFormat::Human => self.human(line, *event.metadata().level(), parts),
                LogFormat::Json => json(line, event, parts),
            };
            line.push('\n');
            (self.sink)(&scrub(line));
        });
    }

    fn human(&self, line: &mut String, level: Level, parts: &Parts) -> fmt::Result {
        let code = match level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            Level::DEBUG => "34",
            Level::TRACE => "35",
        };
        let (on, off) = if self.color { (format!("\x1b[{code}m"), "\x1b[0m") } else { (String::new(), "") };
        write!(line, "{} {on}{level:>5}{off} ", now())?;
        match (&parts.task.connector, parts.task.task) {
            (Some(connector), Some(task)) => write!(line, "{}[{task}] ", OneLine(connector))?,
            (Some(connector), None) => write!(line, "{} ", OneLine(connector))?,
            _ => {}
        }
        // Secrets are removed before line ends are escaped, because a secret with several lines would not be found
        // afterwards.
        write!(line, "{}{}", OneLine(&scrub(&parts.message)), OneLine(&scrub(&parts.fields)))
    }
}

fn json(line: &mut String, event: &Event<'_>, parts: &Parts) -> fmt::Result {
    write!(line, "{{\"timestamp\":\"{}\",\"level\":\"{}\"", now(), event.metadata().level())?;
    if let Some(connector) = &parts.task.connector {
        write_json_field(line, "connector", connector)?;
    }
    if let Some(task) = parts.task.task {
        write!(line, ",\"task\":{task}")?;
    }
    write_json_field(line, "message", &parts.message)?;
    write_json_field(line, "target", event.metadata().target())?;
    write!(line, "{}}}", parts.fields)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn human(message: &str, fields: &str) -> String {
        let parts = Parts {
            message: message.to_owned(),
            fields: fields.to_owned(),
            task: TaskNames { connector: Some("orders".to_owned()), task: Some(1) },
            ..Parts::default()
        };
        let mut line = String::new();
        Lines { format: LogFormat::Human, color: false, sink: Box::new(|_| {}) }
            .human(&mut line, Level::WARN, &parts)
            .unwrap();
        line
    }

    #[test]
    fn nothing_in_a_message_or_field_starts_a_line_or_steers_a_terminal() {
        let line = human("bad\r\n2026-01-01 ERROR forged", " key=\x1b[2Ja\u{9b}b\u{2028}c\u{202e}d\te");
        let expected =
            "WARN orders[1] bad\\r\\n2026-01-01 ERROR forged key=\\u{1b}[2Ja\\u{9b}b\\u{2028}c\\u{202e}d\\te";
        assert!(line.ends_with(expected), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let line = human("größer: \"C:\\new\" → 5 €", " table=público.日本");
        assert!(line.ends_with("größer: \"C:\\new\" → 5 € table=público.日本"), "{line}");
    }

    #[test]
    fn a_secret_of_several_lines_is_found_before_its_line_ends_are_escaped() {
        let mut secrets = crate::config::Secrets::default();
        secrets.insert("one \"of\nlog-test");
        super::super::protect(&secrets);
        let line = human("it is one \"of\nlog-test", "");
        assert!(line.ends_with("it is ***"), "{line}");
    }
}
