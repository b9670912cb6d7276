//! Commands to a running host.

use tidegate_tests::{Broker, Home, Recording, Running};

const EVENT: &str = r#"{"id":1}"#;

struct Scene {
    broker: Broker,
    home: Home,
    running: Running,
    told: Recording,
    other: Recording,
}

/// Two connectors on one topic, with one record delivered; `told` is the one that is told things.
fn scene() -> Scene {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["misbehaving"]);
    let (told, other) = (home.recorder("told", "", ""), home.recorder("other", "", ""));
    let mut running = home.start(&broker);
    running
        .wait_until("the first record", |_| (told.offsets() == [0] && other.offsets() == [0]).then_some(()));
    Scene { broker, home, running, told, other }
}

impl Scene {
    fn tell(&self, command: &str) {
        let finished = self.home.run(&[command, "told"]).expect_code(0);
        assert_eq!(finished.stdout, "accepted for told\n");
    }

    fn wait_for_state(&mut self, state: &str) {
        self.home.wait_for_status(&mut self.running, "told", |status| status["state"] == state);
    }

    fn count(&self, call: &str) -> usize {
        self.told.names().iter().filter(|name| *name == call).count()
    }

    /// One more record, that the other connector has delivered when this returns.
    fn send(&mut self) {
        let wanted = self.other.offsets().len() + 1;
        self.broker.send("events", [EVENT]);
        let other = self.other.clone();
        self.running
            .wait_until("the other connector's record", |_| (other.offsets().len() == wanted).then_some(()));
    }

    fn wait_for_offsets(&mut self, offsets: &[i64]) {
        let told = self.told.clone();
        self.running.wait_until("the records", |_| (told.offsets() == offsets).then_some(()));
    }
}

#[test]
fn a_paused_connector_stays_in_its_group_and_goes_on_where_it_was() {
    let mut scene = scene();
    scene.tell("pause");
    scene.wait_for_state("PAUSED");
    scene.send();
    assert_eq!(scene.told.offsets(), [0]);
    scene.tell("resume");
    scene.wait_for_offsets(&[0, 1]);
    assert_eq!(scene.count("open"), 1);
    assert_eq!(scene.count("claim"), 1);
    let _finished = scene.running.terminate().expect_code(0);
}

#[test]
fn reopening_keeps_the_membership() {
    let mut scene = scene();
    scene.tell("reopen");
    let told = scene.told.clone();
    let opened = || told.names().iter().filter(|name| *name == "open").count();
    scene.running.wait_until("the second opening", |_| (opened() == 2).then_some(()));
    scene.send();
    scene.wait_for_offsets(&[0, 1]);
    let finished = scene.running.terminate().expect_code(0);
    let names = scene.told.names();
    let open = names.iter().rposition(|name| name == "open").expect("an opening");
    assert_eq!(names[open - 1..=open + 1], ["close", "open", "claim"], "{names:?}");
    assert!(!names.contains(&"release".to_owned()), "{names:?}");
    let subscribed =
        finished.stderr.lines().filter(|line| line.contains("told[0]") && line.contains("Subscribed"));
    assert_eq!(subscribed.count(), 1);
}

#[test]
fn a_stopped_connector_leaves_and_comes_back() {
    let mut scene = scene();
    scene.tell("stop");
    scene.wait_for_state("STOPPED");
    assert_eq!(scene.told.names().last().map(String::as_str), Some("close"));
    scene.send();
    assert_eq!(scene.told.offsets(), [0]);
    scene.tell("resume");
    scene.wait_for_offsets(&[0, 1]);
    scene.tell("restart");
    let told = scene.told.clone();
    let opened = || told.names().iter().filter(|name| *name == "open").count();
    scene.running.wait_until("the third opening", |_| (opened() == 3).then_some(()));
    scene.send();
    scene.wait_for_offsets(&[0, 1, 2]);
    let _finished = scene.running.terminate().expect_code(0);
}

#[test]
fn a_failed_connector_is_started_again_by_hand() {
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
    let _told = home.run(&["restart", "sick"]).expect_code(0);
    running.wait_until("the second opening", |_| {
        (sick.names().iter().filter(|name| *name == "open").count() == 2).then_some(())
    });
    running.wait_until("the record", |_| (healthy.offsets() == [0]).then_some(()));
    let _finished = running.terminate();
}

