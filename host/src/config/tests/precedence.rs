//! Connector file, flag, environment, host file, default: in that order, for everything that has several sources.

use std::time::Duration;

use super::*;

/// Builds a folder in which the given layers set `bootstrap_servers`, each to its own name.
fn servers(layers: &[&str]) -> String {
    let has = |layer: &str| layers.contains(&layer);
    let mut host = String::new();
    if has("kafka") {
        host += "[kafka]\nbootstrap_servers = \"kafka\"\n";
    }
    if has("defaults") {
        host += "[defaults.source]\nbootstrap_servers = \"defaults\"\n";
    }
    let own = if has("file") { "source.bootstrap_servers = \"file\"\n" } else { "" };
    let mut folder = Folder::new().host(&host).connector("a", &format!("{own}{MINIMAL}"));
    if has("environment") {
        folder = folder.variable("KAFKA_BOOTSTRAP_SERVERS", "environment");
    }
    folder.flags.bootstrap_servers = has("flag").then(|| "flag".to_owned());
    let mut loaded = folder.load();
    let warning = "connectors.d/a.toml:1:8: warning: source.bootstrap_servers: the connector keeps its own \
                   brokers: --bootstrap-servers and --embedded-kafka apply only to connectors that name none";
    let expected: &[&str] = if has("file") && has("flag") { &[warning] } else { &[] };
    assert_eq!(folder.lines(&loaded.diagnostics), expected);
    loaded.valid.remove(0).source.bootstrap_servers
}

#[test]
fn bootstrap_servers() {
    let layers = ["file", "flag", "environment", "defaults", "kafka"];
    for first in 0..layers.len() {
        assert_eq!(servers(&layers[first..]), layers[first]);
    }
    assert_eq!(servers(&[]), "localhost:9092");
}

#[test]
fn group_ids() {
    let group = |own: &str, host: &str, variable: &str| {
        let folder = Folder::new().host(host).connector("a", &format!("{own}{MINIMAL}"));
        folder.variable("CONSUMER_GROUP_ID", variable).only().source.group_id
    };
    let (own, host) = ("source.group_id = \"own\"\n", "[defaults.source]\ngroup_id = \"shared\"");
    assert_eq!(group(own, host, "x"), "own");
    assert_eq!(group("", host, "x"), "x-a");
    assert_eq!(group("", host, ""), "shared");
    assert_eq!(group("", "", ""), "connect-a");
}

#[test]
fn batch_limits_have_five_layers() {
    let sink = BatchDefaults {
        max_records: Some(5000),
        max_bytes: Some(16 << 20),
        max_wait: Some(Duration::from_secs(10)),
    };
    let limits = |own: &str, host: &str, variables: bool, sink| {
        let mut folder = Folder::new().host(host).connector("a", &format!("{MINIMAL}{own}"));
        if variables {
            folder = folder.variable("BATCH_SIZE", "7").variable("POLL_TIMEOUT", "0.5");
        }
        let limits = folder.only().batch.resolve(sink);
        (limits.max_records, limits.max_bytes, limits.max_wait.as_millis())
    };
    let own = "[batch]\nmax_records = 1\nmax_bytes = \"1 KiB\"\nmax_wait = \"1ms\"";
    let host = "[defaults.batch]\nmax_records = 2\nmax_bytes = \"2 KiB\"\nmax_wait = \"2ms\"";
    let none = BatchDefaults::default();
    assert_eq!(limits(own, host, true, sink), (1, 1024, 1));
    assert_eq!(limits("", host, true, sink), (7, 2048, 500));
    assert_eq!(limits("", host, false, sink), (2, 2048, 2));
    assert_eq!(limits("", "", true, sink), (7, 16 << 20, 500));
    assert_eq!(limits("", "", false, sink), (5000, 16 << 20, 10_000));
    assert_eq!(limits("", "", false, none), (100, 1 << 20, 1000));
}

#[test]
fn default_limits_are_lowered_to_the_memory() {
    let batch = only(&format!("{MINIMAL}limits.memory = \"12 MiB\"\ntasks = 2")).batch;
    let limits = batch.resolve(BatchDefaults { max_bytes: Some(64 << 20), ..BatchDefaults::default() });
    assert_eq!((limits.max_bytes, limits.max_record_bytes), (2 << 20, 6 << 20));
}

