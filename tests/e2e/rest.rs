//! The REST API of a running host.

mod changes;
mod security;
mod tls;

use serde_json::{Value as Json, json};
use tidegate_tests::{
    Broker, Home, Running,
    rest::{Rest, replay, unexplained},
};

/// A host with the API on a port of its own.
struct Scene {
    broker: Broker,
    home: Home,
    running: Running,
    rest: Rest,
}

impl Scene {
    /// Starts a host without connectors. `api` is added to `[api]` of the host file.
    fn start(api: &str) -> Self {
        Self::start_with(Home::new(&["file-sink", "basics", "console-sink"]), api)
    }

    fn start_with(home: Home, api: &str) -> Self {
        let broker = Broker::start();
        broker.topic("t", 1);
        broker.send("t", ["one", "two", "three"]);
        home.write("tidegate.toml", format!("[api]\nlisten = \"127.0.0.1:0\"\n{api}\n"));
        let (running, url) = run(&home, &broker);
        Self { broker, home, running, rest: Rest::new(&url) }
    }

    /// Creates the connector `a`, which writes the topic `t` to a file, and waits until it runs.
    fn create(&self) -> Json {
        let config = self.config();
        let answer = self.rest.call("POST /connectors", Some(&json!({ "name": "a", "config": config })));
        assert_eq!(answer.status, 201, "{answer:?}");
        self.wait_for_state("RUNNING");
        config
    }

    fn config(&self) -> Json {
        json!({
            "connector.class": "FileStreamSink",
            "topics": "t",
            "file": self.home.path("a.txt"),
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        })
    }

    fn wait_for_state(&self, state: &str) {
        self.rest.wait("GET /connectors/a/status", |answer| answer.body["tasks"][0]["state"] == state);
    }
}

/// Starts a host with its API; returns the URL that it logs.
fn run(home: &Home, broker: &Broker) -> (Running, String) {
    let mut command = home.command_with_api();
    let mut running = Running::start(command.args(["--bootstrap-servers", broker.servers(), "run"]));
    let line = running.wait_for_log("REST API: ");
    let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
    (running, url)
}

#[test]
fn the_answers_are_those_of_kafka_connect() {
    let mut scene = Scene::start("");
    let answers = replay(&scene.rest, scene.home.path("").as_path());
    let found = unexplained(&answers, "embedded");
    assert!(found.is_empty(), "{}\n{}", found.join("\n"), scene.running.log());
    assert!(scene.running.is_running());
}