#[test]
fn a_failed_connector_that_is_stopped_has_stopped() {
    let broker = Broker::with_events([r#"{"bad":true}"#]);
    let home = Home::new(&["misbehaving"]);
    let healthy = home.recorder("healthy", "", "");
    home.recorder("sick", "how = \"fatal\"", "");
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "sick", |status| status["state"] == "FAILED");
    let _told = home.run(&["stop", "sick"]).expect_code(0);
    home.wait_for_status(&mut running, "sick", |status| status["state"] == "STOPPED");
    running.wait_until("the record", |_| (healthy.offsets() == [0]).then_some(()));
    let _finished = running.terminate().expect_code(0);
}

#[test]
fn a_restarted_connector_that_was_paused_is_paused() {
    let mut scene = scene();
    scene.tell("pause");
    scene.wait_for_state("PAUSED");
    scene.tell("restart");
    let told = scene.told.clone();
    let opened = || told.names().iter().filter(|name| *name == "open").count();
    scene.running.wait_until("the second opening", |_| (opened() == 2).then_some(()));
    scene.wait_for_state("PAUSED");
    scene.send();
    assert_eq!(scene.told.offsets(), [0]);
    scene.tell("resume");
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
        scene.home.wait_for_status(&mut scene.running, "told", |status| status["counts"]["lag"] == wanted);
    };
    lag(&mut scene, 0);
    scene.tell("pause");
    scene.wait_for_state("PAUSED");
    scene.send();
    scene.send();
    lag(&mut scene, 2);
    scene.tell("resume");
    lag(&mut scene, 0);
    let metrics = scene.home.run(&["metrics"]).expect_code(0).stdout;
    assert!(metrics.contains("tidegate_lag_records{connector=\"told\",task=\"0\"} 0"), "{metrics}");
    let _finished = scene.running.terminate().expect_code(0);
}

#[test]
fn rotated_secrets_are_read_when_a_task_starts_again() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["misbehaving"]);
    home.write("secret", "old-password");
    let talkative = "[[transforms]]\nplugin = \"talkative\"\n[transforms.config]\npassword = \"${file:@secret}\"\nexpected = \"new-password\"\n";
    let recording = home.recorder("a", "", talkative);
    let text = std::fs::read_to_string(home.path("connectors.d/a.toml")).expect("the file");
    home.write(
        "connectors.d/a.toml",
        text.replace("policy = \"never\"", "initial = \"100ms\"\nmax = \"100ms\"\nmax_restarts = 1000"),
    );
    let mut running = home.start(&broker);
    running.wait_for_log("wrong password");
    // A file that somebody is editing does not matter, and neither does a secret that is gone for a moment.
    home.write("connectors.d/a.toml", "[source");
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
    let scene = scene();
    let table = scene.home.run(&["status"]).expect_code(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("connector") && lines[0].contains("state"), "{table}");
    assert!(lines[1].starts_with("other") && lines[1].contains("RUNNING"), "{table}");
    assert!(lines[2].starts_with("told") && lines[2].contains("RUNNING"), "{table}");
    let metrics = scene.home.run(&["metrics"]).expect_code(0).stdout;
    assert!(metrics.contains("connector=\"told\"") && metrics.contains("connector=\"other\""), "{metrics}");
    let of_one = scene.home.run(&["metrics", "told"]).expect_code(0).stdout;
    let series = |text: &str| text.lines().filter(|line| line.contains("connector=\"told\"")).count();
    assert_eq!(series(&of_one), series(&metrics), "{of_one}");
    assert!(
        of_one.contains("# TYPE tidegate_records_total counter") && !of_one.contains("other"),
        "{of_one}"
    );
    scene.home.run(&["metrics", "tolld"]).expect_code(1).expect_log("no connector \"tolld\"");
    let _finished = scene.running.terminate().expect_code(0);
}

#[test]
fn what_interrupts_all_connectors_has_to_say_so() {
    let mut scene = scene();
    for command in ["pause", "restart", "stop"] {
        let finished = scene.home.run(&[command]).expect_code(2);
        assert!(finished.stderr.contains("NAME|--all"), "{}", finished.stderr);
        let _finished = scene.home.run(&[command, "told", "--all"]).expect_code(2);
    }
    scene.wait_for_state("RUNNING");
    let finished = scene.home.run(&["stop", "--all"]).expect_code(0);
    assert_eq!(finished.stdout, "accepted for other, told\n");
    scene.wait_for_state("STOPPED");
    let _finished = scene.running.terminate();
}

#[test]
fn who_is_not_there_cannot_be_told_anything() {
    let scene = scene();
    let finished = scene.home.run(&["pause", "tolld"]).expect_code(1);
    finished.expect_log("no connector \"tolld\"; there are: other, told");
    let _finished = scene.running.terminate().expect_code(0);
    let finished = scene.home.run(&["status"]).expect_code(1);
    finished.expect_log("no host is running with the state folder");
}
