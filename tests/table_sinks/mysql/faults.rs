//! Servers that are killed, frozen or refuse, and writers that meet.

use serde_json::json;
use tidegate_tests::{Database, change_events::Source};

use super::Schema;
use crate::{
    pipe::{Connector, Pipe},
    probe::Probe as _,
    suite::servers::{self, RETRY, send},
};

#[test]
fn a_server_that_is_killed_and_starts_again_has_every_row_once() {
    let Some(server) = Database::mariadb("killed", &[]) else { return };
    let server: &'static Database = Box::leak(Box::new(server));
    servers::every_row_is_there_once_after_kills(server, Schema::of(server));
}

#[test]
fn a_frozen_server_is_waited_for() {
    let Some(server) = Database::mariadb("frozen", &[]) else { return };
    let server: &'static Database = Box::leak(Box::new(server));
    servers::a_suspended_server_is_waited_for(server, Schema::of(server));
}

/// InnoDB undoes only the statement that has waited for a lock, not its transaction.
#[test]
fn a_lock_timeout_undoes_the_whole_transaction() {
    let Some(pipe) = Pipe::<Schema>::find("locked") else { return };
    pipe.connector(Connector { sink: "lanes = 1\n", more: RETRY, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..1);
    let _finished = pipe.run();
    // The statement that inserts the rows waits behind the one that has updated another.
    let mut other = pipe.probe.server.session();
    for statement in ["BEGIN", &format!("INSERT INTO {}.orders (id) VALUES (2)", pipe.probe.name)] {
        other.execute(statement).expect("another writer");
    }
    let events = [orders.update(json!({ "id": 0, "v": "y" })), orders.insert(json!({ "id": 2, "v": "y" }))];
    orders.send(&pipe.broker, events);
    let mut host = pipe.start_reading();
    host.wait_for_log("Lock wait timeout exceeded");
    assert_eq!(pipe.select("\"id\", \"v\"", "orders"), ["0 x"], "nothing of it is seen");
    other.execute("ROLLBACK").expect("another writer");
    host.wait_until("all rows", |_| (pipe.held() == 3).then_some(()));
    assert_eq!(pipe.select("\"id\", \"v\"", "orders"), ["0 y", "2 y"]);
    let finished = host.terminate().expect_code(0);
    assert_eq!(finished.count_log(" ERROR "), 0, "{}", finished.stderr);
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
    let (password, schema) = ("password = \"shop\"", pipe.probe.name.as_str());
    expect(
        password,
        "password = \"s3cret\"",
        "ALTER USER 'shop' IDENTIFIED BY '<password>' (not retried for 60 s",
    );
    expect(
        &format!("database = \"{schema}\""),
        "database = \"none\"",
        "Unknown database 'none' (1049/42000): check database",
    );
    expect(
        "ssl_mode = \"disable\"",
        "ssl_mode = \"verify-full\"",
        "set ssl_mode = \"disable\" where the network is trusted",
    );
    pipe.probe.execute(&format!(
        "CREATE USER {schema} IDENTIFIED BY 's3cret'; GRANT SELECT, INSERT, UPDATE, CREATE TEMPORARY TABLES ON {schema}.* TO {schema}"
    ));
    let login = format!("user = \"{schema}\"\npassword = \"s3cret\"");
    let user = format!("user = \"shop\"\n{password}");
    expect(&user, &login, &format!("GRANT CREATE ON `{schema}`.* TO '{schema}'"));
    pipe.probe.execute(&format!(
        "GRANT CREATE ON {schema}.* TO {schema}; CREATE TABLE orders (id bigint PRIMARY KEY)"
    ));
    expect(&user, &login, &format!("GRANT ALTER ON `{schema}`.* TO '{schema}'"));
}
