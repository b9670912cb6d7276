//! Output of the sink, printed to a file.

use serde_json::{Value as Json, json};
use tidegate_plugin::{
    Operation, printable,
    testing::{Event, Records, SinkTest},
};

use super::*;

/// The output for `records` with these options.
fn printed(mut options: Json, records: &Records) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new").join("out.txt");
    options["output"] = json!(path.to_str().unwrap());
    let mut sink = SinkTest::<Console>::open(options).unwrap();
    let report = sink.write(records).unwrap();
    assert!(report.rejected().is_empty());
    std::fs::read_to_string(path).unwrap()
}

fn update() -> Event {
    let before = json!({"customer_id": 1, "email": "old@example.com", "first_name": "John"});
    let after = json!({"customer_id": 1, "email": "new@example.com", "first_name": "John"});
    Event::update("customers").key(json!({"customer_id": 1})).before(before).after(after).lsn(67890)
}

#[test]
fn pretty_prints_an_update_as_a_block() {
    let expected = r#"================================================================================
Operation: UPDATE
Table: customers
Timestamp: 1700000000000
LSN: 67890

Before: {
  "customer_id": 1,
  "email": "old@example.com",
  "first_name": "John"
}

After: {
  "customer_id": 1,
  "email": "new@example.com",
  "first_name": "John"
}
================================================================================

"#;
    assert_eq!(printed(json!({}), &Records::new().event(update())), expected);
}

#[test]
fn inserts_print_the_new_row_and_deletes_the_old_row() {
    let insert = printed(json!({}), &Records::new().event(Event::insert("t").after(json!({"id": 1}))));
    assert!(
        insert
            .contains("Operation: INSERT\nTable: t\nTimestamp: 1700000000000\n\nAfter: {\n  \"id\": 1\n}\n="),
        "{insert}"
    );
    assert!(!insert.contains("Before") && !insert.contains("LSN"), "{insert}");
    let delete = printed(json!({}), &Records::new().event(Event::delete("t").before(json!({"id": 1}))));
    assert!(
        delete.contains("Operation: DELETE") && delete.contains("\n\nBefore: {\n  \"id\": 1\n}\n="),
        "{delete}"
    );
    assert!(!delete.contains("After"), "{delete}");
    let truncate = printed(json!({}), &Records::new().event(Event::new(Operation::Truncate, "t")));
    assert!(truncate.contains("Operation: TRUNCATE") && !truncate.contains("Before"), "{truncate}");
    let message = printed(json!({}), &Records::new().event(Event::new(Operation::Message, "")));
    assert!(
        message.contains("Operation: MESSAGE\nTopic: cdc.public.\n") && message.contains("\n\nValue: {"),
        "{message}"
    );
    let update = printed(json!({}), &Records::new().event(Event::update("t").after(json!({"id": 1}))));
    assert!(update.contains("Before: null\n\nAfter: {"), "{update}");
}

#[test]
fn other_records_print_coordinates_key_and_value() {
    let text = printed(json!({}), &Records::new().json("orders", json!("k"), json!({"a": [1]})).at(3, 42));
    let expected = "\nTopic: orders\nPartition: 3\nOffset: 42\nTimestamp: 1700000000000\n\nKey: \"k\"\n\nValue: {\n  \"a\": [\n    1\n  ]\n}\n=";
    assert!(text.contains(expected), "{text}");
    let text = printed(json!({}), &Records::new().tombstone("orders", json!("k")));
    assert!(text.contains("Value: null\n"), "{text}");
}

#[test]
fn json_is_one_line_per_record() {
    let records = Records::new().event(update()).tombstone("t", json!({"id": 1}));
    let text = printed(json!({"style": "json"}), &records);
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = json!({
        "topic": "cdc.public.customers", "partition": 0, "offset": 0, "timestamp": 1_700_000_000_000_i64,
        "key": {"customer_id": 1}, "operation": "UPDATE", "table": "customers",
        "before": {"customer_id": 1, "email": "old@example.com", "first_name": "John"},
        "after": {"customer_id": 1, "email": "new@example.com", "first_name": "John"},
    });
    assert_eq!(lines[0], expected);
    let expected = json!({
        "topic": "t", "partition": 0, "offset": 0, "timestamp": 1_700_000_000_000_i64, "key": {"id": 1}, "value": null,
    });
    assert_eq!(lines[1], expected);
}

#[test]
fn compact_prints_changed_columns() {
    let row = json!({"id": 1});
    let records = Records::new()
        .event(update())
        .event(Event::update("t").key(json!({"id": 1})).before(row.clone()).after(row.clone()))
        .event(Event::update("t").key(json!({"id": 1})).after(row.clone()))
        .event(Event::update("t").before(json!({"a": 1, "b": 2})).after(json!({"a": 2, "b": null, "c": 3})))
        .event(Event::insert("t").key(json!({"id": 1})).after(row.clone()))
        .event(Event::delete("t").key(json!({"id": 1})).before(row))
        .event(Event::new(Operation::Truncate, "t"))
        .json("plain", json!(null), json!([1]));
    let expected = r#"UPDATE customers {"customer_id":1} email: "old@example.com" -> "new@example.com"
UPDATE t {"id":1} (no column changed)
UPDATE t {"id":1} {"id":1}
UPDATE t a: 1 -> 2, b: 2 -> null, c: null -> 3
INSERT t {"id":1} {"id":1}
DELETE t {"id":1} {"id":1}
TRUNCATE t
plain-0@0 null [1]
"#;
    assert_eq!(printed(json!({"style": "compact"}), &records), expected);
}

