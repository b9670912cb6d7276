//! Who may do what over the API.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::json;
use tidegate_tests::{Home, Running, rest::Rest};

use super::Scene;

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn status(rest: &Rest, call: &str, headers: &[(&str, &str)]) -> u16 {
    rest.send(call, Some("{}"), headers).expect("an answer").status
}

#[test]
fn web_pages_cannot_control_the_host() {
    let scene = Scene::start("");
    scene.create();
    for (headers, expected) in [
        (&[JSON, ("Host", "evil.example")][..], 421),
        (&[JSON, ("Origin", "http://evil.example")], 403),
        (&[JSON, ("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Content-Type", "application/x-www-form-urlencoded")], 415),
        (&[("Content-Type", "text/plain")], 415),
    ] {
        assert_eq!(status(&scene.rest, "PUT /connectors/a/stop", headers), expected, "{headers:?}");
    }
    assert_eq!(scene.rest.call("GET /connectors/a/status", None).body["connector"]["state"], "RUNNING");
}

#[test]
fn tokens_have_a_scope_and_changes_are_logged() {
    let mut scene = Scene::start(
        "[[api.tokens]]\nname = \"dashboard\"\ntoken = \"0123456789-reads\"\n[[api.tokens]]\nname = \"deploy\"\ntoken = \"0123456789-writes\"\nscope = \"write\"\n",
    );
    let read = [JSON, ("Authorization", "Bearer 0123456789-reads")];
    let write = [JSON, ("Authorization", "Bearer 0123456789-writes")];
    let wrong = [JSON, ("Authorization", "Bearer 0123456789-wrong")];
    let put = "PUT /admin/loggers/root";
    for (call, headers, expected) in [
        ("GET /connectors", &[JSON][..], 401),
        ("GET /connectors", &wrong, 401),
        ("GET /connectors", &read, 200),
        ("GET /metrics", &read, 200),
        (put, &read, 403),
        (put, &write, 400),
        ("GET /livez", &[JSON], 200),
    ] {
        assert_eq!(status(&scene.rest, call, headers), expected, "{call} {headers:?}");
    }
    let line = scene.running.wait_for_log("who=deploy");
    assert!(line.contains("PUT /admin/loggers/root") && line.contains("status=400"), "{line}");
    scene.running.wait_for_log("refused: PUT /admin/loggers/root");
    assert!(!scene.running.log().contains("0123456789"), "{}", scene.running.log());
    // The control socket is its owner's.
    assert_eq!(scene.home.run(&["status", "--json"]).code, Some(0));
}

#[test]
fn over_the_network_placeholders_and_plugins_are_limited_and_secrets_masked() {
    let scene = Scene::start("allow_env = [\"ALLOWED\"]");
    let mut config = scene.config();
    config["source.group_id"] = json!("${file:/etc/hostname}");
    let refused = scene.rest.call("PUT /connectors/a/config", Some(&config));
    assert_eq!(refused.status, 400);
    assert!(refused.body["message"].as_str().unwrap().contains("allow_files"), "{refused:?}");
    let mut config = scene.config();
    config["connector.class"] = json!("/tmp/evil.so");
    assert_eq!(scene.rest.call("PUT /connectors/a/config", Some(&config)).status, 400);
    let mut config = scene.config();
    config["consumer.override.sasl.password"] = json!("hunter2");
    let created = scene.rest.call("PUT /connectors/a/config", Some(&config));
    assert_eq!(created.status, 201, "{created:?}");
    let shown = scene.rest.call("GET /connectors?expand=info", None);
    for answer in [&created, &shown] {
        assert!(!answer.body.to_string().contains("hunter2"), "{answer:?}");
    }
    let shown = scene.rest.call("GET /connectors/a/config", None).body;
    assert_eq!(scene.rest.call("PUT /connectors/a/config", Some(&shown)).status, 200);
    let file = std::fs::read_to_string(scene.home.path("connectors.d/a.toml")).unwrap();
    assert!(file.contains("hunter2"), "the masked secret stays: {file}");
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_fix() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new(&["console-sink"]);
    home.connector("a", "[source]\ntopics = [\"t\"]\n[sink]\nplugin = \"console\"\n");
    let address = taken.local_addr().unwrap().to_string();
    let mut command = home.command_with_api();
    let finished = Running::start(command.args(["--api", &address, "run"])).finish();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let expected = format!("error: the REST API cannot listen on {address}");
    assert!(finished.stderr.contains(&expected) && finished.stderr.contains("--api"), "{}", finished.stderr);
}

#[test]
fn on_other_addresses_changes_need_a_login() {
    let home = Home::new(&["file-sink", "basics", "console-sink"]);
    let broker = tidegate_tests::Broker::start();
    home.write("tidegate.toml", "[api]\nlisten = \"0.0.0.0:0\"\n");
    let (_running, url) = super::run(&home, &broker);
    let rest = Rest::new(&url.replace("0.0.0.0", "127.0.0.1"));
    assert_eq!(status(&rest, "GET /connectors", &[JSON]), 200);
    let refused = rest.call("PUT /admin/loggers/root", Some(&json!({ "level": "DEBUG" })));
    assert_eq!(refused.status, 403);
    assert!(refused.body["message"].as_str().unwrap().contains("[[api.tokens]]"), "{refused:?}");
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let scene = Scene::start("");
    let body = format!("{{\"a\": \"{}\"}}", "x".repeat(2 << 20));
    // The server may close the connection while the body is still sent.
    let status =
        scene.rest.send("PUT /connectors/a/config", Some(&body), &[JSON]).map(|answer| answer.status);
    assert!(!matches!(status, Ok(code) if code != 413), "{status:?}");
    let url = scene.running.log();
    let address =
        url.split("REST API: http://").nth(1).and_then(|rest| rest.lines().next()).unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"NONSENSE\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(scene.rest.call("GET /health", None).status, 200);
}
