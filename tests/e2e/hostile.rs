//! Records that are made to harm: they neither stop a connector that tolerates bad records, nor reach what is not theirs.

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tidegate_tests::{Broker, Home, ProcessStatus, Running, root};

use crate::dead_letters::DEAD_LETTERS;

fn input(name: &str) -> PathBuf {
    root().join("tests/data/security").join(name)
}

/// A broker with these records.
fn loaded(name: &str) -> Broker {
    let broker = Broker::start();
    broker.load(&input(name), 1);
    broker
}

/// A connector of the file sink that dead-letters bad records.
fn to_files(home: &Home, name: &str, topic: &str, path: &str, more: &str) {
    home.connector(
        name,
        &format!(
            "[source]\ntopics = [\"{topic}\"]\n{more}\n[sink]\nplugin = \"file\"\nconfig.path = \"@{path}\"\n[restart]\n\
             policy = \"never\"\n{DEAD_LETTERS}"
        ),
    );
}

/// Sets the isolation of a connector.
fn isolate(home: &Home, name: &str, isolation: &str) {
    let file = home.path(&format!("connectors.d/{name}.toml"));
    let text = fs::read_to_string(&file).expect("the connector's file");
    home.connector(name, &format!("isolation = \"{isolation}\"\n{text}"));
}

fn lines(home: &Home, path: &str) -> usize {
    fs::read_to_string(home.path(path)).unwrap_or_default().lines().count()
}

