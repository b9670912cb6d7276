//! Change events of other tools than Debezium, from a broker to files.

use std::{collections::BTreeMap, fs};

use serde_json::Value as Json;
use tidegate_tests::{Broker, Home, captured_file};

/// File, topic, options of the source, and lines that control events have in the log.
const FORMATS: [(&str, &str, &str, &[&str]); 8] = [
    (
        "maxwell",
        "maxwell",
        "change_events = \"maxwell\"\n",
        &["maxwell has schema changes of Maxwell: they are filtered"],
    ),
    ("canal", "canal", "change_events = \"canal\"\n", &["canal has schema changes of Canal"]),
    ("ticdc-canal-json", "ticdc-canal-json", "change_events = \"ticdc\"\n", &["has watermarks of TiCDC"]),
    (
        "ticdc-simple",
        "ticdc-simple",
        "change_events = \"ticdc\"\nkey_columns.\"shop.products\" = \"id\"\n",
        &["has watermarks of TiCDC", "has schema changes of TiCDC"],
    ),
    (
        "dms",
        "dms",
        "change_events = \"dms\"\nkey_format = \"string\"\nkey_columns = { products = [\"id\"] }\n",
        &["dms has schema changes of AWS DMS"],
    ),
    ("goldengate", "goldengate", "change_events = \"goldengate\"\nkey_format = \"string\"\n", &[]),
    ("cloudevents", "cloudevents", "change_events = \"cloudevents\"\n", &[]),
    ("upsert", "shop.products", "change_events = \"upsert\"\n", &[]),
];

/// The lines of a table's file, applied by key. Gives name, price and weight of each row by its id.
fn final_rows(text: &str) -> BTreeMap<u64, [String; 3]> {
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let line: Json = serde_json::from_str(line).expect("a line of JSON");
        let lower = |json: &Json| -> BTreeMap<String, String> {
            let fields = json.as_object().into_iter().flatten();
            fields
                .map(|(name, value)| {
                    (name.to_lowercase(), value.as_str().map_or(value.to_string(), str::to_owned))
                })
                .collect()
        };
        let (key, after) = (lower(&line["key"]), lower(&line["after"]));
        let id: u64 = match key.get("id") {
            Some(id) => id.parse().expect("a number"),
            // A tombstone after a delete.
            None => continue,
        };
        match line["operation"].as_str() {
            Some("DELETE") => assert!(rows.remove(&id).is_some(), "{line}"),
            Some("INSERT" | "READ" | "UPDATE") => {
                let number = |name: &str| after[name].parse::<f64>().expect("a number").to_string();
                rows.insert(id, [after["name"].clone(), number("price"), number("weight")]);
            }
            None => assert!(line["value"].is_null(), "{line}"),
            other => panic!("{other:?}"),
        }
    }
    rows
}

#[test]
fn every_format_ends_in_the_same_table() {
    let expected: BTreeMap<u64, [String; 3]> = [
        (101, ["scooter", "21.5", "3.25"]),
        (102, ["hammer", "12", "0.8"]),
        (113, ["drill bits", "7.25", "0.8"]),
    ]
    .map(|(id, row)| (id, row.map(str::to_owned)))
    .into();
    let broker = Broker::start();
    let home = Home::new(&["file-sink"]);
    for (isolation, (name, topic, source, _)) in ["thread", "process"].iter().cycle().zip(FORMATS) {
        broker.load(&captured_file(&format!("change-formats/{name}.jsonl")), 1);
        home.connector(
            name,
            &format!(
                "isolation = \"{isolation}\"\n[source]\ntopics = [\"{topic}\"]\n{source}[sink]\nplugin = \"file\"\n\
                 [sink.config]\npath = \"@{name}/{{table}}.jsonl\"\n"
            ),
        );
    }
    let finished = home.run_once(&broker).expect_code(0);
    for (name, _, _, log) in FORMATS {
        let read = |table: &str| fs::read_to_string(home.path(&format!("{name}/{table}.jsonl")));
        let text =
            read("products").or_else(|_| read("PRODUCTS")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(final_rows(&text), expected, "{name}");
        log.iter().for_each(|line| {
            finished.expect_log(line);
        });
    }
    // Three rows in one message.
    let first: Vec<Json> = fs::read_to_string(home.path("canal/products.jsonl"))
        .expect("lines")
        .lines()
        .take(3)
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(first.iter().all(|line| line["offset"] == 1), "{first:?}");
    let truncates = fs::read_to_string(home.path("canal/log.jsonl")).expect("lines");
    assert_eq!(truncates.lines().filter(|line| line.contains("\"operation\":\"TRUNCATE\"")).count(), 1);
    // Of 9 messages 1 is filtered; the others hold 12 records.
    let canal = finished.stdout.lines().find(|line| line.starts_with("canal ")).expect("a line");
    assert_eq!(
        canal.split_whitespace().skip(1).take(5).collect::<Vec<_>>(),
        ["9", "12", "1", "0", "9"],
        "{canal}"
    );
}

#[test]
fn a_message_that_is_none_of_the_tool_is_rejected_by_name() {
    let broker = Broker::with_events([r#"{"op":"c","after":{"id":1},"source":{"table":"t"}}"#]);
    let home = Home::new(&["file-sink"]);
    home.connector(
        "files",
        "restart.policy = \"never\"\n[source]\ntopics = [\"events\"]\nchange_events = \"maxwell\"\n[sink]\n\
         plugin = \"file\"\nconfig.path = \"@out.jsonl\"\n",
    );
    let finished = home.run_once(&broker);
    finished.expect_log("invalid Maxwell message: `type` is missing");
}
