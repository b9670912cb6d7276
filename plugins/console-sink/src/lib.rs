//! The `console` sink: prints records as readable text or as lines of JSON.
//!
//! A batch is formatted in memory, written in one call, so that the batches of several connectors do not interleave, and
//! flushed before `write` returns.

mod compact;
mod paint;
mod pretty;
mod target;

use std::fmt::{self, Write};

use serde::Serialize;
use tidegate_plugin::{prelude::*, printable::PrintableJson, write_event_line};

use crate::{
    paint::{ColorChoice, Paint},
    target::Target,
};

/// Configuration of `console`.
#[derive(Deserialize, JsonSchema)]
struct Config {
    /// Output format.
    #[serde(default)]
    style: Style,
    /// Destination: `stdout`, `stderr`, or the path of a file to append to.
    #[serde(default = "stdout")]
    output: String,
    /// Whether to color the pretty and the compact style.
    #[serde(default)]
    color: ColorChoice,
    /// Print at most this many records of each batch, the last ones, and a line with the number of the others [default: all].
    /// Not for the style `json`.
    #[schemars(range(min = 1))]
    limit: Option<usize>,
}

fn stdout() -> String {
    "stdout".to_owned()
}

/// Output format.
#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Style {
    /// A block of several lines with the rows as indented JSON.
    #[default]
    Pretty,
    /// One line of JSON.
    Json,
    /// One readable line; for an update, only the changed columns.
    Compact,
}

struct Console {
    style: Style,
    paint: Paint,
    target: Target,
    limit: Option<usize>,
    // Reused for every batch.
    text: String,
}

impl Sink for Console {
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        match config.output.as_str() {
            "" => Err(Error::invalid_option("output", "is empty: set it to stdout, stderr or a path")),
            _ => Ok(()),
        }
    }

    fn open(config: Config, _: &Context) -> Result<Self> {
        if config.limit.is_some() && matches!(config.style, Style::Json) {
            return Err(Error::fatal(
                "limit cannot be used with style = \"json\", whose lines are for programs: set style to \"compact\" or \"pretty\"",
            ));
        }
        let target = Target::open(&config.output)?;
        let paint = config.color.resolve(target.is_terminal());
        Ok(Self { style: config.style, paint, target, limit: config.limit, text: String::new() })
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        self.text.clear();
        let omitted = self.limit.map_or(0, |limit| batch.len().saturating_sub(limit));
        if omitted > 0 {
            let records = if omitted == 1 { "record" } else { "records" };
            writeln!(
                self.text,
                "... {omitted} earlier {records} of this batch not printed (limit = {})",
                batch.len() - omitted
            )?;
        }
        for record in batch.iter().skip(omitted) {
            write_record(&mut self.text, self.style, self.paint, record)?;
        }
        self.target.write(self.text.as_bytes())?;
        Ok(Report::written())
    }
}

fn write_record(out: &mut String, style: Style, paint: Paint, record: Record<'_>) -> fmt::Result {
    match style {
        Style::Pretty => pretty::write(out, paint, record),
        Style::Compact => compact::write(out, paint, record),
        Style::Json => {
            write_event_line(&mut PrintableJson(&mut *out), record)?;
            out.push('\n');
            Ok(())
        }
    }
}

export_plugin!(sink "console": Console);

#[cfg(test)]
mod tests;
