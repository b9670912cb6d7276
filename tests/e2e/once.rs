//! `--once` ends for all kinds of topics, even if they change while it runs.

use std::collections::BTreeSet;

use tidegate_tests::{Broker, Finished, Home, Running};

const HEARTBEAT: &str = "__debezium-heartbeat.cdc";

/// A connector that writes every record to a file per topic.
fn to_files(home: &Home, source: &str, more: &str) {
    home.connector(
        "files",
        &format!(
            "restart.policy = \"never\"\n[source]\n{source}\npass_control_events = true\n[source.properties]\n\"topic.metadata.refresh.interval.ms\" = 500\n\
             [sink]\nplugin = \"file\"\n[sink.config]\nstyle = \"record\"\npath = \"@out/{{topic}}.jsonl\"\n{more}"
        ),
    );
}

fn lines(home: &Home, topic: &str) -> usize {
    std::fs::read_to_string(home.path(&format!("out/{topic}.jsonl"))).map_or(0, |text| text.lines().count())
}

/// The numbers of the only connector: read, delivered, filtered, rejected, committed.
fn counts(finished: &Finished) -> Vec<String> {
    let line = finished.stdout.lines().nth(1).expect("a line for the connector");
    line.split_whitespace().skip(1).take(5).map(str::to_owned).collect()
}

fn shop() -> Broker {
    let broker = Broker::start();
    for (topic, partitions) in
        [("cdc.public.orders", 3), ("cdc.empty", 2), (HEARTBEAT, 1), ("__consumer_offsets", 1), ("other", 1)]
    {
        broker.topic(topic, partitions);
    }
    broker.send("cdc.public.orders", ["1", "2", "3"]);
    for topic in [HEARTBEAT, "__consumer_offsets", "other"] {
        broker.send(topic, ["0"]);
    }
    broker
}

#[test]
fn a_pattern_that_matches_everything_reads_all_but_reserved_topics() {
    for isolation in ["", "isolation = \"process\"\n"] {
        let home = Home::new(&["file-sink"]);
        to_files(&home, "topics_regex = '^.*'", "");
        let file = home.path("connectors.d/files.toml");
        let text = std::fs::read_to_string(&file).expect("the connector's file");
        home.connector("files", &format!("{isolation}{text}"));
        let finished = home.run_once(&shop()).expect_code(0);
        assert_eq!(counts(&finished), ["4", "4", "0", "0", "4"]);
        assert_eq!((lines(&home, "cdc.public.orders"), lines(&home, "other")), (3, 1));
        assert_eq!((lines(&home, HEARTBEAT), lines(&home, "__consumer_offsets")), (0, 0));
        // There is no warning for Kafka's internal topics, but for other topics with this prefix.
        let log = finished.expect_log("topics that begin with __ are not read through topics_regex");
        assert!(log.contains(HEARTBEAT) && !log.contains("__consumer_offsets"), "{log}");
        assert!(log.contains("WARN"), "{log}");
    }
}

#[test]
fn a_pattern_that_names_two_underscores_reads_heartbeats_but_no_internal_topics() {
    let home = Home::new(&["file-sink"]);
    to_files(&home, "topics_regex = '^__.*'", "");
    let finished = home.run_once(&shop()).expect_code(0);
    assert_eq!(counts(&finished), ["1", "1", "0", "0", "1"]);
    assert_eq!((lines(&home, HEARTBEAT), lines(&home, "__consumer_offsets")), (1, 0));
}

#[test]
fn internal_topics_are_read_if_they_are_named() {
    let home = Home::new(&["file-sink"]);
    to_files(&home, &format!("topics = [\"__consumer_offsets\", \"{HEARTBEAT}\"]"), "");
    let _finished = home.run_once(&shop()).expect_code(0);
    assert_eq!((lines(&home, HEARTBEAT), lines(&home, "__consumer_offsets")), (1, 1));
}

