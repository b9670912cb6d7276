//! The embedded broker: `tidegate broker`, and in a host.

use std::time::Instant;

use tidegate_tests::{Home, Running, captured_file};

#[test]
fn tidegate_broker_serves_a_host() {
    let capture = captured_file("shop-string/json.jsonl.gz");
    let home = Home::new(&["discard-sink"]);
    home.connector("count", "source.topics_regex = '^cdc\\.'\nsink.plugin = \"discard\"\n");
    let arguments = ["broker", "--listen", "127.0.0.1:0", "--partitions", "3", "--load"];
    let mut broker = Running::start(home.command().args(arguments).arg(&capture));
    let address = broker.wait_until("the address", |broker| {
        let stdout = broker.stdout();
        stdout.lines().find_map(|line| line.strip_prefix("listening on ")).map(str::to_owned)
    });
    assert!(broker.stdout().contains("3883 records into 7 topics"), "{}", broker.stdout());
    let finished = home.run(&["--bootstrap-servers", &address, "run", "--once"]).expect_code(0);
    let line = finished.stdout.lines().nth(1).expect("a line for the connector");
    // Transaction markers are filtered.
    assert_eq!(
        line.split_whitespace().skip(1).take(3).collect::<Vec<_>>(),
        ["3883", "2659", "1224"],
        "{line}"
    );
    let _finished = broker.terminate().expect_code(0);
}

#[test]
fn a_host_runs_on_its_embedded_broker() {
    let home = Home::new(&["console-sink", "discard-sink"]);
    home.connector("show", "source.topics = [\"cdc.public.customers\"]\nsink.plugin = \"console\"\n");
    home.connector("count", "source.topics_regex = '^cdc\\.'\nsink.plugin = \"discard\"\n");
    let capture = captured_file("shop-string/json.jsonl.gz");
    let began = Instant::now();
    let arguments = ["run", "--embedded-kafka", "--once", "--load"];
    let mut running = Running::start(home.command().args(arguments).arg(&capture));
    running.wait_until("the first record", |running| running.stdout().contains("Operation: ").then_some(()));
    println!("first record after {:.2} s, debug build", began.elapsed().as_secs_f64());
    let finished = running.finish().expect_code(0);
    let table: Vec<Vec<&str>> = finished
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("connector"))
        .map(|line| line.split_whitespace().take(6).collect())
        .collect();
    assert_eq!(table[0], ["connector", "read", "delivered", "filtered", "rejected", "committed"]);
    assert_eq!(table[1], ["count", "3883", "2659", "1224", "0", "3883"]);
    assert_eq!(table[2], ["show", "384", "384", "0", "0", "384"]);
}

#[test]
fn the_embedded_broker_listens_on_loopback_only() {
    let home = Home::new(&[]);
    let finished = home.run(&["broker", "--listen", "0.0.0.0:0"]).expect_code(1);
    finished.expect_log("use 127.0.0.1");
}

/// A broker of its own, and its address.
fn broker(home: &Home) -> (Running, String) {
    let mut broker = Running::start(home.command().args(["broker", "--listen", "127.0.0.1:0"]));
    let address = broker.wait_until("the address", |broker| {
        broker.stdout().lines().find_map(|line| line.strip_prefix("listening on ")).map(str::to_owned)
    });
    (broker, address)
}

#[test]
fn a_first_connector_prints_what_produce_sends() {
    let home = Home::new(&["console-sink"]);
    home.connector(
        "orders",
        "source.topics = [\"orders\"]\nsink.plugin = \"console\"\nsink.config.style = \"json\"\n",
    );
    let (broker, address) = broker(&home);
    let mut produce = home.command();
    produce.args(["--bootstrap-servers", &address, "produce", "orders", "--key-separator", ":"]);
    let line = r#"1:{"id": 1, "status": "paid"}"#;
    let finished =
        Running::start_with_input(&mut produce, format!("{line}\n").as_bytes()).finish().expect_code(0);
    assert_eq!(finished.stdout, "1 record sent to orders\n");
    let finished = home.run(&["--bootstrap-servers", &address, "run", "--once"]).expect_code(0);
    let printed: serde_json::Value =
        serde_json::from_str(finished.stdout.lines().next().unwrap_or_default()).expect("a record");
    assert_eq!(
        (&printed["key"], &printed["value"]),
        (&1.into(), &serde_json::json!({"id": 1, "status": "paid"}))
    );
    let _finished = broker.terminate().expect_code(0);
}

#[test]
fn produce_reads_files_with_keys_headers_and_tombstones() {
    let home = Home::new(&["file-sink"]);
    let text = "source.topics = [\"t\"]\nsource.key_format = \"string\"\nsource.value_format = \"string\"\n\
                sink.plugin = \"file\"\nsink.config = { path = \"out.jsonl\", style = \"record\" }\n";
    home.connector("t", text);
    let (broker, address) = broker(&home);
    let lines = home.write("lines", "a\tone\nb\t\nno key\n\na\tlast");
    let more = home.write("more", "c\tmore\n");
    let mut produce = home.command();
    produce.args(["produce", "t", "-K", "\\t", "-Z", "-H", "source=a=b", "-H", "empty=", "--partition", "2"]);
    produce.arg(&lines).arg(&more).env("KAFKA_BOOTSTRAP_SERVERS", &address);
    let finished = Running::start(&mut produce).finish().expect_code(0);
    assert_eq!(finished.stdout, "6 records sent to t\n");
    let _finished = home.run(&["--bootstrap-servers", &address, "run", "--once"]).expect_code(0);
    let written = std::fs::read_to_string(home.path("out.jsonl")).expect("a file");
    let records: Vec<serde_json::Value> =
        written.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let content: Vec<_> =
        records.iter().map(|record| [record["key"].as_str(), record["value"].as_str()]).collect();
    assert_eq!(
        content,
        [
            [Some("a"), Some("one")],
            [Some("b"), None],
            [None, Some("no key")],
            [None, None],
            [Some("a"), Some("last")],
            [Some("c"), Some("more")]
        ]
    );
    let headers = serde_json::json!([{"name": "source", "value": "a=b"}, {"name": "empty", "value": ""}]);
    assert!(
        records.iter().all(|record| record["headers"] == headers && record["partition"] == 2),
        "{written}"
    );
    // What the sink wrote is what a broker loads.
    let reload = home.path("out.jsonl");
    let arguments = ["broker", "--listen", "127.0.0.1:0", "--load"];
    let mut second = Running::start(home.command().args(arguments).arg(&reload));
    second.wait_until("the records", |broker| {
        broker.stdout().contains("6 records into 1 topic\n").then_some(())
    });
    let _finished = second.terminate().expect_code(0);
    let _finished = broker.terminate().expect_code(0);
}

#[test]
fn produce_names_what_is_wrong() {
    let home = Home::new(&[]);
    home.run(&["produce", "t", "-H", "x"])
        .expect_code(1)
        .expect_log("--header \"x\" is not of the form NAME=VALUE");
    home.run(&["produce", "t", "-K", ""]).expect_code(1).expect_log("--key-separator is empty");
    home.run(&["produce", "t", "missing"])
        .expect_code(1)
        .expect_log("0 records sent to t: opening missing: ");
    let (broker, address) = broker(&home);
    let file = home.write("lines", "x\n");
    let mut produce = home.command();
    produce.args(["--bootstrap-servers", &address, "produce", "t", "--partition", "99"]).arg(&file);
    let finished = Running::start(&mut produce).finish().expect_code(1);
    finished.expect_log("writing to topic \"t\" failed: ");
    let _finished = broker.terminate().expect_code(0);
}
