//! Connector files that are added, changed and deleted while the host runs.

use std::{fs, os::unix::fs::symlink};

use tidegate_tests::{Broker, Home, Recording, Running};

const EVENT: &str = r#"{"id":1}"#;

struct Scene {
    broker: Broker,
    home: Home,
    running: Running,
    other: Recording,
}

/// The connector `other` has delivered the only record of a topic.
fn scene() -> Scene {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["misbehaving"]);
    let other = home.recorder("other", "", "");
    let running = home.start(&broker);
    let mut scene = Scene { broker, home, running, other };
    let other = scene.other.clone();
    scene.wait_for_offsets(&other, &[0]);
    scene
}

impl Scene {
    fn wait_for_offsets(&mut self, recording: &Recording, offsets: &[i64]) {
        self.running.wait_until("the records", |_| (recording.offsets() == offsets).then_some(()));
    }

    fn wait_for_state(&mut self, connector: &str, state: &str) {
        self.home.wait_for_status(&mut self.running, connector, |status| status["state"] == state);
    }

    fn send(&self) {
        self.broker.send("events", [EVENT]);
    }

    fn edit(&self, connector: &str, from: &str, to: &str) {
        let path = format!("connectors.d/{connector}.toml");
        let text = fs::read_to_string(self.home.path(&path)).expect("the file");
        assert!(text.contains(from), "{text}");
        self.home.write(&path, text.replace(from, to));
    }

    /// Stops the host. The connector `other` was opened once, whatever happened to the rest.
    fn finish(self) -> tidegate_tests::Finished {
        let finished = self.running.terminate().expect_code(0);
        let opened = self.other.names().iter().filter(|name| *name == "open").count();
        assert_eq!(opened, 1, "{}", finished.stderr);
        finished
    }
}

fn count(recording: &Recording, call: &str) -> usize {
    recording.names().iter().filter(|name| *name == call).count()
}

#[test]
fn a_file_that_is_added_is_started_and_one_that_is_deleted_is_stopped() {
    let mut scene = scene();
    let added = scene.home.recorder("added", "", "");
    scene.wait_for_offsets(&added, &[0]);
    fs::remove_file(scene.home.path("connectors.d/added.toml")).expect("the file");
    scene.running.wait_for_log("added connector removed");
    assert_eq!(added.names().last().map(String::as_str), Some("close"));
    scene.send();
    let other = scene.other.clone();
    scene.wait_for_offsets(&other, &[0, 1]);
    assert_eq!(added.offsets(), [0]);
    let status = scene.home.status();
    assert_eq!(status["connectors"].as_array().map(Vec::len), Some(1), "{status}");
    let metrics = scene.home.run(&["metrics"]).expect_code(0).stdout;
    assert!(metrics.contains("connector=\"other\"") && !metrics.contains("connector=\"added\""), "{metrics}");
    // It continues where it was.
    let again = scene.home.recorder("added", "", "");
    scene.wait_for_offsets(&again, &[0, 1]);
    scene.finish();
}

#[test]
fn a_host_without_connectors_waits_for_the_first_file() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["misbehaving"]);
    let mut running = home.start(&broker);
    running.wait_for_log("no connector to run in connectors.d yet");
    let first = home.recorder("first", "", "");
    running.wait_until("the record", |_| (first.offsets() == [0]).then_some(()));
    running.terminate().expect_code(0);
}

#[test]
fn an_invalid_change_leaves_the_connector_as_it_was_also_after_a_restart_of_the_host() {
    let mut scene = scene();
    let target = scene.home.recorder("target", "", "");
    scene.wait_for_offsets(&target, &[0]);
    scene.edit("target", "topics =", "tpoics =");
    scene.running.wait_for_log("source.tpoics: unknown key");
    scene.running.wait_for_log("the connector goes on as it was before this change");
    let status = scene.home.status();
    assert_eq!(status["rejected"][0]["connector"], "target", "{status}");
    assert!(status["rejected"][0]["errors"].as_str().is_some_and(|errors| errors.contains("tpoics")));
    let table = scene.home.run(&["status"]).expect_code(0).stdout;
    assert!(table.contains("target.toml:2:1: source.tpoics: unknown key"), "{table}");
    scene.send();
    scene.wait_for_offsets(&target, &[0, 1]);

    let Scene { broker, home, running, .. } = scene;
    running.terminate().expect_code(0);
    let mut running = home.start(&broker);
    running.wait_for_log("target its file is invalid: it goes on as it ran before");
    broker.send("events", [EVENT]);
    running.wait_until("the record", |_| (target.offsets() == [0, 1, 2]).then_some(()));
    // The repaired file is the same as before, so nothing is restarted.
    let opened = count(&target, "open");
    let path = "connectors.d/target.toml";
    let text = fs::read_to_string(home.path(path)).expect("the file");
    home.write(path, text.replace("tpoics", "topics"));
    running.wait_until("no rejected file", |_| {
        (home.status()["rejected"] == serde_json::json!([])).then_some(())
    });
    assert_eq!(count(&target, "open"), opened);
    running.terminate().expect_code(0);
}

