//! What a user gets to read for each kind of mistake: the exact line.

use super::*;

#[track_caller]
fn with(extra: &str, expected: &str) {
    assert_eq!(findings_with(extra), [format!("connectors.d/a.toml:{expected}")]);
}

#[track_caller]
fn alone(content: &str, expected: &str) {
    assert_eq!(findings_in(content), [format!("connectors.d/a.toml{expected}")]);
}

#[test]
fn unknown_keys_get_a_suggestion_and_their_line() {
    alone(
        "[source]\ntopics = [\"a\"]\n  tpoics = [\"b\"]\n[sink]\nplugin = \"discard\"",
        ":3:3: source.tpoics: unknown key \"tpoics\": did you mean \"topics\"?",
    );
    with("[eror]", "3:2: eror: unknown key \"eror\": did you mean \"errors\"?");
    with(
        "[batch]\nnonsense = 1",
        "4:1: batch.nonsense: unknown key \"nonsense\": \
         known keys: max_records, max_wait, max_bytes, max_record_bytes",
    );
}

#[test]
fn every_error_of_a_file_is_found_at_once() {
    let findings =
        findings_in("tasks = 0\n[source]\nstart = \"middle\"\n[limits]\nmemory = 5\nshutdown = 5\n");
    assert_eq!(
        findings,
        [
            "connectors.d/a.toml: sink.plugin: is missing: add plugin = \"...\": sink plugins found: \
             broken, console, discard, snowflake",
            "connectors.d/a.toml:1:1: tasks: 0 is out of bounds: must be 1 to 64",
            "connectors.d/a.toml:2:2: source: topics are missing: add topics = [\"...\"] or \
             topics_regex = '^...' to [source]",
            "connectors.d/a.toml:3:1: source.start: unknown value \"middle\": known values: earliest, latest",
            "connectors.d/a.toml:5:1: limits.memory: 5 B is out of bounds: must be 1 MiB to 1024 GiB",
            "connectors.d/a.toml:6:12: limits.shutdown: expected a duration with its unit such as \"1.5s\", \
             found an integer",
        ]
    );
}

#[test]
fn broken_toml_is_one_error_with_line_and_column() {
    // The bracket that is missing in line 2 makes each of the following lines an error, too.
    let text = "[source]\ntopics = [\"a\"\nstart = \"latest\"\ngroup_id = \"g\"\n\n[sink]\nplugin = \"discard\"\n[sink.config]\na = 1\n";
    let findings = findings_in(text);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with("connectors.d/a.toml:3:1: broken TOML: "), "{findings:?}");
    assert!(
        findings[0].ends_with(": the cause may be a bracket or quote that is missing in a line above"),
        "{findings:?}"
    );
}

#[test]
fn wrong_types_name_both() {
    with("tasks = \"two\"", "3:9: tasks: expected an integer, found a string");
    with("enabled = 1", "3:11: enabled: expected true or false, found an integer");
    with("batch = 5", "3:9: batch: expected a table, found an integer");
    with("transforms = {}", "3:14: transforms: expected a list of tables, found a table");
    with("tasks = 99999999999999999999", "3:9: the number 99999999999999999999 does not fit 64 bits");
    alone(
        "source.topics = 5\nsink.plugin = \"discard\"",
        ":1:17: source.topics: expected a string or a list of strings, found an integer",
    );
    alone(
        "source.topics = [5]\nsink.plugin = \"discard\"",
        ":1:18: source.topics: expected a string, found an integer",
    );
}