#[test]
fn a_pattern_without_readable_topics_ends_at_once_with_a_warning() {
    for (pattern, tasks) in [("^nothing", 1), ("^.*heartbeat", 1), ("^__consumer", 2), ("^nothing$", 3)] {
        let home = Home::new(&["file-sink"]);
        to_files(&home, &format!("topics_regex = '{pattern}'"), "");
        let text = std::fs::read_to_string(home.path("connectors.d/files.toml")).expect("the file");
        home.connector("files", &format!("tasks = {tasks}\n{text}"));
        let finished = home.run_once(&shop()).expect_code(0);
        finished.expect_log(&format!("no topic matches {pattern}: there is nothing to read"));
        assert_eq!(counts(&finished), ["0"; 5]);
    }
}

#[test]
fn empty_topics_do_not_keep_once_from_ending() {
    for (pattern, tasks) in [("^cdc[.]empty$", 1), (r"^cdc\.\w+$", 4)] {
        let home = Home::new(&["file-sink"]);
        to_files(&home, &format!("topics_regex = '{pattern}'"), "");
        let text = std::fs::read_to_string(home.path("connectors.d/files.toml")).expect("the file");
        home.connector("files", &format!("tasks = {tasks}\n{text}"));
        let finished = home.run_once(&shop()).expect_code(0);
        assert_eq!(counts(&finished), ["0"; 5]);
    }
}

#[test]
fn created_and_deleted_topics_do_not_keep_once_from_ending() {
    let broker = shop();
    broker.topic("cdc.goes", 2);
    broker.send("cdc.goes", ["1"]);
    let home = Home::new(&["misbehaving"]);
    home.connector(
        "slow",
        "[source]\ntopics_regex = '^cdc[.]'\n[source.properties]\n\"topic.metadata.refresh.interval.ms\" = 300\n\
         [sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"@slow.calls\"\ngate = \"@gate\"\n",
    );
    let recording = home.recording("slow");
    let mut host = home.start_with(&broker, &["--once"]);
    host.wait_for_log("reading 7 partitions");
    broker.topic("cdc.comes", 1);
    broker.send("cdc.comes", ["1", "2"]);
    broker.delete_topic("cdc.goes");
    host.wait_for_log("Subscribed to topics matching ^cdc[.]: 1 found");
    home.write("gate", "");
    let finished = host.finish().expect_code(0);
    let gone = finished.expect_log("topics are no longer read");
    assert!(gone.contains("topics=cdc.goes") && gone.contains("WARN"), "{gone}");
    let of = |topic: &str| recording.written().iter().filter(|record| record.topic == topic).count();
    assert_eq!((of("cdc.public.orders"), of("cdc.comes")), (3, 2));
}

#[test]
fn a_missing_topic_is_a_warning_and_existing_topics_are_read() {
    let home = Home::new(&["file-sink"]);
    to_files(&home, "topics = [\"cdc.public.orders\", \"mistyped\"]", "");
    let finished = home.run_once(&shop()).expect_code(0);
    finished.expect_log("topic does not exist; waiting for it to be created");
    finished.expect_log("topic=mistyped");
    assert_eq!(lines(&home, "cdc.public.orders"), 3);
}

#[test]
fn a_topic_that_appears_late_ends_the_stall_of_every_task() {
    let broker = Broker::start();
    let home = Home::new(&["file-sink"]);
    to_files(&home, "topics = [\"late\"]", "");
    let text = std::fs::read_to_string(home.path("connectors.d/files.toml")).expect("the file");
    home.connector("files", &format!("tasks = 3\n{text}"));
    let mut host = home.start(&broker);
    let status = home.wait_for_status(&mut host, "files", |status| status["state"] == "STALLED");
    let tasks = || (0..3).map(|task| &status["tasks"][task]);
    let stalled = tasks().find(|task| task["state"] == "STALLED").expect("a stalled task");
    assert_eq!(stalled["reason"], "topic late does not exist; waiting for it to be created");
    assert!(tasks().all(|task| task["counts"]["lag"].is_null()), "{status}");
    broker.topic("late", 2);
    broker.send("late", ["1", "2"]);
    let status = home.wait_for_status(&mut host, "files", |status| {
        let states: Vec<_> = (0..3).map(|task| status["tasks"][task]["state"].clone()).collect();
        let count = |state: &str| states.iter().filter(|found| **found == state).count();
        (count("RUNNING"), count("UNASSIGNED")) == (2, 1)
    });
    for task in 0..3 {
        assert_eq!(status["tasks"][task]["reason"], "");
    }
    let _finished = host.terminate().expect_code(0);
}

