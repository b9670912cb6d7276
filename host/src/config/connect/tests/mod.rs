//! Configurations of Kafka Connect as connector files and back.

mod secrets;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::config::{
    Environment, HostConfig, HostFlags, PluginCatalog, PluginKind, PluginSummary, connector_schema,
};

/// Plugins with the names and some options of the shipped ones.
struct Plugins;

impl PluginCatalog for Plugins {
    fn find(&self, name: &str) -> Option<PluginSummary> {
        let text = || json!({ "type": "string" });
        let object = |properties: Json| json!({ "type": "object", "properties": properties });
        let texts = || json!({ "type": "array", "items": { "type": "string" } });
        let (kind, config_schema) = match name {
            "file" => (
                PluginKind::Sink,
                object(json!({
                    "path": text(), "style": text(), "fsync": { "type": "boolean" },
                    "pin": { "type": "string", "x-secret": true }, "columns": texts(),
                    "pins": { "type": "array", "items": { "type": "string" }, "x-secret": true },
                })),
            ),
            "snowflake" => (
                PluginKind::Sink,
                object(json!({
                    "account": text(), "private_key": { "type": "string", "x-secret": true },
                    "tables": { "type": "object", "additionalProperties": object(json!({ "name": text() })) },
                })),
            ),
            "console" => (PluginKind::Sink, object(json!({ "limit": { "type": ["integer", "null"] } }))),
            "mask" => (
                PluginKind::Transform,
                object(json!({
                    "fields": texts(), "keep_last": { "type": "integer" }, "key": { "type": "string", "x-secret": true },
                    "replacement": { "type": ["string", "integer"] },
                })),
            ),
            "route" | "filter" | "enrich" | "fields" | "unwrap" => (PluginKind::Transform, object(json!({}))),
            _ => return None,
        };
        Some(PluginSummary { name: name.to_owned(), kind, config_schema, durable_on_flush: false })
    }

    fn names(&self) -> Vec<String> {
        ["console", "enrich", "fields", "file", "filter", "mask", "route", "snowflake", "unwrap"]
            .map(str::to_owned)
            .into()
    }
}

fn schema() -> Json {
    let (host, _) = HostConfig::read(None, &HostFlags::default(), &Environment::default());
    connector_schema(&Plugins, &host)
}

fn options(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().map(|(option, value)| ((*option).to_owned(), (*value).to_owned())).collect()
}

/// The file of a configuration, and the findings as `error: ..` and `warning: ..`.
fn import(pairs: &[(&str, &str)]) -> (toml::Table, Vec<String>) {
    let import = to_file("c", &options(pairs), None, &schema());
    let kind = |severity| if severity == Severity::Error { "error" } else { "warning" };
    let findings = import.findings.iter().map(|one| format!("{}: {}", kind(one.severity), one.message));
    let mut table: toml::Table = import.text.parse().unwrap();
    table.remove(GIVEN);
    (table, findings.collect())
}

fn file(text: &str) -> toml::Table {
    text.parse().unwrap()
}

const FILE_SINK: [(&str, &str); 3] =
    [("connector.class", "FileStreamSink"), ("topics", "a, b"), ("file", "/tmp/out")];

#[test]
fn the_file_sink_of_kafka_connect() {
    let (table, findings) = import(&[
        ("connector.class", "org.apache.kafka.connect.file.FileStreamSinkConnector"),
        ("tasks.max", "2"),
        ("topics", "a, b"),
        ("file", "/tmp/out"),
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dlq"),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("consumer.override.max.poll.records", "50"),
        ("consumer.override.auto.offset.reset", "latest"),
        ("consumer.override.fetch.max.wait.ms", "10"),
    ]);
    let expected = r#"
        tasks = 2
        batch.max_records = 50
        errors = { tolerance = "all", dead_letter_topic = "dlq", dead_letter_replication = 1, max_rejected = 1000000000 }
        [source]
        topics = ["a", "b"]
        value_format = "string"
        start = "latest"
        properties = { "fetch.wait.max.ms" = "10" }
        [sink]
        plugin = "file"
        config = { path = "/tmp/out", style = "raw" }
    "#;
    assert_eq!((table, findings), (file(expected), vec![]));
}

