//! Rows of incremental snapshots between streamed changes. Debezium's window makes Kafka's order the right one.

use serde_json::{Value as Json, json};

use super::{case::Case, record::Record, source::Source};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("incremental-between-changes", between_changes(&Source::postgres("stock", &["id"]))).table(
            "stock",
            &["id", "v"],
            &["1 changed", "3 again", "4 changed", "5 missed"],
        ),
        Case::new("incremental-of-mysql", of_mysql()).table(
            "stock",
            &["id", "v"],
            &["1 read", "2 changed", "3 missed", "4 new"],
        ),
        Case::new("incremental-with-last-position", with_last_position()).table(
            "stock",
            &["id", "v"],
            &["1 read", "2 missed", "3 new"],
        ),
        Case::new("incremental-of-oracle", of_oracle()).table(
            "STOCK",
            &["id", "v"],
            &["1 read", "2 changed"],
        ),
        Case::new("incremental-of-sql-server", of_sql_server()).table(
            "stock",
            &["id", "v"],
            &["1 read", "2 changed"],
        ),
        Case::new("incremental-first", first()).table("stock", &["id", "v"], &["1 changed", "2 read"]),
        Case::new("incremental-after-failover", after_failover())
            .table("stock", &["id", "v"], &["1 read", "2 read"])
            .warned(super::failovers::LOG_BEGAN_AGAIN),
        Case::new("incremental-twice", twice()).table("stock", &["id", "v"], &["1 second", "2 second"]),
    ]
}

fn row(id: i64, v: &str) -> Json {
    json!({ "id": id, "v": v })
}

/// All orders of a snapshot row and a change of the same row.
pub(crate) fn between_changes(table: &Source) -> Vec<Record> {
    let delete_2 = table.lsn(120, 2000).delete(row(2, "read"));
    let tombstone_2 = delete_2.tombstone();
    let delete_3 = table.lsn(130, 3000).delete(row(3, "new"));
    let tombstone_3 = delete_3.tombstone();
    vec![
        table.lsn(100, 0).insert(row(1, "new")),
        table.lsn(105, 500).insert(row(3, "new")),
        table.incremental(row(1, "read")),
        table.incremental(row(2, "read")),
        table.lsn(110, 1000).update(row(1, "changed")),
        delete_2,
        tombstone_2,
        delete_3,
        tombstone_3,
        table.incremental(row(3, "again")),
        table.incremental(row(4, "read")),
        table.incremental(row(5, "missed")),
        table.lsn(140, 4000).update(row(4, "changed")),
    ]
}

/// The MySQL connector writes an empty file name and the position 0.
fn of_mysql() -> Vec<Record> {
    let table = Source::mysql("stock", &["id"]);
    let none = json!({ "snapshot": "incremental", "file": "", "pos": 0, "server_id": 0, "gtid": null });
    let incremental = |row: Json| table.at(none.clone()).event("r", Json::Null, row);
    vec![
        table.binlog("binlog.000005", 1000, 0).insert(row(1, "old")),
        table.binlog("binlog.000005", 2000, 1000).insert(row(2, "old")),
        incremental(row(1, "read")),
        incremental(row(2, "read")),
        incremental(row(3, "missed")),
        table.binlog("binlog.000005", 3000, 2000).update(row(2, "changed")),
        table.binlog("binlog.000005", 4000, 3000).insert(row(4, "new")),
    ]
}

/// Some versions of the PostgreSQL connector give rows of incremental snapshots the position of the last streamed
/// event.
fn with_last_position() -> Vec<Record> {
    let table = Source::postgres("stock", &["id"]);
    let incremental = |row: Json| table.lsn(110, 1000).read("incremental", row);
    vec![
        table.lsn(100, 0).insert(row(3, "new")),
        table.lsn(110, 1000).insert(row(1, "old")),
        incremental(row(1, "read")),
        incremental(row(2, "missed")),
    ]
}

fn of_oracle() -> Vec<Record> {
    let table = Source::oracle("STOCK", &["id"]);
    let at = |scn: &str| table.at(json!({ "scn": scn, "commit_scn": scn }));
    let incremental = |row: Json| table.read("incremental", row);
    vec![
        at("100").insert(row(1, "old")),
        at("110").insert(row(2, "old")),
        incremental(row(1, "read")),
        incremental(row(2, "read")),
        at("120").update(row(2, "changed")),
    ]
}

fn of_sql_server() -> Vec<Record> {
    let table = Source::sql_server("stock", &["id"]);
    let at = |lsn: i64| {
        let lsn = format!("00000030:{lsn:08x}:0003");
        table.at(json!({ "commit_lsn": lsn, "change_lsn": lsn }))
    };
    let incremental = |row: Json| table.read("incremental", row);
    vec![
        at(100).insert(row(1, "old")),
        at(110).insert(row(2, "old")),
        incremental(row(1, "read")),
        incremental(row(2, "read")),
        at(120).update(row(2, "changed")),
    ]
}

/// The topic begins with rows of an incremental snapshot, before any position.
fn first() -> Vec<Record> {
    let table = Source::postgres("stock", &["id"]);
    vec![
        table.incremental(row(1, "read")),
        table.incremental(row(2, "read")),
        table.lsn(100, 0).update(row(1, "changed")),
    ]
}

/// After a failover, the snapshot's rows belong to the new log.
fn after_failover() -> Vec<Record> {
    let table = Source::mysql("stock", &["id"]);
    let at = |server: i64, file: &str, pos: i64, later: i64| {
        table.at(json!({ "server_id": server })).binlog(file, pos, later)
    };
    let none = json!({ "snapshot": "incremental", "file": "", "pos": 0, "server_id": 0 });
    let incremental = |row: Json| table.at(none.clone()).event("r", Json::Null, row);
    vec![
        at(1, "binlog.000480", 1500, 0).insert(row(1, "old")),
        at(1, "binlog.000480", 1900, 1000).insert(row(2, "old")),
        at(2, "binlog.000012", 700, 100_000).update(row(2, "changed")),
        incremental(row(1, "read")),
        incremental(row(2, "read")),
    ]
}

/// Two snapshots of the same rows, without streamed changes in between.
fn twice() -> Vec<Record> {
    let table = Source::postgres("stock", &["id"]);
    vec![
        table.lsn(100, 0).insert(row(1, "new")),
        table.incremental(row(1, "first")),
        table.incremental(row(2, "first")),
        table.incremental(row(1, "second")),
        table.incremental(row(2, "second")),
    ]
}
