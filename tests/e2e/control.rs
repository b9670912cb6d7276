//! Commands to a running host.

use serde_json::Value as Json;
use tidegate_tests::{Broker, Home, Recording, Running};

const EVENT: &str = r#"{"id":1}"#;

struct Scene {
    broker: Broker,
    home: Home,
    running: Running,
    target: Recording,
    other: Recording,
}

/// Two connectors have delivered the only record of a topic. The tests send commands to `target`.
fn scene() -> Scene {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["misbehaving"]);
    let (target, other) = (home.recorder("target", "", ""), home.recorder("other", "", ""));
    let mut running = home.start(&broker);
    running.wait_until("the first record", |_| {
        (target.offsets() == [0] && other.offsets() == [0]).then_some(())
    });
    Scene { broker, home, running, target, other }
}

impl Scene {
    fn send_command(&self, command: &str) {
        let finished = self.home.run(&[command, "target"]).expect_code(0);
        assert_eq!(finished.stdout, "accepted for target\n");
    }

    fn wait_for_state(&mut self, state: &str) {
        self.home.wait_for_status(&mut self.running, "target", |status| status["state"] == state);
    }

    fn count(&self, call: &str) -> usize {
        self.target.names().iter().filter(|name| *name == call).count()
    }

    /// Sends a record, and waits until the other connector has delivered it.
    fn send(&mut self) {
        let wanted = self.other.offsets().len() + 1;
        self.broker.send("events", [EVENT]);
        let other = self.other.clone();
        self.running
            .wait_until("the other connector's record", |_| (other.offsets().len() == wanted).then_some(()));
    }

    fn wait_for_offsets(&mut self, offsets: &[i64]) {
        let target = self.target.clone();
        self.running.wait_until("the records", |_| (target.offsets() == offsets).then_some(()));
    }
}

#[test]
fn a_paused_connector_stays_in_its_group_and_resumes_at_its_offset() {
    let mut scene = scene();
    scene.send_command("pause");
    scene.wait_for_state("PAUSED");
    scene.send();
    assert_eq!(scene.target.offsets(), [0]);
    scene.send_command("resume");
    scene.wait_for_offsets(&[0, 1]);
    assert_eq!(scene.count("open"), 1);
    assert_eq!(scene.count("claim"), 1);
    let _finished = scene.running.terminate().expect_code(0);
}

#[test]
fn reopening_keeps_the_membership() {
    let mut scene = scene();
    scene.send_command("reopen");
    let target = scene.target.clone();
    let opened = || target.names().iter().filter(|name| *name == "open").count();
    scene.running.wait_until("the second opening", |_| (opened() == 2).then_some(()));
    scene.send();
    scene.wait_for_offsets(&[0, 1]);
    let finished = scene.running.terminate().expect_code(0);
    let names = scene.target.names();
    let open = names.iter().rposition(|name| name == "open").expect("an opening");
    assert_eq!(names[open - 1..=open + 1], ["close", "open", "claim"], "{names:?}");
    assert!(!names.contains(&"release".to_owned()), "{names:?}");
    let subscribed =
        finished.stderr.lines().filter(|line| line.contains("target[0]") && line.contains("Subscribed"));
    assert_eq!(subscribed.count(), 1);
}

#[test]
fn a_stopped_connector_leaves_its_group_and_can_be_resumed() {
    let mut scene = scene();
    scene.send_command("stop");
    scene.wait_for_state("STOPPED");
    assert_eq!(scene.target.names().last().map(String::as_str), Some("close"));
    scene.send();
    assert_eq!(scene.target.offsets(), [0]);
    scene.send_command("resume");
    scene.wait_for_offsets(&[0, 1]);
    scene.send_command("restart");
    let target = scene.target.clone();
    let opened = || target.names().iter().filter(|name| *name == "open").count();
    scene.running.wait_until("the third opening", |_| (opened() == 3).then_some(()));
    scene.send();
    scene.wait_for_offsets(&[0, 1, 2]);
    let _finished = scene.running.terminate().expect_code(0);
}

