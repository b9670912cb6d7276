//! Values in the shapes of events, with anything in their fields: none is applied without the rows that it needs.

use proptest::prelude::*;
use tidegate_abi::Operation;

use super::{Message, decode_messages};
use crate::formats::{ChangeEvents, DecoderOptions, RecordDecoder};

/// A value that a field may hold, as JSON.
fn held() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "1",
            "-1",
            "1.5",
            "0.1234567890123456789",
            "{}",
            "[]",
            r#""""#,
            r#""c""#,
            r#""d""#,
            r#""u""#,
            r#""r""#,
            r#""true""#,
            r#""mongodb""#,
            r#""postgresql""#,
            r#""BEGIN""#,
            r#""{\"_id\": 1}""#,
            r#""{\"_id\": NaN}""#,
            r#""{\"_id\": {\"$oid\": \"65a000000000000000000001\"}}""#,
            r#""{""#,
            r#""__debezium_unavailable_value""#,
            r#"{"$numberLong":"5"}"#,
            r#"{"$date":{"$numberLong":"x"}}"#,
            r#"{"$binary":{"base64":"?","subType":"04"}}"#,
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 16, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            object(inner),
        ]
    })
}

fn object(values: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "id",
        "_id",
        "a",
        "$oid",
        "$date",
        "$numberLong",
        "$numberDecimal",
        "$binary",
        "$type",
        "connector",
        "table",
        "collection",
        "schema",
        "db",
        "ts_ms",
        "lsn",
        "file",
        "pos",
        "ord",
        "sequence",
        "updatedFields",
        "serverName",
        "scale",
        "value",
    ]);
    prop::collection::btree_map(names, values, 0..5).prop_map(|fields| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    })
}

/// An envelope, a flattened row, or a control event with some of its fields missing.
fn event() -> impl Strategy<Value = String> {
    let names = vec![
        "op",
        "before",
        "after",
        "source",
        "ts_ms",
        "table",
        "schema",
        "database",
        "lsn",
        "transaction",
        "updateDescription",
        "__op",
        "__deleted",
        "__table",
        "__lsn",
        "__source_ts_ms",
        "id",
        "status",
        "event_count",
        "data_collections",
        "ddl",
        "databaseName",
        "tableChanges",
        "type",
        "aggregate_type",
        "additional_data",
    ];
    let likely = prop::sample::subsequence(names[..5].to_vec(), 0..=5);
    let others = prop::sample::subsequence(names[5..].to_vec(), 0..=4);
    (likely, others, prop::collection::vec(held(), 9)).prop_map(|(likely, others, values)| {
        let names = likely.into_iter().chain(others);
        let fields: Vec<_> = names.zip(values).map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    })
}

/// Rows and operation that go together.
fn check(decoder: &mut RecordDecoder, messages: &[Message<'_>]) -> Result<(), TestCaseError> {
    let batch = decode_messages(decoder, "cdc.public.t", 0, messages);
    prop_assert_eq!(batch.records().len() + batch.rejected_count(), messages.len());
    for change in batch.records().filter_map(|record| record.change()) {
        match change.operation() {
            Operation::Create | Operation::Read | Operation::Update => {
                prop_assert!(!change.after().is_empty());
            }
            Operation::Delete => {
                prop_assert!(change.after_value().is_null());
                prop_assert!(!change.before().is_empty() || !change.key().is_empty());
            }
            Operation::Truncate | Operation::Message => {
                prop_assert!(change.before_value().is_null() && change.after_value().is_null());
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn no_event_is_applied_without_its_rows(
        records in prop::collection::vec((held(), prop::option::weighted(0.9, event())), 1..4),
        mode in prop::sample::select(vec![ChangeEvents::Auto, ChangeEvents::Flattened, ChangeEvents::None]),
        op in prop::sample::select(vec!["", "c", "d", "\"u\"", "{"]),
    ) {
        let mut decoder = RecordDecoder::new(DecoderOptions { change_events: mode, ..DecoderOptions::default() });
        let headers = [("__op", op)];
        let headers = if op.is_empty() { &[][..] } else { &headers };
        let messages: Vec<_> = records
            .iter()
            .map(|(key, value)| Message { key: Some(key), value: value.as_deref(), headers })
            .collect();
        check(&mut decoder, &messages)?;
        // The decoder is as good as new after anything that it has read.
        let whole = r#"{"op":"u","before":null,"after":{"id":1,"list":[1,[2]]},"source":{"table":"t"}}"#;
        let plain = decode_messages(&mut decoder, "cdc.public.t", 9, &[Message { value: Some(whole), ..Message::default() }]);
        prop_assert_eq!(super::to_json(plain.record(0).map(|record| record.value()).unwrap_or_default()).contains(r#""list":[1,[2]]"#), true);
    }
}
