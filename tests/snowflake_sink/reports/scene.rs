//! Runs cases: every case is a connector with its own broker and its own schema. All run in one host, which is
//! restarted after every batch.

use std::{
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use tidegate_tests::{Broker, Finished, Home, Rows, Running, Schema, Snowflake, TIMEOUT};

use super::{
    case::{Case, Table},
    record::send,
};

/// Log lines of every run, which are left out of failure messages.
const USUAL: [&str; 4] = ["Connected to Snowflake", "Subscribed to topics", " reading ", "primary key: "];

/// Isolation and batch size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// `thread` or `process`.
    pub(crate) isolation: &'static str,
    /// Records per batch, and per run.
    pub(crate) batch: usize,
}

/// A case, and its state.
pub(crate) struct CaseRun<'c> {
    pub(crate) case: &'c Case,
    pub(crate) broker: Broker,
    pub(crate) schema: Schema<'c>,
    /// Number of records that were sent.
    sent: usize,
    /// Lines of the log.
    log: Vec<String>,
    /// The tables that must not change any more.
    frozen: Option<BTreeMap<String, Rows>>,
    /// Records per batch.
    batch: usize,
    failures: Vec<String>,
}

/// Runs all cases in one host, and checks them. Runs alternate between two hosts with their own folders, so that no
/// local state is used.
#[track_caller]
pub(crate) fn run_cases(cases: &[Case], mode: Mode) {
    let Some(snowflake) = Snowflake::find() else { return };
    let homes = [Home::new(&["snowflake-sink"]), Home::new(&["snowflake-sink"])];
    let mut case_runs: Vec<CaseRun<'_>> = cases.iter().map(|case| CaseRun::new(case, snowflake)).collect();
    for home in homes.iter().cycle() {
        if !case_runs.iter().any(CaseRun::has_more) {
            break;
        }
        let reading: Vec<bool> = case_runs.iter_mut().map(|case_run| case_run.prepare(home, mode)).collect();
        send_all(&mut case_runs, mode.batch);
        let log = run_once(home);
        for (case_run, _) in case_runs.iter_mut().zip(reading).filter(|(_, is_reading)| *is_reading) {
            case_run.read(&log.stderr);
        }
    }
    expect_right(&mut case_runs, &format!("{mode:?}"));
}

