//! Precedence of flags, environment variables and files.

use tidegate_tests::{Broker, Finished, Home, Running};

const EVENTS: [&str; 3] = ["{}", "{}", "{}"];

fn run(home: &Home, variables: &[(&str, &str)], flags: &[&str]) -> Finished {
    let mut command = home.command();
    command.envs(variables.iter().copied()).args(flags).args(["run", "--once"]);
    Running::start(&mut command).finish()
}

#[test]
fn variables_supply_what_files_omit() {
    let broker = Broker::with_events(EVENTS);
    let home = Home::new(&["misbehaving"]);
    let plain = home.recorder("plain", "", "");
    let explicit = home.recorder("explicit", "", "[batch]\nmax_records = 3\nmax_wait = \"10s\"\n");
    home.connector(
        "grouped",
        "[source]\ntopics = [\"events\"]\ngroup_id = \"mine\"\n[sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"@g.calls\"\n",
    );
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", broker.servers()),
        ("CONSUMER_GROUP_ID", "team"),
        ("BATCH_SIZE", "1"),
        ("LOG_LEVEL", "WARNING"),
    ];
    let finished = run(&home, &variables, &[]).expect_code(0);
    assert_eq!(finished.stderr, "");
    assert!(plain.writes().iter().all(|write| write.records.len() == 1));
    assert_eq!(plain.offsets(), [0, 1, 2]);
    assert_eq!(explicit.writes()[0].records.len(), 3);
    for (group, committed) in
        [("team-plain", Some(3)), ("team-explicit", Some(3)), ("mine", Some(3)), ("team-grouped", None)]
    {
        assert_eq!(broker.committed(group, "events", 0), committed, "{group}");
    }
}

#[test]
fn flags_override_variables_and_variables_override_the_host_file() {
    let (broker, empty) = (Broker::with_events(EVENTS), Broker::with_events(["{}"]));
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "", "");
    let host_file = |servers: &str| {
        home.write(
            "tidegate.toml",
            format!("[kafka]\nbootstrap_servers = \"{servers}\"\n[log]\nlevel = \"error\"\n[defaults.batch]\nmax_records = 1\n"),
        )
    };
    host_file(empty.servers());
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", empty.servers()), ("LOG_LEVEL", "debug")];
    let flags = ["--bootstrap-servers", broker.servers(), "--log-level", "error"];
    let finished = run(&home, &variables, &flags).expect_code(0);
    assert_eq!(finished.stderr, "");
    assert_eq!(recording.offsets(), [0, 1, 2]);
    assert!(recording.writes().iter().all(|write| write.records.len() == 1), "[defaults] count");

    host_file(empty.servers());
    broker.send("events", ["{}"]);
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", broker.servers())];
    let _finished = run(&home, &variables, &[]).expect_code(0);
    assert_eq!(recording.offsets(), [0, 1, 2, 3]);

    host_file(broker.servers());
    broker.send("events", ["{}"]);
    let _finished = run(&home, &[], &[]).expect_code(0);
    assert_eq!(recording.offsets(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_connector_that_names_its_brokers_keeps_them() {
    let (own, other) = (Broker::with_events(EVENTS), Broker::with_events(["{}"]));
    let home = Home::new(&["misbehaving"]);
    let connector = |name: &str, servers: &str| {
        home.connector(
            name,
            &format!(
                "[source]\ntopics = [\"events\"]\n{servers}\n[sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"@{name}.calls\"\n"
            ),
        )
    };
    connector("own", &format!("bootstrap_servers = \"{}\"", own.servers()));
    connector("open", "");
    let finished = home.run_once(&other).expect_code(0);
    assert_eq!((home.recording("own").offsets(), home.recording("open").offsets()), (vec![0, 1, 2], vec![0]));
    let line = finished
        .expect_log("own.toml:3:1: warning: source.bootstrap_servers: the connector keeps its own brokers");
    assert!(line.contains(" WARN "), "{line}");
    assert!(!finished.stderr.contains("open.toml"), "{}", finished.stderr);
}

#[test]
fn placeholders_are_replaced_and_unset_variables_are_reported() {
    let broker = Broker::with_events(EVENTS);
    let home = Home::new(&["misbehaving"]);
    home.connector(
        "a",
        "[source]\ntopics = [\"${env:TOPIC}\"]\n[sink]\nplugin = \"recorder\"\n[sink.config]\n\
         path = \"@${file:@name}.${env:NOT_SET:-calls}\"\n",
    );
    home.write("name", "a\n");
    let servers = ("KAFKA_BOOTSTRAP_SERVERS", broker.servers());
    let _finished = run(&home, &[servers, ("TOPIC", "events")], &[]).expect_code(0);
    assert_eq!(home.recording("a").offsets(), [0, 1, 2]);

    let finished = run(&home, &[servers], &[]).expect_code(1);
    let line = finished.expect_log("source.topics");
    assert!(line.contains("a.toml:2:") && line.contains("TOPIC"), "{line}");
}
