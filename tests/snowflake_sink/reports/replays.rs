//! Events that Debezium sends again after a restart, with the same positions at new offsets.

use serde_json::{Value as Json, json};

use super::{
    case::Case,
    failovers::LOG_BEGAN_AGAIN,
    record::Record,
    source::{START, Source},
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = with_a_key();
    cases.extend(without_a_key());
    cases.extend(with_two_servers());
    cases
}

/// Records, with the last ones repeated.
fn and_again(records: Vec<Record>, last: usize) -> (Vec<Record>, usize) {
    let first = records.len();
    let again: Vec<Record> = records[first - last..].iter().map(Record::sent_again).collect();
    ([records, again].concat(), first)
}

fn again(name: &str, records: Vec<Record>, last: usize) -> Case {
    let (records, first) = and_again(records, last);
    Case::new(name, records).unchanged_from(first)
}

fn orders() -> Vec<Record> {
    let table = Source::postgres("orders", &["id"]);
    let row = |id: i64, v: &str| json!({ "id": id, "v": v });
    let delete = table.lsn(400, 3000).delete(row(2, "b"));
    let tombstone = delete.tombstone();
    vec![
        table.lsn(100, 0).insert(row(1, "a")),
        table.lsn(200, 1000).insert(row(2, "b")),
        table.lsn(300, 2000).update(row(1, "a2")),
        delete,
        tombstone,
        table.lsn(500, 4000).insert(row(3, "c")),
        table.lsn(600, 5000).update(row(3, "c2")),
        table.lsn(700, 6000).insert(row(2, "b again")),
    ]
}

fn with_a_key() -> Vec<Case> {
    let columns: &[&str] = &["id", "v"];
    let rows = ["1 a2", "2 b again", "3 c2"];
    let mut cases: Vec<Case> = [1, 3, 8]
        .iter()
        .map(|last| again(&format!("sent-again-{last}"), orders(), *last).table("orders", columns, &rows))
        .collect();
    // The last event is sent twice before the next one comes.
    let (mut records, first) = and_again(orders(), 2);
    let source = Source::postgres("orders", &["id"]);
    records.extend(records[first - 1..first].iter().map(Record::sent_again).collect::<Vec<_>>());
    records.push(source.lsn(800, 7000).update(json!({ "id": 1, "v": "a3" })));
    cases.push(Case::new("sent-again-and-on", records).table(
        "orders",
        columns,
        &["1 a3", "2 b again", "3 c2"],
    ));
    // After two failovers the source has its third log. Events of all three are sent again.
    let columns: &[&str] = &["id", "state"];
    cases.push(
        again("failover-and-sent-again", failover("accounts", &["id"]), 5)
            .table("accounts", columns, &["1 paid", "3 new"])
            .warned(LOG_BEGAN_AGAIN),
    );
    cases.push(
        again("restored-and-sent-again", restored(), 4)
            .table("accounts", columns, &["1 paid", "3 new"])
            .warned(LOG_BEGAN_AGAIN),
    );
    let (mut records, _) = and_again(restored(), 4);
    records.push(
        Source::postgres("accounts", &["id"]).lsn(3300, 103_000).update(json!({ "id": 3, "state": "paid" })),
    );
    cases.push(
        Case::new("restored-and-sent-again-and-on", records)
            .table("accounts", columns, &["1 paid", "3 paid"])
            .warned(LOG_BEGAN_AGAIN),
    );
    cases
}

/// Two events of one binary log and three of another.
fn failover(table: &str, key: &'static [&'static str]) -> Vec<Record> {
    let table = Source::mysql(table, key);
    let row = |id: i64, state: &str| json!({ "id": id, "state": state });
    let at = |gtid: &str, file: &str, pos: i64, later: i64| {
        table.at(json!({ "gtid": gtid })).binlog(file, pos, later)
    };
    let (a, b) = ("3e11fa47-71ca-11e1-9e33-c80aa9429562", "9c2b7d10-71ca-11e1-9e33-c80aa9429563");
    vec![
        at(&format!("{a}:101"), "binlog.000480", 1500, 0).insert(row(1, "new")),
        at(&format!("{a}:102"), "binlog.000480", 1900, 0).insert(row(2, "new")),
        at(&format!("{b}:1"), "binlog.000012", 700, 100_000).update(row(1, "paid")),
        at(&format!("{b}:2"), "binlog.000012", 900, 101_000).delete(row(2, "new")),
        at(&format!("{b}:3"), "binlog.000012", 1100, 102_000).insert(row(3, "new")),
    ]
}