#[test]
fn a_changed_option_reopens_the_sink_without_leaving_the_group() {
    let mut scene = scene();
    let target = scene.home.recorder("target", "", "");
    scene.wait_for_offsets(&target, &[0]);
    let calls = "target.calls\"";
    scene.edit("target", calls, &calls.replace("target", "moved"));
    scene.running.wait_for_log("target the connector has changed change=reopen");
    scene.running.wait_for_log("sink reopened with new settings");
    scene.send();
    let moved = scene.home.recording("moved");
    scene.wait_for_offsets(&moved, &[1]);
    assert_eq!(target.offsets(), [0]);
    assert_eq!(target.names().last().map(String::as_str), Some("close"));
    scene.wait_for_state("target", "RUNNING");
    let finished = scene.finish();
    let reading = finished.stderr.lines().filter(|line| line.contains("target[0] reading 1 partition"));
    assert_eq!(reading.count(), 1, "{}", finished.stderr);
}

#[test]
fn a_changed_source_restarts_the_connector() {
    let mut scene = scene();
    let target = scene.home.recorder("target", "", "");
    scene.wait_for_offsets(&target, &[0]);
    scene.edit("target", "[source]\n", "[source]\ngroup_id = \"fresh\"\n");
    scene.running.wait_for_log("target the connector has changed change=restart");
    scene.wait_for_offsets(&target, &[0, 0]);
    scene.edit("target", "[source]\n", "tasks = 3\n[source]\n");
    scene.home.wait_for_status(&mut scene.running, "target", |status| {
        status["tasks"].as_array().is_some_and(|tasks| tasks.len() == 3)
    });
    scene.finish();
}

#[test]
fn a_repaired_file_starts_a_connector_that_has_failed() {
    let mut scene = scene();
    let target = scene.home.recorder("target", "", "");
    scene.wait_for_offsets(&target, &[0]);
    scene.edit("target", "/target.calls", "/missing/target.calls");
    scene.wait_for_state("target", "FAILED");
    scene.edit("target", "/missing/target.calls", "/target.calls");
    scene.send();
    scene.wait_for_offsets(&target, &[0, 1]);
    scene.wait_for_state("target", "RUNNING");
    scene.finish();
}

#[test]
fn the_swap_of_a_link_as_in_a_config_map_is_a_change() {
    let mut scene = scene();
    let home = &scene.home;
    fs::create_dir(home.path("one")).expect("a folder");
    fs::create_dir(home.path("two")).expect("a folder");
    let text = |calls: &str| {
        format!(
            "[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"{}\"\n",
            home.path(calls).display()
        )
    };
    home.write("one/target.toml", text("target.calls"));
    home.write("two/target.toml", text("swapped.calls"));
    symlink(home.path("one"), home.path("data")).expect("a link");
    symlink("../data/target.toml", home.path("connectors.d/target.toml")).expect("a link");
    let (target, swapped) = (home.recording("target"), home.recording("swapped"));
    scene.wait_for_offsets(&target, &[0]);
    symlink(scene.home.path("two"), scene.home.path("new")).expect("a link");
    fs::rename(scene.home.path("new"), scene.home.path("data")).expect("a swap");
    scene.running.wait_for_log("target the connector has changed change=reopen");
    scene.send();
    scene.wait_for_offsets(&swapped, &[1]);
    scene.finish();
}

