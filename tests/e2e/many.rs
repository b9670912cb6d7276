//! Many connectors in one process, and many files at once.

use std::fs;

use tidegate_tests::{Broker, Home, ProcessStatus, Running};

const EVENT: &str = r#"{"id":1}"#;
/// Number of connectors.
const MANY: usize = 100;
/// Number of invalid files beside them.
const INVALID: usize = 900;
/// The host's memory with all connectors, in kilobytes.
const MEMORY: u64 = 400 << 10;

fn name(number: usize) -> String {
    format!("c{number:03}")
}

fn text(sink: &str) -> String {
    format!("[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"{sink}\"\n")
}

fn states(home: &Home) -> Vec<String> {
    let status = home.status();
    let connectors = status["connectors"].as_array().cloned().unwrap_or_default();
    connectors.iter().map(|connector| connector["state"].as_str().unwrap_or_default().to_owned()).collect()
}

fn wait_until_all_run(home: &Home, running: &mut Running) {
    running.wait_until("a hundred running connectors", |_| {
        let states = states(home);
        (states.len() == MANY && states.iter().all(|state| state == "RUNNING")).then_some(())
    });
}

/// The threads of tasks and of their Kafka clients, by name.
fn task_threads(running: &Running) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", running.pid())).expect("a running host");
    let names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    let of_tasks = ["poll-", "transform-", "sink-", "rdk:"];
    names.filter(|name| of_tasks.iter().any(|role| name.starts_with(role))).collect()
}

fn open_files(running: &Running) -> usize {
    fs::read_dir(format!("/proc/{}/fd", running.pid())).expect("a running host").count()
}

#[test]
fn a_hundred_connectors_run_in_one_process_and_leave_nothing_behind() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["discard-sink"]);
    let mut running = home.start(&broker);
    running.wait_for_log("tidegate started");
    home.connector("first", &text("discard"));
    home.wait_for_status(&mut running, "first", |status| status["state"] == "RUNNING");
    fs::remove_file(home.path("connectors.d/first.toml")).expect("the file");
    running.wait_for_log("first connector removed");
    let before = open_files(&running);
    for number in 0..MANY {
        home.connector(&name(number), &text("discard"));
    }
    wait_until_all_run(&home, &mut running);
    assert!(task_threads(&running).len() >= 3 * MANY);
    let memory = ProcessStatus::of(running.pid()).and_then(|status| status.number("VmHWM"));
    assert!(memory.is_some_and(|memory| memory < MEMORY), "{memory:?} kB");
    for number in 0..MANY {
        fs::remove_file(home.path(&format!("connectors.d/{}.toml", name(number)))).expect("the file");
    }
    running.wait_until("no connector", |_| states(&home).is_empty().then_some(()));
    running.wait_until("no thread of a connector", |running| task_threads(running).is_empty().then_some(()));
    // A client of the status may be connected just now.
    running.wait_until("no file of a connector", |running| (open_files(running) <= before + 3).then_some(()));
    let metrics = home.run(&["metrics"]).expect_code(0).stdout;
    assert!(!metrics.contains("connector=\"c0"), "{metrics}");
    running.terminate().expect_code(0);
}

#[test]
fn of_a_thousand_files_the_valid_ones_run_and_each_error_is_reported_once() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["discard-sink"]);
    let mut running = home.start(&broker);
    running.wait_for_log("tidegate started");
    for number in 0..MANY + INVALID {
        let is_valid = number % ((MANY + INVALID) / MANY) == 0;
        home.connector(&name(number), &text(if is_valid { "discard" } else { "unknown" }));
    }
    wait_until_all_run(&home, &mut running);
    running.wait_until("all errors", |_| {
        (home.status()["rejected"].as_array().map(Vec::len) == Some(INVALID)).then_some(())
    });
    let finished = running.terminate().expect_code(0);
    assert_eq!(finished.count_log("unknown plugin \"unknown\""), INVALID);
}
