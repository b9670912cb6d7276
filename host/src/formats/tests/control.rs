//! What Debezium sends about itself, and what only resembles it.

use tidegate_abi::{Operation, host::Batch};

use super::{Message, decode_messages, json_decoder, only, to_json};
use crate::formats::{DecoderOptions, Notice, RecordDecoder, Severity};

/// Topic, key, value.
type Case = (&'static str, &'static str, &'static str);

const CONTROLS: [(&str, Case); 12] = [
    ("heartbeats", ("__debezium-heartbeat.cdc", r#"{"serverName":"cdc"}"#, r#"{"ts_ms":1790000000000}"#)),
    ("heartbeats", ("beats.cdc", r#"{"serverName":"cdc"}"#, r#"{"ts_ms":1}"#)),
    ("heartbeats", ("__debezium-heartbeat.cdc", "null", r#"{"ts_ms":1}"#)),
    (
        "heartbeats",
        (
            "beats",
            "null",
            r#"{"schema":{"type":"struct","name":"my_io.debezium.connector.common.Heartbeat","fields":[{"type":"int64","field":"ts_ms"}]},"payload":{"ts_ms":1}}"#,
        ),
    ),
    (
        "transaction_markers",
        (
            "cdc.transaction",
            r#"{"id":"700:100"}"#,
            r#"{"status":"BEGIN","id":"700:100","ts_ms":1,"event_count":null,"data_collections":null}"#,
        ),
    ),
    (
        "transaction_markers",
        (
            "tx",
            r#"{"id":"7"}"#,
            r#"{"status":"END","id":"7","event_count":2,"data_collections":[{"data_collection":"public.t","event_count":2}]}"#,
        ),
    ),
    (
        "transaction_markers",
        (
            "cdc.transaction",
            "null",
            r#"{"status":"END","id":"7","event_count":2,"data_collections":[],"ts_ms":1,"transaction_epoch":0,"transaction_rank":7}"#,
        ),
    ),
    (
        "schema_changes",
        (
            "cdc",
            r#"{"databaseName":"depot"}"#,
            r#"{"source":{"connector":"mysql","name":"cdc","db":"depot","table":"jobs"},"ts_ms":1,"databaseName":"depot","schemaName":null,"ddl":"ALTER TABLE jobs ADD c INT","tableChanges":[]}"#,
        ),
    ),
    (
        "schema_changes",
        (
            "schemahistory.cdc",
            "null",
            r#"{"source":{"server":"cdc"},"position":{"file":"b.1","pos":4},"ts_ms":1,"databaseName":"depot","ddl":"DROP TABLE x","tableChanges":[]}"#,
        ),
    ),
    (
        "notifications",
        (
            "notes",
            r#"{"id":"a"}"#,
            r#"{"id":"a","type":"COMPLETED","aggregate_type":"Initial Snapshot","additional_data":{"connector_name":"cdc"},"timestamp":1}"#,
        ),
    ),
    (
        "notifications",
        (
            "notes",
            r#"{"id":"a"}"#,
            r#"{"id":"a","type":"STARTED","aggregate_type":"Initial Snapshot","additional_data":null}"#,
        ),
    ),
    (
        "signals",
        ("cdc-signal", r#""cdc""#, r#"{"type":"execute-snapshot","data":{"data-collections":["public.t"]}}"#),
    ),
];

fn notices(decoder: &mut RecordDecoder) -> Vec<Notice> {
    let mut all = Vec::new();
    decoder.drain_notices(|notice| all.push(notice));
    all
}

fn read((topic, key, value): Case) -> (Batch, Vec<Notice>) {
    let mut decoder = json_decoder();
    let key = (key != "null").then_some(key);
    let message = Message { key, value: Some(value), headers: &[] };
    let batch = decode_messages(&mut decoder, topic, 0, &[message]);
    let notices = notices(&mut decoder);
    (batch, notices)
}

#[test]
fn control_events_are_messages_without_a_table_and_counted() {
    for (cause, case) in CONTROLS {
        let (batch, notices) = read(case);
        let record = only(&batch);
        let change = record.change().unwrap_or_else(|| panic!("{case:?}"));
        assert_eq!((change.operation(), change.table(), change.row().len()), (Operation::Message, "", 0));
        assert!(!record.value().is_null(), "the value stays");
        let [notice] = &notices[..] else { panic!("{notices:?}") };
        assert_eq!((notice.cause.0, &*notice.subject, notice.count), (cause, case.0, 1), "{case:?}");
        assert_eq!(notice.severity, Severity::Info);
    }
}

#[test]
fn by_default_they_are_filtered_and_counted_and_everything_else_is_not() {
    let mut decoder = RecordDecoder::new(DecoderOptions::default());
    for (cause, (topic, key, value)) in CONTROLS {
        let key = (key != "null").then_some(key);
        let truncate = r#"{"op":"t","before":null,"after":null,"source":{"table":"t"}}"#;
        let logical = r#"{"op":"m","source":{"connector":"postgresql","table":""},"message":{"prefix":"p"}}"#;
        let messages =
            [value, truncate, logical].map(|value| Message { key, value: Some(value), headers: &[] });
        let batch = decode_messages(&mut decoder, topic, 0, &messages);
        let operations: Vec<_> = batch.records().map(|record| record.change().unwrap().operation()).collect();
        assert_eq!(operations, [Operation::Truncate, Operation::Message], "{cause} {value}");
        assert_eq!((batch.filtered_count(), batch.rejected().len()), (1, 0));
    }
    let noted = notices(&mut decoder);
    assert_eq!(noted.iter().map(|notice| notice.count).sum::<u64>(), 12);
    let message = noted[0].message.as_deref().unwrap();
    assert!(
        message.ends_with(
            "they are filtered; pass_control_events = true in [source] passes them to transforms and sinks"
        ),
        "{message}"
    );
}

#[test]
fn the_value_and_the_key_stay_as_they_are() {
    let (batch, _) = read(CONTROLS[4].1);
    let record = only(&batch);
    assert_eq!(to_json(record.value()), CONTROLS[4].1.2);
    assert_eq!(to_json(record.key()), r#"{"id":"700:100"}"#);
    assert_eq!(record.change().unwrap().transaction(), "700:100");
}

#[test]
fn records_that_resemble_control_events_stay_plain() {
    let plain: [Case; 15] = [
        // A heartbeat's value in a topic of its own, and a row with one column more.
        ("times", "null", r#"{"ts_ms":1}"#),
        ("times", r#"{"id":1}"#, r#"{"ts_ms":1}"#),
        ("__debezium-heartbeat.cdc", r#"{"serverName":"cdc"}"#, r#"{"ts_ms":"now"}"#),
        ("beats", r#"{"serverName":"cdc"}"#, r#"{"ts_ms":1,"serverName":"cdc"}"#),
        // Rows of a table of transactions.
        ("shop.public.transaction", r#"{"id":"7"}"#, r#"{"id":"7","status":"BEGIN"}"#),
        (
            "shop.public.transaction",
            r#"{"id":"7"}"#,
            r#"{"id":"7","status":"BEGIN","event_count":1,"data_collections":null,"amount":5}"#,
        ),
        (
            "orders",
            r#"{"id":"8"}"#,
            r#"{"status":"BEGIN","id":"7","event_count":null,"data_collections":null}"#,
        ),
        (
            "orders",
            "null",
            r#"{"status":"END","id":"3448:48740544","event_count":1,"data_collections":null,"ts_ms":1}"#,
        ),
        (
            "cdc.transaction",
            r#"{"id":"7"}"#,
            r#"{"status":"DONE","id":"7","event_count":null,"data_collections":null}"#,
        ),
        (
            "cdc.transaction",
            r#"{"id":"7"}"#,
            r#"{"status":"BEGIN","id":"7","event_count":"many","data_collections":null}"#,
        ),
        // A table with the statements that somebody ran.
        (
            "audit",
            "null",
            r#"{"source":{"connector":"mysql"},"ts_ms":1,"databaseName":"d","ddl":"create table t","tableChanges":[]}"#,
        ),
        (
            "audit",
            r#"{"databaseName":"d"}"#,
            r#"{"source":"me","databaseName":"d","ddl":"create table t","tableChanges":[]}"#,
        ),
        ("notes", r#"{"id":"b"}"#, r#"{"id":"a","type":"x","aggregate_type":"y","additional_data":null}"#),
        ("cdc-signal", "null", r#"{"type":"wave","data":{}}"#),
        ("jobs", "null", r#"{"type":"execute-snapshot","data":{}}"#),
    ];
    for case in plain {
        let (batch, news) = read(case);
        assert!(only(&batch).change().is_none(), "{case:?}");
        assert_eq!(news, []);
    }
}

#[test]
fn the_first_of_a_kind_is_told_once_and_all_are_counted() {
    let mut decoder = json_decoder();
    let beat = Message { key: Some(r#"{"serverName":"cdc"}"#), value: Some(r#"{"ts_ms":1}"#), headers: &[] };
    let mut all = Vec::new();
    for _ in 0..2 {
        drop(decode_messages(&mut decoder, "beats", 0, &[beat; 3]));
        all.extend(notices(&mut decoder).into_iter().map(|notice| (notice.message, notice.count)));
    }
    let message = "beats has heartbeats of Debezium: they are messages, which no table gets";
    assert_eq!(all, [(Some(message.to_owned()), 3), (None, 3)]);
}

#[test]
fn a_logical_message_is_a_message() {
    let value = r#"{"op":"m","ts_ms":1,"source":{"connector":"postgresql","schema":"public","table":"","lsn":120},"message":{"prefix":"p","content":"aGk="}}"#;
    let (batch, news) = read(("cdc.message", r#"{"prefix":"p"}"#, value));
    let record = only(&batch);
    let change = record.change().unwrap();
    assert_eq!((change.operation(), change.table(), change.position_text()), (Operation::Message, "", "120"));
    assert_eq!(to_json(record.value()), value);
    assert_eq!(news, [], "it is counted with the batch");
}
