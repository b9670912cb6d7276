//! MariaDB: one server for all tests, and a database of its own for every test.

mod faults;
mod histories;
mod inserted;
mod own_tables;
mod tls;
mod values;

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use tidegate_tests::{Column, Database, Proxy, Rows};

use crate::probe::Probe;

/// How long an insert takes after [`Probe::slow_down`].
const SLOW: &str = "0.02";

static SERVER: OnceLock<Option<Database>> = OnceLock::new();
static SCHEMAS: AtomicUsize = AtomicUsize::new(0);

/// The server of all tests; `None`, with a message, without MariaDB.
fn server() -> Option<&'static Database> {
    SERVER.get_or_init(|| Database::mariadb("shop", &["max_connections=400"])).as_ref()
}

/// A database.
pub(crate) struct Schema {
    server: &'static Database,
    name: String,
}

impl Schema {
    /// A new database of a server.
    fn of(server: &'static Database) -> Self {
        let name = format!("test_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
        server.execute(&format!("CREATE DATABASE {name}"));
        Self { server, name }
    }

    /// The `[sink]` table of a connector that connects to this port.
    fn sink_at(&self, port: &str, more: &str) -> String {
        let (user, database) = (self.server.name(), &self.name);
        format!(
            "[sink]\nplugin = \"mysql\"\n[sink.config]\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"{user}\"\n\
             password = \"{user}\"\ndatabase = \"{database}\"\nssl_mode = \"disable\"\nlock_timeout = \"3s\"\n{more}\n"
        )
    }

    /// Statements as SQL of the standard, in this database.
    fn standard(&self, sql: &str) -> String {
        format!("SET sql_mode = 'ANSI,STRICT_ALL_TABLES'; USE {};\n{sql}", self.name)
    }
}

impl Probe for Schema {
    const LIBRARY: &'static str = "mysql-sink";
    const DEVIATIONS: &'static str = "mysql";

    fn new(_test: &str) -> Option<Self> {
        Some(Self::of(server()?))
    }

    fn sink(&self, more: &str) -> String {
        self.sink_at(self.server.port(), more)
    }

    fn proxied(&self, more: &str) -> Option<(Proxy, String)> {
        // The byte before it says that a query follows.
        let proxy = Proxy::start(self.server.port(), b"\x03COMMIT");
        let sink = self.sink_at(&proxy.port().to_string(), more);
        Some((proxy, sink))
    }

    fn execute(&self, sql: &str) {
        self.server.execute(&self.standard(sql));
    }

    fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.server.rows(&self.standard(sql))
    }

    fn tables(&self) -> Vec<String> {
        let sql = format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{}' ORDER BY 1",
            self.name
        );
        self.server.rows(&sql).into_iter().flatten().flatten().collect()
    }

    fn table(&self, name: &str) -> Rows {
        let of_table = format!("TABLE_NAME = '{}'", name.replace('\'', "''"));
        let documents = self.server.rows(&format!(
            "SELECT CONSTRAINT_NAME FROM information_schema.CHECK_CONSTRAINTS\n\
             WHERE CONSTRAINT_SCHEMA = '{}' AND {of_table} AND CHECK_CLAUSE LIKE 'json_valid%'",
            self.name
        ));
        let columns = self.server.rows(&format!(
            "SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS\n\
             WHERE TABLE_SCHEMA = '{}' AND {of_table} ORDER BY ORDINAL_POSITION",
            self.name
        ));
        let column = |row: Vec<Option<String>>| {
            let is_document = documents.iter().any(|document| document.first() == row.first());
            let [Some(name), Some(kind)] = <[_; 2]>::try_from(row).expect("two columns") else {
                panic!("a column has a name and a type")
            };
            let kind = if is_document { "variant" } else { kind_of(&kind) };
            Column { name, kind: kind.to_owned() }
        };
        let columns: Vec<Column> = columns.into_iter().map(column).collect();
        let items: Vec<String> = columns.iter().map(shown).collect();
        let rows = self.query(&format!("SELECT {} FROM \"{}\"", items.join(", "), name.replace('"', "\"\"")));
        Rows { columns, rows }
    }

    fn slow_down(&self, tables: &[String]) {
        for known in self.tables() {
            self.execute(&format!("DROP TRIGGER IF EXISTS \"slow_{known}\""));
        }
        for table in tables {
            self.execute(&format!(
                "CREATE TRIGGER \"slow_{table}\" BEFORE INSERT ON \"{table}\" FOR EACH ROW DO SLEEP({SLOW})"
            ));
        }
    }

    /// A transaction keeps others from locking the tables that it has written.
    fn is_writing(&self) -> bool {
        let tables = self.tables().into_iter().filter(|table| !table.starts_with("_cdc_"));
        let tables: Vec<String> = tables.map(|table| format!("\"{table}\" WRITE")).collect();
        if tables.is_empty() {
            return false;
        }
        match self.server.try_execute(&self.standard(&format!("LOCK TABLES {} NOWAIT", tables.join(", ")))) {
            Ok(()) => false,
            Err(error) => {
                assert!(error.contains("Lock wait timeout"), "{error}");
                true
            }
        }
    }
}

/// The name of a type in `comparison`.
fn kind_of(column_type: &str) -> &'static str {
    let (name, _) = column_type.split_once('(').unwrap_or((column_type, ""));
    match name {
        "tinyint" if column_type == "tinyint(1)" => "boolean",
        "bigint" | "decimal" | "int" => "fixed",
        "double" => "real",
        "longblob" | "binary" | "varbinary" => "binary",
        "date" => "date",
        "time" => "time",
        "datetime" => "timestamp_utc",
        "longtext" | "varchar" => "iso_text",
        other => panic!("the sink creates no column {other:?}"),
    }
}

/// The expression for a column's text.
fn shown(column: &Column) -> String {
    let name = format!("\"{}\"", column.name.replace('"', "\"\""));
    match column.kind.as_str() {
        "binary" => format!("LOWER(HEX({name}))"),
        "timestamp_utc" => format!("REPLACE({name}, ' ', 'T')"),
        "boolean" => format!("CASE {name} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"),
        _ => name,
    }
}
