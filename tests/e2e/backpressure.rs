//! A sink that blocks for a long time: memory stays bounded, the consumer stays in its group, and other connectors are
//! not affected.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use tidegate_tests::{Broker, Home, Ledger, ProcessStatus, Running, SinkFaults};

const RECORDS: i64 = 20_000;
/// All records together are five times the memory budget of both connectors.
const RECORD_BYTES: usize = 4_096;
const MIB: u64 = 1 << 20;
const LIMIT: u64 = 8 * MIB;
/// Memory that is not part of the budget: free memory of the allocator, tables, and thread stacks.
const SLACK: u64 = 24 * MIB;

/// How long the sink is blocked: several times max.poll.interval.ms. Set `TIDEGATE_BLOCKED_SECONDS=600` for a longer
/// test.
fn blocked() -> Duration {
    let seconds = env::var("TIDEGATE_BLOCKED_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

/// Resident memory of the process in bytes.
fn resident(running: &Running) -> u64 {
    memory(running, "VmRSS")
}

/// The size of this name in the status of the process, in bytes.
fn memory(running: &Running, name: &str) -> u64 {
    let status = ProcessStatus::of(running.pid()).expect("a process");
    status.number(name).expect("a size") * 1024
}

fn connector(home: &Home, name: &str, sink: &str) {
    home.connector(
        name,
        &format!(
            "[source]\ntopics = [\"events\"]\n[source.properties]\n\"session.timeout.ms\" = 6000\n\
             \"max.poll.interval.ms\" = 6000\n[limits]\nmemory = \"8 MiB\"\ncall_timeout = \"1h\"\n{sink}"
        ),
    );
}

#[test]
fn a_blocked_sink_keeps_memory_bounded_stays_in_the_group_and_affects_no_other_connector() {
    let broker = Broker::start();
    broker.topic("events", 4);
    let home = Home::new(&["ledger", "discard-sink"]);
    let faults = home.path("faults");
    SinkFaults { hang: true, ..SinkFaults::default() }.write_to(&faults);
    connector(
        &home,
        "blocked",
        "[sink]\nplugin = \"ledger-append\"\n[sink.config]\npath = \"@ledger.db\"\nfail_file = \"@faults\"\n",
    );
    connector(&home, "healthy", "[sink]\nplugin = \"discard\"\n");
    let ledger = Ledger::of(home.path("ledger.db"));
    let mut running = home.start(&broker);
    for name in ["blocked", "healthy"] {
        home.wait_for_status(&mut running, name, |status| status["counts"]["partitions"] == 4);
    }
    let before = resident(&running);

    let value = format!(r#"{{"text":"{}"}}"#, "x".repeat(RECORD_BYTES));
    broker.produce((0..RECORDS).map(|id| ("events", (id % 4) as i32, None, Some(value.clone()))));
    let (began, mut most) = (Instant::now(), 0);
    let delivered = |status: &serde_json::Value| status["counts"]["delivered"] == RECORDS;
    home.wait_for_status(&mut running, "healthy", delivered);
    while began.elapsed() < blocked() {
        most = most.max(resident(&running));
        thread::sleep(Duration::from_millis(100));
    }
    assert!(most < before + 2 * LIMIT + SLACK, "{} MiB, then {} MiB", before / MIB, most / MIB);
    // Lag grows with new records.
    broker.produce((0..400).map(|id| ("events", id % 4, None, Some("{}".to_owned()))));
    let status =
        home.wait_for_status(&mut running, "blocked", |status| status["counts"]["lag"] == RECORDS + 400);
    assert_eq!((&status["state"], &status["counts"]["partitions"]), (&"RUNNING".into(), &4.into()));
    home.wait_for_status(&mut running, "healthy", |status| status["counts"]["delivered"] == RECORDS + 400);
    assert!(ledger.offsets().is_empty());

    SinkFaults::default().write_to(&faults);
    home.wait_for_status(&mut running, "blocked", |status| status["counts"]["committed"] == RECORDS + 400);
    let finished = running.terminate().expect_code(0);
    for name in ["blocked[0]", "healthy[0]"] {
        let joined = finished.stderr.lines().filter(|line| line.contains(name) && line.contains("reading 4"));
        assert_eq!(joined.count(), 1, "{name} was out of its group:\n{}", finished.stderr);
    }
    assert!(!finished.stderr.contains("partitions lost"), "{}", finished.stderr);
    assert_eq!(ledger.offsets().len() as i64, RECORDS + 400);
}

/// The limit of the host's file for all connectors together.
const HOST_LIMIT: u64 = 96 * MIB;
/// Memory of a busy connector that is not part of the limit: pages of SQLite, what the allocator keeps for its threads, and what
/// librdkafka fetches while records are taken from its queue.
const CONNECTOR_SLACK: u64 = 16 * MIB;

#[test]
fn connectors_share_the_memory_of_the_host_and_all_of_them_make_progress() {
    const BLOCKED: [&str; 5] = ["a", "b", "c", "d", "e"];
    let broker = Broker::start();
    broker.topic("events", 4);
    let home = Home::new(&["ledger", "discard-sink"]);
    home.write("tidegate.toml", format!("[limits]\nmemory = \"{} MiB\"\n", HOST_LIMIT / MIB));
    let faults = home.path("faults");
    SinkFaults { hang: true, ..SinkFaults::default() }.write_to(&faults);
    // Each of them could take all records at once.
    let greedy = "[source]\ntopics = [\"events\"]\n[batch]\nmax_records = 100000\nmax_bytes = \"32 MiB\"\n\
                  [limits]\ncall_timeout = \"1h\"\n";
    for name in BLOCKED {
        let sink = format!(
            "[sink]\nplugin = \"ledger-append\"\n[sink.config]\npath = \"@{name}.db\"\nfail_file = \"@faults\"\n"
        );
        home.connector(name, &format!("{greedy}{sink}"));
    }
    home.connector("late", &format!("{greedy}[sink]\nplugin = \"discard\"\n"));
    let mut running = home.start(&broker);
    for name in BLOCKED {
        home.wait_for_status(&mut running, name, |status| status["counts"]["partitions"] == 4);
    }
    let before = resident(&running);
    let value = format!(r#"{{"text":"{}"}}"#, "x".repeat(RECORD_BYTES));
    broker.produce((0..RECORDS).map(|id| ("events", (id % 4) as i32, None, Some(value.clone()))));

    let delivers_all = |status: &serde_json::Value| status["counts"]["delivered"] == RECORDS;
    home.wait_for_status(&mut running, "late", delivers_all);
    let reads_some = |status: &serde_json::Value| status["counts"]["read"].as_u64() > Some(0);
    for name in BLOCKED {
        let status = home.wait_for_status(&mut running, name, reads_some);
        assert_eq!(status["counts"]["delivered"], 0, "{name} is blocked");
    }
    SinkFaults::default().write_to(&faults);
    for name in BLOCKED {
        home.wait_for_status(&mut running, name, |status| status["counts"]["committed"] == RECORDS);
    }
    let most = memory(&running, "VmHWM");
    let slack = SLACK + (BLOCKED.len() + 1) as u64 * CONNECTOR_SLACK;
    assert!(most < before + HOST_LIMIT + slack, "{} MiB, then {} MiB", before / MIB, most / MIB);
    let _finished = running.terminate().expect_code(0);
}
