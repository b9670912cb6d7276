//! Values that Confluent's serializers wrote are decoded with the schemas that the registry returns.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_tests::{
    Broker, Fixture, Home,
    apicurio::{Apicurio, Ids},
    fixtures,
};

use crate::support::{Message, send, to_file, written};

/// How schemas of Protobuf are registered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    /// As the text of the schema.
    Source,
    /// As a serialized descriptor, in base64.
    Descriptor,
}

/// Sends the fixtures of a file and a kind of schema, and compares what the host makes of them.
///
/// Returns the names of the fixtures whose schema the registry rejects.
fn decode(file: &str, kind: &str, format: &str, form: As) -> Option<BTreeSet<String>> {
    let registry = Apicurio::shared()?;
    let suffix = if form == As::Source { "" } else { "-descriptors" };
    let prefix = format!("{file}{suffix}");
    let mut ids = BTreeMap::<u32, Result<Ids, String>>::new();
    let (mut accepted, mut rejected) = (Vec::new(), BTreeSet::new());
    // This registry has no GUIDs.
    let is_readable = |one: &Fixture| one.schema_type == kind && one.guid.is_none() && one.expected.is_some();
    for fixture in fixtures(file).into_iter().filter(is_readable) {
        let register = || registry.register_fixture(&prefix, &fixture, form == As::Descriptor);
        match ids.entry(fixture.schema_id).or_insert_with(register) {
            Ok(ids) => {
                let mut value = fixture.payload.clone();
                value[1..5].copy_from_slice(&ids.content.to_be_bytes());
                accepted.push((fixture, Message { value, headers: Vec::new() }));
            }
            Err(_) => {
                rejected.insert(fixture.name);
            }
        }
    }
    assert!(accepted.len() > 10, "{} of {file}", accepted.len());
    let broker = Broker::start();
    broker.topic("events", 1);
    let messages: Vec<Message> = accepted.iter().map(|(_, message)| message.clone()).collect();
    send(&broker, &messages);
    let home = Home::new(&["file-sink"]);
    to_file(&home, format, &format!("url = \"{}\"", registry.url()));
    let finished = home.run_once(&broker).expect_code(0);
    compare(&accepted, &written(&home), &finished.stderr);
    Some(rejected)
}

fn compare(sent: &[(Fixture, Message)], written: &str, log: &str) {
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), sent.len(), "{log}");
    let differs =
        |((fixture, _), line): &(&(Fixture, Message), &&str)| fixture.expected.as_deref() != Some(line);
    let differences: Vec<String> = sent
        .iter()
        .zip(&lines)
        .filter(differs)
        .map(|((fixture, _), line)| {
            format!("{}\n  {line}\n  {}", fixture.name, fixture.expected.as_deref().unwrap_or_default())
        })
        .collect();
    assert!(differences.is_empty(), "found, expected:\n{}", differences.join("\n"));
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn avro() {
    let Some(rejected) = decode("avro.jsonl", "AVRO", "avro", As::Source) else { return };
    assert_eq!(rejected, names([]));
}

/// What this registry does not parse.
fn newer_than_the_registry() -> BTreeSet<String> {
    names([
        "a schema with all of the grammar 1",
        "a schema with all of the grammar 2",
        "an extension",
        "groups 1",
        "groups 2",
    ])
}

#[test]
fn protobuf() {
    let Some(rejected) = decode("protobuf.jsonl", "PROTOBUF", "protobuf", As::Source) else { return };
    assert_eq!(rejected, newer_than_the_registry());
}

#[test]
fn protobuf_registered_as_descriptors() {
    let Some(rejected) = decode("protobuf.jsonl", "PROTOBUF", "protobuf", As::Descriptor) else { return };
    assert!(rejected.is_subset(&newer_than_the_registry()), "{rejected:?}");
}

#[test]
fn json_schema() {
    let Some(rejected) = decode("json_schema.jsonl", "JSON", "json-schema", As::Source) else { return };
    // It finds no hint of JSON Schema in them.
    assert_eq!(rejected, names(["a root that is null", "a schema that allows all", "a schema that is true"]));
}

#[test]
fn protobuf_of_kafka_connect() {
    let Some(rejected) = decode("connect.jsonl", "PROTOBUF", "protobuf", As::Source) else { return };
    assert_eq!(rejected, names([]));
}

#[test]
fn json_schema_of_kafka_connect() {
    let Some(rejected) = decode("connect.jsonl", "JSON", "json-schema", As::Source) else { return };
    assert_eq!(rejected, names(["JSON Schema: a key that is no struct"]));
}
