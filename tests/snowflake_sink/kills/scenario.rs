//! A connector that runs in one or more hosts.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use tidegate_tests::{Broker, Home, LogEntry, Running, StandIn, TIMEOUT};

/// The connector's name.
const NAME: &str = "warehouse";
/// A short session timeout for hosts that are killed or suspended, and no automatic restarts.
const SOURCE: &str = "restart.policy = \"never\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n[source.properties]\n\
    \"session.timeout.ms\" = 1000\n\"heartbeat.interval.ms\" = 200\n";

/// Timeout for joining the group.
const JOINING: Duration = Duration::from_secs(30);

/// A stand-in, a broker, and a connector between them.
pub(crate) struct Scenario {
    pub(crate) stand_in: StandIn,
    pub(crate) broker: Broker,
    pub(crate) home: Home,
    connector: String,
}

impl Scenario {
    /// A connector with additions to `[sink.config]` and `[batch]`; `None`, with a message, without Python.
    pub(crate) fn find(sink: &str, batch: &str) -> Option<Self> {
        // The transaction of a killed host is aborted as soon as it blocks another one.
        let stand_in = StandIn::start(&["--idle-seconds", "0.3"])?;
        let connector = connector(&stand_in, sink, batch);
        let home = Home::new(&["snowflake-sink"]);
        home.connector(NAME, &connector);
        Some(Self { stand_in, broker: Broker::start(), home, connector })
    }

    /// Replaces the connector file, with these additions to `[sink.config]` and `[batch]`.
    pub(crate) fn sink(&mut self, sink: &str, batch: &str) {
        self.connector = connector(&self.stand_in, sink, batch);
        self.home.connector(NAME, &self.connector);
    }

    /// The home of another host with the same connector.
    pub(crate) fn another_home(&self) -> Home {
        let home = Home::new(&["snowflake-sink"]);
        home.connector(NAME, &self.connector);
        home
    }

    /// Starts the host.
    pub(crate) fn start(&self) -> Running {
        self.home.start(&self.broker)
    }

    /// Starts the host, and waits until it reads. The embedded broker sometimes waits forever for a member that was
    /// killed while it joined the group; then the host is killed and started again.
    pub(crate) fn start_reading(&self) -> Running {
        let asked = Instant::now();
        loop {
            let host = self.start();
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

    /// Rows of a query.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.stand_in.query("PUBLIC", sql).rows
    }

    /// The number of rows of a table; `None` if it does not exist.
    pub(crate) fn count(&self, table: &str) -> Option<i64> {
        let tables = "SELECT COUNT(*) FROM TIDEGATE.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'PUBLIC'";
        let is_there =
            self.stand_in.query("PUBLIC", &format!("{tables} AND TABLE_NAME = '{table}'")).number();
        (is_there > 0)
            .then(|| self.stand_in.query("PUBLIC", &format!("SELECT COUNT(*) FROM \"{table}\"")).number())
    }

    /// Checks that a table without a key holds each of this number of records once.
    #[track_caller]
    pub(crate) fn expect_once(&self, table: &str, records: i64, log: &str) {
        let place = "\"_cdc_topic\", \"_cdc_partition\", \"_cdc_offset\"";
        let sql = format!("SELECT {place}, COUNT(*) FROM \"{table}\" GROUP BY {place} HAVING COUNT(*) > 1");
        let doubled = self.query(&sql);
        assert!(
            doubled.is_empty(),
            "{table}: {} records are there more than once, {doubled:?}\n{log}",
            doubled.len()
        );
        assert_eq!(self.count(table), Some(records), "{table}\n{log}");
    }

    /// Waits until a fault was injected.
    #[track_caller]
    pub(crate) fn wait_for_fault(&self, running: &mut Running, since: usize, fault: &str) -> LogEntry {
        running.wait_until(&format!("a statement that meets {fault}"), |_| {
            self.stand_in.log(since).into_iter().find(|entry| entry.fault.as_deref() == Some(fault))
        })
    }
}

fn connector(stand_in: &StandIn, sink: &str, batch: &str) -> String {
    format!(
        "{SOURCE}[sink]\nplugin = \"snowflake\"\n[sink.config]\n{}\
         metadata = [\"topic\", \"partition\", \"offset\"]\n{sink}\n[batch]\n{batch}\n",
        stand_in.options()
    )
}

/// A change event as Debezium writes it, the `lsn`th of its source. `snapshot` is Debezium's marker.
pub(crate) fn change(table: &str, op: &str, lsn: i64, snapshot: &str, row: Json) -> String {
    let (before, after) = if op == "d" { (row, Json::Null) } else { (Json::Null, row) };
    let source = json!({
        "connector": "postgresql", "name": "cdc", "db": "shop", "schema": "public", "table": table, "lsn": lsn,
        "ts_ms": 1_700_000_000_000_i64 + lsn, "snapshot": snapshot,
    });
    json!({ "op": op, "before": before, "after": after, "source": source, "ts_ms": 1_700_000_000_000_i64 })
        .to_string()
}
