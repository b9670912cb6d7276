//! Captured change events: what a sink applies is the same with `unwrap` and without.

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

#[test]
fn captured_events_have_the_same_effect_on_sinks_that_apply_events() {
    let config = json!({
        "delete.tombstone.handling.mode": "rewrite", "replace.null.with.default": false,
        "add.fields": "op,table,lsn,source.ts_ms,transaction.id", "add.headers": "op,source.lsn",
    });
    let mut line = Line::open(&config);
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
            let expected: Vec<Applied> =
                batch.records().filter_map(applied).filter(|event| event.0 != "TRUNCATE").collect();
            line.decoder = decoder();
            line.run(&messages);
            assert!(line.batch.rejected().is_empty());
            let found: Vec<Applied> = line.batch.records().filter_map(applied).collect();
            assert_eq!(found, expected, "{set} {topic}");
            for record in line.batch.records().filter(|record| record.is_unwrapped()) {
                assert!(record.value().get("__deleted").is_some());
                count += 1;
            }
        }
    }
    assert!(count > 5_000, "{count}");
}