/// Two events, then three of the database restored from a backup.
fn restored() -> Vec<Record> {
    let table = Source::postgres("accounts", &["id"]);
    let row = |id: i64, state: &str| json!({ "id": id, "state": state });
    vec![
        table.lsn(5000, 0).insert(row(1, "new")),
        table.lsn(5100, 1000).insert(row(2, "new")),
        table.lsn(3000, 100_000).update(row(1, "paid")),
        table.lsn(3100, 101_000).delete(row(2, "new")),
        table.lsn(3200, 102_000).insert(row(3, "new")),
    ]
}

fn without_a_key() -> Vec<Case> {
    let views = Source::postgres("views", &[]);
    let view = |lsn: i64, page: &str| views.lsn(lsn, lsn).insert(json!({ "page": page }));
    // Equal rows are different rows.
    let records = vec![view(100, "/a"), view(200, "/b"), view(300, "/a"), view(400, "/c"), view(500, "/c")];
    let rows = ["/a", "/a", "/b", "/c", "/c"];
    let mut cases: Vec<Case> = [2, 5]
        .iter()
        .map(|last| {
            again(&format!("sent-again-without-key-{last}"), records.clone(), *last).table(
                "views",
                &["page"],
                &rows,
            )
        })
        .collect();
    // COPY writes several rows at one position. An event that is equal to the last one may be another row.
    let (one_again, _) = and_again(records.clone(), 1);
    cases.push(
        Case::new("last-sent-again-without-key", one_again)
            .table("views", &["page"], &["/a", "/a", "/b", "/c", "/c", "/c"])
            .warned("is equal to one before it, at the same position"),
    );
    let (mut on, _) = and_again(records.clone(), 3);
    on.push(view(600, "/a"));
    cases.push(Case::new("sent-again-without-key-and-on", on).table(
        "views",
        &["page"],
        &["/a", "/a", "/a", "/b", "/c", "/c"],
    ));
    cases.push(again("statement-of-many-rows-without-key", statement_of_many_rows(), 2).table(
        "hits",
        &["n"],
        &["1", "1", "2", "3"],
    ));
    // All rows of a snapshot have the same position, and two of them are equal.
    let read = |mark: &str, page: &str| views.lsn(1000, 0).read(mark, json!({ "page": page }));
    let mut snapshot = vec![read("first", "/a"), read("true", "/a"), read("last", "/b"), view(1100, "/c")];
    cases.push(Case::new("snapshot-without-key", snapshot.clone()).table(
        "views",
        &["page"],
        &["/a", "/a", "/b", "/c"],
    ));
    snapshot.push(view(1200, "/d"));
    cases.push(again("snapshot-without-key-and-sent-again", snapshot, 2).table(
        "views",
        &["page"],
        &["/a", "/a", "/b", "/c", "/d"],
    ));
    cases.push(
        again("failover-and-sent-again-without-key", visits_after_failover(), 4)
            .table("visits", &["page"], &["/a", "/a", "/b", "/b", "/c"])
            .warned(LOG_BEGAN_AGAIN),
    );
    // Rows of an incremental snapshot have no position, so rows of a chunk that is read again cannot be recognised.
    // Streamed events after them can.
    let chunk = vec![
        view(100, "/a"),
        views.incremental(json!({ "page": "/old" })),
        views.incremental(json!({ "page": "/old" })),
        view(200, "/b"),
        view(300, "/c"),
    ];
    cases.push(again("incremental-without-key-and-sent-again", chunk, 2).table(
        "views",
        &["page"],
        &["/a", "/b", "/c", "/old", "/old"],
    ));
    cases
}

/// An INSERT of three rows has one position in the binary log, and a number for each row.
fn statement_of_many_rows() -> Vec<Record> {
    let hits = Source::mysql("hits", &[]);
    let hit = |pos: i64, row: i64, n: i64| {
        hits.binlog("binlog.000001", pos, 0).at(json!({ "row": row })).insert(json!({ "n": n }))
    };
    vec![hit(100, 0, 1), hit(200, 0, 1), hit(200, 1, 2), hit(200, 2, 3)]
}

