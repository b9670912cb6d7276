//! Several tasks that create, alter and write the same tables concurrently.

use tidegate_tests::{
    Running,
    captured_sets::{records, topics},
};

use crate::{
    pipe::{Connector, NAME, Pipe},
    probe::Probe,
};

const TASKS: u32 = 2;
const PARTITIONS: u32 = 4;

pub(crate) fn tasks_that_race_end_equal<P: Probe>() {
    let (set, format) = ("shop-string", "json-schema");
    let Some(pipe) = Pipe::<P>::find("race") else { return };
    for topic in topics(set) {
        pipe.broker.topic(&topic, PARTITIONS);
    }
    let records = records(set);
    pipe.connector(Connector { tasks: Some(TASKS), batch: Some(100), ..Connector::default() });
    let mut running: Running = pipe.home.start(&pipe.broker);
    // All tasks have partitions before the first event is sent, so that no task can write everything alone.
    for task in 0..TASKS {
        let _line = running.wait_for_log(&format!("{NAME}[{task}] reading "));
    }
    pipe.load(set, format, PARTITIONS);
    running.wait_until("all events in the tables", |_| (pipe.held() == records).then_some(()));
    let log = running.log();
    assert!(!log.contains(" ERROR "), "{log}");
    let values = pipe.expect_final(set, format);
    let written = |task: u32| {
        let line = format!("{NAME}[{task}] Batch written");
        log.lines().filter(|logged| logged.contains(&line)).count()
    };
    let by_task: Vec<usize> = (0..TASKS).map(written).collect();
    assert!(!by_task.contains(&0), "{by_task:?}\n{log}");
    println!("{set} as {format}: {values} values are equal, written in {by_task:?} parts by {TASKS} tasks");
}
