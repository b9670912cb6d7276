//! Brokers that are unreachable, restart or hang.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

use tidegate_tests::{
    Home, Running,
    kafka::{Kafka, Listener, Options},
    wait_for,
};

use crate::support::{PLUGINS, Stream, expect_all_once, recorder, send_numbers};

#[test]
fn the_host_waits_for_brokers_that_start_later() {
    let Some(kafka) = Kafka::start(&Options::default()) else { return };
    kafka.create_topic("late", 2, 1);
    send_numbers(&kafka, "late", 0..100);
    kafka.stop_broker(1);
    let home = Home::new(&PLUGINS);
    let recording = recorder(&home, "late", "topics = [\"late\"]", "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    let status = home.wait_for_status(&mut host, "late", |status| status["state"] == "STALLED");
    let reason = status["tasks"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(&kafka.servers()) && reason.contains("refused"), "{reason}");

    kafka.start_broker(1);
    expect_all_once(&kafka, "late", &recording);
    home.wait_for_status(&mut host, "late", |status| status["state"] == "RUNNING");
    let finished = host.terminate().expect_code(0);
    assert_eq!(finished.count_log("kafka brokers cannot be reached"), 1, "{}", finished.stderr);
    assert_eq!(finished.count_log("kafka brokers are reachable again"), 1, "{}", finished.stderr);
}

#[test]
fn nothing_is_lost_or_duplicated_when_the_broker_restarts_or_hangs() {
    let Some(kafka) = Kafka::start(&Options::default()) else { return };
    kafka.create_topic("stream", 3, 1);
    let home = Home::new(&PLUGINS);
    let recording = recorder(&home, "stream", "topics = [\"stream\"]", "offsets = \"@stream.offsets\"");
    let mut host = home.start_on(&kafka.servers(), &[]);
    let stream = Stream::start(&kafka, "stream");
    let more = |host: &mut Running| {
        let enough = recording.written().len() + 500;
        host.wait_until("more records", |_| (recording.written().len() >= enough).then_some(()));
    };
    more(&mut host);
    kafka.stop_broker(1);
    kafka.start_broker(1);
    more(&mut host);
    kafka.kill_broker(1);
    host.wait_for_log("kafka brokers cannot be reached");
    kafka.start_broker(1);
    more(&mut host);
    kafka.pause_broker(1);
    std::thread::sleep(std::time::Duration::from_secs(8));
    kafka.resume_broker(1);
    more(&mut host);
    stream.finish();
    expect_all_once(&kafka, "stream", &recording);
    wait_for(|| {
        let all = kafka.records("stream").len() as i64;
        (kafka.committed_in_all("connect-stream", "stream") == all).then_some(())
    })
    .expect("everything is committed");
    let finished = host.terminate().expect_code(0);
    assert_eq!(finished.count_log("task failed"), 0, "{}", finished.stderr);
}

/// Forwards connections to `from` to `to`, until the process ends.
fn forward(from: &str, to: &str) {
    let listener = TcpListener::bind(from).expect("a free address");
    let to = to.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&to) else { continue };
            for (mut one, mut other) in [(clone(&client), clone(&server)), (server, client)] {
                thread::spawn(move || {
                    // Either side may end the connection.
                    let _ended = io::copy(&mut one, &mut other).is_err();
                    let _ended = other.shutdown(Shutdown::Both).is_err();
                });
            }
        }
    });
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a descriptor")
}

#[test]
fn an_advertised_address_that_cannot_be_reached_is_named_once() {
    const OUTSIDE: &str = "OUTSIDE";
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let dead = dead.expect("a free address").to_string();
    let listener = Listener { name: OUTSIDE, protocol: "PLAINTEXT", advertised: Some(dead.clone()) };
    let Some(kafka) = Kafka::start(&Options { listeners: vec![listener], ..Options::default() }) else {
        return;
    };
    kafka.create_topic("advertised", 1, 1);
    send_numbers(&kafka, "advertised", 0..100);
    let (home, bootstrap) = (Home::new(&PLUGINS), kafka.listener(OUTSIDE));
    let recording = recorder(&home, "advertised", "topics = [\"advertised\"]", "");
    let mut host = home.start_on(&bootstrap, &[]);
    let status = home.wait_for_status(&mut host, "advertised", |status| status["state"] == "STALLED");
    let reason = status["tasks"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with(&format!("kafka brokers {dead} cannot be reached: ")), "{reason}");
    let advice = format!(
        "; {bootstrap} answers, and advertises this address: check advertised.listeners of the brokers"
    );
    assert!(reason.contains("refused") && reason.ends_with(&advice), "{reason}");

    // The reminder is due after 30 seconds. Meanwhile the bootstrap server has answered many times.
    host.wait_for_log("kafka brokers still cannot be reached");
    assert_eq!(host.log().matches("kafka brokers cannot be reached").count(), 1, "{}", host.log());
    assert_eq!(host.log().matches("reachable again").count(), 0, "{}", host.log());
    forward(&dead, &bootstrap);
    expect_all_once(&kafka, "advertised", &recording);
    home.wait_for_status(&mut host, "advertised", |status| status["state"] == "RUNNING");
    let finished = host.terminate().expect_code(0);
    assert_eq!(finished.count_log("kafka brokers are reachable again"), 1, "{}", finished.stderr);
    assert_eq!(finished.count_log("kafka brokers cannot be reached"), 1, "{}", finished.stderr);
}
