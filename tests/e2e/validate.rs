//! Every kind of invalid input, in several files at once: the errors, and that other connectors run.

use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
};

use serde_json::Value as Json;
use tidegate_tests::{Broker, Finished, Home, Running, root};

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
    home.connector(
        "value",
        &format!("{source}\"fetch.min.bytes\" = \"many\"\n\"fetch.wait.max.ms\" = \"x\"\n"),
    );
    home.connector(
        "together",
        &format!("{source}\"client.rack\" = \"a\"\n\"max.poll.interval.ms\" = 1000\n"),
    );
    let ssl = "\"security.protocol\" = \"ssl\"\n\"ssl.ca.location\" = \"@nowhere.pem\"\n";
    home.connector("file", &format!("{source}{ssl}"));
    home.connector("fine", &format!("{source}\"fetch.min.bytes\" = 1048576\n"));
    let finished = home.run(&["validate"]).expect_code(1);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    for (line, start) in [
        (
            0,
            "connectors.d/file.toml:5:1: source.properties.\"ssl.ca.location\": kafka client cannot be created: ",
        ),
        (
            1,
            "connectors.d/together.toml:5:1: source.properties.\"max.poll.interval.ms\": kafka client cannot be created: ",
        ),
        (
            2,
            "connectors.d/unknown.toml:4:1: source.properties.\"grup.id\": kafka property \"grup.id\" is invalid: ",
        ),
        (
            3,
            "connectors.d/value.toml:4:1: source.properties.\"fetch.min.bytes\": kafka property \"fetch.min.bytes\" is invalid: ",
        ),
        (
            4,
            "connectors.d/value.toml:5:1: source.properties.\"fetch.wait.max.ms\": kafka property \"fetch.wait.max.ms\" is invalid: ",
        ),
    ] {
        assert!(lines[line].starts_with(start), "{}", finished.stdout);
    }
    assert_eq!(lines[5..], ["5 errors: 4 connector files rejected, 1 connector file fine"]);
}

/// `[[transforms]]` of these plugins and options; the options of the first are from line 5 on.
fn with_transforms(transforms: &[(&str, &str)]) -> String {
    let transform = |(plugin, options): &(&str, &str)| {
        format!("[[transforms]]\nplugin = \"{plugin}\"\n[transforms.config]\n{options}\n")
    };
    let transforms: String = transforms.iter().map(transform).collect();
    format!("source.topics = [\"t\"]\n{transforms}[sink]\nplugin = \"discard\"\n")
}

#[test]
fn options_that_only_plugins_can_check_are_reported_at_their_lines() {
    let home = Home::new(&["basics", "price-change", "discard-sink", "file-sink", "console-sink"]);
    let conditions = "conditions = [\n  { topic = \"a\" },\n  { field = \"x\", matches = \"(\" },\n  { topic = \"[\" },\n]";
    home.connector("filter", &with_transforms(&[("filter", conditions)]));
    let pattern = "topic.pattern = 'x'\ntopic.replacement = '$1'";
    home.connector("two", &with_transforms(&[("route", pattern), ("price-change", "min_change = -1")]));
    home.connector("mask", &with_transforms(&[("mask", "fields = []")]));
    let sink = |plugin: &str, option: &str| {
        format!("source.topics = [\"t\"]\n[sink]\nplugin = \"{plugin}\"\nconfig.{option}\n")
    };
    home.connector("file", &sink("file", "path = \"{tabel}.jsonl\""));
    home.connector("console", &sink("console", "output = \"\""));
    home.connector("fine", &sink("file", "path = \"{table}.jsonl\""));
    let finished = home.run(&["validate"]).expect_code(1);
    let expected = [
        "console.toml:4:8: sink.config.output: is empty: set it to stdout, stderr or a path",
        "file.toml:4:8: sink.config.path: unknown placeholder {tabel}: use {topic}, {database}, {schema} and {table}",
        "filter.toml:7:18: transforms[0].config.conditions[1].matches: not a valid pattern: unclosed group",
        "filter.toml:8:5: transforms[0].config.conditions[2].topic: not a valid pattern: unclosed character class",
        "mask.toml:5:1: transforms[0].config.fields: nothing to mask: name at least one field",
        "two.toml:6:7: transforms[0].config.topic.replacement: the pattern has no group $1: put (..) around a part of it",
        "two.toml:10:1: transforms[1].config.min_change: is -1, but must be 0 or more",
    ];
    let mut expected: Vec<String> = expected.iter().map(|line| format!("connectors.d/{line}")).collect();
    expected.push("7 errors: 5 connector files rejected, 1 connector file fine".to_owned());
    assert_eq!(finished.stdout.lines().collect::<Vec<_>>(), expected);

    // The host runs only the valid one.
    let broker = Broker::with_events(["{}"]);
    home.connector(
        "fine",
        "source.topics = [\"events\"]\n[sink]\nplugin = \"file\"\nconfig.path = \"@fine.jsonl\"\n",
    );
    let finished = home.run_once(&broker).expect_code(0);
    finished.expect_log("mask.toml:5:1: transforms[0].config.fields: nothing to mask");
    assert_eq!(fs::read_to_string(home.path("fine.jsonl")).expect("a file").lines().count(), 1);
}

