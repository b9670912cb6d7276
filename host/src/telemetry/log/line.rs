//! A log line: what is collected of an event, and its text in each format.

use std::fmt::{self, Debug, Write as _};

use tidegate_abi::{
    printable::{OneLine, PrintableJson, beginning},
    value::write_json_string,
};
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

use super::{
    EVERY_LINE, LogFormat, PLUGIN_FIELDS,
    cut::{cut, cut_str},
    journal, now,
};
use crate::telemetry::redact::scrub;

/// What is kept of the message of a line that was left out, and of its fields, in bytes.
const MAX_KEPT_BYTES: usize = 1_000;

/// Connector and task of a span, stored in its extensions.
#[derive(Clone, Default)]
pub(super) struct TaskNames {
    pub(super) connector: Option<String>,
    pub(super) task: Option<u64>,
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
#[derive(Clone)]
pub(super) struct Line {
    format: LogFormat,
    level: Level,
    target: &'static str,
    pub(super) task: TaskNames,
    pub(super) message: String,
    /// The module of a plugin's event.
    pub(super) module: String,
    fields: String,
    /// The fields once more, for the journal.
    journal_fields: String,
}

impl Line {
    /// The line of an event in a span of `task`.
    pub(super) fn new(format: LogFormat, event: &Event<'_>, task: TaskNames) -> Self {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let (message, module, fields, journal_fields) = Default::default();
        let mut line = Self { format, level, target, task, message, module, fields, journal_fields };
        event.record(&mut line);
        line
    }

    /// The fields, in the format of the line.
    pub(super) fn fields(&self) -> &str {
        &self.fields
    }

    /// A copy for a summary, with the parts that are too long cut off.
    pub(super) fn shortened(&self) -> Self {
        let mut line = self.clone();
        line.message.truncate(beginning(&line.message, MAX_KEPT_BYTES).len());
        if line.fields.len() + line.journal_fields.len() > MAX_KEPT_BYTES {
            (line.fields, line.journal_fields) = Default::default();
        }
        line
    }

    /// Makes this line the summary of `count` lines that were left out.
    pub(super) fn summarize(&mut self, count: u64) {
        let _infallible = write!(self.message, " (repeated {count} times; only the last is logged)");
        self.add("repeated", &count, true);
    }

    /// Appends the line with its line end, without secrets.
    pub(super) fn write(&self, out: &mut String, color: bool) {
        // Writing to a string cannot fail.
        let _infallible = match self.format {
            LogFormat::Human => self.human(out, color),
            LogFormat::Json => self.json(&mut PrintableJson(out)),
            LogFormat::Journal => self.journal(out),
        };
    }

    fn human(&self, out: &mut String, color: bool) -> fmt::Result {
        let code = match self.level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            Level::DEBUG => "34",
            Level::TRACE => "35",
        };
        let (on, off) = if color { (format!("\x1b[{code}m"), "\x1b[0m") } else { (String::new(), "") };
        write!(out, "{} {on}{:>5}{off} ", now(), self.level)?;
        self.text(out)
    }

    /// Connector, task, message and fields.
    fn text(&self, out: &mut String) -> fmt::Result {
        match (&self.task.connector, self.task.task) {
            (Some(connector), Some(task)) => write!(out, "{}[{task}] ", OneLine(connector))?,
            (Some(connector), None) => write!(out, "{} ", OneLine(connector))?,
            _ => {}
        }
        // Secrets are removed before line ends are escaped, because a secret with several lines would not be found
        // afterwards.
        writeln!(out, "{}{}", OneLine(&scrub(&self.message)), OneLine(&scrub(&self.fields)))
    }