#[test]
fn a_failed_connector_can_be_restarted() {
    let broker = Broker::with_events([r#"{"bad":true}"#]);
    let home = Home::new(&["misbehaving"]);
    let healthy = home.recorder("healthy", "", "");
    let sick = home.recorder("sick", "how = \"fatal\"", "");
    let mut running = home.start(&broker);
    let failed = home.wait_for_status(&mut running, "sick", |status| status["state"] == "FAILED");
    let task = &failed["tasks"][0];
    assert_eq!(task["trace"][0]["reason"], task["reason"]);
    assert!(task["since"].as_str() >= task["trace"][0]["at"].as_str(), "{task}");
    home.run(&["pause", "sick"])
        .expect_code(1)
        .expect_log("connector \"sick\" has failed, so it cannot pause");
    assert_eq!(home.run(&["pause", "--all"]).expect_code(0).stdout, "accepted for healthy\n");
    assert_eq!(home.run(&["resume", "healthy"]).expect_code(0).stdout, "accepted for healthy\n");
    let _output = home.run(&["restart", "sick"]).expect_code(0);
    running.wait_until("the second opening", |_| {
        (sick.names().iter().filter(|name| *name == "open").count() == 2).then_some(())
    });
    running.wait_until("the record", |_| (healthy.offsets() == [0]).then_some(()));
    let _finished = running.terminate();
}

#[test]
fn a_failed_connector_can_be_stopped() {
    let broker = Broker::with_events([r#"{"bad":true}"#]);
    let home = Home::new(&["misbehaving"]);
    let healthy = home.recorder("healthy", "", "");
    home.recorder("sick", "how = \"fatal\"", "");
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "sick", |status| status["state"] == "FAILED");
    let _output = home.run(&["stop", "sick"]).expect_code(0);
    home.wait_for_status(&mut running, "sick", |status| status["state"] == "STOPPED");
    running.wait_until("the record", |_| (healthy.offsets() == [0]).then_some(()));
    let _finished = running.terminate().expect_code(0);
}

#[test]
fn a_paused_connector_is_still_paused_after_a_restart() {
    let mut scene = scene();
    scene.send_command("pause");
    scene.wait_for_state("PAUSED");
    scene.send_command("restart");
    let target = scene.target.clone();
    let opened = || target.names().iter().filter(|name| *name == "open").count();
    scene.running.wait_until("the second opening", |_| (opened() == 2).then_some(()));
    scene.wait_for_state("PAUSED");
    scene.send();
    assert_eq!(scene.target.offsets(), [0]);
    scene.send_command("resume");
    scene.wait_for_offsets(&[0, 1]);
    let _finished = scene.running.terminate().expect_code(0);
}

#[test]
fn a_task_without_partitions_is_unassigned() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["misbehaving"]);
    home.recorder("a", "", "");
    let text = std::fs::read_to_string(home.path("connectors.d/a.toml")).expect("the file");
    home.connector("a", &format!("tasks = 2\n{text}"));
    let mut running = home.start(&broker);
    let status = home.wait_for_status(&mut running, "a", |status| {
        let states = [0, 1].map(|task| status["tasks"][task]["state"].clone());
        states.contains(&"RUNNING".into()) && states.contains(&"UNASSIGNED".into())
    });
    assert_eq!(status["state"], "RUNNING");
    let _finished = running.terminate().expect_code(0);
}

#[test]
fn lag_grows_while_a_connector_does_not_read() {
    let mut scene = scene();
    let lag = |scene: &mut Scene, wanted: u64| {
        scene.home.wait_for_status(&mut scene.running, "target", |status| status["counts"]["lag"] == wanted);
    };
    lag(&mut scene, 0);
    scene.send_command("pause");
    scene.wait_for_state("PAUSED");
    scene.send();
    scene.send();
    lag(&mut scene, 2);
    scene.send_command("resume");
    lag(&mut scene, 0);
    let metrics = scene.home.run(&["metrics"]).expect_code(0).stdout;
    assert!(metrics.contains("tidegate_lag_records{connector=\"target\",task=\"0\"} 0"), "{metrics}");
    let _finished = scene.running.terminate().expect_code(0);
}

#[test]
fn rotated_secrets_are_read_when_a_task_starts_again() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["misbehaving"]);
    home.write("secret", "old-password");
    let leaks_secret = "[[transforms]]\nplugin = \"leaks-secret\"\n[transforms.config]\npassword = \"${file:@secret}\"\nexpected = \"new-password\"\n";
    let recording = home.recorder("a", "", leaks_secret);
    let text = std::fs::read_to_string(home.path("connectors.d/a.toml")).expect("the file");
    home.write(
        "connectors.d/a.toml",
        text.replace("policy = \"never\"", "initial = \"100ms\"\nmax = \"100ms\"\nmax_restarts = 1000"),
    );
    let mut running = home.start(&broker);
    running.wait_for_log("wrong password");
    // Neither an invalid file nor a missing secret affects a running connector.
    home.write("connectors.d/a.toml", "[source");
    running.wait_for_log("the connector goes on as it was before this change");
    std::fs::remove_file(home.path("secret")).expect("the secret");
    running.wait_for_log("keeping the previous values of placeholders");
    home.write("secret", "new-password");
    running.wait_until("the record", |_| (recording.offsets() == [0]).then_some(()));
    let finished = running.terminate().expect_code(0);
    assert!(
        !finished.stderr.contains("old-password") && !finished.stderr.contains("new-password"),
        "{}",
        finished.stderr
    );
}

