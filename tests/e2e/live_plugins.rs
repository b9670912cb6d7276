//! Plugin libraries that are added and replaced while the host runs.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use tidegate_tests::{Broker, Home, Ledger, Recording, Running};

const EVENT: &str = r#"{"id":1}"#;
const REOPENED: &str = "target[0] sink reopened with new settings";

/// A connector has delivered the only record of a topic.
fn scene(sink: &str, more: &str) -> (Broker, Home, Running, Recording) {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&[]);
    home.replace_library("misbehaving", b"");
    let target = home.recorder("target", &sink.replace('@', &home.path("").display().to_string()), more);
    let mut running = home.start(&broker);
    wait_for_offsets(&mut running, &target, &[0]);
    (broker, home, running, target)
}

fn wait_for_offsets(running: &mut Running, recording: &Recording, offsets: &[i64]) {
    running.wait_until("the records", |_| (recording.offsets() == offsets).then_some(()));
}

fn count(recording: &Recording, call: &str) -> usize {
    recording.names().iter().filter(|name| *name == call).count()
}

#[test]
fn a_replaced_library_is_used_without_leaving_the_group() {
    let (broker, home, mut running, target) = scene("", "");
    home.replace_library("misbehaving", b"2");
    running.wait_for_log("target the connector has changed change=reopen");
    running.wait_for_log(REOPENED);
    broker.send("events", [EVENT]);
    wait_for_offsets(&mut running, &target, &[0, 1]);
    assert_eq!(count(&target, "open"), 2);
    let finished = running.terminate().expect_code(0);
    assert_eq!(finished.count_log("Subscribed to topics"), 1, "{}", finished.stderr);
}

#[test]
fn a_connector_restarts_with_the_library_or_keeps_it_as_its_file_says() {
    let (broker, home, mut running, target) = scene("", "[plugins]\nreload = \"restart\"");
    let keeps = home.recorder("keeps", "", "[plugins]\nreload = \"never\"");
    wait_for_offsets(&mut running, &keeps, &[0]);
    home.replace_library("misbehaving", b"2");
    running.wait_for_log("target the connector has changed change=restart");
    running.wait_until("the restart", |_| (count(&target, "open") == 2).then_some(()));
    broker.send("events", [EVENT]);
    wait_for_offsets(&mut running, &target, &[0, 1]);
    wait_for_offsets(&mut running, &keeps, &[0, 1]);
    assert_eq!(count(&keeps, "open"), 1);
    let _output = home.run(&["restart", "keeps"]).expect_code(0);
    running.wait_until("the restart", |_| (count(&keeps, "open") == 2).then_some(()));
    running.terminate().expect_code(0);
}

#[test]
fn a_library_that_fails_to_open_is_replaced_by_the_one_before() {
    let (broker, home, mut running, target) = scene("fail_open = \"@broken\"", "");
    home.write("broken", "");
    home.replace_library("misbehaving", b"2");
    running.wait_for_log("going back to the one that ran before: opening sink \"recorder\": recorder: opening failed on purpose");
    running.wait_until("the library before", |_| (count(&target, "open") == 2).then_some(()));
    broker.send("events", [EVENT]);
    wait_for_offsets(&mut running, &target, &[0, 1]);
    let status = home.wait_for_status(&mut running, "target", |status| status["state"] == "RUNNING");
    assert!(
        status["tasks"][0]["trace"][0]["reason"].as_str().is_some_and(|reason| reason.contains("on purpose"))
    );
    // It is not tried again, until there is another one.
    home.recorder("other", "", "");
    home.wait_for_status(&mut running, "other", |status| status["state"] == "RUNNING");
    assert_eq!(count(&target, "open"), 2);
    home.replace_library("misbehaving", b"3");
    running.wait_for_log(REOPENED);
    running.terminate().expect_code(0);
}

#[test]
fn a_file_that_is_no_library_leaves_the_connector_as_it_was() {
    let (broker, home, mut running, target) = scene("", "");
    let name = format!("plugins/libmisbehaving.{}", std::env::consts::DLL_EXTENSION);
    let whole = fs::read(home.path(&name)).expect("the library");
    home.write(&name, b"\x7fELF, but no library");
    running.wait_for_log("plugin library skipped, what was loaded of it before is used: ");
    broker.send("events", [EVENT]);
    wait_for_offsets(&mut running, &target, &[0, 1]);
    assert_eq!(home.status()["rejected"], serde_json::json!([]));
    let _output = home.run(&["restart", "target"]).expect_code(0);
    running.wait_until("the restart", |_| (count(&target, "open") == 2).then_some(()));
    home.write(&name, whole);
    let added = home.recorder("added", "", "");
    wait_for_offsets(&mut running, &added, &[0, 1]);
    assert_eq!(count(&target, "open"), 2, "it is the same library as before");
    running.terminate().expect_code(0);
}

#[test]
fn a_library_that_is_added_starts_the_connectors_that_wait_for_it() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&[]);
    let target = home.recorder("target", "", "");
    let mut running = home.start(&broker);
    running.wait_for_log("sink.plugin: unknown plugin \"recorder\"");
    home.replace_library("misbehaving", b"");
    wait_for_offsets(&mut running, &target, &[0]);
    running.terminate().expect_code(0);
}

