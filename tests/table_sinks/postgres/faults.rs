//! Servers that are killed, frozen or refuse, tables of other kinds, and writers that meet.

use serde_json::json;
use tidegate_tests::{
    Database,
    change_events::{Event, Source},
};

use super::Schema;
use crate::{
    pipe::{Connector, Pipe},
    probe::Probe as _,
    suite::servers::{self, RETRY, count, send},
};

#[test]
fn a_server_that_is_killed_and_starts_again_has_every_row_once() {
    let Some(server) = Database::postgres("killed", &[]) else { return };
    let server: &'static Database = Box::leak(Box::new(server));
    servers::every_row_is_there_once_after_kills(server, Schema::of(server, "killed"));
}

#[test]
fn a_frozen_server_is_waited_for() {
    let Some(server) = Database::postgres("frozen", &[]) else { return };
    let server: &'static Database = Box::leak(Box::new(server));
    servers::a_suspended_server_is_waited_for(server, Schema::of(server, "frozen"));
}

/// A standby that follows asynchronously misses the last commits: rows and offsets that the sink has already seen committed.
#[test]
fn commits_that_a_failover_has_lost_are_repeated() {
    let Some(primary) = Database::postgres("copied", &[]) else { return };
    let standby: &'static Database = Box::leak(Box::new(primary.standby()));
    let primary: &'static Database = Box::leak(Box::new(primary));
    let mut pipe = Pipe::<Schema>::with(Schema::of(primary, "copied"));
    let ports = format!("{},{}", primary.port(), standby.port());
    let url = format!("url = \"postgresql:///copied?host=127.0.0.1&host=127.0.0.1&port={ports}\"\n");
    let source = "[restart]\ninitial = \"100ms\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n";
    pipe.home.connector(crate::pipe::NAME, &format!("{source}{}{RETRY}", pipe.probe.sink(&url)));
    let mut orders = Source::new("orders", &["id"]);
    pipe.broker.topic(orders.topic(), 2);
    let mut send = |pipe: &Pipe<Schema>, partition: i32, ids: std::ops::Range<i64>| {
        let events: Vec<Event> =
            ids.map(|id| orders.insert(json!({ "id": id, "v": "x" })).in_partition(partition)).collect();
        orders.send(&pipe.broker, events);
    };
    send(&pipe, 0, 0..10);
    send(&pipe, 1, 10..20);
    let mut host = pipe.start_reading();
    host.wait_until("rows", |_| (pipe.held() == 20).then_some(()));
    host.wait_until("rows in the standby", |_| standby.has_caught_up(primary).then_some(()));

    standby.stop();
    send(&pipe, 1, 20..30);
    host.wait_until("rows that will be lost", |_| (pipe.held() == 30).then_some(()));
    primary.kill();
    standby.start();
    standby.promote();
    pipe.probe = Schema { server: standby, name: "copied".to_owned() };
    assert_eq!(count(&pipe), ["20"]);

    // No event comes to the partition whose commits are lost.
    send(&pipe, 0, 30..31);
    host.wait_until("all rows", |_| (pipe.held() == 31).then_some(()));
    assert_eq!(count(&pipe), ["31"]);
    let finished = host.terminate().expect_code(0);
    finished.expect_log("the stored offset of cdc.public.orders-1 went back from 20 to 10");
    assert_eq!(finished.count_log(" ERROR "), 1, "{}", finished.stderr);
    standby.stop();
}