#[test]
fn a_pattern_that_matches_late_ends_the_stall() {
    let broker = Broker::start();
    let home = Home::new(&["file-sink"]);
    to_files(&home, "topics_regex = '^late'", "");
    let mut host = home.start(&broker);
    home.wait_for_status(&mut host, "files", |status| status["state"] == "STALLED");
    broker.topic("late1", 1);
    broker.send("late1", ["1"]);
    let status = home.wait_for_status(&mut host, "files", |status| status["counts"]["committed"] == 1);
    assert_eq!((&status["state"], &status["tasks"][0]["reason"]), (&"RUNNING".into(), &"".into()));
    let _finished = host.terminate().expect_code(0);
}

#[test]
fn a_connector_whose_partitions_another_member_holds_ends_when_that_member_has_committed_them() {
    let broker = Broker::start();
    broker.topic("events", 1);
    broker.send("events", ["1", "2"]);
    let other_member = broker.join("connect-files", "events");
    let home = Home::new(&["file-sink"]);
    to_files(&home, "topics = [\"events\"]", "");
    let mut host = home.start_with(&broker, &["--once"]);
    let line = host.wait_for_log("waiting for other members of the group");
    assert!(
        line.contains("1 of 1 partitions are held by other members of group \"connect-files\""),
        "{line}"
    );
    other_member.commit("events", 0, 2);
    let finished = host.finish().expect_code(0);
    assert_eq!(counts(&finished), ["0"; 5]);
}

#[test]
fn two_connectors_of_one_group_are_rejected_unless_they_share_it_on_purpose() {
    let broker = shop();
    let connector = |name: &str, home: &Home, shared: &str| {
        to_files(home, &format!("topics = [\"cdc.public.orders\"]\ngroup_id = \"g\"\n{shared}"), "");
        let text = std::fs::read_to_string(home.path("connectors.d/files.toml")).expect("the file");
        std::fs::remove_file(home.path("connectors.d/files.toml")).expect("the file");
        home.connector(name, &text.replace("out/{topic}", &format!("out/{name}/{{topic}}")));
    };
    let home = Home::new(&["file-sink"]);
    ["a", "b"].into_iter().for_each(|name| connector(name, &home, ""));
    for arguments in [&["validate"][..], &["run", "--once"]] {
        let mut command = home.command();
        let finished =
            Running::start(command.args(["--bootstrap-servers", broker.servers()]).args(arguments));
        let finished = finished.finish();
        assert_ne!(finished.code, Some(0));
        let output = format!("{}{}", finished.stdout, finished.stderr);
        assert!(output.contains("each would deliver only a part of the records"), "{output}");
    }
    ["a", "b"].into_iter().for_each(|name| connector(name, &home, "shared_group = true"));
    let _finished = home.run_once(&broker).expect_code(0);
    let written: BTreeSet<_> = ["a", "b"]
        .iter()
        .filter_map(|name| {
            std::fs::read_to_string(home.path(&format!("out/{name}/cdc.public.orders.jsonl"))).ok()
        })
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    // Not that each is written once, as on a real broker: the embedded one refuses commits while a group rebalances.
    assert_eq!(written.len(), 3, "{written:?}");
}
