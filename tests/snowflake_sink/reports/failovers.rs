//! Positions that go backwards because the source has a new log. Kafka's order is that of the source.

use serde_json::{Value as Json, json};

use super::{
    case::Case,
    record::Record,
    source::{START, Source},
};

/// The warning about a source whose positions start again.
pub(crate) const LOG_BEGAN_AGAIN: &str = "its log began again";

fn moves_on(old: &Source, new: [&Source; 3], key: &str) -> Vec<Record> {
    let row = |id: i64, state: &str| json!({ key: id, "state": state });
    let delete = new[1].delete(row(2, "new"));
    let tombstone = delete.tombstone();
    vec![
        old.insert(row(1, "new")),
        old.insert(row(2, "new")),
        new[0].update(row(1, "paid")),
        delete,
        tombstone,
        new[2].insert(row(3, "new")),
    ]
}

/// Like [`moves_on`], with a position for each event.
fn through(table: &Source, key: &str, places: [Json; 5]) -> Vec<Record> {
    let [first, second, third, fourth, fifth] = places.map(|place| table.at(place));
    let mut records = moves_on(&first, [&third, &fourth, &fifth], key);
    records[1] = second.insert(json!({ key: 2, "state": "new" }));
    records
}

fn moved_on(name: &str, records: Vec<Record>, table: &'static str) -> Case {
    Case::new(name, records).table(table, &["id", "state"], &["1 paid", "3 new"]).warned(LOG_BEGAN_AGAIN)
}

fn binlog(server: i64, gtid: Json, file: &str, pos: i64, later: i64) -> Json {
    json!({ "server_id": server, "gtid": gtid, "file": file, "pos": pos, "ts_ms": START + later })
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = of_mysql();
    cases.extend(of_mariadb());
    cases.extend(of_postgres());
    cases.extend(of_others());
    cases
}