#[test]
fn nothing_that_is_printed_controls_the_terminal() {
    for style in ["pretty", "compact", "json"] {
        let broker = loaded("console-escapes.jsonl");
        let home = Home::new(&["console-sink"]);
        home.connector(
            "a",
            &format!(
                "[source]\ntopics = [\"t\"]\n[sink]\nplugin = \"console\"\nconfig.style = \"{style}\"\n"
            ),
        );
        let finished = home.run_once(&broker).expect_code(0);
        assert!(finished.stdout.contains("owned"), "{style}: {}", finished.stdout);
        for text in [&finished.stdout, &finished.stderr] {
            let control = text.chars().find(|character| {
                (character.is_control() && *character != '\n') || matches!(character, '\u{202a}'..='\u{202e}')
            });
            assert_eq!(control, None, "{style}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("INSERT forged")), "{style}: {text}");
        }
    }
}

#[test]
fn a_table_name_that_no_file_can_have_rejects_its_record_only() {
    let broker = loaded("file-long-name.jsonl");
    let home = Home::new(&["file-sink"]);
    to_files(&home, "a", "t", "out/{table}.jsonl", "");
    let finished = home.run_once(&broker).expect_code(0);
    finished.expect_log("bytes, and at most 255 are possible");
    assert_eq!((lines(&home, "out/ok.jsonl"), broker.stored("dlq.t").len()), (1, 1));
}

#[test]
fn names_of_many_megabytes_make_short_log_lines() {
    let name = "x".repeat(800_000);
    let event =
        format!(r#"{{"op":"c","before":null,"after":{{"id":1}},"table":"{name}","schema":"s","lsn":"1"}}"#);
    let broker = Broker::with_events([&event; 20]);
    let home = Home::new(&["file-sink"]);
    to_files(&home, "a", "events", "out/{table}.jsonl", "");
    let finished = home.run_once(&broker).expect_code(0);
    assert_eq!(broker.stored("dlq.events").len(), 20);
    let longest = finished.stderr.lines().map(str::len).max().unwrap_or_default();
    assert!(longest < 20_000, "a line of {longest} bytes");
}

#[test]
fn a_decimal_that_would_take_long_to_print_is_rejected() {
    let mut digits = vec![0x7f_u8; 200_000];
    digits.iter_mut().enumerate().skip(1).for_each(|(at, byte)| *byte = (at % 251) as u8);
    let event = |decimal: &str, id: u32| {
        format!(
            r#"{{"op":"c","before":null,"after":{{"id":{id},"d":"{decimal}"}},"table":"x","schema":"s","lsn":"{id}"}}"#
        )
    };
    let broker = Broker::with_events([event(&STANDARD.encode(digits), 1), event("AQA=", 2)]);
    let home = Home::new(&["file-sink"]);
    to_files(&home, "a", "events", "out/all.jsonl", "[source.columns]\n\"x.d\" = { decimal = 2 }\n");
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!((lines(&home, "out/all.jsonl"), broker.stored("dlq.events").len()), (1, 1));
    assert!(fs::read_to_string(home.path("out/all.jsonl")).unwrap_or_default().contains("2.56"));
}

#[test]
fn headers_do_not_make_a_record_an_own_dead_letter() {
    let broker = loaded("forged-own-letter.jsonl");
    let home = Home::new(&["file-sink"]);
    to_files(&home, "own", "t", "out/all.jsonl", "");
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!((lines(&home, "out/all.jsonl"), broker.stored("dlq.t").len()), (1, 1));
}

#[test]
fn a_forged_dead_letter_is_not_replayed_into_a_topic_that_the_connector_does_not_read() {
    let broker = loaded("forged-letter.jsonl");
    broker.topic("x", 1);
    let home = Home::new(&["file-sink"]);
    to_files(&home, "dl", "x", "out/all.jsonl", "");
    let before = broker.stored("victim").len();
    let replay = |more: &[&str]| {
        let fixed = ["--bootstrap-servers", broker.servers(), "dead-letters", "replay", "dl"];
        home.run(&fixed.iter().chain(more).copied().collect::<Vec<_>>()).expect_code(0).stdout
    };
    let text = replay(&[]);
    assert!(text.contains("1 skipped because they name a topic that the connector does not read"), "{text}");
    assert_eq!(broker.stored("victim").len(), before);
    let text = replay(&["--to", "victim"]);
    assert!(text.contains("1 to victim"), "{text}");
    assert_eq!(broker.stored("victim").len(), before + 1);
    // What the headers say is printed without control characters.
    for command in ["list", "show"] {
        let fixed = ["--bootstrap-servers", broker.servers(), "dead-letters", command, "dl"];
        for more in [&[][..], &["--json"]] {
            let arguments: Vec<&str> = fixed.iter().chain(more).copied().collect();
            let text = home.run(&arguments).expect_code(0).stdout;
            assert!(text.contains("owned") && !text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text:?}");
        }
    }
}

#[test]
fn two_file_sinks_with_nested_roots_lose_no_line() {
    let event = |name: &str, id: u32, schema: &str| {
        format!(
            r#"{{"op":"c","before":null,"after":{{"{name}":{id}}},"table":"orders","schema":"{schema}"}}"#
        )
    };
    let broker = Broker::start();
    broker.send("a", (0..60).map(|id| event("a", id, "shop")));
    broker.send("b", (0..60).map(|id| event("b", id, "x")));
    let home = Home::new(&["file-sink"]);
    to_files(&home, "outer", "a", "out/{schema}/{table}.jsonl", "[batch]\nmax_records = 5\n");
    to_files(&home, "inner", "b", "out/shop/{table}.jsonl", "[batch]\nmax_records = 5\n");
    let finished = home.run_once(&broker);
    let text = fs::read_to_string(home.path("out/shop/orders.jsonl")).unwrap_or_default();
    let count = |name: &str| text.lines().filter(|line| line.contains(&format!("{{\"{name}\":"))).count();
    let (outer, inner) = (count("a"), count("b"));
    let log = &finished.stderr;
    // Whichever came second was refused, and says why.
    match inner {
        60 => assert_eq!(outer + broker.stored("dlq.a").len(), 60, "{log}"),
        _ => {
            assert_eq!((outer, inner), (60, 0), "{log}");
            finished.expect_log(
                "the root folder of another `file` sink, which has written shop/orders.jsonl there",
            );
        }
    }
}

/// A record of JSON with this schema.
fn with_schema(schema: &str, payload: &str) -> String {
    format!(r#"{{"schema":{schema},"payload":{payload}}}"#)
}

/// A schema with a long text that Connect would refuse.
fn refused_schema(number: usize) -> String {
    let default = "x".repeat(400_000);
    format!(r#"{{"type":"struct","fields":[{{"type":"int8","field":"a","default":"{default}{number}"}}]}}"#)
}

/// A schema of 0.4 MB, many structs deep.
fn deep_schema(number: usize) -> String {
    let column = |column| format!(r#"{{"type":"string","optional":true,"field":"f{column}"}}"#);
    let columns = (0..8_000).map(column).collect::<Vec<_>>().join(",");
    let opened: String = (0..30)
        .map(|depth| format!(r#"{{"type":"struct","name":"d{depth}","optional":true,"field":"n","fields":["#))
        .collect();
    format!(r#"{opened}{{"type":"int8","field":"{number}"}},{columns}{}"#, "]}".repeat(30))
}

fn small_schema(number: usize) -> String {
    format!(r#"{{"type":"struct","name":"s{number}","fields":[{{"type":"int32","field":"id"}}]}}"#)
}

#[test]
fn schemas_in_records_neither_fill_the_memory_nor_affect_another_connector() {
    let broker = Broker::start();
    broker.topic("evil", 1);
    broker.topic("good", 1);
    let home = Home::new(&["file-sink"]);
    for name in ["evil", "good"] {
        to_files(&home, name, name, &format!("out/{name}.jsonl"), "[limits]\nmemory = \"64 MiB\"\n");
    }
    let mut running = home.start(&broker);
    for name in ["evil", "good"] {
        home.wait_for_status(&mut running, name, |status| status["counts"]["partitions"] == 1);
    }
    let peak = |running: &Running| ProcessStatus::of(running.pid()).and_then(|status| status.number("VmHWM"));
    let before = peak(&running).expect("a size");
    let produce = |topic: &'static str, count: usize, value: &dyn Fn(usize) -> String| {
        broker.produce((0..count).map(|number| (topic, 0, None, Some(value(number)))));
    };
    produce("evil", 100, &|number| with_schema(&refused_schema(number), r#"{"a":null}"#));
    produce("evil", 100, &|number| with_schema(&deep_schema(number), "null"));
    produce("evil", 3_000, &|number| with_schema(&small_schema(number), r#"{"id":1}"#));
    produce("good", 5, &|_| with_schema(&small_schema(100_000), r#"{"id":1}"#));
    home.wait_for_status(&mut running, "good", |status| status["counts"]["committed"] == 5);
    home.wait_for_status(&mut running, "evil", |status| status["counts"]["committed"] == 3_200);
    let grown = (peak(&running).expect("a size") - before) / 1024;
    // All of these schemas together would take more than a gigabyte.
    assert!(grown < 300, "the host took {grown} MiB more");
    let finished = running.terminate().expect_code(0);
    finished.expect_log("the schemas of values take more than their part of limits.memory");
    assert_eq!((lines(&home, "out/evil.jsonl"), broker.stored("dlq.evil").len()), (3_100, 100));
}

/// A JSON string of one MiB.
fn long_text() -> String {
    format!("\"{}\"", " ".repeat(1 << 20))
}

#[test]
fn a_batch_that_unpacks_to_too_much_fails_its_connector_only_and_fills_no_memory() {
    for isolation in ["thread", "process"] {
        let broker = Broker::start();
        ["bomb", "good"].iter().for_each(|topic| broker.topic(topic, 1));
        let home = Home::new(&["file-sink"]);
        for name in ["bomb", "good"] {
            to_files(&home, name, name, &format!("out/{name}.jsonl"), "[limits]\nmemory = \"32 MiB\"\n");
            isolate(&home, name, isolation);
        }
        broker.send("bomb", ["1"]);
        let mut running = home.start(&broker);
        home.wait_for_status(&mut running, "bomb", |status| status["counts"]["committed"] == 1);
        home.wait_for_status(&mut running, "good", |status| status["counts"]["partitions"] == 1);
        let size =
            |running: &Running| ProcessStatus::of(running.pid()).and_then(|status| status.number("VmHWM"));
        let before = size(&running).expect("a size");
        broker.send_batch("bomb", "gzip", (0..300).map(|_| long_text()));
        broker.send("good", ["1", "2", "3"]);
        home.wait_for_status(&mut running, "good", |status| status["counts"]["committed"] == 3);
        let failed = home.wait_for_status(&mut running, "bomb", |status| status["state"] == "FAILED");
        let reason = failed["tasks"][0]["reason"].to_string();
        assert!(reason.contains("bomb-0 offset 1 cannot be read: the batch up to offset 300, "), "{reason}");
        assert!(reason.contains("unpacks to more than"), "{reason}");
        let grown = (size(&running).expect("a size") - before) / 1024;
        assert!(grown < 64, "the host took {grown} MiB more");
        let _finished = running.terminate();
        assert_eq!((lines(&home, "out/bomb.jsonl"), lines(&home, "out/good.jsonl")), (1, 3));
    }
}

#[test]
fn a_batch_that_unpacks_to_too_much_is_skipped_with_a_warning_and_a_metric() {
    for isolation in ["thread", "process"] {
        let broker = Broker::start();
        broker.topic("bomb", 1);
        broker.send("bomb", ["1"]);
        broker.send_batch("bomb", "zstd", (0..60).map(|_| long_text()));
        broker.send("bomb", ["2"]);
        broker.send_batch("bomb", "lz4", (0..60).map(|_| long_text()));
        let home = Home::new(&["file-sink"]);
        let source = "on_oversized_batch = \"skip\"\n[limits]\nmemory = \"32 MiB\"\n";
        to_files(&home, "bomb", "bomb", "out/bomb.jsonl", source);
        isolate(&home, "bomb", isolation);
        let mut running = home.start(&broker);
        running.wait_until("both batches to be counted", |_| {
            let metrics = home.run(&["metrics", "bomb"]).stdout;
            let is_count =
                |line: &str| line.starts_with("tidegate_skipped_batches_total") && line.ends_with(" 2");
            metrics.lines().any(is_count).then_some(())
        });
        let _finished = running.terminate().expect_code(0);
        // Nothing is committed behind the last batch, so it is skipped again, and then everything is read.
        let finished = home.run_once(&broker).expect_code(0);
        let log =
            finished.expect_log("batch skipped, its records are not delivered: the batch up to offset 121, ");
        assert!(log.contains("WARN") && log.contains("offset=62") && log.contains("topic=bomb"), "{log}");
        assert_eq!(lines(&home, "out/bomb.jsonl"), 2);
    }
}

#[test]
fn batches_that_fit_into_memory_one_by_one_do_not_fill_it_together() {
    let broker = Broker::start();
    broker.topic("bomb", 1);
    for _ in 0..20 {
        broker.send_batch("bomb", "gzip", (0..10).map(|_| long_text()));
    }
    let home = Home::new(&["file-sink"]);
    to_files(&home, "bomb", "bomb", "out/bomb.jsonl", "[limits]\nmemory = \"32 MiB\"\n");
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "bomb", |status| status["counts"]["committed"] == 200);
    let peak =
        ProcessStatus::of(running.pid()).and_then(|status| status.number("VmHWM")).expect("a size") / 1024;
    let _finished = running.terminate().expect_code(0);
    assert_eq!(lines(&home, "out/bomb.jsonl"), 200);
    // All of them are in one response, and unpack to 200 MiB.
    assert!(peak < 160, "the host took {peak} MiB");
}

#[test]
fn a_plugin_that_changes_the_working_directory_affects_no_other_connector() {
    let broker = Broker::with_events([r#"{"id":1}"#]);
    let home = Home::new(&["file-sink", "misbehaving", "discard-sink"]);
    let source = "[source]\ntopics = [\"events\"]\n";
    home.connector(
        "moves",
        &format!(
            "{source}[[transforms]]\nplugin = \"fault-transform\"\nconfig = {{ at = \"open\", fault = \"change-directory\" }}\n\
             [sink]\nplugin = \"discard\"\n"
        ),
    );
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "moves", |status| status["counts"]["committed"] == 1);
    home.connector(
        "stays",
        &format!("{source}[sink]\nplugin = \"file\"\nconfig.path = \"out/stays.jsonl\"\n"),
    );
    home.wait_for_status(&mut running, "stays", |status| status["counts"]["committed"] == 1);
    let _finished = running.terminate().expect_code(0);
    assert_eq!(lines(&home, "out/stays.jsonl"), 1);
}
