//! A connector with its own broker and its own schema.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use tidegate::kafka::producer::ProducerRecord;
use tidegate_tests::{
    BinaryCapture, Broker, Finished, Home, RegistryStub, Rows, Schema, Snowflake, captured_binary,
    captured_file, captured_schemas, captured_sets::file, compare,
};

pub(crate) use tidegate_tests::captured_sets::{events, hints, records, topics};

/// The connector's name.
const NAME: &str = "warehouse";

/// A connector, its broker and its schema.
pub(crate) struct Pipe {
    pub(crate) schema: Schema<'static>,
    pub(crate) broker: Broker,
    pub(crate) home: Home,
}

/// Settings of a connector file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connector<'c> {
    /// Number of tasks; one by default.
    pub(crate) tasks: Option<u32>,
    /// Records per batch; the sink's default by default.
    pub(crate) batch: Option<usize>,
    /// How long a batch waits for more records, which is also a wait at the end of every run. The default is one
    /// second, not the sink's ten; tests that need all records in one batch wait longer.
    pub(crate) wait: Option<&'c str>,
    /// Additions to `[source]`.
    pub(crate) source: &'c str,
    /// Additions to `[sink.config]`.
    pub(crate) sink: &'c str,
    /// The rest of the file.
    pub(crate) more: &'c str,
}

impl Pipe {
    /// A connector with the sink's defaults, without records; `None`, with a message, without a Snowflake service.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let snowflake = Snowflake::find()?;
        let schema = snowflake.schema(test);
        let pipe = Self { schema, broker: Broker::start(), home: Home::new(&["snowflake-sink"]) };
        pipe.connector(Connector::default());
        Some(pipe)
    }

    /// Replaces the connector file.
    pub(crate) fn connector(&self, connector: Connector<'_>) {
        let Connector { tasks, batch, wait, source, sink, more } = connector;
        let tasks = tasks.map(|tasks| format!("tasks = {tasks}\n")).unwrap_or_default();
        let batch = batch.map(|records| format!("max_records = {records}\n")).unwrap_or_default();
        let wait = wait.unwrap_or("1s");
        let sink = self.schema.sink(sink);
        let text = format!(
            "{tasks}restart.policy = \"never\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n{source}\n{sink}\n[batch]\nmax_wait = \"{wait}\"\n{batch}{more}\n"
        );
        self.home.connector(NAME, &text);
    }

    /// Loads a captured set into topics with this number of partitions.
    pub(crate) fn load(&self, set: &str, format: &str, partitions: u32) {
        self.broker.load(&captured_file(&file(set, format)), partitions);
    }

    /// Loads a capture whose schemas are in a registry into topics with one partition; returns the registry.
    pub(crate) fn load_registered(&self, events: &str, schemas: &str) -> RegistryStub {
        let registry = RegistryStub::start();
        registry.add_capture(&captured_schemas(schemas));
        let events = captured_binary(events);
        let topics: BTreeSet<&str> = events.iter().map(|event| &*event.topic).collect();
        topics.iter().for_each(|topic| self.broker.topic(topic, 1));
        self.broker.send_exactly(events.iter().map(|BinaryCapture { topic, key, value }| ProducerRecord {
            topic,
            partition: Some(0),
            timestamp_ms: None,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &[],
        }));
        registry
    }

    /// Runs the host with `--once`.
    #[track_caller]
    pub(crate) fn run(&self) -> Finished {
        self.run_with_code(0)
    }

    /// Like [`Pipe::run`], with this exit code.
    #[track_caller]
    pub(crate) fn run_with_code(&self, code: i32) -> Finished {
        self.home.run_once(&self.broker).expect_code(code)
    }

    /// Resets the committed offsets to 0.
    pub(crate) fn reset_offsets(&self, topics: &[String]) {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.broker.set_committed(&format!("connect-{NAME}"), &topics, 0);
    }

    /// The committed offset of partition 0.
    pub(crate) fn committed(&self, topic: &str) -> Option<i64> {
        self.broker.committed(&format!("connect-{NAME}"), topic, 0)
    }

    /// The number of records in Snowflake, by the offsets table of the slowest lane. Waits before the query, so as not to slow
    /// the sink down.
    pub(crate) fn held(&self) -> usize {
        thread::sleep(Duration::from_millis(200));
        self.schema.stored_offsets(NAME)
    }

    /// Checks that the tables of a set equal the source's final tables; returns the number of compared values.
    #[track_caller]
    pub(crate) fn expect_final(&self, set: &str, deviations: &str) -> usize {
        let comparison = compare(set, deviations, |table| self.schema.table(table));
        comparison.expect_none();
        comparison.values
    }

    /// The sorted rows of all tables except the offsets table.
    pub(crate) fn everything(&self) -> BTreeMap<String, Rows> {
        let tables = self.schema.tables().into_iter().filter(|table| !table.starts_with("_cdc_"));
        let read = |table: String| {
            let mut rows = self.schema.table(&table);
            rows.rows.sort();
            (table, rows)
        };
        tables.map(read).collect()
    }

    /// Columns of a table, ordered by the first one. The values of a row are separated by spaces; NULL is `-`.
    #[track_caller]
    pub(crate) fn select(&self, columns: &str, table: &str) -> Vec<String> {
        let table = self.schema.qualified_table(table);
        let rows = self.schema.query(&format!("SELECT {columns} FROM {table} ORDER BY 1")).rows.into_iter();
        let value = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        rows.map(|row| row.into_iter().map(value).collect::<Vec<_>>().join(" ")).collect()
    }

    /// The columns of a table without those that the sink adds, each with its type, sorted by name because JSON objects
    /// have no order.
    #[track_caller]
    pub(crate) fn columns(&self, table: &str) -> Vec<String> {
        let columns = self.schema.table(table).columns.into_iter();
        let of_source = columns.filter(|column| !column.name.to_lowercase().starts_with("_cdc_"));
        let mut shown: Vec<String> =
            of_source.map(|column| format!("{} {}", column.name, column.kind)).collect();
        shown.sort();
        shown
    }
}
