//! Captured events are written to files unchanged, and once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value as Json;
use tidegate_tests::{Broker, Captured, Home, captured, captured_file};

const EVENTS: &str = "shop-string/json.jsonl.gz";

const TO_FILES: &str = r#"
[source]
topics_regex = '^cdc\.'
pass_control_events = true

[sink]
plugin = "file"
[sink.config]
path = "@out/{topic}.jsonl"
style = "record"
"#;

/// Values by topic and key, in order. Kafka keeps the order per key. A tombstone is the text `null`.
type ByKey = BTreeMap<(String, String), Vec<String>>;

fn by_key(records: impl IntoIterator<Item = Captured>) -> ByKey {
    let mut keys = ByKey::new();
    for Captured { topic, key, value } in records {
        let (key, value) =
            (key.unwrap_or_else(|| "null".to_owned()), value.unwrap_or_else(|| "null".to_owned()));
        keys.entry((topic, key)).or_default().push(value);
    }
    keys
}

/// Key and value of a line of style `record`, as text. The captured ones have no whitespace either, so all digits of
/// numbers are compared.
fn read_line(line: &str) -> Captured {
    let whole: Json = serde_json::from_str(line).expect("a line of JSON");
    let (before, value) =
        line.rsplit_once(",\"value\":").filter(|_| whole["value"].is_null()).unwrap_or_else(|| {
            let start = line.find(",\"headers\":[").expect("headers");
            let end = start + line[start..].find("],\"key\":").expect("a key after the headers");
            let rest = &line[end..];
            let value = rest.find(",\"value\":").expect("a value after the key");
            (&line[..end + value], &rest[value + ",\"value\":".len()..])
        });
    let key = before.rsplit_once("],\"key\":").expect("a key").1;
    let value = value.strip_suffix('}').expect("the end of the line");
    Captured {
        topic: whole["topic"].as_str().expect("a topic").to_owned(),
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    }
}

fn files(home: &Home) -> BTreeMap<String, String> {
    let entries = fs::read_dir(home.path("out")).expect("a folder of files");
    let files = entries.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file());
    let named = files.map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("a file of text"))
    });
    named.collect()
}

#[test]
fn files_equal_the_captured_events_and_a_replay_adds_nothing() {
    let broker = Broker::start();
    broker.load(&captured_file(EVENTS), 4);
    let home = Home::new(&["file-sink"]);
    home.connector("archive", TO_FILES);

    let finished = home.run_once(&broker).expect_code(0);
    let expected = by_key(captured(EVENTS));
    let first = files(&home);
    let written = by_key(first.values().flat_map(|text| text.lines()).map(read_line));
    assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, values) in &expected {
        assert_eq!(&written[key], values, "{key:?}");
    }
    let table = finished.stdout.lines().nth(1).expect("a line for the connector");
    let cells: Vec<&str> = table.split_whitespace().take(6).collect();
    assert_eq!(cells, ["archive", "3883", "3883", "0", "0", "3883"]);

    // The group starts at the beginning, but the sink has stored offsets.
    let topics: BTreeSet<&str> = expected.keys().map(|(topic, _)| topic.as_str()).collect();
    broker.set_committed("connect-archive", &topics.into_iter().collect::<Vec<_>>(), 0);
    let _again = home.run_once(&broker).expect_code(0);
    assert_eq!(files(&home), first);
}

#[test]
fn events_with_schemas_are_written_as_rows() {
    let broker = Broker::start();
    broker.load(&captured_file("shop-precise/json-schema.jsonl.gz"), 2);
    let home = Home::new(&["file-sink"]);
    home.connector(
        "rows",
        "source.topics = [\"cdc.public.products\"]\nsink.plugin = \"file\"\n\
         sink.config = { path = \"@out/{table}.jsonl\", style = \"row\" }\n",
    );
    let _finished = home.run_once(&broker).expect_code(0);
    let rows = files(&home).remove("products.jsonl").expect("a file of products");
    // Decimals are encoded as bytes and a scale, and are written as numbers with all digits.
    let first: Json = serde_json::from_str(rows.lines().next().expect("a row")).expect("JSON");
    let row = &first["row"];
    assert!(row["price"].is_number(), "{row}");
    let price = rows.lines().next().and_then(|line| line.split("\"price\":").nth(1)).expect("a price");
    let price = price.split([',', '}']).next().expect("a number");
    assert_eq!(price.split_once('.').map(|(_, cents)| cents.len()), Some(2), "{price}");
}