#[test]
fn topics() {
    let source = |text: &str| format!("[source]\n{text}\n[sink]\nplugin = \"discard\"");
    let topics = |text: &str, expected: &str| alone(&source(text), expected);
    topics(
        "topics = [\"a\"]\ntopics_regex = '^a'",
        ":3:1: source.topics_regex: both topics and topics_regex are given: keep one of them",
    );
    topics("topics = []", ":2:1: source.topics: must name at least one topic");
    topics(
        "topics = [\"a b\"]",
        ":2:1: source.topics: \"a b\" is not a topic's name: only ASCII letters, digits, \".\", \"_\" and \"-\" \
         are allowed",
    );
    topics(
        "topics = [\"..\"]",
        ":2:1: source.topics: \"..\" is not a topic's name: \".\" and \"..\" are reserved",
    );
    topics(
        "topics = '^a.*'",
        ":2:1: source.topics: \"^a.*\" is not a topic's name: for a pattern use topics_regex",
    );
    topics(
        "topics_regex = 'cdc'",
        ":2:1: source.topics_regex: must start with ^: write '^cdc', or '^.*cdc' to match anywhere",
    );
    topics("topics_regex = '^(a'", ":2:1: source.topics_regex: not a valid pattern: unclosed group");
}

#[test]
fn a_topic_named_twice_is_a_warning() {
    let folder = Folder::new().connector("a", "source.topics = [\"x\", \"x\"]\nsink.plugin = \"discard\"");
    let loaded = folder.load();
    assert_eq!(
        folder.lines(&loaded.diagnostics),
        ["connectors.d/a.toml:1:8: warning: source.topics: \"x\" is named twice"]
    );
    assert_eq!(loaded.valid[0].source.subscription, Subscription::Topics(vec!["x".into()]));
}

#[test]
fn change_events() {
    with(
        "source.change_events = \"debezium\"",
        "3:8: source.change_events: unknown value \"debezium\": known values: auto, flattened, upsert, maxwell, canal, ticdc, dms, goldengate, cloudevents, none",
    );
    with(
        "source.change_events = \"upsert\"\nsource.value_format = \"string\"",
        "3:8: source.change_events: values of the format \"string\" have no fields: set value_format to \"json\", \
         \"avro\", \"json-schema\" or \"protobuf\"",
    );
    for mode in ["auto", "flattened", "cloudevents", "none"] {
        with(
            &format!("source.change_events = {mode:?}\nsource.key_columns.orders = \"id\""),
            "4:8: source.key_columns: has no effect with this value of change_events: Debezium's keys name their \
             columns: remove it, or set change_events to the tool of the messages",
        );
    }
    for mode in ["upsert", "maxwell", "canal", "ticdc", "dms", "goldengate", "none"] {
        with(
            &format!("source.change_events = {mode:?}\nsource.unavailable_value_placeholder = \"n/a\""),
            "4:8: source.unavailable_value_placeholder: has no effect with this value of change_events: only Debezium \
             sends placeholders: remove it, or set change_events to \"auto\", \"flattened\" or \"cloudevents\"",
        );
    }
    with(
        "source.change_events = \"dms\"\nsource.key_columns.orders = [\"id\", \"no\", \"id\"]",
        "4:20: source.key_columns.\"orders\": \"id\" is named twice",
    );
    with("source.flattened_prefix = \"\"", "3:8: source.flattened_prefix: must not be empty");
    with(
        "source.unavailable_value_placeholder = \"\"",
        "3:8: source.unavailable_value_placeholder: must not be empty",
    );
    let help = "write the value of unavailable.value.placeholder in the source connector";
    for (placeholder, reason) in [
        ("hex:", "it is empty, and every empty text would be an unavailable value"),
        ("hex:zz", "what follows \"hex:\" must be pairs of hexadecimal digits"),
        ("hex:6e2", "what follows \"hex:\" must be pairs of hexadecimal digits"),
        ("hex:ff", "the bytes that follow \"hex:\" are not UTF-8"),
    ] {
        with(
            &format!("source.unavailable_value_placeholder = {placeholder:?}"),
            &format!(
                "3:8: source.unavailable_value_placeholder: {placeholder:?} cannot be a placeholder: {reason}: {help}"
            ),
        );
    }
    for (key, found) in
        [("5", "an integer"), ("[]", "a list"), ("\"\"", "a string"), ("[\"id\", 2]", "a list")]
    {
        with(
            &format!("source.key_columns.orders = {key}"),
            &format!(
                "3:20: source.key_columns.\"orders\": expected a column or a list of columns, found {found}: write \
                 \"orders\" = [\"id\"]"
            ),
        );
    }
}

