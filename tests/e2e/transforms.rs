//! Shipped transforms and the console sink, in a host.

use serde_json::json;
use tidegate::kafka::producer::ProducerRecord;
use tidegate_tests::{Broker, Home, Running, captured, captured_file};

const UPDATE: &str = r#"{"op":"u","before":{"customer_id":1,"email":"old@example.com","first_name":"John"},
    "after":{"customer_id":1,"email":"new@example.com","first_name":"John"},"table":"customers","ts_ms":1234567890,"lsn":67890}"#;

#[test]
fn the_console_sink_prints_events_as_blocks_of_text() {
    let broker = Broker::with_events([UPDATE]);
    let home = Home::new(&["console-sink"]);
    home.connector("show", "source.topics = [\"events\"]\nsink.plugin = \"console\"\n");
    let finished = home.run_once(&broker).expect_code(0);
    let block = "\
================================================================================
Operation: UPDATE
Table: customers
Timestamp: 1234567890
LSN: 67890

Before: {
  \"customer_id\": 1,
  \"email\": \"old@example.com\",
  \"first_name\": \"John\"
}

After: {
  \"customer_id\": 1,
  \"email\": \"new@example.com\",
  \"first_name\": \"John\"
}
================================================================================
";
    assert!(finished.stdout.contains(block), "{}", finished.stdout);
    finished.expect_log("Batch written to customers: 0 inserts, 1 updates, 0 deletes");
}

#[test]
fn every_captured_price_change_is_logged() {
    let broker = Broker::start();
    broker.load(&captured_file("shop-string/json.jsonl.gz"), 1);
    let home = Home::new(&["price-change", "discard-sink"]);
    home.connector(
        "prices",
        "source.topics = [\"cdc.public.products\"]\nsink.plugin = \"discard\"\n[[transforms]]\nplugin = \"price-change\"\n",
    );
    let finished = home.run_once(&broker).expect_code(0);
    let mut expected = Vec::new();
    for event in captured("shop-string/json.jsonl.gz") {
        let (Some(key), Some(value)) = (event.key, event.value) else { continue };
        let value: serde_json::Value = serde_json::from_str(&value).expect("JSON");
        let (old, new) = (&value["before"]["price"], &value["after"]["price"]);
        if event.topic == "cdc.public.products" && value["op"] == "u" && old != new {
            let (old, new) = (old.as_str().expect("text"), new.as_str().expect("text"));
            expected.push((format!("price changed: {old} -> {new} ("), format!("table=products key={key}")));
        }
    }
    assert_eq!(expected.len(), 207);
    let lines: Vec<&str> = finished.stderr.lines().filter(|line| line.contains("price changed: ")).collect();
    assert_eq!(lines.len(), expected.len());
    for (line, (message, fields)) in lines.iter().zip(&expected) {
        assert!(
            line.contains(" WARN prices[0] ") && line.contains(message) && line.ends_with(fields),
            "{line}"
        );
    }
    finished.expect_log("price changed: 99.53 -> 79.62 (-20.0 %) table=products key={\"product_id\":69}");
}

#[test]
fn transforms_run_in_order_and_only_if_their_condition_holds() {
    let row =
        |id: u32, state: &str| json!({ "id": id, "state": state, "card": "4111111111111111", "note": "x" });
    let event = |op: &str, id: u32, state: &str| {
        json!({ "op": op, "before": null, "after": row(id, state), "table": "orders", "ts_ms": 1 })
            .to_string()
    };
    let broker = Broker::with_events([event("c", 1, "new"), event("c", 2, "paid"), event("u", 3, "paid")]);
    let home = Home::new(&["basics", "misbehaving"]);
    let recording = home.recorder(
        "chain",
        "",
        r#"
[[transforms]]
plugin = "filter"
[[transforms.config.conditions]]
field = "state"
equals = "paid"

[[transforms]]
plugin = "fields"
[transforms.config]
drop = ["note"]
rename = { card = "account" }

[[transforms]]
plugin = "mask"
when = { operation = ["update"] }
[transforms.config]
fields = ["account"]
mode = "partial"

[[transforms]]
plugin = "route"
[transforms.config]
topic = { pattern = "events", replacement = "shop.$0" }
"#,
    );
    let finished = home.run_once(&broker).expect_code(0);
    let written = recording.written();
    let rows: Vec<_> =
        written.iter().map(|record| (record.offset, record.topic.as_str(), &record.value["after"])).collect();
    let (plain, masked) = (
        json!({ "id": 2, "state": "paid", "account": "4111111111111111" }),
        json!({ "id": 3, "state": "paid", "account": "************1111" }),
    );
    assert_eq!(rows, [(1, "shop.events", &plain), (2, "shop.events", &masked)]);
    let line = finished.stdout.lines().nth(1).expect("a line for the connector");
    let cells: Vec<&str> = line.split_whitespace().take(6).collect();
    assert_eq!(cells, ["chain", "3", "2", "1", "0", "3"]);
}

