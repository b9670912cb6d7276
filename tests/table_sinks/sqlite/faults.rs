//! Files that are locked, read-only, missing, full or replaced.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;
use tidegate_tests::change_events::{Event, Source};

use super::File;
use crate::pipe::{Connector, Pipe};

fn pipe(test: &str) -> Pipe<File> {
    Pipe::find(test).expect("SQLite needs no server")
}

/// Sends inserts of rows with these ids.
fn send(pipe: &Pipe<File>, orders: &mut Source, ids: std::ops::Range<i64>) {
    let events: Vec<Event> = ids.map(|id| orders.insert(json!({ "id": id, "v": "x".repeat(100) }))).collect();
    orders.send(&pipe.broker, events);
}

#[test]
fn a_locked_file_is_waited_for_and_written_when_it_is_free() {
    let pipe = pipe("locked");
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..10);
    let _finished = pipe.run();
    // Retries last longer than the lock, in any case.
    let sink = "busy_timeout = \"50ms\"\n";
    pipe.connector(Connector { sink, more: "[errors.retry]\nmax = \"1s\"\n", ..Connector::default() });
    let other = pipe.probe.connection();
    let mut host = pipe.start_reading();
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    send(&pipe, &mut orders, 10..20);
    let line = host.wait_for_log("database is locked");
    assert!(line.contains("busy_timeout = 50ms"), "{line}");
    other.execute_batch("ROLLBACK").expect("an unlocked file");
    host.wait_until("the rows", |_| (pipe.select("COUNT(*)", "orders") == ["20"]).then_some(()));
    let _finished = host.terminate().expect_code(0);
}

#[test]
fn a_reader_with_an_open_transaction_does_not_stop_the_sink() {
    let pipe = pipe("reader");
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..10);
    let _finished = pipe.run();
    let reader = pipe.probe.connection();
    let count = || {
        let count = reader.query_row("SELECT COUNT(*) FROM orders", [], |row| row.get::<_, i64>(0));
        count.expect("a number")
    };
    reader.execute_batch("BEGIN").expect("a transaction");
    assert_eq!(count(), 10);
    send(&pipe, &mut orders, 10..20);
    let _finished = pipe.run();
    assert_eq!(count(), 10);
    reader.execute_batch("COMMIT").expect("a transaction");
    assert_eq!(count(), 20);
}

#[test]
fn files_that_cannot_be_written_are_named_with_the_fix() {
    let pipe = pipe("unusable");
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..1);
    let expect = |reason: &str| {
        let finished = pipe.home.run_once(&pipe.broker).expect_code(3);
        let line = finished.expect_log(reason);
        assert!(line.contains("shop.db"), "{line}");
    };
    fs::write(pipe.probe.path(), "not a database, and longer than its header would be".repeat(20))
        .expect("a file");
    expect("is not a SQLite database, or is encrypted");
    fs::remove_file(pipe.probe.path()).expect("a file");
    fs::create_dir(pipe.probe.path()).expect("a folder");
    expect("shop.db must be a file");
    fs::remove_dir(pipe.probe.path()).expect("a folder");
    drop(pipe.probe.connection().execute_batch("CREATE TABLE t (a)"));
    fs::set_permissions(pipe.probe.path(), fs::Permissions::from_mode(0o444)).expect("permissions");
    // The superuser writes it all the same.
    if fs::OpenOptions::new().write(true).open(pipe.probe.path()).is_err() {
        expect("let the user that runs Tidegate write");
    }
    fs::set_permissions(pipe.probe.path(), fs::Permissions::from_mode(0o644)).expect("permissions");
    let _finished = pipe.run();
    assert_eq!(pipe.select("COUNT(*)", "orders"), ["1"]);
}
