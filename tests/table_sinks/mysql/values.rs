//! Values that MySQL would take for others, and texts that end statements or rows elsewhere.

use serde_json::{Value as Json, json};
use tidegate_tests::change_events::{Event, Source};

use super::Schema;
use crate::{
    pipe::{Connector, Pipe},
    probe::Probe as _,
};

#[test]
fn keys_that_differ_in_case_or_spaces_are_different_rows() {
    let Some(pipe) = Pipe::<Schema>::find("keys") else { return };
    let keys = ["a", "a ", "A", "a  ", "ä", "", "\u{1f9ca}", "0", "00"];
    let mut orders = Source::new("orders", &["id"]);
    let events: Vec<Event> =
        keys.iter().enumerate().map(|(n, key)| orders.insert(json!({ "id": key, "n": n }))).collect();
    orders.send(&pipe.broker, events);
    let _finished = pipe.run();
    let rows = pipe.select("\"n\", HEX(\"id\")", "orders");
    let hex = |key: &str| key.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
    let expected: Vec<String> = keys.iter().enumerate().map(|(n, key)| format!("{n} {}", hex(key))).collect();
    assert_eq!(rows, expected);
    // Each is updated and deleted alone.
    let changes = [orders.update(json!({ "id": "a ", "n": 10 })), orders.delete(json!({ "id": "A" }))];
    orders.send(&pipe.broker, changes);
    let _finished = pipe.run();
    let numbers: Vec<String> = pipe.select("\"n\"", "orders");
    assert_eq!(numbers, ["0", "3", "4", "5", "6", "7", "8", "10"]);
}

#[test]
fn texts_are_stored_byte_by_byte() {
    let Some(pipe) = Pipe::<Schema>::find("texts") else { return };
    let long = "€".repeat(30_000);
    let texts = [
        "\\N",
        "NULL",
        "\\",
        "\\\\n",
        "a\tb\nc\rd",
        "it's \"quoted\" `so`",
        "\0",
        "\u{1a}",
        "trailing  ",
        "'); --",
        "%_?",
        "\u{10ffff}",
        long.as_str(),
    ];
    let mut notes = Source::new("notes", &["id"]);
    let events: Vec<Event> = texts
        .iter()
        .enumerate()
        .map(|(id, text)| notes.insert(json!({ "id": id, "v": text, "d": { "t": text } })))
        .collect();
    notes.send(&pipe.broker, events);
    let _finished = pipe.run();
    let rows =
        pipe.probe.query("SELECT HEX(\"v\"), HEX(JSON_VALUE(\"d\", '$.t')) FROM \"notes\" ORDER BY \"id\"");
    for (row, text) in rows.iter().zip(texts) {
        let hex: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        let shown: String = text.chars().take(20).collect();
        assert_eq!(row[0].as_deref(), Some(hex.as_str()), "{shown:?}");
        // MariaDB 10.11 does not read `\u0000`.
        assert!(row[1].as_deref() == Some(hex.as_str()) || text == "\0", "{shown:?}");
    }
    assert_eq!(rows.len(), texts.len());
}

