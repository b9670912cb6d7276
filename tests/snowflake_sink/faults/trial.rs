//! A connector that reads the shop's events into its own schema.

use tidegate_tests::{Broker, Finished, Home, LogEntry, Running, StagedFile, StandIn};

use super::{Shop, shop};

/// Small batches.
pub(crate) const SMALL: &str = "max_records = 50\nmax_wait = \"100ms\"\n";
/// One batch with all records.
pub(crate) const WHOLE: &str = "max_records = 2000\nmax_wait = \"2s\"\n";
/// The rest of a connector file: batches that do not wait, and no restarts.
pub(crate) const NO_RESTART: &str = "[batch]\nmax_wait = \"100ms\"\n[restart]\npolicy = \"never\"\n";
/// Short delays between retries, and no restarts.
const RETRY_QUICKLY: &str =
    "[errors.retry]\ninitial = \"1ms\"\nmax = \"10ms\"\n[restart]\npolicy = \"never\"\n";

/// A connector, its broker and its home, for one schema of a stand-in.
pub(crate) struct Trial<'s> {
    pub(crate) stand_in: &'s StandIn,
    pub(crate) broker: Broker,
    pub(crate) home: Home,
    pub(crate) shop: Shop,
    /// The schema, whose name in lower case is the connector's name.
    name: String,
    /// The last entry of the stand-in's log before the trial.
    since: usize,
}

impl<'s> Trial<'s> {
    /// A trial without records.
    pub(crate) fn empty(stand_in: &'s StandIn, name: &str) -> Self {
        stand_in.clear_faults();
        let broker = Broker::start();
        broker.topic(shop::ORDERS, 1);
        broker.topic(shop::VIEWS, 1);
        let (home, name) = (Home::new(&["snowflake-sink"]), name.to_uppercase());
        let _status = stand_in.query("PUBLIC", &format!("CREATE SCHEMA IF NOT EXISTS {name}"));
        let since = stand_in.log_end();
        let trial = Self { stand_in, broker, home, shop: Shop::default(), name, since };
        trial.connector("", SMALL);
        trial
    }

    /// A trial with the shop's events.
    pub(crate) fn new(stand_in: &'s StandIn, name: &str) -> Self {
        let mut trial = Self::empty(stand_in, name);
        trial.shop.trade(&trial.broker);
        trial
    }

    /// Replaces the connector file. `sink` is added to the sink's configuration, `batch` to `[batch]`.
    pub(crate) fn connector(&self, sink: &str, batch: &str) {
        self.connector_as(&self.stand_in.options(), sink, &format!("[batch]\n{batch}{RETRY_QUICKLY}"));
    }

    /// Like [`Trial::connector`], with the options `login`, and only `more` after the sink. There is one lane, so that the
    /// order of the statements and the number of sessions are known.
    pub(crate) fn connector_as(&self, login: &str, sink: &str, more: &str) {
        self.write_connector(1, login, sink, more);
    }

    /// Replaces the connector file by one with this number of lanes.
    pub(crate) fn connector_of_lanes(&self, lanes: usize, batch: &str) {
        let more = format!("[batch]\n{batch}{RETRY_QUICKLY}");
        self.write_connector(lanes, &self.stand_in.options(), "", &more);
    }

    fn write_connector(&self, lanes: usize, login: &str, sink: &str, more: &str) {
        let text = format!(
            "[source]\ntopics_regex = '^cdc[.]public[.]'\n[sink]\nplugin = \"snowflake\"\n[sink.config]\n\
             {login}schema = \"{}\"\nlanes = {lanes}\n{sink}\n{more}\n",
            self.name
        );
        self.home.connector(&self.connector_name(), &text);
    }

    /// The connector's name.
    pub(crate) fn connector_name(&self) -> String {
        self.name.to_lowercase()
    }

    /// The committed offset of `orders`.
    pub(crate) fn committed(&self) -> Option<i64> {
        self.broker.committed(&format!("connect-{}", self.connector_name()), shop::ORDERS, 0)
    }

    /// Runs the host with `--once`.
    pub(crate) fn run_once(&self) -> Finished {
        self.home.run_once(&self.broker)
    }

    /// Starts the host.
    pub(crate) fn start(&self) -> Running {
        self.home.start(&self.broker)
    }

    /// Runs the host with `--once` and a fault. Checks that the fault was applied, and the tables.
    #[track_caller]
    pub(crate) fn run_past(&self, pattern: &str, nth: usize, times: usize, action: &str) -> Finished {
        self.stand_in.fault_at(pattern, nth, times, action);
        let finished = self.run_once().expect_code(0);
        self.expect_fired();
        self.expect_shop(&finished);
        finished
    }

    /// Checks that every fault was applied.
    #[track_caller]
    pub(crate) fn expect_fired(&self) {
        let fired = self.stand_in.fired();
        assert!(!fired.is_empty() && fired.iter().all(|rule| rule.fired > 0), "{fired:?}");
    }

    /// Waits until the tables equal the shop's.
    #[track_caller]
    pub(crate) fn wait_for_shop(&self, running: &mut Running) {
        running.wait_until("the shop's rows", |_| {
            let tables = self.tables();
            let is_there = |table: &str| tables.iter().any(|name| name == table);
            let are_there = is_there("orders") && is_there("views");
            (are_there && self.holds_shop()).then_some(())
        });
    }

    fn holds_shop(&self) -> bool {
        self.select("\"id\", \"v\"", "orders") == self.shop.orders()
            && self.select("\"page\"", "views") == self.shop.views()
    }

    /// Checks that the tables equal the shop's.
    #[track_caller]
    pub(crate) fn expect_shop(&self, finished: &Finished) {
        let log = &finished.stderr;
        assert_eq!(
            self.select("\"id\", \"v\"", "orders"),
            self.shop.orders(),
            "{}: orders\n{log}",
            self.name
        );
        assert_eq!(self.select("\"page\"", "views"), self.shop.views(), "{}: views\n{log}", self.name);
    }

    /// Columns of a table, ordered by the first.
    #[track_caller]
    pub(crate) fn select(&self, columns: &str, table: &str) -> Vec<Vec<Option<String>>> {
        self.query(&format!("SELECT {columns} FROM {} ORDER BY 1", self.table(table))).rows
    }

    /// The quoted name of a table.
    pub(crate) fn table(&self, table: &str) -> String {
        format!("TIDEGATE.{}.\"{table}\"", self.name)
    }

    /// Runs a statement without log and faults.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> tidegate_tests::Rows {
        self.stand_in.query("PUBLIC", sql)
    }

    /// The names of the schema's tables.
    pub(crate) fn tables(&self) -> Vec<String> {
        let sql = format!(
            "SELECT TABLE_NAME FROM TIDEGATE.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '{}' ORDER BY 1",
            self.name
        );
        self.query(&sql).rows.into_iter().flatten().flatten().collect()
    }

    /// The stand-in's log of this trial.
    pub(crate) fn log(&self) -> Vec<LogEntry> {
        self.stand_in.log(self.since)
    }

    /// The files in stages of the schema.
    pub(crate) fn staged_files(&self) -> Vec<StagedFile> {
        let is_own = |file: &StagedFile| file.stage.split('.').nth(1) == Some(self.name.as_str());
        self.stand_in.staged_files().into_iter().filter(is_own).collect()
    }

    /// The number of entries of a kind.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.log().iter().filter(|entry| entry.kind == kind).count()
    }

    /// The entries with a fault.
    pub(crate) fn with_faults(&self) -> Vec<LogEntry> {
        self.log().into_iter().filter(|entry| entry.fault.is_some()).collect()
    }
}