#[test]
fn group_membership() {
    with(
        "source.invalid_unicode = \"ignore\"",
        "3:8: source.invalid_unicode: unknown value \"ignore\": known values: reject, replace",
    );
    with(
        "source.on_lost_position = \"skip\"",
        "3:8: source.on_lost_position: unknown value \"skip\": known values: fail, earliest, latest",
    );
    with(
        "source.group_protocol = \"consumer\"\nsource.properties.\"session.timeout.ms\" = 6000",
        "4:8: source.properties: session.timeout.ms is set by the broker when it assigns the partitions: \
         remove it, or use another group_protocol",
    );
    assert_eq!(findings_with("source.group_protocol = \"consumer\""), [""; 0]);
}

#[test]
fn losing_records_must_be_said_out_loud() {
    with(
        "[errors]\ntolerance = \"all\"",
        "4:1: errors.tolerance: \"all\" would lose records unless the file says so: \
         add dead_letter_topic = \"dlq.{topic}\" to keep bad records, or on_reject = \"drop\" to log, count and skip them",
    );
    with(
        "[errors]\non_reject = \"drop\"",
        "4:1: errors.on_reject: has no effect with tolerance = \"none\": add tolerance = \"all\", or remove on_reject",
    );
    with(
        "[errors]\ntolerance = \"all\"\non_reject = \"dorp\"",
        "5:1: errors.on_reject: unknown value \"dorp\": did you mean \"drop\"?",
    );
    with(
        "[errors]\ndead_letter_topic = \"dlq\"",
        "4:1: errors.dead_letter_topic: has no effect with tolerance = \"none\": add tolerance = \"all\", or remove \
         dead_letter_topic",
    );
    with(
        "[errors]\ntolerance = \"none\"\ndead_letter_topic = \"dlq\"",
        "5:1: errors.dead_letter_topic: has no effect with tolerance = \"none\": add tolerance = \"all\", or remove \
         dead_letter_topic",
    );
    with(
        "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\ndead_letter_topic = \"dlq\"",
        "5:1: errors.on_reject: both on_reject and dead_letter_topic are given: keep one of them",
    );
    with(
        "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\ndead_letter_partitions = 3",
        "6:1: errors.dead_letter_partitions: has no effect without dead_letter_topic: add dead_letter_topic, or remove \
         dead_letter_partitions",
    );
}

/// What is wrong with a dead-letter topic of a connector with this `[source]`.
fn letters(source: &str, topic: &str) -> Vec<String> {
    findings_in(&format!(
        "[source]\n{source}\n[sink]\nplugin = \"discard\"\n[errors]\ntolerance = \"all\"\ndead_letter_topic = \"{topic}\""
    ))
}

#[test]
fn the_name_of_a_dead_letter_topic_is_checked_as_far_as_it_is_known() {
    let topics = "topics = [\"orders\", \"dlq.orders\"]";
    let at = "connectors.d/a.toml:7:1: errors.dead_letter_topic: ";
    let own = |topic: &str, letters: &str| {
        format!(
            "{at}the connector would read its own dead letters: those of topic {topic:?} are written to {letters:?}, which it reads, too: \
             give the dead-letter topic a name that the connector does not read"
        )
    };
    for fine in ["letters", "letters.{topic}", "{connector}.{topic}.dlq", "dlq"] {
        assert_eq!(letters(topics, fine), [""; 0]);
    }
    assert_eq!(letters(topics, "dlq.{topic}"), [own("orders", "dlq.orders")]);
    assert_eq!(letters(topics, "{topic}"), [own("orders", "orders")]);
    let unknown = "unknown placeholder \"{tpoic}\": use {topic} or {connector}";
    assert_eq!(letters(topics, "dlq.{tpoic}"), [format!("{at}{unknown}")]);
    assert_eq!(
        letters(topics, "dead letters"),
        [format!(
            "{at}\"dead letters\" is not a topic's name: only ASCII letters, digits, \".\", \"_\" and \"-\" are allowed"
        )]
    );
    assert!(letters("topics = [\"t\"]", &"x".repeat(250))[0].contains("longer than 249"));
    assert!(letters("topics_regex = '^cdc'", "a b.{topic}")[0].contains("only ASCII letters"));
}

