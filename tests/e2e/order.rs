//! The order state of a partition survives restarts, whether the sink or the group stores the offsets.

use tidegate_tests::{Broker, Home};

/// A change event of a table without a key, with this position in PostgreSQL's log.
pub(crate) fn event(id: u32, lsn: u64) -> String {
    format!(
        r#"{{"before":null,"after":{{"id":{id}}},"source":{{"connector":"postgresql","name":"cdc","ts_ms":1790000000000,"snapshot":"false","db":"depot","sequence":"[null,\"{lsn}\"]","schema":"public","table":"views","txId":{lsn},"lsn":{lsn}}},"op":"c","ts_ms":1790000000500}}"#
    )
}

fn connector(home: &Home, isolation: &str, sink: &str, config: &str) {
    home.connector(
        "views",
        &format!(
            "isolation = \"{isolation}\"\nrestart.policy = \"never\"\n[source]\ntopics = [\"events\"]\n[sink]\n\
             plugin = \"{sink}\"\n[sink.config]\n{config}\n[batch]\nmax_wait = \"100ms\"\n"
        ),
    );
}

/// The first run reads two events. A second run, by another host, recognises both events when they are sent again, and
/// treats a lower position without an event as the start of a new log.
#[track_caller]
fn goes_on(isolation: &str, sink: &str, config: &str) {
    let broker = Broker::with_events([event(1, 100), event(2, 200)]);
    let home = Home::new(&["console-sink", "file-sink"]);
    connector(&home, isolation, sink, config);
    let first = home.run_once(&broker).expect_code(0);
    assert_eq!(
        first.count_log("sends events of") + first.count_log("log began again"),
        0,
        "{}",
        first.stderr
    );
    broker.send("events", [event(1, 100), event(2, 200), event(3, 300)]);
    let second = home.run_once(&broker).expect_code(0);
    let _line = second.expect_log("the source sends events of events-0 again, from offset 2 on");
    broker.send("events", [event(4, 250)]);
    let third = home.run_once(&broker).expect_code(0);
    let _line = third.expect_log("the event is none of those that were read there: its log began again");
    // Positions of the new log are compared with each other.
    broker.send("events", [event(5, 260)]);
    let fourth = home.run_once(&broker).expect_code(0);
    assert_eq!(fourth.count_log("log began again"), 0, "{}", fourth.stderr);
}

#[test]
fn commits_carry_the_order_state_for_sinks_without_offsets() {
    goes_on("thread", "console", "");
    goes_on("process", "console", "");
}

#[test]
fn sinks_with_offsets_store_the_order_state_with_them() {
    goes_on("thread", "file", "path = \"@out/events.jsonl\"\nfsync = false");
    goes_on("process", "file", "path = \"@out/events.jsonl\"\nfsync = false");
}

#[test]
fn resetting_offsets_discards_the_order_state() {
    let broker = Broker::with_events([event(1, 100), event(2, 200)]);
    let home = Home::new(&["console-sink"]);
    connector(&home, "thread", "console", "");
    let _first = home.run_once(&broker).expect_code(0);
    broker.set_committed("connect-views", &["events"], 1);
    let second = home.run_once(&broker).expect_code(0);
    assert_eq!(second.count_log("sends events of"), 0, "the record is the same, not one that was sent again");
}