fn visits_after_failover() -> Vec<Record> {
    let visits = Source::mysql("visits", &[]);
    let visit = |server: i64, file: &str, pos: i64, later: i64, page: &str| {
        visits.at(json!({ "server_id": server })).binlog(file, pos, later).insert(json!({ "page": page }))
    };
    vec![
        visit(1, "binlog.000480", 1500, 0, "/a"),
        visit(1, "binlog.000480", 1900, 1000, "/a"),
        visit(2, "binlog.000012", 700, 100_000, "/b"),
        visit(2, "binlog.000012", 900, 101_000, "/b"),
        visit(2, "binlog.000012", 1100, 102_000, "/c"),
    ]
}

/// Two servers with their own logs, whose events are in one topic, as ByLogicalTableRouter does for shards.
fn with_two_servers() -> Vec<Case> {
    let shard = |number: usize, pos: i64| {
        let (name, file) = [("crm1", "binlog.000480"), ("crm2", "binlog.000012")][number - 1];
        Source::mysql("orders", &["id", "shard"])
            .in_topic("crm.orders_all")
            .at(json!({ "name": name, "server_id": number }))
            .binlog(file, pos, pos)
    };
    let row = |id: i64, number: i64, v: &str| json!({ "id": id, "shard": number, "v": v });
    let delete = shard(1, 500).delete(row(2, 1, "x"));
    let tombstone = delete.tombstone();
    let records = vec![
        shard(1, 100).insert(row(1, 1, "a")),
        shard(2, 150).insert(row(1, 2, "b")),
        shard(1, 200).insert(row(2, 1, "x")),
        shard(2, 250).update(row(1, 2, "b2")),
        shard(1, 300).update(row(1, 1, "a2")),
        shard(2, 350).insert(row(2, 2, "y")),
        delete,
        tombstone,
        shard(2, 550).update(row(2, 2, "y2")),
    ];
    let columns: &[&str] = &["id", "shard", "v"];
    let rows = ["1 1 a2", "1 2 b2", "2 2 y2"];
    // Only events of the first shard: one of two connectors was restarted.
    let again_of_one: Vec<Record> = [2, 4, 6, 7].iter().map(|at| records[*at].sent_again()).collect();
    let of_one = [records.clone(), again_of_one].concat();
    let keyless = |number: usize, pos: i64, page: &str| {
        let table = shard(number, pos);
        let mut record = table.insert(json!({ "page": page }));
        record.key = None;
        record
    };
    let pages = vec![
        keyless(1, 100, "/1"),
        keyless(2, 150, "/2"),
        keyless(1, 200, "/1"),
        keyless(2, 250, "/2"),
        keyless(1, 300, "/3"),
    ];
    let again_of_first: Vec<Record> = [2, 4].iter().map(|at| pages[*at].sent_again()).collect();
    let pages_of_first = [pages, again_of_first].concat();
    vec![
        Case::new("two-servers", records.clone()).table("orders", columns, &rows),
        again("two-servers-sent-again", records.clone(), 6).table("orders", columns, &rows),
        Case::new("two-servers-one-sent-again", of_one)
            .unchanged_from(records.len())
            .table("orders", columns, &rows),
        Case::new("two-servers-without-key-one-sent-again", pages_of_first).unchanged_from(5).table(
            "orders",
            &["page"],
            &["/1", "/1", "/2", "/2", "/3"],
        ),
        Case::new("two-servers-of-one-name", one_name())
            .table("orders", &["id", "v"], &["1 a2", "2 b2"])
            .warned(LOG_BEGAN_AGAIN),
    ]
}

/// Two connectors with the same `topic.prefix`, which Debezium forbids but which happens. They differ in the server.
fn one_name() -> Vec<Record> {
    let at = |server: i64, file: &str, pos: i64| {
        Source::mysql("orders", &["id"])
            .at(json!({ "server_id": server, "ts_ms": START + pos }))
            .binlog(file, pos, pos)
    };
    let row = |id: i64, v: &str| -> Json { json!({ "id": id, "v": v }) };
    vec![
        at(1, "binlog.000480", 100).insert(row(1, "a")),
        at(2, "binlog.000012", 150).insert(row(2, "b")),
        at(1, "binlog.000480", 200).update(row(1, "a2")),
        at(2, "binlog.000012", 250).update(row(2, "b2")),
    ]
}