#[test]
fn a_rotated_secret_takes_effect_without_a_restart_of_the_host() {
    let mut scene = scene();
    let target = scene.home.path("target.calls").display().to_string();
    scene.home.write("path", &target);
    let recording = scene.home.recorder("target", "", "");
    scene.edit("target", &target, &format!("${{file:{}}}", scene.home.path("path").display()));
    scene.wait_for_offsets(&recording, &[0]);
    scene.home.write("path", target.replace("target", "rotated"));
    scene.running.wait_for_log("target the connector has changed change=reopen");
    scene.send();
    let rotated = scene.home.recording("rotated");
    scene.wait_for_offsets(&rotated, &[1]);
    scene.finish();
}

#[test]
fn a_restart_answers_with_the_errors_of_an_invalid_file_and_runs_what_it_has_checked() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["misbehaving"]);
    home.write("tidegate.toml", "[connectors]\nwatch = false\n");
    let target = home.recorder("target", "", "");
    let mut running = home.start(&broker);
    running.wait_until("the record", |_| (target.offsets() == [0]).then_some(()));
    let path = "connectors.d/target.toml";
    let text = fs::read_to_string(home.path(path)).expect("the file");
    home.write(path, text.replace("topics", "tpoics"));
    let rejected = home.run(&["restart", "target"]).expect_code(1);
    assert!(rejected.stderr.contains("target.toml:2:1: source.tpoics: unknown key"), "{}", rejected.stderr);
    assert_eq!(home.status()["connectors"][0]["state"], "RUNNING");
    home.write(path, text.replace("target.calls", "moved.calls"));
    assert_eq!(home.run(&["restart", "target"]).expect_code(0).stdout, "accepted for target\n");
    broker.send("events", [EVENT]);
    let moved = home.recording("moved");
    running.wait_until("the record", |_| (moved.offsets() == [1]).then_some(()));
    running.terminate().expect_code(0);
}

#[test]
fn a_connector_that_was_paused_or_stopped_stays_so_after_a_restart_of_the_host() {
    let mut scene = scene();
    scene.home.recorder("paused", "", "");
    scene.home.recorder("stopped", "", "");
    for (connector, command) in [("paused", "pause"), ("stopped", "stop")] {
        scene.wait_for_state(connector, "RUNNING");
        scene.home.run(&[command, connector]).expect_code(0);
        scene.wait_for_state(connector, &connector.to_uppercase());
    }
    let Scene { broker, home, running, .. } = scene;
    running.terminate().expect_code(0);
    let mut running = home.start(&broker);
    for connector in ["paused", "stopped"] {
        home.wait_for_status(&mut running, connector, |status| status["state"] == connector.to_uppercase());
    }
    // A command for all connectors does not concern a stopped one, also after another restart.
    assert_eq!(home.run(&["pause", "--all"]).expect_code(0).stdout, "accepted for other, paused\n");
    running.terminate().expect_code(0);
    let mut running = home.start(&broker);
    for (connector, state) in [("other", "PAUSED"), ("paused", "PAUSED"), ("stopped", "STOPPED")] {
        home.wait_for_status(&mut running, connector, |status| status["state"] == state);
    }
    home.run(&["resume", "stopped"]).expect_code(0);
    home.wait_for_status(&mut running, "stopped", |status| status["state"] == "RUNNING");
    running.terminate().expect_code(0);
}

#[test]
fn a_second_connector_of_a_group_is_refused_until_the_first_is_gone() {
    let mut scene = scene();
    let group = "[source]\ngroup_id = \"shared\"\n";
    let first = scene.home.recorder("first", "", "");
    scene.wait_for_offsets(&first, &[0]);
    scene.edit("first", "[source]\n", group);
    scene.wait_for_offsets(&first, &[0, 0]);
    let second = scene.home.recorder("second", "", "");
    scene.edit("second", "[source]\n", group);
    scene.running.wait_for_log("\"shared\" is also the group of connector \"first\"");
    assert_eq!(second.offsets(), [0_i64; 0]);
    fs::remove_file(scene.home.path("connectors.d/first.toml")).expect("the file");
    scene.running.wait_for_log("first connector removed");
    scene.send();
    scene.wait_for_offsets(&second, &[1]);
    assert_eq!(first.offsets(), [0, 0]);
    scene.finish();
}