    fn json(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{{\"timestamp\":\"{}\",\"level\":\"{}\"", now(), self.level)?;
        if let Some(connector) = &self.task.connector {
            write_json_field(out, "connector", connector)?;
        }
        if let Some(task) = self.task.task {
            write!(out, ",\"task\":{task}")?;
        }
        write_json_field(out, "message", &self.message)?;
        write_json_field(out, "target", self.target)?;
        writeln!(out, "{}}}", self.fields)
    }

    fn journal(&self, out: &mut String) -> fmt::Result {
        let mut message = String::new();
        self.text(&mut message)?;
        journal::start(out, self.level, message.trim_end_matches('\n'))?;
        if let Some(connector) = &self.task.connector {
            journal::write_field(out, "CONNECTOR", connector)?;
        }
        if let Some(task) = self.task.task {
            journal::write_field(out, "TASK", &task.to_string())?;
        }
        journal::write_field(out, "TARGET", self.target)?;
        out.write_str(&self.journal_fields)
    }

    fn add(&mut self, name: &str, value: &dyn fmt::Display, is_json: bool) {
        let _infallible = match self.format {
            LogFormat::Json if is_json => {
                let _infallible = self.fields.write_char(',');
                let _infallible = write_json_string(&mut self.fields, name);
                write!(self.fields, ":{value}")
            }
            LogFormat::Json => write_json_field(&mut self.fields, name, &cut(value)),
            LogFormat::Human => write!(self.fields, " {name}={}", cut(value)),
            LogFormat::Journal => {
                let value = cut(value);
                let _infallible = journal::write_own_field(&mut self.journal_fields, name, &value);
                write!(self.fields, " {name}={value}")
            }
        };
    }

    /// Connector and task are at the front of the line, whether they come from the span or the event.
    fn names_task(field: &Field) -> bool {
        matches!(field.name(), "connector" | "task")
    }

    fn plugin_fields(&mut self, fields: &str) {
        let (text, journal_fields) = match self.format {
            LogFormat::Journal => fields.split_once('\0').unwrap_or((fields, "")),
            LogFormat::Human | LogFormat::Json => (fields, ""),
        };
        self.fields.push_str(text);
        self.journal_fields.push_str(journal_fields);
    }
}

/// The fields of a plugin's event as one text, which [`Line`] takes apart.
pub(super) fn plugin_fields<'a>(
    format: LogFormat,
    fields: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let (mut text, mut for_journal) = (String::new(), String::new());
    for (name, value) in fields {
        let (name, value) = (&*cut_str(name), &*cut_str(value));
        let _infallible = match format {
            LogFormat::Json => write_json_field(&mut text, name, value),
            LogFormat::Human => write!(text, " {name}={value}"),
            LogFormat::Journal => {
                let _infallible = journal::write_own_field(&mut for_journal, name, value);
                write!(text, " {}={}", OneLine(name), OneLine(&scrub(value)))
            }
        };
    }
    if format == LogFormat::Journal {
        text.push('\0');
        text.push_str(&for_journal);
    }
    text
}

fn write_json_field(out: &mut impl fmt::Write, name: &str, value: &str) -> fmt::Result {
    out.write_char(',')?;
    write_json_string(out, name)?;
    out.write_char(':')?;
    write_json_string(out, value)
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if Self::names_task(field) {
            self.task.record_u64(field, value);
        } else {
            self.add(field.name(), &value, true);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), &value, true);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() != EVERY_LINE {
            self.add(field.name(), &value, true);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), &value, value.is_finite());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(&cut_str(value)),
            PLUGIN_FIELDS => self.plugin_fields(value),
            "module" => {
                self.module.push_str(value);
                // It is not part of the text format.
                let _infallible = match self.format {
                    LogFormat::Human => Ok(()),
                    LogFormat::Json => write_json_field(&mut self.fields, "module", value),
                    LogFormat::Journal => journal::write_own_field(&mut self.journal_fields, "module", value),
                };
            }
            _ if Self::names_task(field) => self.task.record_str(field, value),
            name => self.add(name, &value, false),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message.push_str(&cut(&format_args!("{value:?}")));
        } else {
            self.add(field.name(), &format_args!("{value:?}"), false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: LogFormat, message: &str, fields: &str) -> String {
        let task = TaskNames { connector: Some("orders".to_owned()), task: Some(1) };
        let mut line = Line {
            format,
            level: Level::WARN,
            target: "tidegate::pipeline",
            task,
            message: message.to_owned(),
            module: String::new(),
            fields: String::new(),
            journal_fields: String::new(),
        };
        line.plugin_fields(fields);
        let mut text = String::new();
        line.write(&mut text, false);
        text
    }

    fn human(message: &str, fields: &str) -> String {
        line(LogFormat::Human, message, fields).trim_end_matches('\n').to_owned()
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
        let _protected = crate::telemetry::protect(&secrets);
        let message = "it is one \"of\nlog-test";
        assert!(human(message, "").ends_with("it is ***"));
        let fields = plugin_fields(LogFormat::Journal, [("key", "one \"of\nlog-test")].into_iter());
        let entry = line(LogFormat::Journal, message, &fields);
        assert!(entry.contains("MESSAGE=orders[1] it is *** key=***\n"), "{entry}");
        assert!(entry.contains("\nF_KEY=***\n"), "{entry}");
    }

    #[test]
    fn an_entry_of_the_journal_has_fields_and_cannot_be_forged() {
        let fields = [("quoted name", "a\nPRIORITY=0"), ("offset", "5")];
        let fields = plugin_fields(LogFormat::Journal, fields.into_iter());
        let entry = line(LogFormat::Journal, "bad\nMESSAGE=forged", &fields);
        let expected = "PRIORITY=4\nSYSLOG_IDENTIFIER=tidegate\n\
            MESSAGE=orders[1] bad\\nMESSAGE=forged quoted name=a\\nPRIORITY=0 offset=5\nCONNECTOR=orders\nTASK=1\n\
            TARGET=tidegate::pipeline\nF_QUOTED_NAME=a\\nPRIORITY=0\nF_OFFSET=5\n";
        assert_eq!(entry, expected);
    }
}
