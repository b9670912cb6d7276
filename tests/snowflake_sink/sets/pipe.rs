//! One connector that reads a broker of its own into a schema of its own.

use std::{collections::BTreeMap, fs, thread, time::Duration};

use serde_json::Value as Json;
use tidegate_tests::{Broker, Finished, Home, Rows, Schema, Snowflake, captured, captured_file, compare};

/// The connector's name.
const NAME: &str = "warehouse";

/// Everything between the source's events and Snowflake's tables.
pub(crate) struct Pipe {
    pub(crate) schema: Schema<'static>,
    pub(crate) broker: Broker,
    pub(crate) home: Home,
}

/// What a connector file says beside the usual.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connector<'c> {
    /// Tasks; one if it does not say.
    pub(crate) tasks: Option<u32>,
    /// Records per batch; the sink's default if it does not say.
    pub(crate) batch: Option<usize>,
    /// How long a batch waits for more records. The sink's default, ten seconds, is spent at the end of every run: here
    /// it is one, and more where the verdict needs all records in one batch that they do not fill.
    pub(crate) wait: Option<&'c str>,
    /// More of `[source]`.
    pub(crate) source: &'c str,
    /// More of `[sink.config]`.
    pub(crate) sink: &'c str,
    /// The rest of the file.
    pub(crate) more: &'c str,
}

impl Pipe {
    /// A connector with the sink's defaults, and nothing to read yet; none, and said so, where there is no Snowflake.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let snowflake = Snowflake::find(test)?;
        let schema = snowflake.schema(test);
        let pipe = Self { schema, broker: Broker::start(), home: Home::new(&["snowflake-sink"]) };
        pipe.connector(Connector::default());
        Some(pipe)
    }

    /// Writes the connector file anew.
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

    /// Loads a captured set. New topics have `partitions` partitions.
    pub(crate) fn load(&self, set: &str, format: &str, partitions: u32) {
        self.broker.load(&captured_file(&file(set, format)), partitions);
    }

    /// Reads all there is.
    #[track_caller]
    pub(crate) fn run(&self) -> Finished {
        self.run_with_code(0)
    }

    /// As [`Pipe::run`]; the host ends with this code.
    #[track_caller]
    pub(crate) fn run_with_code(&self, code: i32) -> Finished {
        self.home.run_once(&self.broker).expect_code(code)
    }

    /// Has the consumer group begin anew.
    pub(crate) fn set_offsets_back(&self, topics: &[String]) {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.broker.set_committed(&format!("connect-{NAME}"), &topics, 0);
    }

    /// The offset that the consumer group has committed for partition 0.
    pub(crate) fn committed(&self, topic: &str) -> Option<i64> {
        self.broker.committed(&format!("connect-{NAME}"), topic, 0)
    }

    /// How many records of its topics Snowflake holds, by the sink's own books. Asks with a pause, not to be in the way.
    pub(crate) fn held(&self) -> usize {
        thread::sleep(Duration::from_millis(200));
        let table = self.schema.qualified_table(&format!("_cdc_offsets_{NAME}"));
        let rows = self.schema.query(&format!("SELECT \"next_offset\" FROM {table}")).rows.into_iter();
        rows.flatten().flatten().map(|offset| offset.parse::<usize>().expect("an offset")).sum()
    }

    /// Checks that the tables of a set are what the source held; says how many values that were.
    #[track_caller]
    pub(crate) fn expect_final(&self, set: &str, deviations: &str) -> usize {
        let comparison = compare(set, deviations, |table| self.schema.table(table));
        comparison.expect_none();
        comparison.values
    }

    /// The rows of every table but the offsets', in order: everything that a query could tell.
    pub(crate) fn everything(&self) -> BTreeMap<String, Rows> {
        let tables = self.schema.tables().into_iter().filter(|table| !table.starts_with("_cdc_offsets"));
        let read = |table: String| {
            let mut rows = self.schema.table(&table);
            rows.rows.sort();
            (table, rows)
        };
        tables.map(read).collect()
    }

    /// Columns of a table, ordered by the first of them: values behind each other, `-` for NULL.
    #[track_caller]
    pub(crate) fn select(&self, columns: &str, table: &str) -> Vec<String> {
        let table = self.schema.qualified_table(table);
        let rows = self.schema.query(&format!("SELECT {columns} FROM {table} ORDER BY 1")).rows.into_iter();
        let value = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        rows.map(|row| row.into_iter().map(value).collect::<Vec<_>>().join(" ")).collect()
    }

    /// The columns of a table that the source has, each with its type, by name: JSON objects have no order.
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

/// The hints for a set in a format, for `[source]`.
pub(crate) fn hints(set: &str, format: &str) -> String {
    if format != "json-hints" {
        return String::new();
    }
    fs::read_to_string(captured_file(&format!("{set}/columns.toml"))).expect("the set's hints")
}

/// A change event of a captured set.
pub(crate) struct Captured {
    pub(crate) topic: String,
    pub(crate) table: String,
    pub(crate) key: Option<String>,
    pub(crate) letter: String,
}

/// The change events of a set's tables, in order; tombstones are none.
pub(crate) fn events(set: &str) -> Vec<Captured> {
    let records = captured(&file(set, "json")).into_iter();
    let event = |record: tidegate_tests::Captured| {
        let value: Json = serde_json::from_str(&record.value?).expect("JSON");
        let (letter, table) = (value["op"].as_str()?, value["source"]["table"].as_str()?);
        let (letter, table) = (letter.to_owned(), table.to_owned());
        Some(Captured { topic: record.topic, table, key: record.key, letter })
    };
    records.filter_map(event).collect()
}

/// How many records the topics of a set's tables get, tombstones included.
pub(crate) fn records(set: &str) -> usize {
    let records = captured(&file(set, "json")).into_iter();
    records.filter(|record| record.topic.starts_with("cdc.public.")).count()
}

/// The topics of a set's tables.
pub(crate) fn topics(set: &str) -> Vec<String> {
    let mut topics: Vec<String> = events(set).into_iter().map(|event| event.topic).collect();
    topics.sort();
    topics.dedup();
    topics
}

fn file(set: &str, format: &str) -> String {
    let file = if format == "json-schema" { "json-schema" } else { "json" };
    format!("{set}/{file}.jsonl.gz")
}