#[test]
fn plugin_keys() {
    let account = |own: &str, host: &str, variable: &str| {
        let own = format!(
            "source.topics = \"t\"\n[sink]\nplugin = \"snowflake\"\n[sink.config]\ndatabase = \"d\"\n{own}"
        );
        let folder = Folder::new().host(host).connector("a", &own).variable("SNOWFLAKE_ACCOUNT", variable);
        folder.only().sink.config["account"].clone()
    };
    let host = "[defaults.sink.config]\naccount = \"defaults\"";
    assert_eq!(account("account = \"file\"", host, "environment"), "file");
    assert_eq!(account("", host, "environment"), "environment");
    assert_eq!(account("", host, ""), "defaults");
}

#[test]
fn log_levels() {
    let level = |flag: Option<&str>, variable: &str, file: &str| {
        let mut folder = Folder::new().host(file).variable("LOG_LEVEL", variable);
        folder.flags.log_level = flag.map(str::to_owned);
        folder.read_host().0.log.level
    };
    let file = "log.level = \"error\"";
    assert_eq!(level(Some("trace"), "DEBUG", file), LogLevel::Trace);
    assert_eq!(level(None, "Debug", file), LogLevel::Debug);
    assert_eq!(level(None, "WARNING", file), LogLevel::Warning);
    assert_eq!(level(None, "", file), LogLevel::Error);
    assert_eq!(level(None, "", ""), LogLevel::Info);
}

#[test]
fn tables_of_defaults_merge_key_by_key_and_lists_do_not() {
    let folder = Folder::new()
        .host(
            "[kafka.properties]\n\"a.a\" = 1\n\"b.b\" = 1\n\"c.c\" = 1\n\
             [defaults]\ntasks = 3\n[defaults.source]\ntopics_regex = '^a'\nstart = \"latest\"\n\
             [defaults.source.properties]\n\"b.b\" = 2\n\"c.c\" = 2\n[[defaults.transforms]]\nplugin = \"nowhere\"",
        )
        .connector("a", &format!("transforms = []\n{MINIMAL}source.properties = {{ \"c.c\" = 3 }}"));
    let connector = folder.only();
    assert_eq!((connector.tasks, connector.source.start), (3, Start::Latest));
    assert_eq!(connector.source.subscription, Subscription::Topics(vec!["cdc.public.customers".into()]));
    let properties: Vec<_> = connector.source.properties.iter().collect();
    assert_eq!(properties, [("a.a", "1"), ("b.b", "2"), ("c.c", "3")]);
}

#[test]
fn the_configuration_of_a_default_sink_is_for_that_sink_only() {
    let folder = Folder::new()
        .host("[defaults.sink]\nplugin = \"console\"\nconfig.indent = 4")
        .connector("a", MINIMAL)
        .connector("b", "source.topics = \"t\"\nsink.config.color = true");
    let loaded = folder.load();
    assert_eq!(folder.lines(&loaded.diagnostics), [""; 0]);
    let sinks: Vec<_> = loaded
        .valid
        .iter()
        .map(|connector| (connector.sink.plugin.as_str(), &connector.sink.config))
        .collect();
    assert_eq!(sinks, [("discard", &json!({})), ("console", &json!({ "indent": 4, "color": true }))]);
}

#[test]
fn errors_in_defaults_are_said_once_and_where_they_are() {
    let folder = Folder::new()
        .host("[defaults]\ntasks = 0\n[defaults.source]\nstrat = \"latest\"\nproperties.\"group.id\" = 1\n[defaults.sink.config]\nx = 1")
        .connector("a", MINIMAL)
        .connector("b", MINIMAL);
    let loaded = folder.load();
    assert_eq!(
        folder.lines(&loaded.diagnostics),
        [
            "tidegate.toml:2:1: defaults.tasks: 0 is out of bounds: must be 1 to 64",
            "tidegate.toml:4:1: defaults.source.strat: unknown key \"strat\": did you mean \"start\"?",
            "tidegate.toml:5:12: defaults.source.properties.\"group.id\": group.id belongs to the host: \
             every connector has its own group: use source.group_id",
            "tidegate.toml:7:1: defaults.sink.config.x: unknown key \"x\": there are no known keys here",
        ]
    );
    assert_eq!((loaded.valid.len(), loaded.rejected.len()), (0, 2));
}

