//! Log lines: connector and task, secrets, and the summary of batches.

use std::{
    fs::File,
    io::Read as _,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::Path,
    process::Stdio,
};

use serde_json::Value as Json;
use tidegate_tests::{Broker, Finished, Home, Running};

const SECRET: &str = "correct-horse-battery-staple";

/// A connector whose plugin tries to leak its password.
fn leaks_secret(home: &Home, name: &str, password: &str, more: &str) {
    home.recorder(
        name,
        "",
        &format!(
            "[[transforms]]\nplugin = \"leaks-secret\"\n[transforms.config]\npassword = \"{password}\"\n{more}"
        ),
    );
}

fn run(home: &Home, broker: &Broker, arguments: &[&str]) -> Finished {
    let mut command = home.command();
    command.env("THE_PASSWORD", SECRET).env("LEAKS_SECRET_PASSWORD", SECRET);
    command.args(["--bootstrap-servers", broker.servers()]).args(arguments);
    Running::start(&mut command).finish()
}

#[test]
fn resolved_secrets_are_not_in_any_output() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["misbehaving"]);
    home.write("password", format!("{SECRET}\n"));
    leaks_secret(&home, "environment", "${env:THE_PASSWORD}", "");
    leaks_secret(&home, "file", "${file:@password}", "");
    leaks_secret(&home, "fails", "${env:THE_PASSWORD}", "fail = true\n");
    home.recorder("by-default", "", "[[transforms]]\nplugin = \"leaks-secret\"\n");
    let validated = run(&home, &broker, &["validate"]).expect_code(0);
    let finished = run(&home, &broker, &["--log-level", "trace", "run", "--once"]).expect_code(3);
    for output in [&finished.stdout, &finished.stderr, &validated.stdout, &validated.stderr] {
        assert!(!output.contains(SECRET), "{output}");
    }
    finished.expect_log("cannot log in with ***");
    // The plugin did log it.
    assert_eq!(finished.count_log("opened with ***"), 4, "{}", finished.stderr);
}

#[test]
fn json_lines_name_connector_and_task() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["misbehaving"]);
    leaks_secret(&home, "a", "p", "");
    let finished = run(&home, &broker, &["--log-format", "json", "run", "--once"]).expect_code(0);
    let lines: Vec<Json> = finished
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
    let find = |message: &str| {
        let found = lines.iter().find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("{message} is not in {}", finished.stderr))
    };
    for message in
        ["Subscribed to topics: [\"events\"]", "logged as information", "Batch written to events: 1 records"]
    {
        let line = find(message);
        assert_eq!((&line["connector"], &line["task"]), (&Json::from("a"), &Json::from(0)), "{line}");
    }
    let plugin = find("logged as information");
    assert_eq!(plugin["quoted name"], "a \"b\"");
    assert_eq!(plugin["offset"].to_string().trim_matches('"'), "0");
    assert_eq!(find("logged as a warning")["level"], "WARN");
    assert_eq!(find("logged as an error")["level"], "ERROR");
    assert_eq!(finished.count_log("logged for debugging"), 0);
}

#[test]
fn output_and_metrics_of_a_plugin_are_not_mixed_into_the_log() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["misbehaving"]);
    leaks_secret(&home, "a", "p", "");
    let recording = home.recording("a");
    let mut running = home.start_with(&broker, &["--log-level", "debug"]);
    running.wait_until("the record", |_| (recording.offsets() == [0]).then_some(()));
    running.wait_until("the plugin's output", |running| {
        running.stdout().contains("printed by a plugin: offset 0\n").then_some(())
    });
    let metrics = home.run(&["metrics"]).expect_code(0).stdout;
    let counter = metrics
        .lines()
        .find(|line| line.starts_with("tidegate_plugin_records_seen_total{"))
        .expect("a counter");
    for label in ["connector=\"a\"", "task=\"0\"", "plugin=\"leaks-secret\"", "kind=\"test\""] {
        assert!(counter.contains(label), "{counter}");
    }
    assert!(counter.ends_with(" 1"), "{counter}");
    let finished = running.terminate().expect_code(0);
    finished.expect_log("logged for debugging");
    assert_eq!(finished.count_log("logged for tracing"), 0);
}

