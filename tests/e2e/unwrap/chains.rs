//! What later transforms and sinks see of an unwrapped record.

use super::*;
use tidegate_tests::{Broker, Home};

#[test]
fn later_transforms_see_a_plain_row_and_sinks_the_event_with_their_changes() {
    let rewrite = json!({ "delete.tombstone.handling.mode": "rewrite", "add.fields": "op" });
    let mask = json!({ "fields": ["name"] });
    let rename = json!({ "rename": { "id": "number" }, "key": true });
    let mut line = Line::of(&[("unwrap", &rewrite), ("mask", &mask), ("fields", &rename)]);
    let (seen, rejected) = line.pass(&[update().with_key(), delete()]);
    assert_eq!(rejected, [] as [&str; 0]);
    let row = json!({ "number": 1, "name": "****" });
    let value =
        |deleted: &str, op: &str| json!({ "number": 1, "name": "****", "__deleted": deleted, "__op": op });
    assert_eq!((&seen[0].value, &seen[1].value), (&value("false", "u"), &value("true", "d")));
    assert_eq!(seen[0].event, Some(("UPDATE".to_owned(), Json::Null, row.clone())));
    assert_eq!(seen[1].event, Some(("DELETE".to_owned(), row, Json::Null)));
    assert_eq!((&seen[0].key, &seen[1].key), (&json!({ "number": 1 }), &json!({ "number": 1 })));
}

#[test]
fn conditions_of_later_transforms_see_a_plain_record() {
    let mask = json!({ "fields": ["name"] });
    let mut line = Line::of(&[("unwrap", &json!({})), ("mask", &mask)]);
    let Line { batch, decoder, transforms, .. } = &mut line;
    decode(batch, decoder, "dummy", &[create(), heartbeat(), plain()]);
    let mut seen = Vec::new();
    for transform in transforms {
        let mut selects = |record: Record<'_>| {
            seen.push(record.change().map(|change| change.operation().name()));
            record.change().is_some_and(|change| change.operation().is_insert())
        };
        transform.apply(batch, usize::MAX, Some(&mut selects), decoder).expect("transformed");
    }
    batch.finish_unwrapped(decoder);
    assert_eq!(seen, [Some("INSERT"), Some("MESSAGE"), None, None, Some("MESSAGE"), None]);
    let first = Seen::of(batch.record(0).expect("a record"));
    assert_eq!(first.value, json!({ "id": 1, "name": "myRecord" }));
    assert_eq!(first.event.map(|event| event.0), Some("INSERT".to_owned()));
}

#[test]
fn a_row_whose_columns_look_like_an_envelope_stays_a_row() {
    let after = json!({ "op": "x", "before": 7, "after": "y", "source": { "table": "z" } });
    let value = json!({ "op": "c", "after": after, "table": "t" }).to_string();
    let message = Message { value: Some(value), ..Message::default() };
    let renamed = json!({ "rename": { "before": "earlier" } });
    let mut line = Line::of(&[("unwrap", &json!({})), ("fields", &renamed)]);
    let (seen, rejected) = line.pass(&[message]);
    assert_eq!(rejected, [] as [&str; 0]);
    let row = json!({ "op": "x", "earlier": 7, "after": "y", "source": { "table": "z" } });
    assert_eq!(
        (&seen[0].value, &seen[0].event),
        (&row, &Some(("INSERT".to_owned(), Json::Null, row.clone())))
    );
}

#[test]
fn added_fields_are_columns_only_if_they_are_renamed() {
    let fields = json!({ "add.fields": "op,source.ts_ms,source.lsn:LSN,transaction.id" });
    let seen = kept(fields, &update());
    let row = json!({ "id": 1, "name": "updatedRecord", "__LSN": 1234 });
    assert_eq!(seen.event, Some(("UPDATE".to_owned(), Json::Null, row)));
}

#[test]
fn unwrapping_twice_changes_nothing_more() {
    let rewrite = json!({ "delete.tombstone.handling.mode": "rewrite" });
    let once = Line::open(&rewrite).pass(&[update(), delete(), heartbeat(), plain()]);
    let twice = Line::of(&[("unwrap", &rewrite), ("unwrap", &rewrite)]);
    let mut twice = twice;
    assert_eq!(twice.pass(&[update(), delete(), heartbeat(), plain()]), once);
}

/// The values of the lines that a connector with `unwrap` and the file sink writes.
fn lines(home: &Home, name: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(home.path(&format!("{name}.jsonl"))).expect("lines");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn sinks_of_values_write_rows_and_dropped_records_are_counted() {
    let broker = Broker::start();
    broker.topic("events", 1);
    let messages = [create(), update(), delete(), tombstone(), truncate(), heartbeat()];
    broker.produce(
        messages.iter().map(|message| ("events", 0, message.key.as_deref(), message.value.as_deref())),
    );
    let home = Home::new(&["basics", "file-sink", "console-sink"]);
    let unwrap = "[[transforms]]\nplugin = \"unwrap\"\nconfig.\"add.fields\" = [\"op\"]\n";
    for style in ["event", "record", "row", "value"] {
        home.connector(
            style,
            &format!("source.topics = [\"events\"]\nsource.pass_control_events = true\n{unwrap}[sink]\nplugin = \"file\"\nconfig.path = \"@{style}.jsonl\"\nconfig.style = \"{style}\"\n"),
        );
    }
    home.connector(
        "shown",
        &format!(
            "source.topics = [\"events\"]\n{unwrap}[sink]\nplugin = \"console\"\nconfig.style = \"compact\"\n"
        ),
    );
    let finished = home.run_once(&broker).expect_code(0);
    let rows = [
        json!({ "id": 1, "name": "myRecord", "__op": "c" }),
        json!({ "id": 1, "name": "updatedRecord", "__op": "u" }),
        Json::Null,
        json!({ "ts_ms": 5 }),
    ];
    assert_eq!(lines(&home, "value"), rows);
    let record = json!({
        "topic": "events", "partition": 0, "offset": 2, "key": { "id": 1 }, "value": null,
    });
    let mut third = lines(&home, "event")[2].clone();
    third.as_object_mut().expect("an object").remove("timestamp");
    assert_eq!(third, record);
    assert_eq!(lines(&home, "row")[1], json!({ "operation": "UPDATE", "key": null, "row": rows[1] }));
    assert_eq!(lines(&home, "record")[1]["value"], rows[1]);
    assert!(
        finished.stdout.contains(r#"events-0@1 null {"id":1,"name":"updatedRecord","__op":"u"}"#),
        "{}",
        finished.stdout
    );
    finished.expect_log("a truncate was dropped, as Debezium's ExtractNewRecordState does");
    let cells: Vec<&str> = finished
        .stdout
        .lines()
        .find_map(|line| line.starts_with("value ").then(|| line.split_whitespace().take(4).collect()))
        .expect("a line for the connector");
    assert_eq!(cells, ["value", "6", "4", "2"]);
}