#[test]
fn a_pattern_must_not_take_its_own_dead_letter_topics() {
    for (pattern, topic, eaten) in [
        (r"^cdc\.", "dlq.{topic}", false),
        (r"^cdc\.", "{topic}.dlq", true),
        (r"^cdc\.[a-z]+$", "{topic}.dlq", false),
        ("^(cdc|dlq)[.]", "dlq.{topic}", true),
        ("^.*", "dlq.{topic}", true),
        ("^.*orders$", "dlq.{topic}", true),
        ("^orders", "orders-dlq", true),
        ("^orders$", "orders-dlq", false),
        ("^(dlq[.])?cdc", "dlq.{topic}", true),
    ] {
        let findings = letters(&format!("topics_regex = '{pattern}'"), topic);
        assert_eq!(
            findings.iter().any(|line| line.contains("its own dead letters")),
            eaten,
            "{pattern} {topic}"
        );
        assert_eq!(findings.len(), usize::from(eaten), "{findings:?}");
    }
}

#[test]
fn sizes_and_durations_have_units_and_bounds() {
    with(
        "batch.max_bytes = \"1 M\"",
        "3:7: batch.max_bytes: \"1 M\" is not a size: write a number and B, kB, MB, GB, KiB, MiB or GiB, \
         for example \"8 MiB\"",
    );
    with("batch.max_wait = \"2h\"", "3:7: batch.max_wait: 2h is out of bounds: must be 1ms to 1h");
    with(
        "restart.initial = \"1 minute\"",
        "3:9: restart.initial: \"1 minute\" is not a duration: write a number and us, ms, s, m, h or d, \
         for example \"1.5s\"",
    );
    with(
        "errors.retry = { initial = \"10s\", max = \"5s\" }",
        "3:18: errors.retry.initial: is longer than max, which is 5s: lower initial or raise max",
    );
    with(
        "batch.max_bytes = -1",
        "3:19: batch.max_bytes: expected a size such as \"8 MiB\", found an integer",
    );
}

#[test]
fn batches_must_fit_the_memory() {
    with(
        "tasks = 2\n[batch]\nmax_bytes = \"8 MiB\"\n[limits]\nmemory = \"40 MiB\"",
        "5:1: batch.max_bytes: three batches of this size would not fit into a task's share of limits.memory, 20 MiB: \
         lower batch.max_bytes, raise limits.memory or lower tasks",
    );
    with(
        "batch.max_record_bytes = \"200 MiB\"",
        "3:7: batch.max_record_bytes: a record of this size would not fit into a task's share of limits.memory, 128 MiB: \
         lower batch.max_record_bytes, raise limits.memory or lower tasks",
    );
    with(
        "tasks = 4\nlimits.memory = \"2 MiB\"",
        "4:8: limits.memory: leaves each of 4 tasks less than 1 MiB: raise limits.memory or lower tasks",
    );
    with(
        "isolation = \"process\"\ntasks = 4\nlimits.memory = \"40 MiB\"",
        "5:8: limits.memory: is too little for a child process, which needs 32 MiB besides its records: \
         raise limits.memory to 42 MiB or more, or lower tasks, or set isolation = \"thread\"",
    );
    assert!(findings_with("isolation = \"process\"\ntasks = 4\nlimits.memory = \"42 MiB\"").is_empty());
}

#[test]
fn only_a_process_is_held_to_a_share_of_the_processors() {
    with(
        "limits.cpu = 0.5",
        "3:8: limits.cpu: can only be enforced on a child process: \
         set isolation = \"process\", or remove it",
    );
    with(
        "isolation = \"process\"\nlimits.cpu = 0",
        "4:8: limits.cpu: 0 is out of bounds: must be 0.1 to 1024",
    );
    with(
        "isolation = \"process\"\nlimits.cpu = \"half\"",
        "4:14: limits.cpu: expected a number, found a string",
    );
}

