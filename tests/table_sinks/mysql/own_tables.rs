//! Tables of the user's own: other types, other collations, other indexes, other engines.

use serde_json::json;
use tidegate_tests::change_events::Source;

use super::Schema;
use crate::{
    pipe::{Connector, Pipe},
    probe::Probe as _,
};

const DROP: &str = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";

#[test]
fn views_and_keys_of_another_type_are_refused() {
    for (table, reason) in [
        ("CREATE VIEW orders AS SELECT 1 AS id", "it is a view"),
        (
            "CREATE TABLE orders (id bigint PRIMARY KEY) ENGINE = MyISAM",
            "its engine MyISAM has no transactions",
        ),
        ("CREATE TABLE orders (id date PRIMARY KEY)", "is date and cannot hold \"7\": declare a type"),
        (
            "CREATE TABLE orders (id bigint PRIMARY KEY, needed text NOT NULL)",
            "Column 'needed' cannot be null",
        ),
    ] {
        let Some(pipe) = Pipe::<Schema>::find("other_tables") else { return };
        pipe.probe.execute(table);
        let mut orders = Source::new("orders", &["id"]);
        let insert = orders.insert(json!({ "id": 7, "v": "x" }));
        orders.send(&pipe.broker, [insert]);
        let finished = pipe.home.run_once(&pipe.broker).expect_code(3);
        let line = finished.expect_log(reason);
        assert!(line.contains("orders"), "{line}");
    }
}

#[test]
fn tables_of_the_users_own_are_written_in_their_types() {
    let Some(pipe) = Pipe::<Schema>::find("own_tables") else { return };
    pipe.probe.execute(
        "CREATE TABLE orders (more varchar(20) DEFAULT 'kept', feeling enum('ok','bad'), tags set('a','b'), v varchar(3), \
         at timestamp(3) NULL, bits bit(4), n int unsigned, j json, net inet6, id bigint unsigned AUTO_INCREMENT PRIMARY KEY, \
         twice bigint AS (n * 2) STORED, f float, changed datetime DEFAULT NOW() ON UPDATE NOW())",
    );
    let mut orders = Source::new("orders", &["id"]);
    let row = json!({
        "id": 0, "v": "long", "feeling": "ok", "tags": "a,b", "bits": 5, "n": 4_000_000_000_u64, "j": "text", "net": "::1", "f": 0.5,
    });
    let events = [orders.insert(row), orders.insert(json!({ "id": 1, "feeling": "none", "n": -1 }))];
    orders.send(&pipe.broker, events);
    let finished = pipe.run();
    let _warning = finished.expect_log("cannot hold a value: the column is NULL");
    let columns = "\"id\", \"v\", \"feeling\", \"tags\", \"bits\" + 0, \"n\", \"j\", \"net\", \"f\", \"more\", \"twice\"";
    assert_eq!(
        pipe.select(columns, "orders"),
        ["0 long ok a,b 5 4000000000 \"text\" ::1 0.5 kept 8000000000", "1 - - - - -1 - - - kept -2"]
    );
    assert_eq!(pipe.select("\"id\", \"feeling__variant\"", "orders"), ["0 -", "1 \"none\""]);
}

/// INSERT .. ON DUPLICATE KEY UPDATE would write the second row over the first one.
#[test]
fn a_row_with_a_taken_value_in_another_unique_index_overwrites_none() {
    let Some(pipe) = Pipe::<Schema>::find("unique") else { return };
    pipe.probe.execute("CREATE TABLE users (id bigint PRIMARY KEY, mail varchar(50) UNIQUE)");
    pipe.connector(Connector { more: DROP, ..Connector::default() });
    let mut users = Source::new("users", &["id"]);
    let events = [
        users.insert(json!({ "id": 1, "mail": "a" })),
        users.insert(json!({ "id": 2, "mail": "a" })),
        users.insert(json!({ "id": 3, "mail": "b" })),
    ];
    users.send(&pipe.broker, events);
    let finished = pipe.run();
    let line = finished.expect_log("record skipped: ");
    assert!(line.contains("Duplicate entry '..' for key 'mail'") && line.contains("offset=1"), "{line}");
    assert_eq!(pipe.select("\"id\", \"mail\"", "users"), ["1 a", "3 b"]);
}

/// The collation of the key takes `a` and `A` for equal.
#[test]
fn keys_that_the_table_takes_for_equal_are_rejected_and_change_no_other_row() {
    let Some(pipe) = Pipe::<Schema>::find("collation") else { return };
    pipe.probe.execute(
        "CREATE TABLE orders (id varchar(20) PRIMARY KEY, v varchar(20)) CHARACTER SET latin1 COLLATE latin1_swedish_ci",
    );
    pipe.connector(Connector { batch: Some(1), more: DROP, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let events = [
        orders.insert(json!({ "id": "a", "v": "first" })),
        orders.insert(json!({ "id": "A", "v": "second" })),
        orders.update(json!({ "id": "A", "v": "third" })),
        orders.delete(json!({ "id": "A" })),
        orders.insert(json!({ "id": "Größe", "v": "5 €" })),
    ];
    orders.send(&pipe.broker, events);
    let finished = pipe.run();
    assert_eq!(finished.count_log("record skipped: "), 2, "{}", finished.stderr);
    assert_eq!(pipe.select("\"id\", \"v\", \"v__variant\"", "orders"), ["a first -", "Größe - \"5 €\""]);
}

#[test]
fn names_that_mysql_does_not_accept_are_refused() {
    let Some(pipe) = Pipe::<Schema>::find("long") else { return };
    let mut orders = Source::new("orders", &["id"]);
    let insert = orders.insert(json!({ "id": 1 }));
    orders.send(&pipe.broker, [insert]);
    let name = "a".repeat(60);
    pipe.connector(Connector { name: Some(&name), ..Connector::default() });
    let finished = pipe.home.run_once(&pipe.broker).expect_code(3);
    finished.expect_log("it is longer than 64 characters: set offsets_table to a shorter name");
}

#[test]
fn columns_with_names_that_mysql_does_not_accept_are_rejected_alone() {
    let Some(pipe) = Pipe::<Schema>::find("names") else { return };
    pipe.connector(Connector { more: DROP, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let events = [
        orders.insert(json!({ "id": 1, "🧊": "x" })),
        orders.insert(json!({ "id": 2, "ends with a space ": "x" })),
        orders.insert(json!({ "id": 3, "`": "x", "\"": "y" })),
    ];
    orders.send(&pipe.broker, events);
    let finished = pipe.run();
    assert_eq!(finished.count_log("record skipped: "), 2, "{}", finished.stderr);
    assert_eq!(pipe.select("\"id\", \"`\", \"\"\"\"", "orders"), ["3 x y"]);
}
