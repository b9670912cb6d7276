//! Which values are change events, and what they say of themselves.

use tidegate_abi::{
    Field, Operation, Value,
    raw::{OutRecord, out_flags},
};

use super::{decode, decode_with, json_decoder, only};

const POSTGRES: &str = r#""version":"3.6.3.Final","connector":"postgresql","name":"cdc","ts_ms":1000,"snapshot":"false","db":"shop","sequence":"[\"24023119\",\"24023128\"]","schema":"public","table":"customers","txId":555,"lsn":24023128,"xmin":null"#;

fn event(op: &str, before: &str, after: &str, source: &str) -> String {
    format!(
        r#"{{"before":{before},"after":{after},"source":{{{source}}},"transaction":null,"op":"{op}","ts_ms":2000}}"#
    )
}

#[test]
fn an_event_of_postgres_says_all_it_knows() {
    let batch = decode(&[&event("u", r#"{"id":1}"#, r#"{"id":1,"a":2}"#, POSTGRES)]);
    let change = only(&batch).change().unwrap();
    assert_eq!(change.operation(), Operation::Update);
    assert_eq!(
        (change.connector(), change.database(), change.schema(), change.table()),
        ("postgresql", "shop", "public", "customers")
    );
    assert_eq!(
        (change.snapshot(), change.transaction(), change.position_text()),
        ("false", "555", "24023128")
    );
    assert_eq!((change.commit_ms(), change.event_ms()), (Some(1000), Some(2000)));
    assert_eq!(change.position().map(|position| position.words()), Some([24_023_119, 24_023_128, 0, 0]));
    assert_eq!((change.before().len(), change.after().len(), change.source().is_null()), (1, 2, false));
}

#[test]
fn every_operation_is_known() {
    for (op, operation, before, after) in [
        ("c", Operation::Create, "null", r#"{"id":1}"#),
        ("r", Operation::Read, "null", r#"{"id":1}"#),
        ("u", Operation::Update, "null", r#"{"id":1}"#),
        ("d", Operation::Delete, r#"{"id":1}"#, "null"),
        ("t", Operation::Truncate, "null", "null"),
        ("m", Operation::Message, "null", "null"),
        ("z", Operation::Other(b'z'), "null", "null"),
    ] {
        let batch = decode(&[&event(op, before, after, POSTGRES)]);
        assert_eq!(only(&batch).change().map(|change| change.operation()), Some(operation), "{op}");
    }
}

#[test]
fn the_transaction_block_names_the_transaction() {
    let text = event("c", "null", r#"{"id":1}"#, POSTGRES)
        .replace(r#""transaction":null"#, r#""transaction":{"id":"555:24023128","total_order":1}"#);
    assert_eq!(only(&decode(&[&text])).change().unwrap().transaction(), "555:24023128");
}

#[test]
fn other_sources_have_positions_too() {
    for (source, words, text) in [
        (
            r#""connector":"mysql","file":"mysql-bin.000003","pos":484,"row":2"#,
            Some([3, 484, 2, 0]),
            "mysql-bin.000003:484",
        ),
        (
            r#""connector":"sqlserver","commit_lsn":"00000027:00000758:0005","change_lsn":"00000027:00000758:0003","event_serial_no":2"#,
            Some([0x27_0000_0758, 0x5_0000_0027, 0x758_0003, 2]),
            "00000027:00000758:0005",
        ),
        (r#""connector":"oracle","scn":"1500","commit_scn":"1510""#, Some([1510, 1500, 0, 0]), "1500"),
        (r#""connector":"postgresql","lsn":7"#, Some([7, 7, 0, 0]), "7"),
        (r#""connector":"other""#, None, ""),
    ] {
        let batch = decode(&[&event("c", "null", r#"{"id":1}"#, source)]);
        let change = only(&batch).change().unwrap();
        assert_eq!(change.position().map(|position| position.words()), words, "{source}");
        assert_eq!(change.position_text(), text);
    }
}

#[test]
fn flat_events_are_recognised() {
    let (new, old) = (r#""before":null,"after":{"id":1}"#, r#""before":{"id":1},"after":null"#);
    for (op, operation, row) in [
        ("INSERT", Operation::Create, new),
        ("Update", Operation::Update, new),
        ("d", Operation::Delete, old),
        ("READ", Operation::Read, new),
    ] {
        let text = format!(
            r#"{{"op":"{op}",{row},"table":"customers","schema":"public","ts_ms":1234567890,"lsn":67890}}"#
        );
        let batch = decode(&[&text]);
        let change = only(&batch).change().unwrap();
        assert_eq!((change.operation(), change.table(), change.schema()), (operation, "customers", "public"));
        assert_eq!((change.event_ms(), change.position_text()), (Some(1_234_567_890), "67890"));
        assert_eq!(change.position().map(|position| position.words()), Some([67_890, 0, 0, 0]));
        assert!(change.source().is_null());
    }
    let batch = decode(&[r#"{"op":"c","after":{"id":1},"table":"t","lsn":"1/16B3748"}"#]);
    let change = only(&batch).change().unwrap();
    assert_eq!(change.position().map(|position| position.words()), Some([0x1_016B_3748, 0, 0, 0]));
    assert_eq!(change.position_text(), "1/16B3748");
}

#[test]
fn what_is_no_change_event_stays_a_plain_record() {
    for text in [
        r#"{"status":"END","id":"3448:48740544","event_count":1,"data_collections":null,"ts_ms":1}"#,
        r#"{"ts_ms":1}"#,
        r#"{"source":{"connector":"mysql"},"ts_ms":1,"databaseName":"d","ddl":"create table t","tableChanges":[]}"#,
        r#"{"op":"c"}"#,
        r#"{"op":"c","table":"t"}"#,
        r#"{"op":"c","source":"web","id":1}"#,
        r#"{"before":{"id":1},"after":{"id":1}}"#,
        r#"{"before":{"id":1},"after":{"id":1},"source":"web"}"#,
        r#"{"source":{"connector":"mysql"},"id":1}"#,
        r#"[{"op":"c"}]"#,
        "null",
    ] {
        assert!(only(&decode(&[text])).change().is_none(), "{text}");
    }
    let batch = decode_with(&mut json_decoder(), &[(Some(b"{\"id\":1}"), None)]);
    assert!(only(&batch).change().is_none() && only(&batch).is_tombstone());
}

#[test]
fn a_row_without_a_position_inherits_its_partitions_last() {
    let unplaced =
        r#""connector":"postgresql","snapshot":"incremental","table":"customers","schema":"public""#;
    let batch = decode(&[
        &event("r", "null", r#"{"id":1}"#, unplaced),
        &event("c", "null", r#"{"id":1}"#, POSTGRES),
        &event("r", "null", r#"{"id":1}"#, unplaced),
    ]);
    let positions: Vec<_> = batch
        .records()
        .map(|record| record.change().unwrap().position().map(|position| position.words()))
        .collect();
    let known = Some([24_023_119, 24_023_128, 0, 0]);
    assert_eq!(positions, [None, known, known]);
    assert_eq!(batch.record(2).unwrap().change().unwrap().position_text(), "");
}

#[test]
fn a_value_that_a_transform_made_keeps_the_position_of_its_record() {
    let mut decoder = json_decoder();
    let event = |lsn: u32| format!(r#"{{"op":"u","before":null,"after":{{"a":1}},"table":"t","lsn":{lsn}}}"#);
    let events = [event(7), event(9)];
    let records: Vec<_> = events.iter().map(|event| (None, Some(event.as_bytes()))).collect();
    let mut batch = decode_with(&mut decoder, &records);
    let after = [Field::new("a", Value::int(2))];
    let fields = [
        Field::new("op", Value::string("u")),
        Field::new("after", Value::object(&after)),
        Field::new("table", Value::string("other")),
    ];
    let made = Value::object(&fields);
    let applied = batch.transform(
        usize::MAX,
        None,
        &mut decoder,
        |_, outputs| {
            for input in 0..2 {
                let output =
                    OutRecord { flags: out_flags::VALUE, value: made.node(), ..OutRecord::keep(input) };
                assert!(outputs.push(output));
            }
            Ok(())
        },
        |broken| broken,
    );
    assert_eq!(applied, Ok(()));
    let changes: Vec<_> = batch.records().filter_map(|record| record.change()).collect();
    let positions: Vec<u64> = changes.iter().map(|change| change.position().unwrap().words()[0]).collect();
    assert_eq!(positions, [7, 9]);
    assert!(changes.iter().all(|change| change.table() == "other"));
}

/// Decodes plain records and lets a transform put `made` in the place of each value.
fn made_by_a_transform(made: Value<'_>, key: &[u8]) -> tidegate_abi::host::Batch {
    let mut decoder = json_decoder();
    let mut batch = decode_with(&mut decoder, &[(Some(key), Some(b"1")), (Some(key), Some(b"2"))]);
    let applied = batch.transform(
        usize::MAX,
        None,
        &mut decoder,
        |_, outputs| {
            let output = OutRecord { flags: out_flags::VALUE, value: made.node(), ..OutRecord::keep(1) };
            assert!(outputs.push(OutRecord::keep(0)) && outputs.push(output) && outputs.push(output));
            Ok(())
        },
        |broken| broken,
    );
    assert_eq!(applied, Ok(()));
    batch
}

#[test]
fn a_broken_event_that_a_transform_made_is_refused_with_all_that_came_of_its_record() {
    let source = [Field::new("table", Value::string("t"))];
    let fields = [
        Field::new("op", Value::string("u")),
        Field::new("after", Value::NULL),
        Field::new("source", Value::object(&source)),
    ];
    let batch = made_by_a_transform(Value::object(&fields), b"{\"id\":1}");
    let [rejected] = batch.rejected() else { panic!("{:?}", batch.rejected()) };
    assert_eq!(rejected.input, 1);
    assert!(rejected.reason.starts_with("broken change event: op \"u\" without a row: `after` is null"));
    assert_eq!(batch.records().map(|record| record.value().as_i64()).collect::<Vec<_>>(), [Some(1)]);
}

#[test]
fn documents_and_flattened_rows_that_a_transform_made_are_events_like_any_other() {
    let source = [Field::new("connector", Value::string("mongodb"))];
    let fields = [
        Field::new("op", Value::string("u")),
        Field::new("after", Value::string("{\"_id\": {\"$numberLong\": \"7\"}}")),
        Field::new("source", Value::object(&source)),
    ];
    let batch = made_by_a_transform(Value::object(&fields), b"{\"id\":\"7\"}");
    let record = batch.record(1).unwrap();
    assert_eq!(record.key().get("_id").and_then(|id| id.as_i64()), Some(7));
    assert_eq!(record.value().at(&["after", "_id"]).and_then(|id| id.as_i64()), Some(7));
    assert_eq!(record.change().unwrap().after().get("_id").and_then(|id| id.as_i64()), Some(7));
    let fields = [Field::new("id", Value::int(7)), Field::new("__op", Value::string("c"))];
    let batch = made_by_a_transform(Value::object(&fields), b"{\"id\":7}");
    let change = batch.record(2).unwrap().change().unwrap();
    assert_eq!((change.operation(), change.after().len()), (Operation::Create, 1));
}