#[test]
fn a_default_that_is_overridden_needs_no_variable() {
    let host = "[defaults]\ndescription = \"${env:NOPE}\"";
    let folder = Folder::new().host(host).connector("a", &format!("description = \"mine\"\n{MINIMAL}"));
    assert_eq!(folder.only().description.as_deref(), Some("mine"));
    assert_eq!(
        Folder::new().host(host).connector("a", MINIMAL).findings(),
        [
            "tidegate.toml:2:15: defaults.description: environment variable NOPE is not set: set it, or give a \
          default as ${env:NOPE:-value}"
        ]
    );
}

#[test]
fn what_a_file_lacks_beside_defaults_is_said_of_the_file() {
    let folder = Folder::new()
        .host(
            "[defaults.source]\nstart = \"latest\"\n[defaults.batch]\nmax_bytes = \"8 MiB\"\n\
             [defaults.sink.config]\ndatabase = \"d\"\n",
        )
        .connector("a", "tasks = 8\nsink.plugin = \"snowflake\"");
    assert_eq!(
        folder.findings(),
        [
            "connectors.d/a.toml: batch.max_bytes: three batches of this size would not fit into a task's \
             share of limits.memory, 16 MiB: lower batch.max_bytes, raise limits.memory or lower tasks",
            "connectors.d/a.toml: source: topics are missing: add topics = [\"...\"] or topics_regex = '^...' \
             to [source]",
            "connectors.d/a.toml:2:1: sink.config.account: is missing: add account = ..., or set the environment \
             variable SNOWFLAKE_ACCOUNT",
        ]
    );
}

#[test]
fn defaults_for_transforms_are_placed_in_the_hosts_file() {
    let folder = Folder::new().host("[[defaults.transforms]]\nplugin = \"prices\"\n").connector("a", MINIMAL);
    assert_eq!(
        folder.findings(),
        ["tidegate.toml:1:1: defaults.transforms[0].config.field: is missing: add field = ..."]
    );
}

#[test]
fn what_happens_to_rejected_records() {
    let on_reject = |defaults: &str, own: &str| {
        let host = format!("[defaults.errors]\n{defaults}\n");
        Folder::new()
            .host(&host)
            .connector("a", &format!("{MINIMAL}[errors]\n{own}\n"))
            .only()
            .errors
            .on_reject
    };
    let letters = |topic: &str, partitions, replication| {
        let OnReject::DeadLetter(policy) = on_reject(
            "tolerance = \"all\"\ndead_letter_topic = \"dlq.{connector}.{topic}\"\ndead_letter_partitions = 6",
            topic,
        ) else {
            panic!("no dead letters")
        };
        assert_eq!((policy.partitions, policy.replication), (partitions, replication));
        policy.topic.topic("x")
    };
    assert_eq!(letters("", 6, None), "dlq.a.x");
    assert_eq!(letters("dead_letter_topic = \"own\"\ndead_letter_replication = 2", 6, Some(2)), "own");
    let (drop, topic) = ("tolerance = \"all\"\non_reject = \"drop\"", "dead_letter_topic = \"d\"");
    // The connector's own key comes before the other one of [defaults].
    assert_eq!(on_reject(&format!("tolerance = \"all\"\n{topic}"), "on_reject = \"drop\""), OnReject::Drop);
    assert!(on_reject(drop, topic).dead_letter_policy().is_some());
    assert_eq!(on_reject(drop, ""), OnReject::Drop);
    assert_eq!(on_reject(drop, "tolerance = \"none\""), OnReject::Fail);
}

#[test]
fn defaults_that_have_no_effect_in_a_connector_are_no_errors() {
    let folder = Folder::new()
        .host(
            "[defaults.source]\nunavailable_value_placeholder = \"gone\"\nvalue_reader_schema = '\"int\"'\n\
             [defaults.source.key_columns]\n\"*\" = \"id\"",
        )
        .connector("a", &format!("source.change_events = \"maxwell\"\n{MINIMAL}"))
        .connector("b", MINIMAL);
    assert_eq!(folder.findings(), [""; 0]);
}