fn of_mysql() -> Vec<Case> {
    let table = Source::mysql("accounts", &["id"]);
    let old = |pos| binlog(1, Json::Null, "binlog.000480", pos, 0);
    let new = |pos, later| binlog(2, Json::Null, "binlog.000012", pos, later);
    let uuid = |uuid: &str, number: i64| Json::from(format!("{uuid}-71ca-11e1-9e33-c80aa9429562:{number}"));
    let (a, b) = ("3e11fa47", "9c2b7d10");
    let back_and_forth = |server: fn(&str) -> i64, with_gtid: bool| {
        let at = |uuid_of: &str, number: i64, file: &str, pos: i64, later: i64| {
            let gtid = if with_gtid { uuid(uuid_of, number) } else { Json::Null };
            table.at(binlog(server(uuid_of), gtid, file, pos, later))
        };
        let row = |id: i64, state: &str| json!({ "id": id, "state": state });
        let delete = at(a, 103, "binlog.000481", 400, 200_000).delete(row(2, "new"));
        let tombstone = delete.tombstone();
        vec![
            at(a, 101, "binlog.000480", 1500, 0).insert(row(1, "new")),
            at(a, 102, "binlog.000480", 1900, 1000).insert(row(2, "new")),
            at(b, 1, "binlog.000012", 700, 100_000).update(row(1, "paid")),
            at(b, 2, "binlog.000012", 900, 101_000).insert(row(3, "new")),
            delete,
            tombstone,
            at(a, 104, "binlog.000481", 600, 201_000).update(row(1, "shipped")),
            at(a, 105, "binlog.000481", 800, 202_000).update(row(3, "paid")),
        ]
    };
    let back = |name: &str, records: Vec<Record>| {
        Case::new(name, records)
            .table("accounts", &["id", "state"], &["1 shipped", "3 paid"])
            .warned(LOG_BEGAN_AGAIN)
    };
    vec![
        moved_on(
            "mysql-failover-without-gtid",
            through(
                &table,
                "id",
                [old(1500), old(1900), new(700, 100_000), new(900, 101_000), new(1100, 102_000)],
            ),
            "accounts",
        ),
        // All events are within one second, which is the precision of a binary log without GTID.
        moved_on(
            "mysql-failover-without-gtid-in-one-second",
            through(&table, "id", [old(1500), old(1900), new(700, 0), new(900, 0), new(1100, 0)]),
            "accounts",
        ),
        moved_on(
            "mysql-failover-with-gtid-in-one-second",
            through(
                &table,
                "id",
                [
                    binlog(1, uuid(a, 101), "binlog.000480", 1500, 0),
                    binlog(1, uuid(a, 102), "binlog.000480", 1900, 0),
                    binlog(2, uuid(b, 1), "binlog.000012", 700, 0),
                    binlog(2, uuid(b, 2), "binlog.000012", 900, 0),
                    binlog(2, uuid(b, 3), "binlog.000012", 1100, 0),
                ],
            ),
            "accounts",
        ),
        // MySQL 8.4 may tag a GTID: uuid, tag, number.
        moved_on(
            "mysql-failover-with-tagged-gtid",
            through(
                &table,
                "id",
                [
                    binlog(
                        1,
                        "3e11fa47-71ca-11e1-9e33-c80aa9429562:app:101".into(),
                        "binlog.000480",
                        1500,
                        0,
                    ),
                    binlog(1, "3e11fa47-71ca-11e1-9e33-c80aa9429562:102".into(), "binlog.000480", 1900, 0),
                    binlog(
                        1,
                        "9c2b7d10-71ca-11e1-9e33-c80aa9429563:app:1".into(),
                        "binlog.000012",
                        700,
                        100_000,
                    ),
                    binlog(1, "9c2b7d10-71ca-11e1-9e33-c80aa9429563:1".into(), "binlog.000012", 900, 101_000),
                    binlog(
                        1,
                        "9c2b7d10-71ca-11e1-9e33-c80aa9429563:2".into(),
                        "binlog.000012",
                        1100,
                        102_000,
                    ),
                ],
            ),
            "accounts",
        ),
        back("mysql-failover-and-back-with-gtid", back_and_forth(|_| 1, true)),
        back(
            "mysql-failover-and-back-without-gtid",
            back_and_forth(|uuid| i64::from(uuid == "9c2b7d10") + 1, false),
        ),
        // RESET MASTER: the same server, whose log starts with the first file again.
        moved_on(
            "mysql-log-reset",
            through(
                &table,
                "id",
                [
                    old(1500),
                    old(1900),
                    binlog(1, Json::Null, "binlog.000001", 200, 100_000),
                    binlog(1, Json::Null, "binlog.000001", 400, 101_000),
                    binlog(1, Json::Null, "binlog.000001", 600, 102_000),
                ],
            ),
            "accounts",
        ),
    ]
}

fn of_mariadb() -> Vec<Case> {
    let table = Source::mysql("accounts", &["id"]).with(json!({ "connector": "mariadb" }));
    vec![moved_on(
        "mariadb-failover",
        through(
            &table,
            "id",
            [
                binlog(1, "0-1-100".into(), "mysql-bin.000480", 1500, 0),
                binlog(1, "0-1-101".into(), "mysql-bin.000480", 1900, 0),
                binlog(2, "0-2-102".into(), "mysql-bin.000012", 700, 0),
                binlog(2, "0-2-103".into(), "mysql-bin.000012", 900, 0),
                binlog(2, "0-2-104".into(), "mysql-bin.000012", 1100, 0),
            ],
        ),
        "accounts",
    )]
}

