//! Captured change events: what a sink applies is the same with `unwrap` and without.

use tidegate::formats::registry::RegistrySettings;
use tidegate_tests::{BinaryCapture, RegistryStub, captured_binary, captured_schemas};

use super::*;

/// Operation, row, table, position and commit time.
type Applied = (String, String, String, Option<[u64; 4]>, Option<i64>);

fn applied(record: Record<'_>) -> Option<Applied> {
    let change = record.change()?;
    let row = text_of(change.row().to_value());
    let (name, table) = (change.operation().name().to_owned(), change.table().to_owned());
    Some((name, row, table, change.position().map(|position| position.words()), change.commit_ms()))
}

fn messages(set: &str, topic: &str) -> Vec<Message> {
    let events = tidegate_tests::captured(set).into_iter().filter(|event| event.topic == topic);
    events.map(|event| Message { key: event.key, value: event.value, headers: Vec::new() }).collect()
}

fn topics(set: &str) -> Vec<String> {
    let mut topics: Vec<String> =
        tidegate_tests::captured(set).into_iter().map(|event| event.topic).collect();
    topics.sort();
    topics.dedup();
    topics
}

fn config() -> Json {
    json!({
        "delete.tombstone.handling.mode": "rewrite", "replace.null.with.default": false,
        "add.fields": "op,table,lsn,source.ts_ms,transaction.id", "add.headers": "op,source.lsn",
    })
}

/// What a sink applies of a decoded batch without `unwrap`, which drops truncates.
fn expected(batch: &Batch) -> Vec<Applied> {
    batch.records().filter_map(applied).filter(|event| event.0 != "TRUNCATE").collect()
}

/// Checks what a sink applies with `unwrap`; returns the number of rows.
#[track_caller]
fn assert_applied(line: &Line, expected: &[Applied], place: &str) -> usize {
    assert!(line.batch.rejected().is_empty());
    let found: Vec<Applied> = line.batch.records().filter_map(applied).collect();
    assert_eq!(found, expected, "{place}");
    let rows = line.batch.records().filter(|record| record.is_unwrapped());
    rows.inspect(|record| assert!(record.value().get("__deleted").is_some())).count()
}

#[test]
fn captured_events_have_the_same_effect_on_sinks_that_apply_events() {
    let mut line = Line::open(&config());
    let mut count = 0;
    let sets = ["shop-string", "shop-precise", "types-adaptive", "types-connect"];
    let files =
        sets.iter().flat_map(|set| ["json", "json-schema"].map(|form| format!("{set}/{form}.jsonl.gz")));
    for set in files {
        for topic in topics(&set) {
            let messages = messages(&set, &topic);
            line.topic.clone_from(&topic);
            let mut batch = Batch::new();
            decode(&mut batch, &mut decoder(), &topic, &messages);
            line.decoder = decoder();
            line.run(&messages);
            count += assert_applied(&line, &expected(&batch), &format!("{set} {topic}"));
        }
    }
    assert!(count > 5_000, "{count}");
}

fn decode_avro(batch: &mut Batch, decoder: &mut RecordDecoder, topic: &str, events: &[BinaryCapture]) {
    batch.reset(usize::MAX);
    let topic: Arc<str> = Arc::from(topic);
    for (event, offset) in events.iter().filter(|event| event.topic == *topic).zip(0..) {
        let slot = batch.slot(&topic, 0, 1);
        let (key, value) = (event.key.as_deref(), event.value.as_deref());
        batch.push(slot, NewRecord { offset, timestamp_ms: Some(7), key, value }, std::iter::empty());
    }
    decoder.prepare(batch.records()).expect("schemas");
    batch.decode(decoder);
}

#[test]
fn events_in_avro_are_unwrapped_as_those_in_json() {
    let set = "shop-precise";
    let registry = RegistryStub::start();
    registry.add_capture(&captured_schemas(&format!("{set}/schemas.json.gz")));
    let decoder = || {
        RecordDecoder::new(DecoderOptions {
            key: Format::Avro,
            value: Format::Avro,
            registry: Some(RegistrySettings { urls: vec![registry.url()], ..RegistrySettings::default() }),
            ..DecoderOptions::default()
        })
    };
    let (mut line, mut batch) = (Line::open(&config()), Batch::new());
    let events = captured_binary(&format!("{set}/avro.jsonl.gz"));
    let mut topics: Vec<&str> = events.iter().map(|event| event.topic.as_str()).collect();
    topics.dedup();
    topics.sort_unstable();
    topics.dedup();
    let mut count = 0;
    for topic in topics {
        decode_avro(&mut batch, &mut decoder(), topic, &events);
        line.decoder = decoder();
        decode_avro(&mut line.batch, &mut line.decoder, topic, &events);
        line.transforms[0].apply(&mut line.batch, usize::MAX, None, &mut line.decoder).expect("transformed");
        line.batch.finish_unwrapped(&mut line.decoder);
        count += assert_applied(&line, &expected(&batch), topic);
    }
    assert!(count > 1_000, "{count}");
}