/// How often the library is replaced under load, once per second.
const SWAPS: u8 = 60;

#[test]
fn nothing_is_lost_or_doubled_while_the_library_is_replaced_every_second() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&[]);
    // It stores offsets with its files, so it is exact.
    home.replace_library("file-sink", b"");
    home.connector(
        "target",
        "[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"file\"\n[sink.config]\npath = \"@out/{topic}\"\nstyle = \"record\"\n",
    );
    let file = home.path("out/events");
    let offsets = || -> Vec<i64> {
        let text = fs::read_to_string(&file).unwrap_or_default();
        // The last line may be incomplete.
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.filter_map(|line| line["offset"].as_i64()).collect()
    };
    let mut running = home.start(&broker);
    let is_done = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let mut sent = 1;
            while !is_done.load(Ordering::Relaxed) {
                broker.send("events", [EVENT; 20]);
                sent += 20;
                thread::sleep(Duration::from_millis(10));
            }
            sent
        });
        for swap in 0..SWAPS {
            home.replace_library("file-sink", &[swap % 2]);
            thread::sleep(Duration::from_secs(1));
        }
        is_done.store(true, Ordering::Relaxed);
        producer.join().expect("the producer does not panic")
    });
    running.wait_until("all records", |_| (offsets().len() >= sent).then_some(()));
    let finished = running.terminate().expect_code(0);
    let swaps = finished.count_log(REOPENED);
    assert!(swaps >= usize::from(SWAPS) / 4, "only {swaps} swaps took effect\n{}", finished.stderr);
    assert_eq!(offsets(), (0..sent as i64).collect::<Vec<i64>>());
}

#[test]
fn a_library_that_has_failed_keeps_no_other_one_from_being_replaced() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&[]);
    for library in ["misbehaving", "basics"] {
        home.replace_library(library, b"");
    }
    // A sink that finds it removes it, and does not open.
    let broken = home.path("broken");
    let transform = "[[transforms]]\nplugin = \"filter\"\nconfig = { action = \"drop\", conditions = [{ tombstone = true }] }\n";
    let target = home.recorder("target", &format!("fail_open = \"{}\"", broken.display()), transform);
    let mut running = home.start(&broker);
    wait_for_offsets(&mut running, &target, &[0]);
    home.write("broken", "");
    home.replace_library("misbehaving", b"2");
    running.wait_for_log("going back to the one that ran before");
    running.wait_until("the library before", |_| (count(&target, "open") == 2).then_some(()));
    home.replace_library("basics", b"2");
    running.wait_for_log("target[0] transforms reopened");
    broker.send("events", [EVENT]);
    wait_for_offsets(&mut running, &target, &[0, 1]);
    let finished = running.terminate().expect_code(0);
    assert_eq!(finished.count_log("going back to the one that ran before"), 1, "{}", finished.stderr);
}

/// Copies of the ledger's library that a process has loaded.
#[cfg(target_os = "linux")]
fn ledgers_of(process: u32) -> std::collections::BTreeSet<String> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
    let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    paths.filter(|path| path.contains("ledger")).map(str::to_owned).collect()
}

/// Two copies of SQLite in one process lose each other's locks, and with them rows.
#[cfg(target_os = "linux")]
#[test]
fn a_process_has_one_copy_of_a_library_that_allows_no_other() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&[]);
    home.replace_library("ledger", b"");
    let ledgers = ["first", "second", "apart"].map(|name| Ledger::of(home.path(&format!("{name}.db"))));
    let [first, second, apart] = &ledgers;
    let add = |name: &str, isolation: &str| {
        home.connector(
            name,
            &format!(
                "isolation = \"{isolation}\"\n[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"ledger-exact\"\n\
                 [sink.config]\npath = \"@{name}.db\"\n"
            ),
        );
    };
    let wait = |running: &mut Running, ledger: &Ledger, offsets: &[i64]| {
        running.wait_until("the records", |_| (ledger.offsets() == offsets).then_some(()));
    };
    add("first", "thread");
    let mut running = home.start(&broker);
    wait(&mut running, first, &[0]);
    let before = ledgers_of(running.pid());
    assert_eq!(before.len(), 1, "{before:?}");

    home.replace_library("ledger", b"2");
    running.wait_for_log("do not allow two copies of it in one process");
    // Neither a restart nor another connector loads the new copy.
    let _output = home.run(&["restart", "first"]).expect_code(0);
    add("second", "thread");
    add("apart", "process");
    broker.send("events", [EVENT]);
    ledgers.iter().for_each(|ledger| wait(&mut running, ledger, &[0, 1]));
    assert_eq!(ledgers_of(running.pid()), before);
    let status = home.wait_for_status(&mut running, "apart", |status| status["pid"].is_u64());
    let process = status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("its process");
    let new = ledgers_of(process);
    assert!(new.len() == 1 && new != before, "{new:?}, {before:?}");
    let finished = running.terminate().expect_code(0);
    assert_eq!(finished.count_log("do not allow two copies"), 1, "{}", finished.stderr);

    let mut running = home.start(&broker);
    broker.send("events", [EVENT]);
    for ledger in [first, second, apart] {
        wait(&mut running, ledger, &[0, 1, 2]);
    }
    assert_eq!(ledgers_of(running.pid()), new);
    running.terminate().expect_code(0);
}