#[test]
fn properties_of_the_host_are_rejected_with_the_reason() {
    with(
        "[source.properties]\n\"enable.auto.commit\" = true",
        "4:1: source.properties.\"enable.auto.commit\": enable.auto.commit belongs to the host: the host alone \
         commits, after the sink has made the records durable: remove it",
    );
    with(
        "[source.properties]\ngroup.id = \"x\"",
        "4:7: source.properties.\"group.id\": group.id belongs to the host: every connector has its own group: \
         use source.group_id",
    );
    with(
        "[source.properties]\n\"a.b\" = [1]",
        "4:9: source.properties.\"a.b\": expected a string, number or boolean, found a list",
    );
    for name in [
        "enable.auto.offset.store",
        "auto.offset.reset",
        "group.protocol",
        "partition.assignment.strategy",
        "bootstrap.servers",
        "metadata.broker.list",
        "enable.partition.eof",
        "queued.max.messages.kbytes",
        "group.instance.id",
    ] {
        let findings = findings_with(&format!("[source.properties]\n\"{name}\" = 1"));
        assert_eq!(findings.len(), 1, "{name}");
        assert!(findings[0].contains(&format!("{name} belongs to the host")), "{findings:?}");
    }
    for name in ["client.id", "statistics.interval.ms", "isolation.level", "fetch.min.bytes"] {
        assert_eq!(findings_with(&format!("[source.properties]\n\"{name}\" = 1")), [""; 0], "{name}");
    }
}

#[test]
fn column_hints() {
    with(
        "[source.columns]\n\"p.price\" = \"decimal\"",
        "4:1: source.columns.\"p.price\": unknown type \"decimal\": write { decimal = 2 } with the column's scale",
    );
    with(
        "[source.columns]\n\"p.price\" = { decimal = -1 }",
        "4:15: source.columns.\"p.price\": decimal takes its scale, an integer from 0 to 16383",
    );
    for length in ["0", "65537", "\"16\""] {
        with(
            &format!("[source.columns]\n\"p.flags\" = {{ bits = {length} }}"),
            "4:15: source.columns.\"p.flags\": bits takes its length, an integer from 1 to 65536",
        );
    }
    with(
        "[source.columns]\n\"p.day\" = \"dat\"",
        "4:1: source.columns.\"p.day\": unknown type \"dat\": did you mean \"date\"?",
    );
    with(
        "[source.columns]\n\"p.id\" = \"intger\"",
        "4:1: source.columns.\"p.id\": unknown type \"intger\": did you mean \"integer\"?",
    );
    with(
        "[source.columns]\nprice = \"json\"",
        "4:1: source.columns.\"price\": the table is missing: write \"table.price\" or \"schema.table.price\"",
    );
    with(
        "[source.columns]\n\"p.day\" = 5",
        "4:1: source.columns.\"p.day\": expected a type's name or { decimal = 2 }, found an integer",
    );
}

#[test]
fn transforms_and_predicates() {
    let transform = |text: &str, expected: &str| {
        with(&format!("[[transforms]]\nplugin = \"prices\"\nconfig.field = \"f\"\n{text}"), expected);
    };
    transform(
        "when = { topic = '(' }",
        "6:10: transforms[0].when.topic: not a valid pattern: unclosed group",
    );
    transform(
        "when = {}",
        "6:1: transforms[0].when: has no condition: add topic, table, header, tombstone or operation, or remove it",
    );
    transform(
        "when = { operation = [\"upsert\"] }",
        "6:10: transforms[0].when.operation: unknown value \"upsert\": known values: insert, create, snapshot, \
         read, update, delete, truncate, message",
    );
    transform(
        "when = { not = { tpic = 'x', table = 'y' } }",
        "6:18: transforms[0].when.not.tpic: unknown key \"tpic\": did you mean \"topic\"?",
    );
    transform(
        "[[transforms]]\nplugin = \"prices\"\nconfig.field = \"f\"",
        "6:1: transforms[1].name: there is another transform \"prices\": give each transform a name of its own: \
         name = \"...\"",
    );
}

