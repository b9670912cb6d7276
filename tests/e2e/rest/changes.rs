//! Connectors that are created and changed over the API are files, and run.

use std::fs;

use serde_json::{Value as Json, json};

use tidegate_tests::rest::Rest;

use super::{Home, Scene, run};

#[test]
fn a_connector_is_a_file_and_survives_a_restart() {
    let mut scene = Scene::start("");
    scene.create();
    let path = scene.home.path("a.txt");
    let written = || fs::read_to_string(&path).unwrap_or_default();
    scene.running.wait_until("the records", |_| (written() == "one\ntwo\nthree\n").then_some(()));
    let file = fs::read_to_string(scene.home.path("connectors.d/a.toml")).unwrap();
    assert!(file.contains("plugin = \"file\""), "{file}");
    assert_eq!(scene.rest.call("PUT /connectors/a/pause", None).status, 202);
    scene.wait_for_state("PAUSED");
    let Scene { broker, home, running, .. } = scene;
    running.terminate().expect_code(0);
    let (running, url) = run(&home, &broker);
    let scene = Scene { rest: Rest::new(&url), broker, home, running };
    scene.wait_for_state("PAUSED");
    assert_eq!(scene.rest.call("PUT /connectors/a/resume", None).status, 202);
    scene.wait_for_state("RUNNING");
    assert_eq!(scene.rest.call("DELETE /connectors/a", None).status, 204);
    assert!(!scene.home.path("connectors.d/a.toml").exists());
    assert_eq!(scene.rest.call("GET /connectors", None).body, json!([]));
}

#[test]
fn a_hand_written_file_is_changed_and_keeps_its_comments() {
    let scene = Scene::start("");
    scene.home.connector(
        "a",
        "# why it is here\n[source]\ntopics = [\"t\"] # one\nvalue_format = \"string\"\n\n[sink]\nplugin = \"file\"\nconfig = { path = \"@a.txt\" } # where\n",
    );
    scene.wait_for_state("RUNNING");
    let config = scene.rest.call("GET /connectors/a/config", None).body;
    assert_eq!(config["connector.class"], "file");
    assert_eq!(config["topics"], "t");
    assert_eq!(config["sink.config.path"], scene.home.path("a.txt").display().to_string());
    let answer = scene
        .rest
        .call("PATCH /connectors/a/config", Some(&json!({ "batch.max_records": 5, "tasks.max": "2" })));
    assert_eq!(answer.status, 200, "{answer:?}");
    let file = fs::read_to_string(scene.home.path("connectors.d/a.toml")).unwrap();
    for expected in ["# why it is here", "# one", "# where", "tasks = 2", "max_records = 5"] {
        assert!(file.contains(expected), "{expected}: {file}");
    }
    scene.rest.wait("GET /connectors/a", |answer| {
        answer.body["tasks"].as_array().is_some_and(|tasks| tasks.len() == 2)
    });
}

#[test]
fn an_invalid_file_is_shown_and_can_be_corrected() {
    let scene = Scene::start("");
    scene.home.connector("a", "[source]\ntopics = [\"t\"]\n[sink]\nplugin = \"file\"\n");
    let status = scene.rest.wait("GET /connectors/a/status", |answer| answer.status == 200);
    assert_eq!(status.body["connector"]["state"], "FAILED");
    let trace = status.body["connector"]["trace"].as_str().unwrap();
    assert!(trace.contains("path"), "{trace}");
    let path = scene.home.path("a.txt");
    let answer = scene.rest.call("PATCH /connectors/a/config", Some(&json!({ "sink.config.path": path })));
    assert_eq!(answer.status, 200, "{answer:?}");
    scene.wait_for_state("RUNNING");
}

#[test]
fn a_connector_with_two_files_is_not_changed() {
    let home = Home::new(&["file-sink", "basics", "console-sink"]);
    fs::create_dir(home.path("more.d")).unwrap();
    let console = "[source]\ntopics = [\"t\"]\n[sink]\nplugin = \"console\"\n";
    for folder in ["connectors.d", "more.d"] {
        home.write(&format!("{folder}/a.toml"), console);
    }
    let scene = Scene::start_with(home, "[connectors]\ndir = [\"connectors.d\", \"more.d\"]\n");
    for call in ["PUT /connectors/a/config", "DELETE /connectors/a"] {
        let answer = scene.rest.call(call, Some(&scene.config()));
        assert_eq!(answer.status, 409, "{answer:?}");
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert!(message.contains("connectors.d/a.toml, more.d/a.toml"), "{message}");
    }
    for folder in ["connectors.d", "more.d"] {
        assert_eq!(fs::read_to_string(scene.home.path(&format!("{folder}/a.toml"))).unwrap(), console);
    }
}

