//! Connectors that are created and changed over the API are files, and run.

use std::fs;

use serde_json::json;

use tidegate_tests::rest::Rest;

use super::{Scene, run};

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
