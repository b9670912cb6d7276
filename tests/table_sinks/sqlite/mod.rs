//! SQLite: a file of its own for every test.

mod faults;
mod tables;

use std::{path::PathBuf, time::Duration};

use rusqlite::{Connection, ErrorCode, types::ValueRef};
use tempfile::TempDir;
use tidegate_tests::{Column, Rows};

use crate::probe::Probe;

/// Steps of the query that slows an insert down: some 20 ms.
const STEPS: u32 = 200_000;

/// A database file.
pub(crate) struct File {
    folder: TempDir,
}

impl File {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("shop.db")
    }

    /// A connection that waits for no lock.
    fn impatient(&self) -> Connection {
        let connection = Connection::open(self.path()).expect("a database");
        connection.busy_timeout(Duration::ZERO).expect("a timeout");
        connection
    }

    /// A connection that waits for locks.
    pub(crate) fn connection(&self) -> Connection {
        let connection = Connection::open(self.path()).expect("a database");
        connection.busy_timeout(Duration::from_secs(60)).expect("a timeout");
        connection
    }
}

impl Probe for File {
    const LIBRARY: &'static str = "sqlite-sink";
    const DEVIATIONS: &'static str = "sqlite";

    fn new(_test: &str) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-sqlite-").tempdir().expect("a folder");
        Some(Self { folder })
    }

    fn sink(&self, more: &str) -> String {
        let path = self.path();
        format!("[sink]\nplugin = \"sqlite\"\n[sink.config]\npath = \"{}\"\n{more}\n", path.display())
    }

    fn execute(&self, sql: &str) {
        self.connection().execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        rows(&self.connection(), sql).1
    }

    fn tables(&self) -> Vec<String> {
        if !self.path().exists() {
            return Vec::new();
        }
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        self.query(sql).into_iter().flatten().flatten().collect()
    }

    fn table(&self, name: &str) -> Rows {
        let connection = self.connection();
        let (names, mut rows) =
            rows(&connection, &format!("SELECT * FROM \"{}\"", name.replace('"', "\"\"")));
        let declared = "SELECT type FROM pragma_table_info(?)";
        let mut declared = connection.prepare(declared).expect("a statement");
        let declared = declared.query_map([name], |row| row.get::<_, String>(0)).expect("rows");
        let kinds: Vec<&str> = declared.map(|declared| kind(&declared.expect("a type"))).collect();
        for row in &mut rows {
            for (value, kind) in row.iter_mut().zip(&kinds) {
                if *kind == "boolean" {
                    *value = value.take().map(|value| (value == "1").to_string());
                }
            }
        }
        let column = |(name, kind): (String, &str)| Column { name, kind: kind.to_owned() };
        Rows { columns: names.into_iter().zip(kinds).map(column).collect(), rows }
    }

    fn slow_down(&self, tables: &[String]) {
        let slowed = self.query("SELECT name FROM sqlite_schema WHERE type = 'trigger'");
        let drop = slowed.into_iter().flatten().flatten().map(|name| format!("DROP TRIGGER \"{name}\";"));
        self.execute(&drop.collect::<String>());
        let create = tables.iter().map(|table| {
            format!(
                "CREATE TRIGGER \"slow_{table}\" AFTER INSERT ON \"{table}\" BEGIN SELECT COUNT(*) FROM \
                 (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {STEPS}) SELECT i FROM n); END;"
            )
        });
        self.execute(&create.collect::<String>());
    }

    fn is_writing(&self) -> bool {
        match self.impatient().execute_batch("BEGIN IMMEDIATE; ROLLBACK") {
            Ok(()) => false,
            Err(error) => {
                assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy), "{error}");
                true
            }
        }
    }
}

/// Names of columns and rows of a query, as text.
fn rows(connection: &Connection, sql: &str) -> (Vec<String>, Vec<Vec<Option<String>>>) {
    let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = Vec::new();
    let mut rows = statement.query([]).unwrap_or_else(|error| panic!("{sql}: {error}"));
    while let Some(row) = rows.next().unwrap_or_else(|error| panic!("{sql}: {error}")) {
        let values = (0..names.len()).map(|index| shown(row.get_ref(index).expect("a column")));
        found.push(values.collect());
    }
    (names, found)
}

fn shown(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(format!("{number:?}")),
        ValueRef::Text(text) => Some(String::from_utf8(text.to_vec()).expect("UTF-8")),
        ValueRef::Blob(bytes) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

/// The name of a declared type in `compare`.
fn kind(declared: &str) -> &'static str {
    match declared {
        "INTEGER" => "fixed",
        "REAL" => "real",
        "BOOLEAN" => "boolean",
        "BLOB" => "binary",
        "JSON TEXT" => "variant",
        "TEXT" => "iso_text",
        other => panic!("the sink creates no column {other:?}"),
    }
}