#[test]
fn a_plugin_that_crashes_while_it_checks_harms_no_other() {
    let home = Home::new(&["misbehaving", "discard-sink"]);
    home.connector("abort", &with_transforms(&[("particular", "check = \"abort\"")]));
    home.connector("panic", &with_transforms(&[("particular", "check = \"panic\"")]));
    home.connector("words", &with_transforms(&[("particular", "words = [\"a\",\n \"\",\n \"\"]")]));
    home.connector("fine", &with_transforms(&[("particular", "words = [\"a\"]"), ("no-op", "")]));
    let finished = home.run(&["validate"]).expect_code(1);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(
        lines[0],
        "connectors.d/abort.toml:4:13: transforms[0].config: the plugin crashed with signal 6 while it checked its options"
    );
    let panic = "connectors.d/panic.toml:4:13: transforms[0].config: panicked at tests/fixtures/misbehaving/particular.rs:";
    assert!(lines[1].starts_with(panic), "{}", finished.stdout);
    assert_eq!(
        lines[2..],
        [
            "connectors.d/words.toml:6:2: transforms[0].config.words[1]: is empty",
            "connectors.d/words.toml:7:2: transforms[0].config.words[2]: is empty",
            "4 errors: 3 connector files rejected, 1 connector file fine",
        ]
    );
}

#[test]
fn a_file_that_is_missing_on_this_machine_is_an_error_of_enabled_connectors_only() {
    let home = Home::new(&["misbehaving", "discard-sink"]);
    let connector = with_transforms(&[("particular", "file = \"@secret.pem\"")]);
    home.connector("off", &format!("enabled = false\n{connector}"));
    let _fine = home.run(&["validate"]).expect_code(0);
    home.connector("on", &connector);
    let finished = home.run(&["validate"]).expect_code(1);
    assert!(
        finished.stdout.starts_with("connectors.d/on.toml:5:1: transforms[0].config.file: "),
        "{}",
        finished.stdout
    );
}

