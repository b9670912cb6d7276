//! Keys that change while a large value does not: the insert with the new key contains a placeholder.

use serde_json::{Value as Json, json};

use super::{case::Case, record::Record, source::Source};

/// Debezium's placeholder for an unchanged value.
const UNCHANGED: &str = "__debezium_unavailable_value";

pub(crate) fn cases() -> Vec<Case> {
    let notes = || Source::postgres("notes", &["id"]);
    let row = |id: i64, body: &str| json!({ "id": id, "title": "a", "body": body });
    let columns: &[&str] = &["id", "title", "body"];
    let large = "L".repeat(3000);
    let insert = |lsn: i64, id: i64| notes().lsn(lsn, 0).insert(row(id, &large));
    let moved = |lsn: i64, from: i64, to: i64| {
        notes().lsn(lsn, 1000).move_row(row(from, UNCHANGED), row(to, UNCHANGED)).to_vec()
    };
    let chain = [vec![insert(100, 1)], moved(200, 1, 9), moved(300, 9, 5)].concat();
    // Two rows swap keys through a third one.
    let swap = [
        vec![
            insert(100, 1),
            notes().lsn(110, 0).insert(json!({ "id": 2, "title": "b", "body": "M".repeat(3000) })),
        ],
        moved(200, 1, 3),
        {
            let row = |id: i64| json!({ "id": id, "title": "b", "body": UNCHANGED });
            notes().lsn(210, 1000).move_row(row(2), row(1)).to_vec()
        },
        moved(220, 3, 2),
    ]
    .concat();
    // The old key is used by another row.
    let reused = [
        vec![insert(100, 1)],
        moved(200, 1, 9),
        vec![
            notes().lsn(300, 2000).insert(json!({ "id": 1, "title": "n", "body": "N".repeat(3000) })),
            notes().lsn(400, 3000).update(json!({ "id": 9, "title": "t", "body": UNCHANGED })),
        ],
    ]
    .concat();
    // The large value changes with the key, so there is no placeholder.
    let changed = [
        vec![insert(100, 1)],
        notes().lsn(200, 1000).move_row(row(1, UNCHANGED), row(9, &"M".repeat(3000))).to_vec(),
    ]
    .concat();
    let once = [vec![insert(100, 1)], moved(200, 1, 9)].concat();
    let again = [once.clone(), once.iter().map(Record::sent_again).collect()].concat();
    let unseen = moved(200, 1, 9);
    vec![
        Case::new("key-changes-twice", chain).table("notes", columns, &["5 a L*3000"]),
        Case::new("keys-swapped", swap).table("notes", columns, &["1 b M*3000", "2 a L*3000"]),
        Case::new("key-used-again", reused).table("notes", columns, &["1 n N*3000", "9 t L*3000"]),
        Case::new("key-and-large-value-change", changed).table("notes", columns, &["9 a M*3000"]),
        Case::new("key-change-sent-again", again).unchanged_from(4).table("notes", columns, &["9 a L*3000"]),
        composite(),
        every_form(),
        of_mysql(),
        // The old row was never read, so its value is unknown.
        Case::new("key-change-of-unseen-row-as-null", unseen.clone())
            .sink("on_unavailable = \"null\"")
            .table("notes", &["id", "title"], &["9 a"])
            .tolerated("matched no row")
            .warned("became NULL: the event contains Debezium's placeholder"),
        Case::new("key-change-of-unseen-row", unseen)
            .rejected("cdc.public.notes", 2, &["body"])
            .tolerated("matched no row"),
    ]
}

fn composite() -> Case {
    let lines = Source::postgres("lines", &["order", "line"]);
    let row = |order: i64, line: &str, note: &str| json!({ "order": order, "line": line, "note": note });
    let move_to = |lsn: i64, old: (i64, &str), new: (i64, &str)| {
        lines.lsn(lsn, 1000).move_row(row(old.0, old.1, UNCHANGED), row(new.0, new.1, UNCHANGED)).to_vec()
    };
    let records = [
        vec![
            lines.lsn(100, 0).insert(row(1, "a", &"A".repeat(3000))),
            lines.lsn(110, 0).insert(row(1, "b", &"B".repeat(3000))),
        ],
        move_to(200, (1, "a"), (2, "a")),
        move_to(300, (1, "b"), (1, "a")),
    ]
    .concat();
    Case::new("composite-key-changes", records).table(
        "lines",
        &["order", "line", "note"],
        &["1 a B*3000", "2 a A*3000"],
    )
}

/// The placeholders of all column types.
fn every_form() -> Case {
    let docs = Source::postgres("docs", &["id"]);
    let marks = json!({
        "t": UNCHANGED, "b": "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", "ta": [UNCHANGED],
        "ia": [95, 95, 100, 101, 98, 101, 122, 105, 117, 109, 95, 117, 110, 97, 118, 97, 105, 108, 97, 98, 108, 101, 95, 118,
               97, 108, 117, 101],
        "h": { UNCHANGED: UNCHANGED },
    });
    let row = |id: i64| {
        let mut row = marks.clone();
        row["id"] = id.into();
        row
    };
    let first = json!({ "id": 1, "t": "t", "b": "AAEC", "ta": ["x", "y"], "ia": [1, 2], "h": { "k": "v" } });
    let records =
        [vec![docs.lsn(100, 0).insert(first)], docs.lsn(200, 1000).move_row(row(1), row(9)).to_vec()]
            .concat();
    Case::new("key-changes-with-every-placeholder", records).table(
        "docs",
        &["id", "t", "b", "ta", "ia", "h"],
        &["9 t AAEC [\"x\",\"y\"] [1,2] {\"k\":\"v\"}"],
    )
}

/// MySQL has no placeholders, and both events of a changed key have the same position.
fn of_mysql() -> Case {
    let table = Source::mysql("notes", &["id"]);
    let row = |id: i64| -> Json { json!({ "id": id, "body": "x" }) };
    let records = [
        vec![table.binlog("binlog.000001", 100, 0).insert(row(1))],
        table.binlog("binlog.000001", 200, 1000).move_row(row(1), row(9)).to_vec(),
        table.binlog("binlog.000001", 300, 2000).move_row(row(9), row(1)).to_vec(),
    ]
    .concat();
    Case::new("mysql-key-changes-and-back", records).table("notes", &["id", "body"], &["1 x"])
}