#[test]
fn the_hosts_file() {
    let host = |content: &str| Folder::new().host(content).read_host().1;
    assert_eq!(
        host(
            "[kafka]\nbootstrap_server = \"x\"\n[kafka.properties]\n\"group.id\" = \"x\"\n[schema_registry]\nurls = 1\n[api]\nport = 1"
        ),
        [
            "tidegate.toml:2:1: kafka.bootstrap_server: unknown key \"bootstrap_server\": \
             did you mean \"bootstrap_servers\"?",
            "tidegate.toml:4:1: kafka.properties.\"group.id\": group.id belongs to the host: \
             every connector has its own group: use source.group_id",
            "tidegate.toml:6:1: schema_registry.urls: unknown key \"urls\": did you mean \"url\"?",
            "tidegate.toml:8:1: api.port: unknown key \"port\": known keys: listen, tokens, users, hosts, tls_certificate_file, tls_key_file, tls_client_ca_file, allow_files, allow_env",
        ]
    );
    assert_eq!(
        host("[log]\nformat = \"jsn\"\nlevel = \"loud\"\n[plugin]\ndirs = []"),
        [
            "tidegate.toml:2:1: log.format: unknown value \"jsn\": did you mean \"json\"?",
            "tidegate.toml:3:1: log.level: unknown level \"loud\": use \"error\", \"warning\", \"info\", \"debug\" or \"trace\"",
            "tidegate.toml:4:2: plugin: unknown key \"plugin\": did you mean \"plugins\"?",
        ]
    );
    assert_eq!(host("defaults = 5"), ["tidegate.toml:1:12: defaults: expected a table, found an integer"]);
    let path = PathBuf::from("no/such/tidegate.toml");
    let error = HostConfig::load(Some(&path), &HostFlags::default(), &Environment::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no/such/tidegate.toml: cannot read the file: No such file or directory (os error 2)"
    );
}

#[test]
fn variables_and_flags_are_named() {
    let mut folder = Folder::new().variable("BATCH_SIZE", "0").variable("POLL_TIMEOUT", "1s");
    folder = folder.variable("LOG_LEVEL", "loud");
    folder.flags.log_format = Some("xml".into());
    assert_eq!(
        folder.read_host().1,
        [
            "(command line): log format: unknown value \"xml\": use \"human\" or \"json\"",
            "(environment): BATCH_SIZE: \"0\" is not a number of records: use an integer from 1 to 1000000",
            "(environment): LOG_LEVEL: unknown level \"loud\": use \"error\", \"warning\", \"info\", \"debug\" or \"trace\"",
            "(environment): POLL_TIMEOUT: \"1s\" is not a number of seconds: use 0.001 to 3600",
        ]
    );
}

#[test]
fn patterns_that_may_do_other_than_their_author_thinks_are_warned_of() {
    let warnings = |pattern: &str| {
        findings_in(&format!("[source]\ntopics_regex = '{pattern}'\n[sink]\nplugin = \"discard\"\n"))
    };
    for fine in [
        "^cdc[.]",
        "^(orders|customers)",
        "^.*",
        r"^\w+$",
        "^__debezium",
        "^cdc[.]a__b",
        "^(?i)cdc$",
        "^(?:^a|^b)",
    ] {
        assert_eq!(warnings(fine), [""; 0], "{fine}");
    }
    let at = "connectors.d/a.toml:2:1: warning: source.topics_regex: ";
    assert_eq!(
        warnings("^orders|customers"),
        [format!(
            "{at}one of its alternatives does not begin with ^, and matches anywhere in a name: \
             write '^(one|other)' where both are meant to begin the name"
        )]
    );
    assert_eq!(
        warnings("^(__debezium-heartbeat|cdc)[.]x"),
        [format!(
            "{at}topics that begin with __, such as \"__debezium-heartbeat.x\", are not read through this pattern: \
             begin the pattern with ^__, or name such topics in source.topics of another connector"
        )]
    );
}
