//! The REST API beside that of a real worker of Kafka Connect.

use std::env;

use serde_json::{Value as Json, json};
use tidegate_tests::{
    Home, Running,
    kafka::{Kafka, Options},
    rest::{Rest, replay, transcript, unexplained, write_transcript},
};

use crate::support::PLUGINS;

fn kafka() -> Option<Kafka> {
    let kafka = Kafka::start(&Options::default())?;
    kafka.create_topic("t", 1, 1);
    kafka.produce_to("t", 0, ["one", "two", "three"]);
    Some(kafka)
}

/// With `UPDATE_TRANSCRIPT=1`, the recorded answers are replaced.
#[test]
fn the_transcript_is_that_of_a_real_worker() {
    let Some(kafka) = kafka() else { return };
    let connect = kafka.distributed_connect();
    let folder = tempfile::tempdir().unwrap();
    let recorded = replay(&Rest::of_worker(connect.url()), folder.path());
    if env::var_os("UPDATE_TRANSCRIPT").is_some() {
        return write_transcript(&recorded);
    }
    for (expected, found) in transcript().iter().zip(&recorded) {
        assert_eq!(expected.answer.status, found.answer.status, "{}", expected.call);
        // A worker notes topics, and forgets them after a reset, a while after it has answered.
        if expected.call != "GET /connectors/a/topics" {
            assert_eq!(expected.answer, found.answer, "{}", expected.call);
        }
    }
}

fn start(home: &Home, kafka: &Kafka) -> (Running, Rest) {
    home.write("tidegate.toml", "[api]\nlisten = \"127.0.0.1:0\"\n");
    let servers = kafka.servers();
    let mut command = home.command_with_api();
    let mut running = Running::start(command.args(["--bootstrap-servers", &servers, "run"]));
    let line = running.wait_for_log("REST API: ");
    let rest = Rest::new(line.rsplit(' ').next().unwrap_or_default());
    (running, rest)
}

#[test]
fn offsets_are_altered_deleted_and_reset() {
    let Some(kafka) = kafka() else { return };
    let home = Home::new(&PLUGINS);
    let (running, rest) = start(&home, &kafka);
    let config = json!({ "connector.class": "console", "topics": "t", "source.value_format": "string" });
    assert_eq!(rest.call("PUT /connectors/a/config", Some(&config)).status, 201);
    let partition = json!({ "kafka_topic": "t", "kafka_partition": 0 });
    let at = |offset: &Json| json!({ "offsets": [{ "partition": partition, "offset": offset }] });
    let offset = |offset: i64| json!({ "kafka_offset": offset });
    rest.wait("GET /connectors/a/offsets", |answer| answer.body == at(&offset(3)));
    assert_eq!(rest.call("PUT /connectors/a/stop", None).status, 204);
    let read = || rest.call("GET /connectors/a/offsets", None).body;
    for (new, expected) in [(offset(1), at(&offset(1))), (Json::Null, json!({ "offsets": [] }))] {
        let answer = rest.call("PATCH /connectors/a/offsets", Some(&at(&new)));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(read(), expected);
    }
    assert_eq!(rest.call("PATCH /connectors/a/offsets", Some(&at(&offset(2)))).status, 200);
    assert_eq!(rest.call("DELETE /connectors/a/offsets", None).status, 200);
    assert_eq!(read(), json!({ "offsets": [] }));
    running.terminate().expect_code(0);
}

#[test]
fn answers_are_those_of_kafka_connect() {
    let Some(kafka) = kafka() else { return };
    let home = Home::new(&PLUGINS);
    let (running, rest) = start(&home, &kafka);
    let answers = replay(&rest, &home.path(""));
    let found = unexplained(&answers, "kafka");
    assert!(found.is_empty(), "{}\n{}", found.join("\n"), running.log());
    running.terminate().expect_code(0);
}
