//! The REST API beside that of a real worker of Kafka Connect.

use std::env;

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
    let recorded = replay(&Rest::new(connect.url()), folder.path());
    if env::var_os("UPDATE_TRANSCRIPT").is_some() {
        return write_transcript(&recorded);
    }
    for (expected, found) in transcript().iter().zip(&recorded) {
        assert_eq!(expected.answer, found.answer, "{}", expected.call);
    }
}

#[test]
fn answers_are_those_of_kafka_connect() {
    let Some(kafka) = kafka() else { return };
    let home = Home::new(&PLUGINS);
    home.write("tidegate.toml", "[api]\nlisten = \"127.0.0.1:0\"\n");
    let servers = kafka.servers();
    let mut command = home.command_with_api();
    let mut running = Running::start(command.args(["--bootstrap-servers", &servers, "run"]));
    let line = running.wait_for_log("REST API: ");
    let url = line.rsplit(' ').next().unwrap_or_default();
    let answers = replay(&Rest::new(url), &home.path(""));
    let found = unexplained(&answers, "kafka");
    assert!(found.is_empty(), "{}\n{}", found.join("\n"), running.log());
    running.terminate().expect_code(0);
}
