//! Snowflake: a schema of the stand-in for every test. What only concerns Snowflake, and most of what all sinks must do, is tested in
//! `tests/snowflake_sink`; here are the parts of the suite that are not.

use tidegate_tests::{Rows, Schema, Snowflake};

use crate::probe::Probe;

/// A schema of the stand-in.
pub(crate) struct Account {
    snowflake: &'static Snowflake,
    schema: Schema<'static>,
}

impl Probe for Account {
    const LIBRARY: &'static str = "snowflake-sink";
    const DEVIATIONS: &'static str = ".";
    const BATCH: &'static str = "max_wait = \"1s\"\n";

    fn new(test: &str) -> Option<Self> {
        let snowflake = Snowflake::find()?;
        Some(Self { snowflake, schema: snowflake.schema(test) })
    }

    fn sink(&self, more: &str) -> String {
        self.schema.sink(more)
    }

    fn execute(&self, sql: &str) {
        // A request has one statement. Comments of tables have semicolons, too.
        for (number, part) in sql.split("; CREATE ").enumerate() {
            let statement = if number == 0 { part.to_owned() } else { format!("CREATE {part}") };
            let _no_rows = self.snowflake.query(self.schema.name(), &statement);
        }
    }

    fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.snowflake.query(self.schema.name(), sql).rows
    }

    fn tables(&self) -> Vec<String> {
        self.schema.tables()
    }

    fn table(&self, name: &str) -> Rows {
        self.schema.table(name)
    }

    fn slow_down(&self, _tables: &[String]) {
        unreachable!("kills are tested in tests/snowflake_sink");
    }

    fn is_writing(&self) -> bool {
        unreachable!("kills are tested in tests/snowflake_sink");
    }
}
