//! Several tasks that create, alter and write the same tables concurrently.

use tidegate_tests::Running;

use super::{
    Connector, Pipe,
    pipe::{hints, records, topics},
};

const TASKS: u32 = 3;
const PARTITIONS: u32 = 4;

#[track_caller]
fn race(set: &str, format: &str) {
    let Some(pipe) = Pipe::find(&format!("race_{set}_{format}").replace('-', "_")) else { return };
    for topic in topics(set) {
        pipe.broker.topic(&topic, PARTITIONS);
    }
    let records = records(set);
    let source = hints(set, format);
    let connector =
        Connector { tasks: Some(TASKS), batch: Some(100), source: &source, ..Connector::default() };
    pipe.connector(connector);
    let mut running: Running = pipe.home.start(&pipe.broker);
    // All tasks have partitions before the first event is sent, so that no task can write everything alone.
    for task in 0..TASKS {
        let _line = running.wait_for_log(&format!("warehouse[{task}] reading "));
    }
    pipe.load(set, format, PARTITIONS);
    running.wait_until("all events in Snowflake", |_| (pipe.held() == records).then_some(()));
    let log = running.log();
    assert!(!log.contains(" ERROR "), "{log}");
    let values = pipe.expect_final(set, format);
    let written = |task: u32| {
        let line = format!("warehouse[{task}] Batch written");
        log.lines().filter(|logged| logged.contains(&line)).count()
    };
    let by_task: Vec<usize> = (0..TASKS).map(written).collect();
    assert!(!by_task.contains(&0), "{by_task:?}\n{log}");
    println!("{set} as {format}: {values} values are equal, written in {by_task:?} parts by {TASKS} tasks");
}

#[test]
fn tasks_that_race_with_schemas_end_equal() {
    race("shop-string", "json-schema");
}

#[test]
fn tasks_that_race_with_hints_end_equal() {
    race("shop-precise", "json-hints");
}
