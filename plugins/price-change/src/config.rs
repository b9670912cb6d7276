//! Options and their validation.

use serde::Serialize;
use tidegate_plugin::prelude::*;

use crate::number::NumberChange;

/// Configuration of `price-change`.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Config {
    /// Column to watch.
    pub(crate) field: String,
    /// Minimum change to log, in percent of the old number: 5 means five percent up or down.
    pub(crate) min_change_percent: f64,
    /// Minimum change to log, in the unit of the number.
    pub(crate) min_change: f64,
    /// Level of the log line.
    pub(crate) level: Level,
    /// Name of a header to add to changed records, with a value such as `19.99 -> 17.99`.
    pub(crate) header: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            field: "price".to_owned(),
            min_change_percent: 0.0,
            min_change: 0.0,
            level: Level::Warn,
            header: None,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<()> {
        let minimums = [("min_change_percent", self.min_change_percent), ("min_change", self.min_change)];
        let invalid = minimums.into_iter().filter(|(_, value)| !value.is_finite() || *value < 0.0);
        Error::join(invalid.map(|(key, value)| {
            Error::invalid_option(key, format_args!("is {value}, but must be 0 or more"))
        }))
    }
}

/// Level of a log line.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    pub(crate) fn log(self, field: &str, record: Record<'_>, change: &NumberChange<'_>) {
        let (table, key) = (record.change().map(|change| change.table()), record.key());
        let percent = change.percent();
        match self {
            Self::Error => error!(table, %key, "{field} changed: {change}{percent}"),
            Self::Warn => warn!(table, %key, "{field} changed: {change}{percent}"),
            Self::Info => info!(table, %key, "{field} changed: {change}{percent}"),
            Self::Debug => debug!(table, %key, "{field} changed: {change}{percent}"),
        }
    }
}
