//! What Apicurio's serializers write, with ids of versions that are not those of their contents.

use std::collections::BTreeMap;

use tidegate_tests::{
    Broker, Fixture, Home,
    apicurio::{Apicurio, Ids},
    fixtures,
};

use crate::support::{Header, Message, send, to_file, written};

/// Registers a schema so that the id of its content is that of no version of it.
fn registered(registry: &Apicurio, fixture: &Fixture) -> Ids {
    let register = |subject: &str| {
        let subject = format!("ids.{}.{subject}", fixture.schema_type);
        registry.register(&subject, &fixture.schema_type, &fixture.schema, &[]).expect("a schema")
    };
    let (_first, ids) = (register("first"), register("second"));
    assert_ne!(u64::from(ids.content), ids.global);
    ids
}

/// The message of a fixture, with the ids of this registry.
fn message(fixture: &Fixture, ids: Ids) -> Message {
    let (short, version) = (ids.content.to_be_bytes(), ids.global.to_be_bytes());
    let content = u64::from(ids.content).to_be_bytes();
    let mut value = fixture.payload.clone();
    let uses_content = fixture.options["apicurio.registry.use-id"] == "contentId";
    if fixture.headers.is_empty() {
        match (&value[1..5], uses_content) {
            ([0, 0, 0, 0], true) => value[1..9].copy_from_slice(&content),
            ([0, 0, 0, 0], false) => value[1..9].copy_from_slice(&version),
            (_, true) => value[1..5].copy_from_slice(&short),
            (_, false) => value[1..5].copy_from_slice(&version[4..]),
        }
    }
    let header = |(name, text): (&String, &String)| -> Header {
        let bytes = match name.as_str() {
            "apicurio.value.globalId" => version.to_vec(),
            "apicurio.value.contentId" => content.to_vec(),
            _ => tidegate_tests::from_hexadecimal(text),
        };
        (name.clone(), bytes)
    };
    Message { value, headers: fixture.headers.iter().map(header).collect() }
}

fn decode(kind: &str, format: &str) {
    let Some(registry) = Apicurio::shared() else { return };
    let is_readable = |one: &Fixture| one.schema_type == kind && one.expected.is_some();
    let found: Vec<Fixture> = fixtures("apicurio.jsonl").into_iter().filter(is_readable).collect();
    let ids = registered(registry, &found[0]);
    let mut by_option = BTreeMap::<&str, Vec<&Fixture>>::new();
    for fixture in &found {
        by_option.entry(fixture.apicurio_id.as_deref().expect("an option")).or_default().push(fixture);
    }
    assert_eq!(by_option.len(), 3);
    for (option, fixtures) in by_option {
        let messages: Vec<Message> = fixtures.iter().map(|fixture| message(fixture, ids)).collect();
        let expected: String =
            fixtures.iter().map(|one| format!("{}\n", one.expected.as_deref().unwrap_or_default())).collect();
        for url in [registry.url(), registry.own_url()] {
            let broker = Broker::start();
            broker.topic("events", 1);
            send(&broker, &messages);
            let home = Home::new(&["file-sink"]);
            to_file(&home, format, &format!("url = \"{url}\"\napicurio_id = \"{option}\""));
            let _finished = home.run_once(&broker).expect_code(0);
            assert_eq!(written(&home), expected, "apicurio_id = {option:?}");
        }
    }
}

#[test]
fn avro() {
    decode("AVRO", "avro");
}

#[test]
fn protobuf() {
    decode("PROTOBUF", "protobuf");
}

#[test]
fn json_schema() {
    decode("JSON", "json-schema");
}
