//! Debezium's JDBC sink on a worker of Kafka Connect.

use std::{
    cell::OnceCell,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use tidegate_tests::kafka::Connect;

use super::{
    Runner,
    scene::{Measured, Scene, Subject},
};
use crate::{
    process::{Usage, usage},
    worker::{CONSUMER, JAVA},
};

/// Options for all cases. The tables exist, so the sink need not create them.
pub(crate) const OPTIONS: [(&str, &str); 6] = [
    ("insert.mode", "upsert"),
    ("delete.enabled", "true"),
    ("primary.key.mode", "record_key"),
    ("schema.evolution", "none"),
    ("batch.size", "2000"),
    ("collection.name.format", "${source.table}"),
];
const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

/// The sink, in a new worker, and then once more in the same worker, when the JVM has compiled the code.
#[derive(Debug)]
pub(crate) struct Debezium;

impl Runner for Debezium {
    fn run(&self, scene: &Scene<'_>, tasks: usize) -> Vec<Measured> {
        let program = |state: &str| {
            let plural = if tasks == 1 { "" } else { "s" };
            format!("Debezium JDBC sink, {tasks} task{plural}, {state}")
        };
        // Names are not used twice: the committed offsets of a group stay.
        let [cold, warm] = ["cold", "warm"].map(|state| format!("{}-{tasks}-{state}", scene.case.name));
        let config = config(scene, tasks);
        let connect: OnceCell<Connect<'_>> = OnceCell::new();
        let check = || {
            if let Some(failure) = connect.get().and_then(Connect::failed_task) {
                panic!("a task has failed: {failure}");
            }
        };
        let first = scene.measure(
            &program("cold"),
            || {
                let connectors = [(cold.clone(), config.clone())];
                let connect = connect.get_or_init(|| start(scene, &connectors));
                Subject { pid: connect.pid(), started: connect.started(), before: Usage::default() }
            },
            check,
        );
        let connect = connect.get().expect("the worker was started");
        connect.delete(&cold);
        // Until the consumer is closed, and the compiler is done.
        thread::sleep(Duration::from_secs(2));
        let second = scene.measure(
            &program("warm"),
            || {
                let before = usage(connect.pid());
                let started = Instant::now();
                connect.create(&warm, &config);
                Subject { pid: connect.pid(), started, before }
            },
            check,
        );
        vec![first, second]
    }
}

fn start<'k>(scene: &Scene<'k>, connectors: &[(String, Json)]) -> Connect<'k> {
    let converters = [("key.converter", JSON_CONVERTER), ("value.converter", JSON_CONVERTER)];
    let properties: Vec<(&str, &str)> = CONSUMER.into_iter().chain(converters).collect();
    scene.kafka.connect_with_jdbc(&JAVA, &properties, connectors)
}

fn config(scene: &Scene<'_>, tasks: usize) -> Json {
    let (name, port) = (scene.database.name(), scene.database.port());
    let mut config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": tasks.to_string(),
        "topics": scene.topics().join(","),
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/{name}"),
        "connection.username": name,
        "connection.password": name,
    });
    for (option, value) in OPTIONS.iter().chain(scene.case.debezium) {
        config[*option] = json!(value);
    }
    config
}