#[test]
fn the_difference_to_what_runs_is_printed_before_it_is_made() {
    let broker = Broker::with_events([EVENT]);
    let home = Home::new(&["misbehaving"]);
    home.write("tidegate.toml", "[connectors]\nwatch = false\n");
    for name in ["gone", "invalid", "other", "reopened", "restarted"] {
        home.recorder(name, "", "");
    }
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "restarted", |status| status["state"] == "RUNNING");
    let unchanged = home.run(&["validate", "--diff"]).expect_code(0).stdout;
    assert_eq!(unchanged.matches(": unchanged\n").count(), 5, "{unchanged}");
    let edit = |name: &str, from: &str, to: &str| {
        let path = format!("connectors.d/{name}.toml");
        let text = fs::read_to_string(home.path(&path)).expect("the file");
        home.write(&path, text.replace(from, to));
    };
    fs::remove_file(home.path("connectors.d/gone.toml")).expect("the file");
    edit("invalid", "topics", "tpoics");
    edit("reopened", "reopened.calls", "moved.calls");
    edit("restarted", "[source]", "tasks = 2\n[source]");
    home.recorder("started", "", "");
    let printed = home.run(&["validate", "--diff"]).expect_code(1).stdout;
    let changes: Vec<&str> = printed.lines().filter(|line| !line.starts_with("connectors.d/")).collect();
    assert_eq!(
        changes,
        [
            "gone: stop",
            "invalid: invalid",
            "other: unchanged",
            "reopened: reopen",
            "restarted: restart",
            "started: start"
        ]
    );
    assert!(printed.contains("connectors.d/invalid.toml:2:1: source.tpoics: unknown key"), "{printed}");
    assert_eq!(home.status()["connectors"].as_array().map(Vec::len), Some(5));
    running.terminate().expect_code(0);
}

#[test]
fn connectors_go_on_while_their_folder_cannot_be_read_also_after_a_restart_of_the_host() {
    let mut scene = scene();
    let (folder, away) = (scene.home.path("connectors.d"), scene.home.path("away"));
    fs::rename(&folder, &away).expect("the folder");
    scene.running.wait_for_log("the folder connectors.d cannot be read, so its connectors go on as they are");
    scene.send();
    let other = scene.other.clone();
    scene.wait_for_offsets(&other, &[0, 1]);
    let refused = scene.home.run(&["restart", "other"]).expect_code(1);
    assert!(refused.stderr.contains("the folder connectors.d cannot be read"), "{}", refused.stderr);

    let Scene { broker, home, running, other } = scene;
    running.terminate().expect_code(0);
    let mut running = home.start(&broker);
    running.wait_for_log("other its file cannot be read: it goes on as it ran before");
    broker.send("events", [EVENT]);
    running.wait_until("the record", |_| (other.offsets() == [0, 1, 2]).then_some(()));
    fs::rename(&away, &folder).expect("the folder");
    running.wait_for_log("the folder connectors.d can be read again");
    fs::remove_file(folder.join("other.toml")).expect("the file");
    running.wait_for_log("other connector removed");
    running.terminate().expect_code(0);
}

#[test]
fn a_removed_task_has_no_metrics() {
    let mut scene = scene();
    let target = scene.home.recorder("target", "", "");
    let path = scene.home.path("connectors.d/target.toml");
    let text = fs::read_to_string(&path).expect("the file");
    fs::write(&path, format!("tasks = 2\n{text}")).expect("the file");
    let states = |home: &Home| -> Vec<String> {
        let metrics = home.run(&["metrics", "target"]).expect_code(0).stdout;
        metrics.lines().filter(|line| line.contains("task=\"1\"")).map(str::to_owned).collect()
    };
    scene.home.wait_for_status(&mut scene.running, "target", |status| {
        status["tasks"].as_array().is_some_and(|tasks| tasks.len() == 2)
            && status["counts"]["partitions"] == 1
    });
    let home = &scene.home;
    scene.running.wait_until("the state of the task", |_| {
        states(home).iter().any(|line| line.starts_with("tidegate_task_state{")).then_some(())
    });
    fs::write(&path, text).expect("the file");
    scene.home.wait_for_status(&mut scene.running, "target", |status| {
        status["tasks"].as_array().is_some_and(|tasks| tasks.len() == 1) && status["state"] == "RUNNING"
    });
    assert_eq!(states(&scene.home), Vec::<String>::new());
    drop(target);
    scene.finish();
}
