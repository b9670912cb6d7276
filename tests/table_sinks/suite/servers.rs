//! What happens to the server of a database while a connector writes. Each test has a server of its own.

use std::ops::Range;

use serde_json::json;
use tidegate_tests::{
    Database,
    change_events::{Event, Source},
};

use crate::{
    pipe::{Connector, Pipe},
    probe::Probe,
};

/// Retries are quick.
pub(crate) const RETRY: &str = "[errors.retry]\nmax = \"1s\"\n";

/// Sends inserts of rows with these ids.
pub(crate) fn send<P: Probe>(pipe: &Pipe<P>, orders: &mut Source, ids: Range<i64>) {
    let events: Vec<Event> = ids.map(|id| orders.insert(json!({ "id": id, "v": "x" }))).collect();
    orders.send(&pipe.broker, events);
}

/// The number of rows.
pub(crate) fn count<P: Probe>(pipe: &Pipe<P>) -> Vec<String> {
    pipe.select("COUNT(*)", "orders")
}

/// The server is killed in the middle of a transaction, and starts again.
pub(crate) fn every_row_is_there_once_after_kills<P: Probe>(server: &Database, probe: P) {
    let pipe = Pipe::with(probe);
    pipe.connector(Connector { batch: Some(10), more: RETRY, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..50);
    let mut host = pipe.start_reading();
    host.wait_until("rows", |_| (pipe.held() == 50).then_some(()));
    for round in 1..=3 {
        pipe.probe.slow_down(&["orders".to_owned()]);
        send(&pipe, &mut orders, round * 50..(round + 1) * 50);
        host.wait_until("a transaction", |_| pipe.probe.is_writing().then_some(()));
        server.kill();
        server.start();
        pipe.probe.slow_down(&[]);
        let written = usize::try_from((round + 1) * 50).expect("few rows");
        host.wait_until("all rows", |_| (pipe.held() == written).then_some(()));
    }
    assert_eq!(count(&pipe), ["200"]);
    let finished = host.terminate().expect_code(0);
    assert_eq!(finished.count_log(" ERROR "), 0, "{}", finished.stderr);
    server.stop();
}

/// The server is suspended, and answers in the same session once it is resumed.
pub(crate) fn a_suspended_server_is_waited_for<P: Probe>(server: &Database, probe: P) {
    let pipe = Pipe::with(probe);
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..10);
    let mut host = pipe.start_reading();
    host.wait_until("rows", |_| (pipe.held() == 10).then_some(()));
    server.freeze();
    send(&pipe, &mut orders, 10..20);
    let read = || pipe.home.status()["connectors"][0]["counts"]["read"].as_u64();
    host.wait_until("the records", |_| (read() == Some(20)).then_some(()));
    server.resume();
    host.wait_until("all rows", |_| (pipe.held() == 20).then_some(()));
    assert_eq!(count(&pipe), ["20"]);
    let _finished = host.terminate().expect_code(0);
    server.stop();
}