#[test]
fn errors_have_the_texts_of_kafka_connect() {
    let with = |option, value| {
        let mut pairs = BTreeMap::from(FILE_SINK);
        pairs.insert(option, value);
        let (_, findings) = import(&pairs.into_iter().collect::<Vec<_>>());
        findings.into_iter().find(|finding| finding.starts_with("error: ")).unwrap_or_default()
    };
    for (option, value, expected) in [
        ("tasks.max", "many", "Invalid value many for configuration tasks.max: Not a number of type INT"),
        ("tasks.max", "0", "Invalid value 0 for configuration tasks.max: Value must be at least 1"),
        ("topics", "", "Must configure one of topics or topics.regex"),
        ("topics.regex", "x", "topics and topics.regex are mutually exclusive options, but both are set."),
        (
            "errors.tolerance",
            "some",
            "Invalid value some for configuration errors.tolerance: String must be one of: none, all",
        ),
        (
            "transforms",
            "x",
            "Missing required configuration \"transforms.x.type\" which has no default value.",
        ),
        (
            "connector.class",
            "com.example.Missing",
            "Failed to find any class that implements Connector and which name matches com.example.Missing, available \
             connectors are: console, file, snowflake",
        ),
    ] {
        assert_eq!(with(option, value), format!("error: {expected}"));
    }
}

#[test]
fn every_option_without_a_meaning_is_named() {
    let mut pairs = FILE_SINK.to_vec();
    let value = ("value.converter", "org.apache.kafka.connect.json.JsonConverter");
    pairs.extend([
        value,
        ("value.converter.schemas.enable", "false"),
        ("errors.log.enable", "true"),
        ("errors.retry.timeout", "1000"),
        ("producer.override.acks", "1"),
        ("labels.team", "x"),
        ("path", "/tmp"),
        ("sink.config.pth", "/tmp"),
        ("consumer.override.ssl.truststore.location", "/a.jks"),
    ]);
    let (_, findings) = import(&pairs);
    for option in ["errors.log.enable", "errors.retry.timeout", "producer.override.acks", "labels.team"] {
        let warning = format!("warning: {option} has no effect");
        assert!(findings.iter().any(|finding| finding.starts_with(&warning)), "{option}: {findings:#?}");
    }
    for error in [
        "path is an option of the sink: write it as sink.config.path",
        "consumer.override.ssl.truststore.location is read as PEM",
    ] {
        assert!(
            findings.iter().any(|finding| finding.starts_with(&format!("error: {error}"))),
            "{findings:#?}"
        );
    }
    assert!(!findings.iter().any(|finding| finding.contains("schemas.enable")), "{findings:#?}");
}

