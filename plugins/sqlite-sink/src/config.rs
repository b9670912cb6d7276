//! The options of the sink, their defaults and their validation.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use tidegate_cdc::options::{Options, Settings, TableOptions, TableSettings};
use tidegate_plugin::{ByteSize, HumanDuration, prelude::*};

use crate::{dialect::NAMES, types::ColumnType};

/// Maximum bytes of rows in one statement. SQLite holds them twice while it reads them, and larger statements are not faster.
const STATEMENT_BYTES: usize = 4 << 20;

/// Maximum bytes of a value and of a row in SQLite, unless it is built with another limit.
const SQLITE_LIMIT: u64 = 1_000_000_000;

/// Bounds of `max_value_bytes`.
const VALUE_BYTES: RangeInclusive<ByteSize> =
    ByteSize::from_bytes(1_000)..=ByteSize::from_bytes(SQLITE_LIMIT);

/// Maximum of `busy_timeout`. A blocked write cannot be interrupted, so a task would take as long to stop.
const LONGEST_BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// Configuration of `sqlite`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// File of the database. It is created if it does not exist, with its folder.
    #[schemars(extend("x-env" = "SQLITE_PATH"))]
    pub(crate) path: PathBuf,

    /// The options of all table sinks.
    #[serde(flatten)]
    pub(crate) options: Options,
    /// Options of individual tables, by topic, by `schema.table`, or by table of the source.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, TableOptions<ColumnType>>,

    /// How long a statement waits for another connection or process that writes to the database.
    #[serde(default = "ten_seconds")]
    pub(crate) busy_timeout: HumanDuration,
    /// Maximum bytes of a text or a document, and of all values of a row as JSON. BLOB values have at most half. Larger records
    /// are rejected.
    #[serde(default = "sqlite_limit")]
    pub(crate) max_value_bytes: ByteSize,
}

fn ten_seconds() -> HumanDuration {
    HumanDuration::from_secs(10)
}

fn sqlite_limit() -> ByteSize {
    ByteSize::from_bytes(SQLITE_LIMIT)
}

impl Config {
    /// Checks the options without opening the file.
    ///
    /// # Errors
    /// All invalid options.
    pub(crate) fn check(&self) -> Result<()> {
        let names = self.tables.iter().map(|(key, table)| (key, &table.name));
        let mut errors = self.options.faults(&NAMES, names);
        errors.extend(path_fault(&self.path).map(|message| Error::invalid_option("path", message)));
        if *self.busy_timeout > LONGEST_BUSY_TIMEOUT {
            let message = "must be at most 1m: a task cannot stop while it waits";
            errors.push(Error::invalid_option("busy_timeout", message));
        }
        if !VALUE_BYTES.contains(&self.max_value_bytes) {
            let (low, high) = (VALUE_BYTES.start().bytes(), VALUE_BYTES.end().bytes());
            let given = self.max_value_bytes.bytes();
            let message = format_args!("is {given}, but must be between {low} and {high} bytes");
            errors.push(Error::invalid_option("max_value_bytes", message));
        }
        Error::join(errors)
    }

    /// The configuration of the core.
    pub(crate) fn settings(&self) -> Settings<ColumnType> {
        let table = |(key, options): (&String, &TableOptions<ColumnType>)| {
            (key.clone(), TableSettings { options: options.clone(), warehouse: None })
        };
        Settings {
            options: self.options.clone(),
            tables: self.tables.iter().map(table).collect(),
            warehouse: None,
            snapshot_warehouse: None,
            stored_rows: None,
            max_statement_bytes: STATEMENT_BYTES,
            max_value_bytes: usize::try_from(self.max_value_bytes.bytes()).unwrap_or(usize::MAX),
        }
    }
}

/// Why a path cannot be that of a database.
fn path_fault(path: &Path) -> Option<&'static str> {
    let text = path.to_string_lossy();
    if text.trim().is_empty() {
        return Some("is empty: set it, or SQLITE_PATH");
    }
    if text == ":memory:" {
        return Some(
            "must be a file: a database in memory is lost when the task ends, and others cannot read it",
        );
    }
    if text.starts_with("file:") {
        return Some("must be a path, not a URI: remove `file:` and the parameters");
    }
    if text.ends_with('/') {
        return Some("is a folder: add the name of a file, such as `shop.db`");
    }
    text.contains('\0').then_some("contains a NUL character")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> String {
        let config: Config = serde_json::from_str(text).unwrap();
        config.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_path_is_enough() {
        assert_eq!(errors(r#"{"path": "shop.db"}"#), "");
    }

    #[test]
    fn paths_that_are_no_files_are_rejected() {
        for (path, reason) in [
            ("", "SQLITE_PATH"),
            (":memory:", "in memory"),
            ("file:shop.db?mode=ro", "not a URI"),
            ("data/", "is a folder"),
        ] {
            let error = errors(&format!(r#"{{"path": "{path}"}}"#));
            assert!(error.contains("path") && error.contains(reason), "{path}: {error}");
        }
    }

    #[test]
    fn options_that_contradict_a_history_are_rejected() {
        let error = errors(
            r#"{"path": "shop.db", "mode": "history", "delete_mode": "soft", "update_missing": "skip"}"#,
        );
        assert!(error.contains("delete_mode") && error.contains("update_missing"), "{error}");
        assert_eq!(errors(r#"{"path": "shop.db", "mode": "history", "delete_mode": "hard"}"#), "");
    }

    #[test]
    fn limits_are_checked_all_at_once() {
        let error =
            errors(r#"{"path": "shop.db", "busy_timeout": "2m", "max_value_bytes": "1B", "lanes": 0}"#);
        for option in ["busy_timeout", "max_value_bytes", "lanes"] {
            assert!(error.contains(option), "{option}: {error}");
        }
    }
}