/// Values without a place in MySQL, each in its row, and what the table holds instead.
#[test]
fn values_that_mysql_would_change_go_beside() {
    let Some(pipe) = Pipe::<Schema>::find("beside") else { return };
    let declared = "[sink.config.tables.orders]\ncolumns = { f = \"double\", d = \"decimal(65,30)\", k = \"varchar(3)\", y = \"year\", \
                    e = \"enum('a','2')\", b = \"bit(4)\" }\n";
    pipe.connector(Connector { sink: declared, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let rows = [
        json!({ "id": 0, "f": 1.5, "d": "12345678901234567890123456789012345.5", "k": "abc", "y": 2024, "e": "2", "b": 15 }),
        json!({ "id": 1, "f": -0.0, "d": "0.1234567890123456789012345678901", "k": null, "y": 24, "e": "1", "b": 16 }),
        json!({ "id": 2, "f": "n/a", "d": "1e400", "k": "ab ", "y": "MMXXIV", "e": "", "b": -1 }),
    ];
    let events: Vec<Event> = rows.into_iter().map(|row: Json| orders.insert(row)).collect();
    orders.send(&pipe.broker, events);
    let finished = pipe.run();
    let _warning = finished.expect_log("cannot hold a value: the column is NULL");
    let values = "\"id\", \"f\", \"d\" + 0, CONCAT('[', \"k\", ']'), \"y\", \"e\", \"b\" + 0";
    assert_eq!(
        pipe.select(values, "orders"),
        [
            "0 1.5 12345678901234567890123456789012345.500000000000000000000000000000 [abc] 2024 2 15",
            "1 - - - - - -",
            "2 - - [ab ] - - -",
        ]
    );
    let beside = "\"id\", \"f__variant\", \"d__variant\", \"y__variant\", \"e__variant\", \"b__variant\"";
    assert_eq!(
        pipe.select(beside, "orders"),
        [
            "0 - - - - -",
            "1 -0.0 \"0.1234567890123456789012345678901\" 24 \"1\" 16",
            "2 \"n/a\" \"1e400\" \"MMXXIV\" \"\" -1",
        ]
    );
}

/// The index of a key has no more than 768 characters.
#[test]
fn keys_that_are_too_long_are_rejected_alone() {
    let Some(pipe) = Pipe::<Schema>::find("long_keys") else { return };
    let more = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";
    pipe.connector(Connector { more, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let keys = ["é".repeat(768), format!("a{}", " ".repeat(768)), "b".repeat(769), "c".to_owned()];
    let events: Vec<Event> = keys.iter().map(|key| orders.insert(json!({ "id": key }))).collect();
    orders.send(&pipe.broker, events);
    let finished = pipe.run();
    assert_eq!(finished.count_log("record skipped: "), 2, "{}", finished.stderr);
    assert_eq!(pipe.select("CHAR_LENGTH(\"id\")", "orders"), ["1", "768"]);
}

/// Numbers are sent as text, and the server has to read the same ones.
#[test]
fn numbers_are_stored_exactly() {
    const ROWS: usize = 3_000;
    let Some(pipe) = Pipe::<Schema>::find("numbers") else { return };
    let declared =
        "[sink.config.tables.orders]\ncolumns = { f = \"double\", s = \"float\", d = \"decimal(65,30)\" }\n";
    pipe.connector(Connector { sink: declared, ..Connector::default() });
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut orders = Source::new("orders", &["id"]);
    let mut expected = Vec::new();
    while expected.len() < ROWS {
        let double = f64::from_bits(random());
        if !double.is_finite() {
            continue;
        }
        // Few digits, of which there is one shortest text.
        let single = f64::from(random() as i16) / 1024.0;
        let decimal = format!("{}.{:018}", random() as i64, random() % 1_000_000_000_000_000_000);
        expected.push((double, single, decimal));
    }
    let row = |(id, (double, single, decimal)): (usize, &(f64, f64, String))| {
        orders.insert(json!({ "id": id, "f": double, "s": single, "d": decimal }))
    };
    let events: Vec<Event> = expected.iter().enumerate().map(row).collect();
    orders.send(&pipe.broker, events);
    let _finished = pipe.run();
    let rows = pipe.probe.query("SELECT \"f\", \"s\" + 0e0, \"d\" FROM \"orders\" ORDER BY \"id\"");
    assert_eq!(rows.len(), ROWS);
    for (row, (double, single, decimal)) in rows.iter().zip(&expected) {
        let float = |index: usize| row[index].as_deref().and_then(|text| text.parse::<f64>().ok());
        assert_eq!((float(0), float(1)), (Some(*double), Some(*single)), "{row:?}");
        assert_eq!(
            row[2].as_deref().map(|text| text.trim_end_matches('0')),
            Some(decimal.trim_end_matches('0'))
        );
    }
}
