//! A host with one connector.

use std::{path::PathBuf, time::Instant};

use tidegate_tests::{Home, Running, kafka::Kafka};

use crate::{case::Case, lines, process::usage, summary::Run};

/// The shipped plugins: a host finds all of them, whatever its connectors use.
const LIBRARIES: [&str; 9] = [
    "basics",
    "console-sink",
    "discard-sink",
    "file-sink",
    "mysql-sink",
    "postgres-sink",
    "price-change",
    "snowflake-sink",
    "sqlite-sink",
];
/// The output in the home.
pub(crate) const OUT: &str = "out.jsonl";

/// A folder for a host with all plugins.
pub(crate) fn home() -> Home {
    Home::new(&LIBRARIES)
}

/// Runs a case with an empty state folder; returns the output as well.
pub(crate) fn run(kafka: &Kafka, case: &Case, records: usize) -> (Run, Home) {
    let home = home();
    home.connector(&case.unique_name("tidegate"), &case.connector_file(OUT));
    let started = Instant::now();
    if case.is_discarded() {
        return (run_to_end(home.start_on(&kafka.servers(), &["--once"]), records, started), home);
    }
    let running = home.start_on(&kafka.servers(), &[]);
    let written = lines::wait_for(&home.path(OUT), records as u64, running.pid());
    running.terminate().expect_code(0);
    (Run::written(started, written), home)
}

/// The path of the output.
pub(crate) fn out(home: &Home) -> PathBuf {
    home.path(OUT)
}

/// Waits until the sink has discarded everything.
fn run_to_end(mut running: Running, records: usize, started: Instant) -> Run {
    let mut last = usage(running.pid());
    running.wait_until("the sink's count of records", |running| {
        if let Some(usage) = crate::process::try_usage(running.pid()) {
            last = usage;
        }
        running.log().contains("records discarded").then_some(())
    });
    let log = running.log();
    assert!(
        log.contains(&format!("records discarded records={records} ")),
        "another number of records: {log}"
    );
    let run = Run::to_now(started, last);
    running.finish().expect_code(0);
    run
}
