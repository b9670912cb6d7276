//! PostgreSQL: one server for all tests, and a schema of its own for every test.

mod faults;
mod limits;
mod plans;
mod pooled;
mod tls;
mod types;

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

/// The server of all tests; `None`, with a message, without PostgreSQL.
fn server() -> Option<&'static Database> {
    SERVER.get_or_init(|| Database::postgres("shop", &["max_connections=400"])).as_ref()
}

/// A schema.
pub(crate) struct Schema {
    server: &'static Database,
    name: String,
}

impl Schema {
    /// A new schema in the database of a server.
    fn of(server: &'static Database, name: &str) -> Self {
        server.execute(&format!("CREATE SCHEMA {name}"));
        Self { server, name: name.to_owned() }
    }

    fn name(&self) -> &str {
        &self.name
    }

    /// The `[sink]` table of a connector that connects to this port.
    fn sink_at(&self, port: &str, more: &str) -> String {
        let (name, schema) = (self.server.name(), &self.name);
        format!(
            "[sink]\nplugin = \"postgres\"\n[sink.config]\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"{name}\"\n\
             password = \"{name}\"\ndatabase = \"{name}\"\nschema = \"{schema}\"\nssl_mode = \"disable\"\nlock_timeout = \"3s\"\n{more}\n"
        )
    }
}

impl Probe for Schema {
    const LIBRARY: &'static str = "postgres-sink";
    const DEVIATIONS: &'static str = "postgres";

    fn new(_test: &str) -> Option<Self> {
        Some(Self::of(server()?, &format!("test_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed))))
    }

    fn sink(&self, more: &str) -> String {
        self.sink_at(self.server.port(), more)
    }

    fn proxied(&self, more: &str) -> Option<(Proxy, String)> {
        // As tokio-postgres sends it. The statements that create temporary tables contain the word as well.
        let proxy = Proxy::start(self.server.port(), b"COMMIT\0");
        let sink = self.sink_at(&proxy.port().to_string(), more);
        Some((proxy, sink))
    }

    fn execute(&self, sql: &str) {
        self.server.execute(&format!("SET search_path TO {}; {sql}", self.name));
    }

    fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let mut rows = self.server.rows(&format!("SET search_path TO {};\n{sql}", self.name));
        // What SET prints.
        rows.retain(|row| row != &[Some("SET".to_owned())]);
        rows
    }

    fn tables(&self) -> Vec<String> {
        let sql = format!("SELECT tablename FROM pg_tables WHERE schemaname = '{}' ORDER BY 1", self.name);
        self.server.rows(&sql).into_iter().flatten().flatten().collect()
    }

    fn table(&self, name: &str) -> Rows {
        let columns = self.server.rows(&format!(
            "SELECT column_name, data_type FROM information_schema.columns\n\
             WHERE table_schema = '{}' AND table_name = '{name}' ORDER BY ordinal_position",
            self.name
        ));
        let column = |row: Vec<Option<String>>| {
            let [Some(name), Some(kind)] = <[_; 2]>::try_from(row).expect("two columns") else {
                panic!("a column has a name and a type")
            };
            Column { name, kind: kind_of(&kind).to_owned() }
        };
        let columns: Vec<Column> = columns.into_iter().map(column).collect();
        let items: Vec<String> = columns.iter().map(shown).collect();
        let rows = self.server.rows(&format!(
            "SELECT {} FROM {}.\"{}\"",
            items.join(", "),
            self.name,
            name.replace('"', "\"\"")
        ));
        Rows { columns, rows }
    }

    fn slow_down(&self, tables: &[String]) {
        let schema = &self.name;
        self.server.execute(&format!(
            "CREATE OR REPLACE FUNCTION {schema}.slow() RETURNS trigger LANGUAGE plpgsql AS\n\
             $$ BEGIN PERFORM pg_sleep({SLOW}); RETURN NEW; END $$"
        ));
        for known in self.tables() {
            self.server.execute(&format!("DROP TRIGGER IF EXISTS slow ON {schema}.\"{known}\""));
        }
        for table in tables {
            self.server.execute(&format!(
                "CREATE TRIGGER slow BEFORE INSERT ON {schema}.\"{table}\" FOR EACH ROW EXECUTE FUNCTION {schema}.slow()"
            ));
        }
    }

    fn is_writing(&self) -> bool {
        let sql = format!(
            "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation\n\
             JOIN pg_namespace n ON n.oid = c.relnamespace\n\
             WHERE n.nspname = '{}' AND c.relname NOT LIKE '\\_cdc\\_%' AND l.mode = 'RowExclusiveLock' AND l.granted",
            self.name
        );
        self.server.value(&sql) != "0"
    }
}

/// The name of a type in `comparison`.
fn kind_of(data_type: &str) -> &'static str {
    match data_type {
        "smallint" | "integer" | "bigint" | "numeric" => "fixed",
        "real" | "double precision" => "real",
        "boolean" => "boolean",
        "bytea" => "binary",
        "json" | "jsonb" | "ARRAY" => "variant",
        "date" => "date",
        "time without time zone" => "time",
        "timestamp without time zone" => "timestamp_ntz",
        "timestamp with time zone" => "timestamp_tz",
        "time with time zone"
        | "interval"
        | "uuid"
        | "text"
        | "character varying"
        | "bit varying"
        | "tsvector" => "text",
        other => panic!("the sink creates no column {other:?}"),
    }
}

/// The expression for a column's text.
fn shown(column: &Column) -> String {
    let name = format!("\"{}\"", column.name.replace('"', "\"\""));
    match column.kind.as_str() {
        "binary" => format!("encode({name}, 'hex')"),
        "time" => format!("to_char(date '2000-01-01' + {name}, 'HH24:MI:SS.US')"),
        "timestamp_ntz" => finite(&name, &format!("to_char({name}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')")),
        "timestamp_tz" => {
            finite(&name, &format!("to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"))
        }
        "variant" => format!("to_jsonb({name})::text"),
        "boolean" => format!("CASE {name} WHEN true THEN 'true' WHEN false THEN 'false' END"),
        _ => format!("{name}::text"),
    }
}

/// `to_char` has no text for infinities.
fn finite(name: &str, text: &str) -> String {
    format!("CASE WHEN isfinite({name}) THEN {text} ELSE {name}::text END")
}