#[test]
fn offsets_can_be_changed_unless_the_sink_stores_its_own() {
    let mut scene = Scene::start("");
    scene.create();
    let path = scene.home.path("a.txt");
    let written = || fs::read_to_string(&path).unwrap_or_default();
    scene.running.wait_until("the records", |_| (written() == "one\ntwo\nthree\n").then_some(()));
    let console = "[source]\ntopics = [\"t\"]\nvalue_format = \"string\"\n[sink]\nplugin = \"console\"\n";
    scene.home.connector("console", console);
    let offset = |offset: i64| json!([{ "partition": { "kafka_topic": "t", "kafka_partition": 0 }, "offset": { "kafka_offset": offset } }]);
    for name in ["a", "console"] {
        let read = format!("GET /connectors/{name}/offsets");
        scene.rest.wait(&read, |answer| answer.body["offsets"] == offset(3));
        assert_eq!(scene.rest.call(&format!("PUT /connectors/{name}/stop"), None).status, 204);
    }
    let patch =
        |name: &str, body: &Json| scene.rest.call(&format!("PATCH /connectors/{name}/offsets"), Some(body));
    let new = json!({ "offsets": offset(1) });
    for refused in [patch("a", &new), scene.rest.call("DELETE /connectors/a/offsets", None)] {
        assert_eq!(refused.status, 400, "{refused:?}");
        let message = refused.body["message"].as_str().unwrap_or_default();
        assert!(message.contains("the sink \"file\" stores them together with its data"), "{message}");
    }
    let forced = scene.rest.call("PATCH /connectors/a/offsets?force=true", Some(&new));
    assert_eq!(forced.status, 200, "{forced:?}");
    assert_eq!(patch("console", &new).status, 200);
    assert_eq!(scene.rest.call("GET /connectors/console/offsets", None).body["offsets"], offset(1));
    let partition = json!({ "kafka_topic": "t", "kafka_partition": 0 });
    let deleted = json!({ "offsets": [{ "partition": partition, "offset": null }] });
    for refused in [patch("console", &deleted), scene.rest.call("DELETE /connectors/console/offsets", None)] {
        assert_eq!(refused.status, 400, "{refused:?}");
        let message = refused.body["message"].as_str().unwrap_or_default();
        assert!(message.contains("do not support that offsets of group"), "{message}");
    }
}

#[test]
fn a_connector_has_the_log_level_of_the_host_until_it_has_its_own() {
    let scene = Scene::start("[log]\nlevel = \"debug\"\n");
    let level = || scene.rest.call("GET /admin/loggers/connector.a", None).body["level"].clone();
    assert_eq!(level(), "DEBUG");
    let new = json!({ "level": "ERROR" });
    assert_eq!(scene.rest.call("PUT /admin/loggers/connector.a", Some(&new)).body, json!(["connector.a"]));
    assert_eq!(level(), "ERROR");
}

#[test]
fn log_levels_change_while_the_host_runs() {
    let mut scene = Scene::start("");
    scene.create();
    let debug =
        |running: &tidegate_tests::Running| running.log().lines().any(|line| line.contains("DEBUG a[0]"));
    assert!(!debug(&scene.running));
    let level =
        |level: &str| scene.rest.call("PUT /admin/loggers/connector.a", Some(&json!({ "level": level })));
    assert_eq!(level("LOUD").status, 404);
    assert_eq!(level("TRACE").body, json!(["connector.a"]));
    assert_eq!(scene.rest.call("POST /connectors/a/restart", None).status, 204);
    scene.running.wait_until("a line of the connector", |running| debug(running).then_some(()));
    let loggers = scene.rest.call("GET /admin/loggers", None).body;
    assert_eq!(loggers["root"]["level"], "INFO");
    assert_eq!(loggers["connector.a"]["level"], "TRACE");
}