#[test]
fn refused_logins_and_missing_rights_are_named_with_the_fix() {
    let Some(pipe) = Pipe::<Schema>::find("refused") else { return };
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..1);
    let expect = |from: &str, to: &str, reason: &str| {
        let text = pipe.probe.sink("").replace(from, to);
        assert!(text.contains(to), "{text}");
        pipe.home.connector(
            crate::pipe::NAME,
            &format!("restart.policy = \"never\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n{text}"),
        );
        let finished = pipe.home.run_once(&pipe.broker).expect_code(3);
        let line = finished.expect_log(reason);
        assert!(line.contains(" ERROR ") && !line.contains("s3cret"), "{line}");
        assert_eq!(finished.count_log("retry_in_ms"), 0, "{}", finished.stderr);
    };
    let password = "password = \"shop\"";
    expect(
        password,
        "password = \"s3cret\"",
        "ALTER ROLE \"shop\" PASSWORD '<password>' (not retried for 60 s",
    );
    expect("database = \"shop\"", "database = \"none\"", "database \"none\" does not exist (3D000)");
    expect("schema = \"", "schema = \"no_", "CREATE SCHEMA \"no_test_");
    expect(
        "ssl_mode = \"disable\"",
        "ssl_mode = \"verify-full\"",
        "set ssl_mode = \"disable\" where the network is trusted",
    );
    let schema = pipe.probe.name();
    pipe.probe.execute(&format!(
        "CREATE ROLE {schema} LOGIN PASSWORD 's3cret'; GRANT USAGE ON SCHEMA {schema} TO {schema}"
    ));
    let login = format!("user = \"{schema}\"\npassword = \"s3cret\"");
    expect(&format!("user = \"shop\"\n{password}"), &login, "GRANT CREATE on the schema to the user");
    pipe.probe.execute(&format!(
        "GRANT CREATE ON SCHEMA {schema} TO {schema}; CREATE TABLE orders (id bigint PRIMARY KEY)"
    ));
    expect(&format!("user = \"shop\"\n{password}"), &login, "make the user the owner of \"test_");
}

#[test]
fn views_and_keys_of_another_type_are_refused() {
    for (table, reason) in [
        ("CREATE VIEW orders AS SELECT 1 AS id", "it is a view or a foreign table"),
        ("CREATE TABLE orders (id date PRIMARY KEY)", "is date and cannot hold \"7\": declare a type"),
        (
            "CREATE TABLE orders (id bigint PRIMARY KEY, needed text NOT NULL)",
            "null value in column \"needed\"",
        ),
    ] {
        let Some(pipe) = Pipe::<Schema>::find("other_tables") else { return };
        pipe.probe.execute(table);
        let mut orders = Source::new("orders", &["id"]);
        send(&pipe, &mut orders, 7..8);
        let finished = pipe.home.run_once(&pipe.broker).expect_code(3);
        let line = finished.expect_log(reason);
        assert!(line.contains("orders"), "{line}");
    }
}

#[test]
fn tables_of_the_users_own_are_written_in_their_types() {
    let Some(pipe) = Pipe::<Schema>::find("own_tables") else { return };
    pipe.probe.execute(
        "CREATE TYPE mood AS ENUM ('ok', 'bad');\n\
         CREATE TABLE orders (more text DEFAULT 'kept', address inet, v varchar(3), feeling mood, numbers integer[],\n\
         id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, twice integer GENERATED ALWAYS AS (id * 2) STORED)",
    );
    let mut orders = Source::new("orders", &["id"]);
    let row =
        json!({ "id": 40_000, "v": "long", "address": "10.0.0.1", "feeling": "ok", "numbers": "{1,2}" });
    let events = [orders.insert(row)];
    orders.send(&pipe.broker, events);
    let finished = pipe.home.run_once(&pipe.broker);
    // A key is not widened: the table is the user's.
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    pipe.probe.execute("ALTER TABLE orders DROP COLUMN twice, ALTER COLUMN id TYPE bigint");
    let _finished = pipe.run();
    let columns = "\"id\", \"v\", \"address\", \"feeling\", \"numbers\", \"more\"";
    assert_eq!(pipe.select(columns, "orders"), ["40000 long 10.0.0.1 ok {1,2} kept"]);
}

#[test]
fn names_that_the_server_would_cut_are_refused() {
    let Some(pipe) = Pipe::<Schema>::find("long") else { return };
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..1);
    // The names of two such connectors would be the same to the server.
    let name = "a".repeat(60);
    pipe.connector(Connector { name: Some(&name), ..Connector::default() });
    let finished = pipe.home.run_once(&pipe.broker).expect_code(3);
    finished.expect_log("it is longer than 63 bytes: set offsets_table to a shorter name");
    let sink = "offsets_table = \"_cdc_short\"\n";
    pipe.connector(Connector { name: Some(&name), sink, ..Connector::default() });
    let _finished = pipe.run();
}