#[test]
fn written_batches_are_summed_up_in_one_line_per_table_and_interval() {
    let values = || (0..50).map(|id| format!("{{\"id\":{id}}}"));
    let lines_with = |host_file: &str| {
        let broker = Broker::with_events(values());
        let home = Home::new(&["misbehaving"]);
        home.write("tidegate.toml", host_file);
        let recording = home.recorder("a", "", "");
        let text = std::fs::read_to_string(home.path("connectors.d/a.toml")).expect("the file");
        home.write("connectors.d/a.toml", format!("{text}\n[batch]\nmax_records = 5\n"));
        let finished = home.run_once(&broker).expect_code(0);
        assert!(recording.writes().len() >= 10);
        finished.stderr.lines().filter(|line| line.contains("Batch written")).map(str::to_owned).collect()
    };
    let lines: Vec<String> = lines_with("[log]\nbatch_interval = \"1h\"\n");
    assert_eq!(lines.len(), 2, "the first at once, the rest before the end: {lines:?}");
    assert!(lines[0].contains("Batch written to events: 5 records"), "{lines:?}");
    assert!(lines[1].contains("Batch written to events: 45 records batches=9"), "{lines:?}");
    let lines: Vec<String> = lines_with("[log]\nbatch_interval = \"0s\"\n");
    assert!(lines.len() >= 10, "{lines:?}");
}

/// Each record that is rejected causes a line.
const TOLERANT: &str = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\nmax_rejected = 1000\n";

#[test]
fn like_lines_of_a_task_are_counted_once_there_are_many() {
    let lines_with = |host_file: &str, more: &str| {
        let broker = Broker::with_events((0..250).map(|id| format!("not json {id}")));
        let home = Home::new(&["misbehaving"]);
        home.write("tidegate.toml", host_file);
        home.recorder("a", "", TOLERANT);
        let text = std::fs::read_to_string(home.path("connectors.d/a.toml")).expect("the file");
        home.write("connectors.d/a.toml", format!("{more}{text}"));
        let finished = home.run_once(&broker).expect_code(0);
        finished.stderr.lines().filter(|line| line.contains("record skipped")).map(str::to_owned).collect()
    };
    for more in ["", "isolation = \"process\"\n"] {
        let lines: Vec<String> = lines_with("", more);
        assert_eq!(lines.len(), 101, "{lines:#?}");
        let summary = &lines[100];
        assert!(summary.contains(" WARN a[0] record skipped"), "{summary}");
        assert!(summary.contains("(repeated 150 times; only the last is logged)"), "{summary}");
        assert!(summary.contains("offset=249") && summary.ends_with("repeated=150"), "{summary}");
    }
    let lines: Vec<String> = lines_with("[log]\nrepeat_interval = \"0s\"\n", "");
    assert_eq!(lines.len(), 250);
}

#[test]
fn lines_that_were_left_out_are_summarized_while_the_host_runs() {
    let broker = Broker::with_events((0..200).map(|id| format!("not json {id}")));
    let home = Home::new(&["misbehaving"]);
    home.write("tidegate.toml", "[log]\nformat = \"json\"\nrepeat_interval = \"1s\"\n");
    home.recorder("a", "", TOLERANT);
    let mut running = home.start(&broker);
    let summary = running.wait_for_log("\"repeated\":");
    let summary: Json = serde_json::from_str(&summary).expect("an object");
    assert_eq!((&summary["connector"], &summary["level"]), (&Json::from("a"), &Json::from("WARN")));
    let left_out = summary["repeated"].as_u64().expect("a number") as usize;
    let finished = running.terminate().expect_code(0);
    assert_eq!(finished.count_log("record skipped") + left_out, 201, "{}", finished.stderr);
}

/// The journal gives the service a stream, and reads a priority in front of each line of it. Its socket for entries with fields is
/// tested in the host's unit tests.
#[test]
fn lines_for_a_journal_without_a_socket_start_with_their_priority() {
    if Path::new("/run/systemd/journal/socket").exists() {
        println!("skipped: the lines of the host would go to this machine's journal");
        return;
    }
    let run = |format: &[&str]| {
        let broker = Broker::with_events(["{}"]);
        let home = Home::new(&["misbehaving"]);
        leaks_secret(&home, "a", "correct-horse", "");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut stream = File::from(OwnedFd::from(reader));
        let metadata = stream.metadata().expect("a pipe has an inode");
        let mut command = home.command();
        command.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()));
        command.args(["--bootstrap-servers", broker.servers()]).args(format).args(["run", "--once"]);
        let mut host = command.stdout(Stdio::null()).stderr(writer).spawn().expect("the host starts");
        drop(command);
        let mut log = String::new();
        stream.read_to_string(&mut log).expect("text");
        assert!(host.wait().expect("the host ends").success(), "{log}");
        log
    };
    let log = run(&[]);
    for line in ["<6>a[0] logged as information", "<4>a[0] logged as a warning", "<3>a[0] logged as an error"]
    {
        assert!(log.lines().any(|logged| logged.starts_with(line)), "{line} is not in {log}");
    }
    assert!(log.contains("quoted name=a \"b\"") && !log.contains("correct-horse"), "{log}");
    let log = run(&["--log-format", "human"]);
    assert!(log.contains(" INFO a[0] logged as information") && !log.contains("<6>"), "{log}");
}
