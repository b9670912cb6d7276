//! A connector with its own broker and its own database.

use std::{collections::BTreeMap, thread, time::Duration, time::Instant};

use tidegate_tests::{
    Broker, Finished, Home, Rows, Running, TIMEOUT, captured_file, captured_sets::file, compare,
    written_records,
};

use crate::probe::Probe;

/// The connector's name.
pub(crate) const NAME: &str = "tables";

/// Timeout for joining the group.
const JOINING: Duration = Duration::from_secs(30);

/// A connector, its broker and its database.
pub(crate) struct Pipe<P> {
    pub(crate) probe: P,
    pub(crate) broker: Broker,
    pub(crate) home: Home,
}

/// Settings of a connector file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connector<'c> {
    /// The name; `tables` by default.
    pub(crate) name: Option<&'c str>,
    /// Number of tasks; one by default.
    pub(crate) tasks: Option<u32>,
    /// Records per batch; the sink's default by default.
    pub(crate) batch: Option<usize>,
    /// Additions to `[source]`.
    pub(crate) source: &'c str,
    /// Additions to `[sink.config]`.
    pub(crate) sink: &'c str,
    /// The rest of the file.
    pub(crate) more: &'c str,
}

impl<P: Probe> Pipe<P> {
    /// A connector with the sink's defaults, without records; `None`, with a message, without a server.
    pub(crate) fn find(test: &str) -> Option<Self> {
        Some(Self::with(P::new(test)?))
    }

    /// As [`Pipe::find`], with a database.
    pub(crate) fn with(probe: P) -> Self {
        let pipe = Self { probe, broker: Broker::start(), home: Home::new(&[P::LIBRARY]) };
        pipe.connector(Connector::default());
        pipe
    }

    /// Replaces the connector file.
    pub(crate) fn connector(&self, connector: Connector<'_>) {
        self.connector_in(&self.home, connector);
    }

    /// Replaces the connector file in another home.
    pub(crate) fn connector_in(&self, home: &Home, connector: Connector<'_>) {
        let Connector { name, tasks, batch, source, sink, more } = connector;
        let tasks = tasks.map(|tasks| format!("tasks = {tasks}\n")).unwrap_or_default();
        let batch = batch.map(|records| format!("max_records = {records}\n")).unwrap_or_default();
        let batch = format!("[batch]\n{}{batch}", P::BATCH);
        let sink = self.probe.sink(sink);
        // Short, for hosts that are killed.
        let group = "[source.properties]\n\"session.timeout.ms\" = 1000\n\"heartbeat.interval.ms\" = 200\n";
        let text = format!(
            "{tasks}restart.policy = \"never\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n{source}\n{group}{sink}\n{batch}{more}\n"
        );
        home.connector(name.unwrap_or(NAME), &text);
    }

    /// Loads a captured set into topics with this number of partitions.
    pub(crate) fn load(&self, set: &str, format: &str, partitions: u32) {
        self.broker.load(&captured_file(&file(set, format)), partitions);
    }

    /// Runs the host with `--once`.
    #[track_caller]
    pub(crate) fn run(&self) -> Finished {
        self.home.run_once(&self.broker).expect_code(0)
    }

    /// Starts the host, and waits until it reads. The embedded broker sometimes waits forever for a member that was
    /// killed while it joined the group; then the host is killed and started again.
    pub(crate) fn start_reading(&self) -> Running {
        let asked = Instant::now();
        loop {
            let host = self.home.start(&self.broker);
            let started = Instant::now();
            while started.elapsed() < JOINING {
                if host.log().contains(" reading ") {
                    return host;
                }
                thread::sleep(Duration::from_millis(20));
            }
            assert!(asked.elapsed() < TIMEOUT, "no host gets into the group: {}", host.log());
            println!("the broker did not let the host into its group: restarting it");
            host.signal("KILL");
            let _killed = host.finish();
        }
    }

    /// Resets the committed offsets to 0.
    pub(crate) fn reset_offsets(&self, topics: &[String]) {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.broker.set_committed(&format!("connect-{NAME}"), &topics, 0);
    }

    /// The number of records that are written, by the sink's own offsets.
    pub(crate) fn held(&self) -> usize {
        let is_offsets =
            |table: &String| table.starts_with("_cdc_") && table.ends_with(&format!("offsets_{NAME}"));
        let columns = r#""topic", "partition", "warehouse", "next_offset", "state""#;
        let tables = self.probe.tables().into_iter().filter(is_offsets);
        let rows = tables.flat_map(|table| self.probe.query(&format!("SELECT {columns} FROM \"{table}\"")));
        written_records(rows)
    }

    /// Checks that the tables of a set equal the source's final tables; returns the number of compared values.
    #[track_caller]
    pub(crate) fn expect_final(&self, set: &str, format: &str) -> usize {
        let deviations = format!("{}/{format}", P::DEVIATIONS);
        let comparison = compare(set, &deviations, |table| self.probe.table(table));
        comparison.expect_none();
        comparison.values
    }

    /// The sorted rows of all tables except the offsets tables.
    pub(crate) fn everything(&self) -> BTreeMap<String, Rows> {
        let tables = self.probe.tables().into_iter().filter(|table| !table.starts_with("_cdc_"));
        let read = |table: String| {
            let mut rows = self.probe.table(&table);
            rows.rows.sort();
            (table, rows)
        };
        tables.map(read).collect()
    }

    /// Columns of a table, ordered by the first one. The values of a row are separated by spaces; NULL is `-`.
    #[track_caller]
    pub(crate) fn select(&self, columns: &str, table: &str) -> Vec<String> {
        let rows = self.probe.query(&format!("SELECT {columns} FROM \"{table}\" ORDER BY 1")).into_iter();
        let value = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        rows.map(|row| row.into_iter().map(value).collect::<Vec<_>>().join(" ")).collect()
    }
}