#[test]
fn the_table_shows_every_task_and_metrics_are_there() {
    let mut scene = scene();
    for connector in ["target", "other"] {
        scene.home.wait_for_status(&mut scene.running, connector, |status| status["state"] == "RUNNING");
    }
    let table = scene.home.run(&["status"]).expect_code(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("connector") && lines[0].contains("state"), "{table}");
    assert!(lines[1].starts_with("other") && lines[1].contains("RUNNING"), "{table}");
    assert!(lines[2].starts_with("target") && lines[2].contains("RUNNING"), "{table}");
    let series = |text: &str| text.lines().filter(|line| line.contains("connector=\"target\"")).count();
    // A series appears with its first value, which may be between two commands: the first commit, the first lag.
    let home = &scene.home;
    let of_one = scene.running.wait_until("the same series of one connector and of all", |_| {
        let of_one = home.run(&["metrics", "target"]).expect_code(0).stdout;
        let of_all = home.run(&["metrics"]).expect_code(0).stdout;
        let has_both = of_all.contains("connector=\"target\"") && of_all.contains("connector=\"other\"");
        let is_complete = of_one.contains("# TYPE tidegate_records_total counter");
        (has_both && is_complete && series(&of_one) == series(&of_all)).then_some(of_one)
    });
    assert!(!of_one.contains("other"), "{of_one}");
    scene.home.run(&["metrics", "targte"]).expect_code(1).expect_log("no connector \"targte\"");
    let _finished = scene.running.terminate().expect_code(0);
}

#[test]
fn commands_that_interrupt_all_connectors_require_a_flag() {
    let mut scene = scene();
    for command in ["pause", "restart", "stop"] {
        let finished = scene.home.run(&[command]).expect_code(2);
        assert!(finished.stderr.contains("NAME|--all"), "{}", finished.stderr);
        let _finished = scene.home.run(&[command, "target", "--all"]).expect_code(2);
    }
    scene.wait_for_state("RUNNING");
    let finished = scene.home.run(&["stop", "--all"]).expect_code(0);
    assert_eq!(finished.stdout, "accepted for other, target\n");
    scene.wait_for_state("STOPPED");
    let _finished = scene.running.terminate();
}

#[test]
fn commands_for_unknown_connectors_or_without_a_host_fail() {
    let scene = scene();
    let finished = scene.home.run(&["pause", "targte"]).expect_code(1);
    finished.expect_log("no connector \"targte\"; there are: other, target");
    let _finished = scene.running.terminate().expect_code(0);
    let finished = scene.home.run(&["status"]).expect_code(1);
    finished.expect_log("no host is running with the state folder");
}

#[test]
fn one_task_is_restarted_and_the_others_go_on() {
    let broker = Broker::start();
    broker.topic("events", 2);
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("target", "", "");
    let text = std::fs::read_to_string(home.path("connectors.d/target.toml")).expect("the file");
    home.write("connectors.d/target.toml", format!("tasks = 2\n{text}"));
    let mut running = home.start(&broker);
    let assigned = |status: &Json| status["counts"]["partitions"] == 2 && both(status, "RUNNING");
    home.wait_for_status(&mut running, "target", assigned);
    let finished = home.run(&["restart", "target", "--task", "1"]).expect_code(0);
    assert_eq!(finished.stdout, "accepted for target[1]\n");
    let count = |name: &str| recording.names().iter().filter(|call| *call == name).count();
    running.wait_until("the restart of the task", |_| (count("open") == 3).then_some(()));
    home.wait_for_status(&mut running, "target", assigned);
    assert_eq!(count("close"), 1, "the other task has not closed its sink: {:?}", recording.names());
    let refused = home.run(&["restart", "target", "--task", "2"]).expect_code(1);
    assert!(refused.stderr.contains("Unknown task: target-2"), "{}", refused.stderr);
    let finished = running.terminate().expect_code(0);
    assert_eq!(finished.count_log("target[1] Subscribed"), 2, "{}", finished.stderr);
    assert_eq!(finished.count_log("target[0] Subscribed"), 1, "{}", finished.stderr);
}

fn both(status: &Json, state: &str) -> bool {
    status["tasks"].as_array().is_some_and(|tasks| tasks.iter().all(|task| task["state"] == state))
}