#[test]
fn transforms_and_predicates() {
    let mut pairs = FILE_SINK.to_vec();
    pairs.extend([
        ("transforms", "r,drop,new,mask,u,own"),
        ("transforms.r.type", "org.apache.kafka.connect.transforms.RegexRouter"),
        ("transforms.r.regex", "cdc\\.(.*)"),
        ("transforms.r.replacement", "shop.$1"),
        ("transforms.r.predicate", "t"),
        ("transforms.r.negate", "true"),
        ("transforms.drop.type", "org.apache.kafka.connect.transforms.Filter"),
        ("transforms.drop.predicate", "tomb"),
        ("transforms.new.type", "org.apache.kafka.connect.transforms.InsertField$Value"),
        ("transforms.new.static.field", "region"),
        ("transforms.new.static.value", "eu"),
        ("transforms.new.topic.field", "from!"),
        ("transforms.mask.type", "org.apache.kafka.connect.transforms.MaskField$Value"),
        ("transforms.mask.fields", "email,phone"),
        ("transforms.mask.replacement", "x"),
        ("transforms.u.type", "io.debezium.transforms.ExtractNewRecordState"),
        ("transforms.u.add.fields", "op"),
        ("transforms.own.type", "mask"),
        ("transforms.own.config.keep_last", "5"),
        ("transforms.own.when.topic", "^a"),
        ("predicates", "t,tomb"),
        ("predicates.t.type", "org.apache.kafka.connect.transforms.predicates.TopicNameMatches"),
        ("predicates.t.pattern", "cdc.*"),
        ("predicates.tomb.type", "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone"),
    ]);
    let (table, findings) = import(&pairs);
    let expected = r#"
        [[t]]
        name = "r"
        plugin = "route"
        when = { topic = "^(?:cdc.*)$", not = true }
        config.topic = { pattern = 'cdc\.(.*)', replacement = "shop.${1}" }
        [[t]]
        name = "drop"
        plugin = "filter"
        config = { action = "drop", conditions = [{ tombstone = true }] }
        [[t]]
        name = "new"
        plugin = "enrich"
        config = { into = "value", existing = "overwrite", fields = { region = { constant = "eu" }, from = "topic" } }
        [[t]]
        plugin = "mask"
        config = { fields = ["email", "phone"], replacement = "x" }
        [[t]]
        name = "u"
        plugin = "unwrap"
        config = { "add.fields" = "op" }
        [[t]]
        name = "own"
        plugin = "mask"
        when = { topic = "^a" }
        config = { keep_last = 5 }
    "#;
    assert_eq!(table["transforms"], file(expected)["t"]);
    assert_eq!(
        findings.iter().filter(|finding| finding.starts_with("error")).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[test]
fn snowflakes_connector() {
    let (table, findings) = import(&[
        ("connector.class", "com.snowflake.kafka.connector.SnowflakeSinkConnector"),
        ("topics.regex", "cdc[.].*"),
        ("snowflake.url.name", "https://org-acc.snowflakecomputing.com:443"),
        ("snowflake.user.name", "ME"),
        ("snowflake.private.key", "${file:/run/key}"),
        ("snowflake.database.name", "CDC"),
        ("snowflake.topic2table.map", "a.b:T1,c:T2"),
        ("buffer.flush.time", "30"),
        ("snowflake.ingestion.method", "SNOWPIPE_STREAMING"),
    ]);
    let expected = r#"
        batch.max_wait = "30s"
        source.topics_regex = "^(?:cdc[.].*)$"
        [sink]
        plugin = "snowflake"
        [sink.config]
        account = "org-acc.snowflakecomputing.com"
        user = "ME"
        private_key = "-----BEGIN PRIVATE KEY-----\n${file:/run/key}\n-----END PRIVATE KEY-----"
        database = "CDC"
        mode = "append"
        tables = { "a.b" = { name = "T1" }, c = { name = "T2" } }
    "#;
    assert_eq!(table, file(expected));
    assert_eq!(findings.len(), 2, "{findings:#?}");
}

#[test]
fn a_hand_written_file_keeps_its_comments() {
    let text = "# the orders\n[source]\ntopics = [\"a\"] # one\n\n# where\n[sink]\nplugin = \"file\"\n\n[sink.config]\npath = \"/x\" # here\n";
    let schema = schema();
    let mut config = from_file("c", text, &schema).unwrap();
    assert_eq!(
        config,
        options(&[("name", "c"), ("connector.class", "file"), ("topics", "a"), ("sink.config.path", "/x")])
    );
    assert_eq!(to_file("c", &config, Some(text), &schema).text, text, "nothing changed");
    config.insert("sink.config.path".to_owned(), "/y".to_owned());
    config.insert("tasks.max".to_owned(), "3".to_owned());
    let changed = to_file("c", &config, Some(text), &schema);
    assert_eq!(changed.findings, []);
    assert_eq!(changed.text.replace("tasks = 3\n", ""), text.replace("/x", "/y"));
    assert_eq!(from_file("c", &changed.text, &schema).unwrap(), config);
}

#[test]
fn edits_of_the_file_win_over_the_options_it_was_made_of() {
    let schema = schema();
    let mut given = options(&FILE_SINK);
    given.insert("errors.log.enable".to_owned(), "true".to_owned());
    let text = to_file("c", &given, None, &schema).text;
    assert_eq!(from_file("c", &text, &schema).unwrap()["errors.log.enable"], "true");
    let text = text.replace("path = \"/tmp/out\"", "path = \"/tmp/other\"");
    let edited = from_file("c", &text, &schema).unwrap();
    assert_eq!(edited["sink.config.path"], "/tmp/other");
    assert_eq!(edited.get("file"), None);
}

#[test]
fn placeholders_are_translated_and_found() {
    let mut pairs = BTreeMap::from(FILE_SINK);
    pairs.insert("sink.config.pin", "${directory:/run/secrets:pin}");
    pairs.insert("consumer.override.client.id", "${env:ID:-x}");
    let import = to_file("c", &options(&pairs.clone().into_iter().collect::<Vec<_>>()), None, &schema());
    let found = references(&import.text);
    assert_eq!(found.files, BTreeMap::from([("/run/secrets/pin".to_owned(), "sink.config.pin".to_owned())]));
    assert_eq!(found.variables.keys().collect::<Vec<_>>(), ["ID"]);
    let shown = from_file("c", &import.text, &schema()).unwrap();
    assert_eq!(shown["sink.config.pin"], "${directory:/run/secrets:pin}", "as it was given");
    pairs.insert("sink.config.pin", "${file:/run/s.properties:pin}");
    assert!(to_file("c", &options(&pairs.into_iter().collect::<Vec<_>>()), None, &schema()).has_errors());
}

#[test]
fn texts_keep_their_spaces_and_digits() {
    let schema = schema();
    let text = "[source]\ntopics = \"a\"\n\n[[transforms]]\nplugin = \"mask\"\n\n[transforms.config]\nreplacement = \"007\"\n\n\
                [sink]\nplugin = \"console\"\n";
    let mut shown = from_file("c", text, &schema).unwrap();
    assert_eq!(shown["transforms.mask.config.replacement"], "007");
    assert_eq!(to_file("c", &shown, Some(text), &schema).text, text, "nothing changed");
    shown.insert("transforms.mask.config.replacement".to_owned(), " 8 x ".to_owned());
    shown.insert("sink.config.limit".to_owned(), " 5 ".to_owned());
    let changed: toml::Table = to_file("c", &shown, Some(text), &schema).text.parse().unwrap();
    assert_eq!(changed["transforms"][0]["config"]["replacement"].as_str(), Some(" 8 x "));
    assert_eq!(changed["sink"]["config"]["limit"].as_integer(), Some(5));
}

#[test]
fn transforms_are_bounded_and_have_one_name_each() {
    let with = |list: &str| {
        let mut pairs = FILE_SINK.to_vec();
        pairs.extend([("transforms", list), ("transforms.a.type", "mask")]);
        let findings = import(&pairs).1;
        findings.into_iter().filter(|finding| finding.starts_with("error: ")).collect::<Vec<_>>()
    };
    assert_eq!(with("a"), Vec::<String>::new());
    assert_eq!(
        with("a,a"),
        ["error: Invalid value a for configuration transforms: Duplicate alias provided."]
    );
    assert_eq!(with(&"a,".repeat(101)), ["error: transforms: there are more than 100 of them"]);
}

#[test]
fn a_transform_may_have_the_name_of_another_one_with_a_suffix() {
    let mut pairs = FILE_SINK.to_vec();
    pairs.extend([
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("transforms", "a,a.b"),
        ("transforms.a.type", "mask"),
        ("transforms.a.config.fields", "x"),
        ("transforms.a.predicate", "p"),
        ("transforms.a.b.type", "mask"),
        ("transforms.a.b.config.fields", "y"),
        ("predicates", "p,p.q"),
        ("predicates.p.type", "RecordIsTombstone"),
        ("predicates.p.q.type", "HasHeaderKey"),
        ("predicates.p.q.name", "h"),
    ]);
    let (table, findings) = import(&pairs);
    assert_eq!(findings, Vec::<String>::new());
    let expected = r#"
        [[transforms]]
        name = "a"
        plugin = "mask"
        when = { tombstone = true }
        config = { fields = ["x"] }
        [[transforms]]
        name = "a.b"
        plugin = "mask"
        config = { fields = ["y"] }
    "#;
    assert_eq!(table["transforms"], file(expected)["transforms"]);
}

#[test]
fn what_is_checked_is_what_is_read() {
    let found = references("a = \"${env:A${file:/x}\"\nb = \"$${file:/y} ${file:/z\"");
    assert_eq!(found.files, BTreeMap::new());
    assert_eq!(found.variables.keys().collect::<Vec<_>>(), ["A${file:/x"]);
    let found = references("a = \"$${${file:/x}\"");
    assert_eq!(found.files.keys().collect::<Vec<_>>(), ["/x"]);
}

fn any_options() -> impl Strategy<Value = Options> {
    let name = prop_oneof![
        Just("connector.class".to_owned()),
        Just("topics".to_owned()),
        Just("transforms".to_owned()),
        Just("file".to_owned()),
        "(source|sink[.]config|batch|errors|transforms[.]a|predicates[.]a|consumer[.]override|value[.]converter|snowflake)[.][a-z\"_.-]{1,12}",
        "[a-z .\"\\[\\]=]{0,12}",
    ];
    let value = prop_oneof![
        Just("FileStreamSink".to_owned()),
        Just("file".to_owned()),
        Just("a".to_owned()),
        Just("${file:/x}".to_owned()),
        Just(MASK.to_owned()),
        "[ -~\n]{0,20}",
    ];
    proptest::collection::btree_map(name, value, 0..12)
}

proptest! {
    #[test]
    fn what_was_given_comes_back(given in any_options()) {
        let schema = schema();
        let import = to_file("c", &given, None, &schema);
        import.text.parse::<toml::Table>().unwrap();
        if !import.has_errors() {
            let shown = from_file("c", &import.text, &schema).unwrap();
            for (option, value) in given.iter().filter(|(option, _)| *option != "name") {
                prop_assert!(shown.get(option).is_some_and(|shown| shown == value || shown.contains(MASK)), "{option}: {shown:?}");
            }
            let again = to_file("c", &shown, Some(&import.text), &schema);
            prop_assert_eq!(again.text, import.text, "putting what was got changes nothing");
        }
    }
}