#[test]
fn durations_and_sizes_are_the_same_for_host_and_plugins() {
    let home = Home::new(&["snowflake-sink"]);
    let connector = |timeout: &str, bytes: &str| {
        format!(
            "limits.call_timeout = \"{timeout}\"\nbatch.max_bytes = \"{bytes}\"\nsource.topics = [\"t\"]\n[sink]\n\
             plugin = \"snowflake\"\n[sink.config]\naccount = \"a\"\nuser = \"u\"\ndatabase = \"d\"\npassword = \"p\"\n\
             request_timeout = \"{timeout}\"\nmax_statement_bytes = \"{bytes}\"\n"
        )
    };
    home.connector("a", &connector("1.5s", "0.5 MB"));
    let _fine = home.run(&["validate"]).expect_code(0);
    home.connector("a", &connector("soon", "1 TB"));
    let finished = home.run(&["validate"]).expect_code(1);
    let duration =
        "\"soon\" is not a duration: write a number and us, ms, s, m, h or d, for example \"1.5s\"";
    let size =
        "\"1 TB\" is not a size: write a number and B, kB, MB, GB, KiB, MiB or GiB, for example \"8 MiB\"";
    let expected = [
        format!("connectors.d/a.toml:1:8: limits.call_timeout: {duration}"),
        format!("connectors.d/a.toml:2:7: batch.max_bytes: {size}"),
        format!("connectors.d/a.toml:11:1: sink.config.request_timeout: {duration}"),
        format!("connectors.d/a.toml:12:1: sink.config.max_statement_bytes: {size}"),
    ];
    assert_eq!(finished.stdout.lines().take(4).collect::<Vec<_>>(), expected, "{}", finished.stdout);
}

#[test]
fn commands_that_run_nothing_write_nothing() {
    let home = Home::new(&["console-sink", "misbehaving"]);
    home.connector("a", FINE);
    let files = || {
        let entries = fs::read_dir(home.path(".")).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name()).collect::<BTreeSet<_>>()
    };
    let before = files();
    for command in [&["validate"][..], &["plugins"], &["plugins", "console"], &["schema"]] {
        let _finished = home.run(command).expect_code(0);
        assert_eq!(files(), before, "{command:?}");
    }
    // As a user who may not write. Root may, so the folder's content is compared as well.
    fs::set_permissions(home.path("."), Permissions::from_mode(0o555)).expect("a folder of ours");
    let validated = home.run(&["validate"]);
    fs::set_permissions(home.path("."), Permissions::from_mode(0o755)).expect("a folder of ours");
    assert_eq!(validated.expect_code(0).stdout, "1 connector file fine\n");
    assert_eq!(files(), before);
}

#[test]
fn files_that_are_not_read_are_reported() {
    let home = Home::new(&["console-sink"]);
    let finished = home.run(&["validate"]).expect_code(1);
    let empty = "connectors.d: the folder has no connector files: add a file such as orders.toml, or name another folder";
    assert_eq!(finished.stdout.lines().next(), Some(empty));
    home.connector("a", FINE);
    home.write("connectors.d/b.TOML", FINE);
    symlink("nowhere", home.path("connectors.d/c.toml")).expect("a new link");
    let finished = home.run(&["validate"]).expect_code(1);
    assert_eq!(
        finished.stdout.lines().collect::<Vec<_>>(),
        [
            "connectors.d/b.TOML: warning: is not read: rename it so that it ends in .toml, in lower case",
            "connectors.d/c.toml: is a link to nowhere, which does not exist: correct the link, or remove it",
            "1 error: 1 connector file rejected, 1 connector file fine",
        ]
    );
}

