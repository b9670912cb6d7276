//! Every kind of invalid input, in several files at once: the errors, and that other connectors run.

use std::fs;

use tidegate_tests::{Broker, Home};

/// Invalid files, and the errors that `validate` prints.
const BAD: [(&str, &str, &[&str]); 12] = [
    (
        "both",
        "[source]\ntopics = [\"a\"]\ntopics_regex = '^a'\n[sink]\nplugin = \"console\"\n",
        &[":3:1: source.topics_regex: both topics and topics_regex are given: keep one of them"],
    ),
    ("broken", "[source\ntopics = [\"a\"]\n", &[":1:8: broken TOML: unclosed table, expected `]`"]),
    (
        "dead-letter",
        "[source]\ntopics = [\"a\"]\n[sink]\nplugin = \"console\"\n[errors]\ndead_letter_topic = \"d\"\n",
        &[
            ":6:1: errors.dead_letter_topic: has no effect with tolerance = \"none\": add tolerance = \"all\", or remove \
             dead_letter_topic",
        ],
    ),
    (
        "no-plugin",
        "[source]\ntopics = [\"a\"]\n[sink]\n",
        &[
            ":3:2: sink.plugin: is missing: add plugin = \"...\": sink plugins found: console, fault-sink, independent, raw, recorder",
        ],
    ),
    (
        "no-topics",
        "[source]\n[sink]\nplugin = \"console\"\n",
        &[":1:2: source: topics are missing: add topics = [\"...\"] or topics_regex = '^...' to [source]"],
    ),
    (
        "owned",
        "[source]\ntopics = [\"a\"]\n[source.properties]\n\"enable.auto.commit\" = true\n\"group.id\" = \"x\"\n[sink]\n\
         plugin = \"console\"\n",
        &[
            ":4:1: source.properties.\"enable.auto.commit\": enable.auto.commit belongs to the host: the host alone \
             commits, after the sink has made the records durable: remove it",
            ":5:1: source.properties.\"group.id\": group.id belongs to the host: every connector has its own group: use \
             source.group_id",
        ],
    ),
    (
        "required",
        "[source]\ntopics = [\"a\"]\n[sink]\nplugin = \"recorder\"\n",
        &[":3:2: sink.config.path: is missing: add path = ..."],
    ),
    (
        "schema",
        "[source]\ntopics = [\"a\"]\n[sink]\nplugin = \"console\"\n[sink.config]\nstyle = \"shiny\"\ncolour = true\n",
        &[
            ":6:1: sink.config.style: unknown value \"shiny\": known values: pretty, json, compact",
            ":7:1: sink.config.colour: unknown key \"colour\": did you mean \"color\"?",
        ],
    ),
    (
        "unknown-key",
        "[source]\ntpoics = [\"a\"]\n[sink]\nplugin = \"console\"\n",
        &[
            ":1:2: source: topics are missing: add topics = [\"...\"] or topics_regex = '^...' to [source]",
            ":2:1: source.tpoics: unknown key \"tpoics\": did you mean \"topics\"?",
        ],
    ),
    (
        "unknown-plugin",
        "[source]\ntopics = [\"a\"]\n[sink]\nplugin = \"consol\"\n",
        &[
            ":4:1: sink.plugin: unknown plugin \"consol\": did you mean \"console\"? sink plugins found: console, fault-sink, independent, raw, recorder",
        ],
    ),
    (
        "wrong-kind",
        "[source]\ntopics = [\"a\"]\n[sink]\nplugin = \"price-change\"\n",
        &[
            ":4:1: sink.plugin: \"price-change\" is a transform, not a sink: sink plugins found: console, fault-sink, independent, raw, recorder",
        ],
    ),
    (
        "wrong-type",
        "tasks = \"two\"\n[source]\ntopics = [\"a\"]\n[sink]\nplugin = \"console\"\n",
        &[":1:9: tasks: expected an integer, found a string"],
    ),
];

const FINE: &str = "[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"console\"\nconfig.style = \"json\"\n";

fn home_with_bad_files() -> (Home, Vec<String>) {
    let home = Home::new(&["misbehaving", "console-sink", "price-change"]);
    let mut expected = Vec::new();
    for (name, text, findings) in BAD {
        home.connector(name, text);
        expected.extend(findings.iter().map(|finding| format!("connectors.d/{name}.toml{finding}")));
    }
    (home, expected)
}

#[test]
fn all_errors_of_all_files_are_reported_at_once() {
    let (home, mut expected) = home_with_bad_files();
    home.connector("fine", FINE);
    home.connector("twice", FINE);
    fs::create_dir(home.path("more.d")).expect("a folder");
    home.write("more.d/twice.toml", FINE);
    let finished = home.run(&["validate", "connectors.d", "more.d"]).expect_code(1);
    expected.push(
        "more.d/twice.toml: there is another connector \"twice\", in connectors.d/twice.toml; neither is used: rename one \
         of the files"
            .to_owned(),
    );
    let summary = format!("{} errors: 14 connector files rejected, 1 connector file fine", expected.len());
    expected.push(summary);
    assert_eq!(finished.stdout.lines().collect::<Vec<_>>(), expected);
    assert_eq!(finished.stderr, "");
}

#[test]
fn bad_files_do_not_stop_the_others() {
    let (home, expected) = home_with_bad_files();
    home.connector("fine", FINE);
    let broker = Broker::with_events([r#"{"id":1}"#]);
    let finished = home.run_once(&broker).expect_code(0);
    assert!(finished.stdout.contains(r#""value":{"id":1}"#), "{}", finished.stdout);
    for finding in expected {
        let line = finished.expect_log(&finding);
        assert!(line.contains(" ERROR "), "{line}");
    }
}

#[test]
fn unknown_librdkafka_properties_are_reported_offline() {
    let home = Home::new(&["discard-sink"]);
    let source = "source.topics = [\"t\"]\nsink.plugin = \"discard\"\n[source.properties]\n";
    home.connector("unknown", &format!("{source}\"grup.id\" = \"x\"\n"));
    home.connector("value", &format!("{source}\"fetch.min.bytes\" = \"many\"\n"));
    home.connector("fine", &format!("{source}\"fetch.min.bytes\" = 1048576\n"));
    let finished = home.run(&["validate"]).expect_code(1);
    for (name, property) in [("unknown", "grup.id"), ("value", "fetch.min.bytes")] {
        let line = format!(
            "connectors.d/{name}.toml:1:1: source.properties: kafka property \"{property}\" is invalid"
        );
        assert!(finished.stdout.contains(&line), "{}", finished.stdout);
    }
    assert!(finished.stdout.ends_with("2 errors: 2 connector files rejected, 1 connector file fine\n"));
}

#[test]
fn valid_files_pass() {
    let home = Home::new(&["console-sink"]);
    home.connector("a", FINE);
    let finished = home.run(&["validate"]).expect_code(0);
    assert_eq!(finished.stdout, "1 connector file fine\n");
    let finished = home.run(&["validate", "nowhere.toml"]).expect_code(1);
    assert!(finished.stdout.starts_with("nowhere.toml: "), "{}", finished.stdout);
}

#[test]
fn a_host_without_connectors_fails_with_the_reason() {
    let home = Home::new(&["console-sink"]);
    let finished = home.run(&["run"]).expect_code(1);
    finished.expect_log("no connector to run in connectors.d");
    home.write("tidegate.toml", "[kafka]\nbootstrap_server = \"x\"\n");
    let finished = home.run(&["run"]).expect_code(1);
    finished.expect_log(
        "tidegate.toml:2:1: kafka.bootstrap_server: unknown key \"bootstrap_server\": did you mean",
    );
}