#[test]
fn enrich_takes_values_of_the_environment_and_of_headers() {
    let broker = Broker::start();
    broker.topic("events", 1);
    let headers: [(&[u8], Option<&[u8]>); 3] =
        [(b"attempt", Some(b"17")), (b"tags", Some(b"[\"a\", 2019-08-23]")), (b"text", Some(b"\"x\""))];
    broker.send_exactly([ProducerRecord {
        topic: "events",
        partition: Some(0),
        timestamp_ms: None,
        key: None,
        value: Some(UPDATE.as_bytes()),
        headers: &headers,
    }]);
    let home = Home::new(&["basics", "file-sink"]);
    let connector = |name: &str, format: &str| {
        home.connector(
            name,
            &format!(
                r#"
[source]
topics = ["events"]
{format}

[[transforms]]
plugin = "enrich"
[transforms.config.fields]
region = {{ constant = "${{env:REGION}}" }}
zone = {{ constant = "${{env:ZONE:-none}}" }}
connector = "connector"
offset = "offset"
attempt = {{ header = "attempt" }}
[transforms.config.headers]
op = "operation"

[[transforms]]
plugin = "filter"
[[transforms.config.conditions]]
of = "headers"
field = "attempt"
minimum = 17

[sink]
plugin = "file"
config.path = "@{name}.jsonl"
config.style = "record"
"#
            ),
        );
    };
    connector("typed", "header_format = \"simple\"");
    connector("raw", "");
    let mut command = home.command();
    command.env("REGION", "eu-1").args(["--bootstrap-servers", broker.servers(), "run", "--once"]);
    Running::start(&mut command).finish().expect_code(0);
    let line = |name: &str| -> serde_json::Value {
        let text = std::fs::read_to_string(home.path(&format!("{name}.jsonl"))).expect("a line");
        serde_json::from_str(text.trim()).expect("JSON")
    };
    let (typed, raw) = (line("typed"), line("raw"));
    let row = |connector: &str, attempt: serde_json::Value| {
        json!({
            "customer_id": 1, "email": "new@example.com", "first_name": "John", "region": "eu-1", "zone": "none",
            "connector": connector, "offset": 0, "attempt": attempt,
        })
    };
    assert_eq!(typed["value"]["after"], row("typed", json!(17)));
    assert_eq!(raw["value"]["after"], row("raw", json!("17")));
    let header = |name: &str, value: serde_json::Value| json!({ "name": name, "value": value });
    let expected = [
        header("attempt", json!(17)),
        header("tags", json!(["a", "2019-08-23"])),
        header("text", json!("\"x\"")),
        header("op", json!("update")),
    ];
    assert_eq!(typed["headers"], json!(expected));
    let expected = [
        header("attempt", json!("17")),
        header("tags", json!("[\"a\", 2019-08-23]")),
        header("text", json!("\"x\"")),
        header("op", json!("update")),
    ];
    assert_eq!(raw["headers"], json!(expected));
}

#[test]
fn options_of_unwrap_and_enrich_are_validated() {
    let home = Home::new(&["basics", "discard-sink"]);
    home.connector(
        "wrong",
        r#"
[source]
topics = ["events"]

[[transforms]]
plugin = "unwrap"
[transforms.config]
"delete.tombstone.handling.mode" = "jbsdfkjsd"
"add.field" = "op"

[[transforms]]
plugin = "enrich"
[transforms.config.fields]
op = "operatoin"
region = { constant = "eu", other = 1 }

[sink]
plugin = "discard"
"#,
    );
    let finished = home.run(&["validate"]).expect_code(1);
    for error in [
        r#"unknown value "jbsdfkjsd": known values: drop, tombstone, rewrite, rewrite-with-tombstone, delete-to-tombstone"#,
        r#"unknown key "add.field": did you mean "add.fields"?"#,
        r#"wrong.toml:14:1: transforms[1].config.fields.op: "#,
        r#"wrong.toml:15:1: transforms[1].config.fields.region"#,
    ] {
        assert!(finished.stdout.contains(error), "{error}\n{}", finished.stdout);
    }
    home.connector(
        "wrong",
        "[source]\ntopics = [\"events\"]\n[[transforms]]\nplugin = \"unwrap\"\n[transforms.config]\n\"add.fields\" = \"a.b.c\"\n\
         \"drop.tombstones\" = \"false\"\n\"delete.tombstone.handling.mode\" = \"rewrite\"\n[sink]\nplugin = \"discard\"\n",
    );
    let finished = home.run(&["validate"]).expect_code(1);
    for error in [
        "wrong.toml:6:1: ",
        "\"a.b.c\" is not a field",
        "wrong.toml:7:1: ",
        "has no effect with delete.tombstone.handling.mode",
    ] {
        assert!(finished.stdout.contains(error), "{error}\n{}", finished.stdout);
    }
}

#[test]
fn the_file_sink_writes_original_values_as_their_bytes_and_replaced_ones_as_json() {
    let broker = Broker::start();
    let values: [&[u8]; 5] =
        [b"{ \"a\" : 1.50e1 }", b"{\"a\":\"\\u0041\"}  ", b"{\"b\": 2}", b"[1 , 2]", b"{\n\"a\": 1.50e1\n}"];
    broker.send("t", values);
    let home = Home::new(&["file-sink", "basics"]);
    let connector = |style: &str| {
        format!(
            "source.topics = [\"t\"]\nsink.plugin = \"file\"\n\
             sink.config = {{ path = \"{style}.jsonl\", style = \"{style}\" }}\n\
             [[transforms]]\nplugin = \"mask\"\n\
             config = {{ fields = [\"b\"], replacement = \"none\" }}\n"
        )
    };
    home.connector("raw", &connector("raw"));
    home.connector("value", &connector("value"));
    home.run_once(&broker).expect_code(0);
    let raw = std::fs::read_to_string(home.path("raw.jsonl")).expect("a file");
    assert_eq!(
        raw,
        "{ \"a\" : 1.50e1 }\n{\"a\":\"\\u0041\"}  \n{\"b\":\"none\"}\n[1 , 2]\n{\n\"a\": 1.50e1\n}\n"
    );
    let value = std::fs::read_to_string(home.path("value.jsonl")).expect("a file");
    // Each takes one line: values with line breaks, and those that a transform has changed, are encoded again.
    assert_eq!(value, "{ \"a\" : 1.50e1 }\n{\"a\":\"\\u0041\"}  \n{\"b\":\"none\"}\n[1 , 2]\n{\"a\":15.0}\n");
}