#[test]
fn compact_compares_the_columns_of_wide_rows_by_name() {
    let columns = |numbers: &mut dyn Iterator<Item = usize>, changed: usize| {
        let value = |number: usize| if number == changed { json!("new") } else { json!(number) };
        let row: serde_json::Map<String, Json> =
            numbers.map(|number| (format!("c{number}"), value(number))).collect();
        Json::Object(row)
    };
    let before = columns(&mut (0..400), usize::MAX);
    let after = columns(&mut (0..401).rev(), 7);
    let records = Records::new().event(Event::update("t").before(before).after(after));
    let text = printed(json!({"style": "compact"}), &records);
    let mut changes: Vec<&str> = text.trim_start_matches("UPDATE t ").trim_end().split(", ").collect();
    changes.sort_unstable();
    assert_eq!(changes, ["c400: null -> 400", "c7: 7 -> \"new\""]);
}

#[test]
fn a_limit_prints_the_last_records_of_a_batch_and_counts_the_others() {
    let records = (0..5).fold(Records::new(), |records, id| records.json("t", json!(id), json!({"id": id})));
    let text = printed(json!({"style": "compact", "limit": 2}), &records);
    assert_eq!(
        text,
        "... 3 earlier records of this batch not printed (limit = 2)\nt-0@3 3 {\"id\":3}\nt-0@4 4 {\"id\":4}\n"
    );
    let text = printed(json!({"style": "compact", "limit": 4}), &records);
    assert!(text.starts_with("... 1 earlier record of this batch not printed (limit = 4)\n"), "{text}");
    let all = printed(json!({"style": "compact"}), &records);
    assert_eq!(printed(json!({"style": "compact", "limit": 5}), &records), all);
    let error = SinkTest::<Console>::open(json!({"style": "json", "limit": 2})).unwrap_err();
    assert!(error.message().contains("limit cannot be used with style = \"json\""), "{error}");
}

#[test]
fn output_is_colored_only_on_terminals_or_on_request() {
    let records = Records::new().event(update());
    assert!(!printed(json!({"color": "auto"}), &records).contains('\x1b'));
    assert!(!printed(json!({"color": "never"}), &records).contains('\x1b'));
    let coloured = printed(json!({"color": "always"}), &records);
    assert!(coloured.contains("\x1b[1mOperation:\x1b[0m \x1b[33mUPDATE\x1b[0m\n"), "{coloured}");
    assert!(!printed(json!({"color": "always", "style": "json"}), &records).contains('\x1b'));
}

#[test]
fn files_are_appended_to_and_errors_name_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.txt");
    let config = json!({"style": "compact", "output": path.to_str().unwrap()});
    for _ in 0..2 {
        let mut sink = SinkTest::<Console>::open(config.clone()).unwrap();
        sink.write(&Records::new().json("t", json!(1), json!(2))).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "t-0@0 1 2\n".repeat(2));

    let below_a_file = path.join("x").to_str().unwrap().to_owned();
    let error = SinkTest::<Console>::open(json!({"output": below_a_file})).unwrap_err();
    assert!(error.message().starts_with(&format!("opening {below_a_file}: ")), "{error}");
}

#[test]
fn names_and_values_of_records_do_not_control_the_terminal() {
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\nINSERT forged {}\r\u{9b}31m\u{202e}x\u{7f}\u{2028}";
    let row = |value: &str| json!({hostile: value, "id": 1});
    let events = Records::new()
        .event(Event::insert(hostile).key(row(hostile)).after(row(hostile)))
        .event(Event::update(hostile).key(row(hostile)).before(row("a")).after(row(hostile)))
        .event(Event::delete(hostile).key(row(hostile)).before(row(hostile)))
        .json("plain", json!(hostile), json!([hostile]));
    for style in ["pretty", "compact", "json"] {
        let text = printed(json!({"style": style}), &events);
        assert!(
            !text.contains(|character| character != '\n' && printable::is_escaped(character)),
            "{text:?}"
        );
        assert_eq!(text.lines().filter(|line| line.starts_with("INSERT forged")).count(), 0, "{text}");
        let lines = text.lines().filter(|line| line.starts_with('{'));
        let documents = lines.filter(|_| style == "json").map(serde_json::from_str::<Json>);
        assert_eq!(
            documents.filter(|document| document.is_ok()).count(),
            if style == "json" { 4 } else { 0 }
        );
    }
    assert!(printed(json!({"style": "pretty"}), &events).contains("Table: \\u{1b}[2J"));
}