#[test]
fn the_schema_accepts_real_files_and_rejects_wrong_ones() {
    let home = Home::new(&[
        "basics",
        "console-sink",
        "discard-sink",
        "file-sink",
        "mysql-sink",
        "postgres-sink",
        "price-change",
        "snowflake-sink",
        "sqlite-sink",
    ]);
    let schema = home.run(&["schema"]).expect_code(0).stdout;
    let schema: Json = serde_json::from_str(&schema).expect("a JSON Schema");
    let validator = jsonschema::validator_for(&schema).expect("a JSON Schema");
    let parse = |text: &str| -> Json {
        let table: toml::Table = text.parse().expect("TOML");
        serde_json::to_value(table).expect("JSON")
    };
    let mut count = 0;
    for folder in ["connectors.d", "docs/examples"].map(|folder| root().join(folder)) {
        for entry in fs::read_dir(&folder).expect("examples") {
            let path = entry.expect("an example").path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let file = parse(&fs::read_to_string(&path).expect("a file of text"));
            let errors: Vec<String> = validator.iter_errors(&file).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
            count += 1;
        }
    }
    assert!(count > 3, "{count}");
    let rejected = [
        "source.tpoics = \"t\"\nsink.plugin = \"console\"",
        "source.topics = \"t\"\nsink.plugin = \"consol\"",
        "source.topics = \"t\"\n[sink]\nplugin = \"console\"\nconfig.stile = \"json\"",
        "source.topics = \"t\"\n[sink]\nplugin = \"console\"\nconfig.style = \"jsn\"",
        "source.topics = \"t\"\n[sink]\nplugin = \"file\"\nconfig = {}",
        "source.topics = \"t\"\nlimits.shutdown = \"soon\"\nsink.plugin = \"console\"",
    ];
    for text in rejected {
        assert!(!validator.is_valid(&parse(text)), "{text}");
    }
    let batch = &schema["properties"]["batch"]["properties"];
    assert_eq!(batch["max_bytes"]["default"], "1 MiB");
    // Setting it to any value makes batches wait, so there is no value that is the same as leaving it out.
    assert_eq!(batch["max_wait"].get("default"), None);
    assert!(batch["max_wait"]["anyOf"][0]["pattern"].is_string(), "{batch}");
    let console = &schema["$defs"]["plugin-console"]["properties"]["style"];
    assert_eq!(console["description"], "Output format.");
    let host_schema: Json = serde_json::from_str(&home.run(&["schema", "--host-file"]).expect_code(0).stdout)
        .expect("a JSON Schema");
    let validator = jsonschema::validator_for(&host_schema).expect("a JSON Schema");
    assert!(
        validator
            .is_valid(&parse("[kafka]\nbootstrap_servers = \"a:1\"\n[defaults.batch]\nmax_records = 5\n"))
    );
    assert!(!validator.is_valid(&parse("[defaults.batch]\nmax_record = 5\n")));
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
    let no_connector = |finished: Finished| {
        finished.expect_log("connectors.d: the folder has no connector files");
        finished.expect_log("no connector to run in connectors.d");
    };
    no_connector(home.run(&["run", "--once"]).expect_code(1));
    home.write("tidegate.toml", "[connectors]\nwatch = false\n");
    no_connector(home.run(&["run"]).expect_code(1));
    home.write("tidegate.toml", "[kafka]\nbootstrap_server = \"x\"\n");
    let finished = home.run(&["run"]).expect_code(1);
    finished.expect_log(
        "tidegate.toml:2:1: kafka.bootstrap_server: unknown key \"bootstrap_server\": did you mean",
    );
}

#[test]
fn a_memory_limit_that_is_too_small_for_the_connectors_is_reported() {
    let home = Home::new(&["discard-sink"]);
    home.write("tidegate.toml", "[limits]\nmemory = \"64 MiB\"\n");
    home.connector("a", "tasks = 4\nsource.topics = [\"a\"]\nsink.plugin = \"discard\"\n");
    let isolated = "isolation = \"process\"\nlimits.memory = \"56 MiB\"\nsource.topics = [\"a\"]\nsink.plugin = \"discard\"\n";
    home.connector("b", isolated);
    let error = "tidegate.toml:2:1: limits.memory: is too small: the connectors need 4 MiB for each of 4 tasks, and 56 MiB for \
                 child processes: raise it to 72 MiB or more\n";
    let finished = home.run(&["validate"]).expect_code(1);
    assert!(finished.stdout.contains(error), "{}", finished.stdout);
    // The first one fits.
    let mut running = Running::start(home.command().arg("run"));
    running.wait_for_log(error.trim_end());
    running.wait_for_log("tidegate started connectors=1");
    drop(running);
    home.connector("b", &format!("enabled = false\n{isolated}"));
    let _finished = home.run(&["validate"]).expect_code(0);
}