/// Sends the records of the next run of every case, in parallel, because a producer takes half a second to start.
fn send_all(case_runs: &mut [CaseRun<'_>], batch: usize) {
    thread::scope(|scope| {
        for case_run in case_runs {
            scope.spawn(|| case_run.send_until(case_run.case.end_of_run(case_run.sent, batch)));
        }
    });
}

/// Checks all cases, and fails with the reasons.
#[track_caller]
pub(crate) fn expect_right(case_runs: &mut [CaseRun<'_>], what: &str) {
    for case_run in case_runs.iter_mut() {
        case_run.check();
    }
    let wrong: Vec<&CaseRun<'_>> =
        case_runs.iter().filter(|case_run| !case_run.failures.is_empty()).collect();
    let names: Vec<&str> = wrong.iter().map(|case_run| case_run.case.name.as_str()).collect();
    let reports: Vec<String> = wrong
        .iter()
        .map(|case_run| {
            let (failures, log) = (case_run.failures.join("\n"), case_run.log.join("\n"));
            format!("{}:\n{failures}\nlog:\n{log}", case_run.case.name)
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{what}: {} of {} cases: {names:?}\n\n{}",
        wrong.len(),
        case_runs.len(),
        reports.join("\n\n")
    );
}

/// Runs the host with `--once`.
#[track_caller]
pub(crate) fn run_once(home: &Home) -> Finished {
    // The connectors give their brokers.
    let mut host = Running::start(home.command().args(["run", "--once"]));
    // Dozens of connectors share one slow stand-in, so the timeout applies to the time between log lines.
    let (mut changed, mut length) = (Instant::now(), 0);
    while host.is_running() {
        let log = host.log();
        if log.len() != length {
            (changed, length) = (Instant::now(), log.len());
        }
        assert!(changed.elapsed() < TIMEOUT, "`run --once` does not go on:\n{log}");
        thread::sleep(Duration::from_millis(100));
    }
    host.finish()
}

/// A broker with the topics of a case, without records.
pub(crate) fn broker(case: &Case) -> Broker {
    let broker = Broker::start();
    for (topic, partitions) in case.topics() {
        broker.topic(topic, partitions);
    }
    broker
}

impl<'c> CaseRun<'c> {
    pub(crate) fn new(case: &'c Case, snowflake: &'c Snowflake) -> Self {
        let broker = broker(case);
        let schema = snowflake.schema(&case.name.replace('-', "_"));
        Self { case, broker, schema, sent: 0, log: Vec::new(), frozen: None, batch: 0, failures: Vec::new() }
    }

    pub(crate) fn has_more(&self) -> bool {
        self.sent < self.case.records.len() && self.failures.is_empty()
    }

    /// Writes the connector file if there are records for the next run, and removes it otherwise. Returns whether there
    /// are.
    pub(crate) fn prepare(&mut self, home: &Home, mode: Mode) -> bool {
        if !self.has_more() {
            let file = home.path(&format!("connectors.d/{}.toml", self.case.name));
            // It may have been removed before.
            let _gone = fs::remove_file(file).is_err();
            return false;
        }
        self.batch = mode.batch;
        home.connector(&self.case.name, &self.connector(mode));
        true
    }

    /// Sends the records up to this one that were not sent yet.
    pub(crate) fn send_until(&mut self, end: usize) {
        if self.sent == end || !self.failures.is_empty() {
            return;
        }
        send(&self.broker, &self.case.records[self.sent..end]);
        self.sent = end;
    }

    /// From here on, the tables must not change.
    pub(crate) fn freeze(&mut self) {
        self.frozen = Some(self.everything());
    }

    /// The number of records in Snowflake, by the offsets table of the slowest lane.
    pub(crate) fn held(&self) -> usize {
        self.schema.stored_offsets(&self.case.name)
    }

    pub(crate) fn connector(&self, mode: Mode) -> String {
        let Case { source, sink, more, .. } = self.case;
        let topics: Vec<&str> = self.case.topics().into_iter().map(|(topic, _)| topic).collect();
        let topics = if source.contains("topics") { String::new() } else { format!("topics = {topics:?}\n") };
        let Mode { isolation, batch } = mode;
        // Small batches have few tables, and the others test the lanes.
        let lanes = if batch < 100 { 1 } else { 4 };
        format!(
            "isolation = \"{isolation}\"\nrestart.policy = \"never\"\n[source]\nbootstrap_servers = \"{}\"\n{topics}{source}\n{}\n\
             [batch]\nmax_wait = \"300ms\"\nmax_records = {batch}\n{more}\n",
            self.broker.servers(),
            self.schema.sink(&format!("lanes = {lanes}\n{sink}"))
        )
    }

    /// Collects its lines from the log of a run.
    pub(crate) fn read(&mut self, log: &str) {
        let name = self.case.name.as_str();
        let is_own = |line: &&str| {
            // The word after time and level is the connector, with the task number.
            let word = line.split_whitespace().nth(2).unwrap_or_default();
            word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        };
        let lines: Vec<String> = log.lines().filter(is_own).map(str::to_owned).collect();
        if let Some(error) = lines.iter().find(|line| line.contains(" ERROR ")) {
            self.failures.push(format!("after {} records: {error}", self.sent));
        }
        self.log.push(format!("--- after {} records", self.sent));
        let is_usual = |line: &&String| USUAL.iter().any(|text| line.contains(text));
        self.log.extend(lines.iter().filter(|line| !is_usual(line)).cloned());
        if self.case.unchanged_from == Some(self.sent) {
            self.freeze();
        }
    }

    fn check(&mut self) {
        let warned =
            self.case.unless_warned.is_some_and(|part| self.lines_at_warn().any(|line| line.contains(part)));
        let mut failures = Vec::new();
        if !warned {
            let holds = |table: &&Table| table.batches.is_none_or(|sizes| sizes.contains(&self.batch));
            failures.extend(self.case.tables.iter().filter(holds).flat_map(|table| self.check_table(table)));
            failures.extend(self.check_unchanged());
        }
        let tables = self.schema.tables();
        let present = self.case.absent.iter().filter(|name| tables.iter().any(|table| table == *name));
        failures.extend(present.map(|name| format!("there is a table {name}")));
        failures.extend(self.check_rejected());
        failures.extend(self.check_warnings());
        self.failures.extend(failures);
    }

    fn check_table(&self, table: &Table) -> Vec<String> {
        if !self.schema.tables().iter().any(|name| name == table.name) {
            return vec![format!("there is no table {}, but {:?}", table.name, self.schema.tables())];
        }
        let mut failures = Vec::new();
        let columns = self.schema.table(table.name).columns.into_iter().map(|column| column.name);
        let mut columns: Vec<String> = columns.filter(|name| !name.starts_with("_cdc_")).collect();
        columns.sort();
        let mut expected = table.columns.to_vec();
        expected.sort_unstable();
        if columns != expected {
            failures.push(format!("{}: columns {columns:?}, expected {expected:?}", table.name));
        }
        let known: Vec<&&str> =
            expected.iter().filter(|name| columns.iter().any(|column| column == *name)).collect();
        if known.len() < expected.len() {
            return failures;
        }
        let rows = self.rows(table);
        if rows != table.rows {
            failures.push(format!("{}: rows {rows:#?}, expected {:#?}", table.name, table.rows));
        }
        failures
    }

    fn rows(&self, table: &Table) -> Vec<String> {
        let columns: Vec<String> = table.columns.iter().map(|name| format!("\"{name}\"")).collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), self.schema.qualified_table(table.name));
        let rows = self.schema.query(&sql).rows.into_iter();
        let mut rows: Vec<String> =
            rows.map(|row| row.into_iter().map(shown).collect::<Vec<_>>().join(" ")).collect();
        rows.sort();
        rows
    }

    fn check_unchanged(&self) -> Vec<String> {
        let Some(frozen) = &self.frozen else { return Vec::new() };
        let now = self.everything();
        let changed = now.iter().filter(|(table, rows)| frozen.get(*table) != Some(*rows));
        changed
            .map(|(table, rows)| {
                format!(
                    "{table}: rows were {:#?}, and are {:#?}",
                    frozen.get(table).map(|rows| &rows.rows),
                    rows.rows
                )
            })
            .collect()
    }

    /// The rows of all tables except the sink's own, with all columns.
    pub(crate) fn everything(&self) -> BTreeMap<String, Rows> {
        let tables = self.schema.tables().into_iter();
        let tables = tables.filter(|table| !table.starts_with("_cdc_") && !table.ends_with("__cdc_deleted"));
        tables
            .map(|table| {
                let mut rows = self.schema.table(&table);
                rows.rows.sort();
                (table, rows)
            })
            .collect()
    }

    fn check_rejected(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for rejected in &self.case.rejected {
            let line = self.lines_at_warn().find(|line| line.ends_with(&rejected.place));
            let Some(line) = line else {
                failures.push(format!("{} is not rejected", rejected.place));
                continue;
            };
            let missing = rejected.reason.iter().filter(|part| !line.contains(**part));
            failures.extend(missing.map(|part| format!("{}: not {part:?}, but {line}", rejected.place)));
        }
        failures
    }

    fn check_warnings(&self) -> Vec<String> {
        let Case { warnings, tolerated, rejected, unless_warned, .. } = self.case;
        let missing = warnings.iter().filter(|part| !self.lines_at_warn().any(|line| line.contains(**part)));
        let known = |line: &str| {
            let mut parts = warnings.iter().chain(tolerated).chain(unless_warned);
            parts.any(|part| line.contains(part))
                || rejected.iter().any(|rejected| line.ends_with(&rejected.place))
                // The first warning of this kind is checked.
                || line.contains("more records with the same warning")
        };
        missing
            .map(|part| format!("no line at WARN with {part:?}"))
            .chain(
                self.lines_at_warn().filter(|line| !known(line)).map(|line| format!("not expected: {line}")),
            )
            .collect()
    }

    pub(crate) fn lines_at_warn(&self) -> impl Iterator<Item = &str> {
        self.log.iter().map(String::as_str).filter(|line| line.contains(" WARN "))
    }
}

/// A value as in an expected row: `-` for NULL, `L*3000` for a letter repeated 3,000 times, `\0` for a zero byte.
fn shown(value: Option<String>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let first = value.chars().next().unwrap_or('-');
    if value.len() > 20 && value.chars().all(|letter| letter == first) {
        return format!("{first}*{}", value.len());
    }
    value.replace('\0', "\\0")
}
