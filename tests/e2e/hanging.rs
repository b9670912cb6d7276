//! Plugin calls that do not return.

use tidegate_tests::{Broker, Home};

const BAD: &str = r#"{"bad":true}"#;
const GOOD: &str = r#"{"bad":false}"#;
const SHORT_TIMEOUTS: &str = "[limits]\ncall_timeout = \"1s\"\nshutdown = \"1s\"\n";

#[test]
fn a_hanging_sink_is_stalled_while_others_run_and_the_host_still_stops() {
    let broker = Broker::with_events([BAD]);
    let home = Home::new(&["misbehaving"]);
    let healthy = home.recorder("healthy", "", "");
    home.recorder("hangs", "how = \"hang-forever\"", SHORT_TIMEOUTS);
    let mut running = home.start(&broker);
    let status = home.wait_for_status(&mut running, "hangs", |status| status["state"] == "STALLED");
    let reason = status["tasks"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("sink \"recorder\""), "{reason}");

    broker.send("events", [GOOD, GOOD]);
    running.wait_until("the healthy connector's records", |_| (healthy.offsets() == [0, 1, 2]).then_some(()));
    running.signal("TERM");
    let finished = running.finish();
    // 0 if the call had been abandoned before the signal, otherwise 1.
    assert!(matches!(finished.code, Some(0 | 1)), "{:?}\n{}", finished.code, finished.stderr);
    finished.expect_log("its thread was abandoned");
    assert_eq!(broker.committed("connect-hangs", "events", 0), None);
    assert_eq!(broker.committed("connect-healthy", "events", 0), Some(3));
}

#[test]
fn a_call_beyond_its_timeout_is_asked_to_stop() {
    let broker = Broker::with_events([BAD]);
    let home = Home::new(&["misbehaving"]);
    home.recorder("a", "how = \"hang\"", SHORT_TIMEOUTS);
    let finished = home.run_until_failed(&broker, &[]);
    finished.expect_log("interrupted by the host");
    assert_eq!(broker.committed("connect-a", "events", 0), None);
}

#[test]
fn a_call_that_reports_progress_may_take_longer_than_its_timeout() {
    for isolation in ["thread", "process"] {
        let broker = Broker::with_events([BAD]);
        let home = Home::new(&["misbehaving"]);
        // Four seconds: without progress, the call would be abandoned after two.
        home.connector(
            "a",
            &format!(
                "isolation = \"{isolation}\"\nsource.topics = [\"events\"]\nsink.plugin = \"recorder\"\n\
                 sink.config = {{ path = \"@a.calls\", how = \"progress\", times = 1 }}\nrestart.policy = \"never\"\n\
                 {SHORT_TIMEOUTS}"
            ),
        );
        let finished = home.run_once(&broker).expect_code(0);
        assert_eq!(finished.count_log("has not returned"), 0, "{}", finished.stderr);
        assert_eq!(broker.committed("connect-a", "events", 0), Some(1));
    }
}

#[test]
fn a_call_that_reports_progress_is_asked_to_stop_with_its_host() {
    let broker = Broker::with_events([BAD]);
    let home = Home::new(&["misbehaving"]);
    let patient = "[limits]\ncall_timeout = \"1h\"\nshutdown = \"1s\"\n";
    home.recorder("a", "how = \"progress-forever\"", patient);
    let mut running = home.start(&broker);
    let _line = running.wait_for_log("a[0] reading ");
    running.signal("TERM");
    let finished = running.finish();
    assert_eq!(finished.count_log("its thread was abandoned"), 0, "{}", finished.stderr);
    assert_eq!(broker.committed("connect-a", "events", 0), None);
}

#[test]
fn a_failure_is_reported_although_drop_hangs() {
    let broker = Broker::with_events([BAD]);
    let home = Home::new(&["misbehaving"]);
    let stays = "[[transforms]]\nplugin = \"fault-transform\"\n[transforms.config]\nat = \"drop\"\nfault = \"hang-forever\"\n";
    let fails = "[[transforms]]\nplugin = \"failing\"\n[transforms.config]\nhow = \"fatal\"\n";
    home.recorder("a", "", &format!("{SHORT_TIMEOUTS}{stays}{fails}"));
    let finished = home.run_until_failed(&broker, &[]);
    let line = finished.expect_log("offset 0 failed on purpose");
    assert!(line.ends_with("; its thread was abandoned"), "{line}");
}

#[test]
fn a_plugin_that_hangs_in_drop_is_reported_when_it_is_reopened() {
    let broker = Broker::with_events([GOOD]);
    let home = Home::new(&["misbehaving"]);
    home.connector(
        "a",
        &format!(
            "{SHORT_TIMEOUTS}[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"fault-sink\"\n[sink.config]\npath = \"@calls\"\n\
             at = \"drop\"\nfault = \"hang-forever\"\n[restart]\npolicy = \"never\"\n"
        ),
    );
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "a", |status| status["counts"]["committed"] == 1);
    let _output = home.run(&["reopen", "a"]).expect_code(0);
    let finished = home.stop_when_failed(running);
    finished.expect_log("sink \"fault-sink\" has not returned for ");
}