fn of_postgres() -> Vec<Case> {
    let table = Source::postgres("accounts", &["id"]);
    let lsn = |lsn: i64, later: i64| json!({ "lsn": lsn, "sequence": format!("[\"{}\",\"{lsn}\"]", lsn - 10), "txId": lsn, "ts_ms": START + later });
    let row = |id: i64, state: &str| json!({ "id": id, "state": state });
    let snapshot = |later: i64, marks: [&str; 3]| {
        let at = |lsn: i64, later: i64| table.lsn(lsn, later);
        let delete = at(3200, later + 2000).delete(row(2, "read"));
        let tombstone = delete.tombstone();
        let read = |mark: &str, id: i64| {
            // Rows of a snapshot have no earlier commit.
            let place =
                json!({ "lsn": 3000, "sequence": "[null,\"3000\"]", "txId": 900, "ts_ms": START + later });
            table.at(place).read(mark, row(id, "read"))
        };
        let mut records = vec![
            at(5000, 0).insert(row(1, "new")),
            at(5100, 0).insert(row(2, "new")),
            at(5200, 0).update(row(1, "paid")),
            read(marks[0], 1),
            read(marks[1], 2),
            read(marks[2], 4),
            at(3100, later + 1000).update(row(4, "paid")),
        ];
        records.extend([delete, tombstone]);
        records
    };
    let again = |name: &str, records: Vec<Record>| {
        Case::new(name, records)
            .table("accounts", &["id", "state"], &["1 read", "4 paid"])
            .warned(LOG_BEGAN_AGAIN)
    };
    vec![
        moved_on(
            "postgres-restored",
            through(
                &table,
                "id",
                [lsn(5000, 0), lsn(5100, 0), lsn(3000, 100_000), lsn(3100, 101_000), lsn(3200, 102_000)],
            ),
            "accounts",
        ),
        // Such events look like redelivered ones, except that they are new.
        moved_on(
            "postgres-restored-in-one-millisecond",
            through(&table, "id", [lsn(5000, 0), lsn(5100, 0), lsn(3000, 0), lsn(3100, 0), lsn(3200, 0)]),
            "accounts",
        )
        .unless_warned("accounts"),
        again("postgres-snapshot-again", snapshot(100_000, ["first", "true", "last"])),
        again(
            "postgres-snapshot-again-second-table",
            snapshot(100_000, ["first_in_data_collection", "true", "last_in_data_collection"]),
        ),
        // A server whose clock is behind that of the previous one.
        again("postgres-snapshot-again-earlier-clock", snapshot(-100_000, ["first", "true", "last"])),
        // The row with the marker `first` is in another table's topic; all rows of this one are in the middle.
        again("postgres-snapshot-again-without-first", snapshot(100_000, ["true", "true", "true"])),
    ]
}

fn of_others() -> Vec<Case> {
    let oracle = Source::oracle("ACCOUNTS", &["id"]);
    let scn = |scn: i64, later: i64| json!({ "scn": scn.to_string(), "commit_scn": (scn + 1).to_string(), "ts_ms": START + later });
    let sql_server = Source::sql_server("accounts", &["id"]);
    let lsn = |commit: &str, change: &str, later: i64| json!({ "commit_lsn": format!("0000{commit}:0003"), "change_lsn": format!("0000{change}:0002"), "ts_ms": START + later });
    vec![
        moved_on(
            "oracle-resetlogs",
            through(
                &oracle,
                "id",
                [scn(5000, 0), scn(5100, 0), scn(3000, 100_000), scn(3100, 101_000), scn(3200, 102_000)],
            ),
            "ACCOUNTS",
        ),
        moved_on(
            "sql-server-restored",
            through(
                &sql_server,
                "id",
                [
                    lsn("0030:00000100", "0030:000000f0", 0),
                    lsn("0030:00000200", "0030:000001f0", 0),
                    lsn("0010:00000100", "0010:000000f0", 100_000),
                    lsn("0010:00000200", "0010:000001f0", 101_000),
                    lsn("0010:00000300", "0010:000002f0", 102_000),
                ],
            ),
            "accounts",
        ),
        // A flat event, as a custom producer sends it.
        flat_events_of_a_restored_database(),
    ]
}

fn flat_events_of_a_restored_database() -> Case {
    let event = |op: &str, lsn: i64, later: i64, row: Json| {
        let (before, after) = if op == "d" { (row.clone(), Json::Null) } else { (Json::Null, row.clone()) };
        let value = json!({
            "op": op, "table": "accounts", "lsn": lsn, "ts_ms": START + later, "before": before, "after": after,
        });
        Record::of("flat.accounts", json!({ "id": row["id"] }), value)
    };
    let row = |id: i64, state: &str| json!({ "id": id, "state": state });
    let records = vec![
        event("c", 5000, 0, row(1, "new")),
        event("c", 5100, 0, row(2, "new")),
        event("u", 3000, 100_000, row(1, "paid")),
        event("d", 3100, 101_000, row(2, "new")),
        event("c", 3200, 102_000, row(3, "new")),
    ];
    moved_on("flat-events-of-a-restored-database", records, "accounts").unless_warned("accounts")
}
