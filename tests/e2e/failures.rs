//! A plugin that fails or panics fails only its own task.

use tidegate_tests::{Broker, Home};

const BAD: &str = r#"{"bad":true}"#;
const GOOD: &str = r#"{"bad":false}"#;

fn failing(how: &str) -> String {
    format!("[[transforms]]\nplugin = \"failing\"\n[transforms.config]\nhow = \"{how}\"\n")
}

#[test]
fn a_panic_fails_only_its_connector_and_is_logged_with_its_location() {
    let broker = Broker::with_events([GOOD, BAD]);
    let home = Home::new(&["misbehaving"]);
    let healthy = home.recorder("healthy", "", "");
    home.recorder("panics", "", &failing("panic"));
    home.recorder("panics-in-sink", "how = \"panic\"", "");
    let mut running = home.start(&broker);

    for (name, stage, message) in [
        ("panics", "transform \"failing\" failed: at events-0@1", "offset 1 panicked on purpose"),
        ("panics-in-sink", "sink \"recorder\" failed", "a batch of 2 panicked on purpose"),
    ] {
        let status = home.wait_for_status(&mut running, name, |status| status["state"] == "FAILED");
        let reason = status["tasks"][0]["reason"].as_str().expect("a reason").to_owned();
        assert!(reason.starts_with(&format!("{stage}: panicked at ")), "{reason}");
        assert!(reason.contains("failure.rs:") && reason.ends_with(message), "{reason}");
        let line = running.wait_for_log(&reason);
        assert!(line.contains(&format!("{name}[0]")), "{line}");
        assert_eq!(broker.committed(&format!("connect-{name}"), "events", 0), None);
    }
    broker.send("events", [GOOD]);
    running.wait_until("the healthy connector's third record", |_| {
        (healthy.offsets() == [0, 1, 2]).then_some(())
    });
    let _finished = running.terminate().expect_code(0);
}

#[test]
fn a_panicked_plugin_is_reopened_by_the_restart_policy() {
    let broker = Broker::with_events([GOOD, BAD, GOOD]);
    let home = Home::new(&["misbehaving"]);
    // The gate file is created after the panic.
    let connector = |how: &str| {
        home.connector(
            "a",
            &format!(
                "[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"@a.calls\"\n\
                 [restart]\ninitial = \"10ms\"\nmax = \"20ms\"\nmax_restarts = 3\n{}",
                failing(how)
            ),
        )
    };
    connector("panic");
    let recording = home.recording("a");
    let finished = home.run_until_failed(&broker, &[]);
    assert_eq!(recording.names().iter().filter(|name| *name == "open").count(), 4);
    assert_eq!(finished.count_log("panicked on purpose"), 4, "{}", finished.stderr);
    connector("never");
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), [0, 1, 2]);
}

#[test]
fn every_error_that_is_not_retriable_fails_the_task_with_its_message() {
    let broker = Broker::with_events([BAD]);
    let home = Home::new(&["misbehaving"]);
    home.recorder("fatal", "how = \"fatal\"", "");
    home.recorder("fenced", "how = \"fenced\"", "");
    home.recorder("transform", "", &failing("fatal"));
    home.recorder("at-open", "", &format!("{}at_open = true\n", failing("fatal")));
    home.recorder("panics-at-open", "", &format!("{}at_open = true\n", failing("panic")));
    let finished = home.run_until_failed(&broker, &[]);
    for (name, message) in [
        ("fatal[0]", "sink \"recorder\" failed: a batch of 1 failed on purpose"),
        ("fenced[0]", "sink \"recorder\" failed: a batch of 1 is owned by another task"),
        ("transform[0]", "offset 0 failed on purpose"),
        ("at-open[0]", "being opened failed on purpose"),
        ("panics-at-open[0]", "being opened panicked on purpose"),
    ] {
        let line = finished.stderr.lines().find(|line| line.contains(name) && line.contains(message));
        assert!(line.is_some_and(|line| line.contains("ERROR")), "{name}: {message} in\n{}", finished.stderr);
    }
}

#[test]
fn once_exits_with_3_if_any_connector_has_failed() {
    let broker = Broker::with_events([BAD]);
    let home = Home::new(&["misbehaving"]);
    let healthy = home.recorder("healthy", "", "");
    home.recorder("sick", "how = \"fatal\"", "");
    let finished = home.run_once(&broker).expect_code(3);
    assert_eq!(healthy.offsets(), [0]);
    finished.expect_log("failed permanently: sick");
}

#[test]
fn an_invalid_option_fails_a_task_at_once_and_for_good() {
    let broker = Broker::with_events([GOOD]);
    let home = Home::new(&["misbehaving"]);
    let healthy = home.recorder("healthy", "", "");
    // Found only when the plugin is opened. With the default policy, other failures are restarted ten times.
    home.connector(
        "invalid",
        "[source]\ntopics = [\"events\"]\n[[transforms]]\nplugin = \"particular\"\nconfig.open = \"invalid\"\n[sink]\n\
         plugin = \"recorder\"\nconfig.path = \"@invalid.calls\"\n",
    );
    let mut running = home.start(&broker);
    let status = home.wait_for_status(&mut running, "invalid", |status| status["state"] == "FAILED");
    let task = &status["tasks"][0];
    assert_eq!(
        (task["reason"].as_str(), &task["restarts"]),
        (
            Some("opening transform \"particular\": particular: open: is invalid on purpose"),
            &serde_json::json!(0)
        )
    );
    running.wait_for_log("task failed permanently: opening transform \"particular\"");
    running.wait_until("the healthy connector's record", |_| (healthy.offsets() == [0]).then_some(()));
    let _finished = running.terminate().expect_code(0);
}
