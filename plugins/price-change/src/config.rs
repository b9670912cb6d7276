//! What the connector file says, and what it may not say.

use serde::Serialize;
use tidegate_plugin::prelude::*;

use crate::number::Movement;

/// Configuration of `price-change`.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Config {
    /// Column to watch.
    pub(crate) field: String,
    /// Smallest change to log, in percent of the old number, such as 5 for five percent up or down.
    pub(crate) min_change_percent: f64,
    /// Smallest change to log, in the number's own unit.
    pub(crate) min_change: f64,
    /// Level of the log line.
    pub(crate) level: Level,
    /// Name of a header that marks the record, with a value such as `19.99 -> 17.99`. Without it, records pass unmarked.
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
        for (key, value) in [("min_change_percent", self.min_change_percent), ("min_change", self.min_change)]
        {
            if !value.is_finite() || value < 0.0 {
                return Err(Error::fatal(format_args!("{key} is {value}: it is a size, so 0 or more")));
            }
        }
        Ok(())
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
    pub(crate) fn log(self, field: &str, record: Record<'_>, movement: &Movement<'_>) {
        let (table, key) = (record.change().map(|change| change.table()), record.key());
        let percent = movement.percent();
        match self {
            Self::Error => error!(table, %key, "{field} changed: {movement}{percent}"),
            Self::Warn => warn!(table, %key, "{field} changed: {movement}{percent}"),
            Self::Info => info!(table, %key, "{field} changed: {movement}{percent}"),
            Self::Debug => debug!(table, %key, "{field} changed: {movement}{percent}"),
        }
    }
}
