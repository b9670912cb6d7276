//! Rows that ExtractNewRecordState has flattened, and what their tombstones mean.

use tidegate_abi::{
    Operation,
    host::{Batch, HostState},
};

use super::{Message, decode_messages, json_decoder, only, to_json};
use crate::formats::{ChangeEvents, DecoderOptions, Notice, Reading, RecordDecoder};

const TOPIC: &str = "cdc.public.devices";

fn decoder_of(change_events: ChangeEvents) -> RecordDecoder {
    RecordDecoder::new(DecoderOptions { change_events, ..DecoderOptions::default() })
}

const fn row<'a>(key: &'a str, value: &'a str) -> Message<'a> {
    Message { key: Some(key), value: Some(value), headers: &[] }
}

const fn tombstone(key: &str) -> Message<'_> {
    Message { key: Some(key), value: None, headers: &[] }
}

fn notices(decoder: &mut RecordDecoder) -> Vec<Notice> {
    let mut all = Vec::new();
    decoder.drain_notices(|notice| all.push(notice));
    all
}

/// Operation, key, before and after of each record; a plain record has no operation.
fn outcomes(batch: &Batch) -> Vec<String> {
    assert_eq!(batch.rejected(), []);
    let outcome = |record: tidegate_abi::Record<'_>| match record.change() {
        Some(change) => format!(
            "{} {} {} {}",
            change.operation(),
            to_json(record.key()),
            to_json(change.before_value()),
            to_json(change.after_value())
        ),
        None => format!("plain {} {}", to_json(record.key()), to_json(record.value())),
    };
    batch.records().map(outcome).collect()
}

fn read(message: Message<'_>) -> Batch {
    decode_messages(&mut json_decoder(), TOPIC, 0, &[message])
}

#[track_caller]
fn refusal(message: Message<'_>) -> String {
    let batch = read(message);
    let [rejected] = batch.rejected() else { panic!("accepted: {:?}", outcomes(&batch)) };
    rejected.reason.clone()
}

#[test]
fn a_row_and_its_delete_are_events_without_the_added_fields() {
    let insert = r#"{"id":4,"kind":"pump","__op":"c","__table":"devices","__lsn":100,"__deleted":"false"}"#;
    let delete = r#"{"id":4,"kind":"pump","__op":"d","__table":"devices","__lsn":110,"__deleted":"true"}"#;
    let key = r#"{"id":4}"#;
    let batch = decode_messages(&mut json_decoder(), TOPIC, 0, &[row(key, insert), row(key, delete)]);
    assert_eq!(
        outcomes(&batch),
        [r#"INSERT {"id":4} null {"id":4,"kind":"pump"}"#, r#"DELETE {"id":4} {"id":4,"kind":"pump"} null"#]
    );
    let records: Vec<_> = batch.records().collect();
    let changes: Vec<_> = records.iter().map(|record| record.change().unwrap()).collect();
    assert_eq!(changes[0].position().map(|position| position.words()), Some([100, 100, 0, 0]));
    assert!(changes[0].position() < changes[1].position());
    assert_eq!((changes[0].table(), changes[0].schema()), ("devices", ""));
    assert_eq!(
        to_json(records[0].value()),
        r#"{"before":null,"after":{"id":4,"kind":"pump"},"source":{"lsn":100,"table":"devices"},"op":"c","ts_ms":null,"transaction":null}"#
    );
}

#[test]
fn added_fields_go_where_they_came_from() {
    let value = r#"{"id":1,"__v":3,"__op":"u","__db":"shop","__schema":"public","__table":"t","__connector":"postgresql","__version":"3.6","__source_ts_ms":7,"__ts_ms":9,"__txId":555,"__source_snapshot":"false","__transaction_id":"555:1","__total_order":2,"__lsn":"123456789","__OPERATION":"u"}"#;
    let batch = read(row(r#"{"id":1}"#, value));
    let change = only(&batch).change().unwrap();
    assert_eq!(to_json(change.after_value()), r#"{"id":1,"__v":3,"__OPERATION":"u"}"#);
    assert_eq!((change.database(), change.schema(), change.table()), ("shop", "public", "t"));
    assert_eq!(
        (change.connector(), change.snapshot(), change.transaction()),
        ("postgresql", "false", "555:1")
    );
    assert_eq!((change.commit_ms(), change.event_ms()), (Some(7), Some(9)));
    assert_eq!((change.position_text(), change.operation()), ("123456789", Operation::Update));
}

#[test]
fn headers_say_it_as_well() {
    for (op, lsn) in [
        ("d", "7"),
        (r#""d""#, r#"{"schema":{"type":"int64"},"payload":7}"#),
        (r#"{"schema":{"type":"string"},"payload":"d"}"#, "7"),
    ] {
        let headers = [("__op", op), ("__lsn", lsn), ("__table", "things"), ("other", "x")];
        let message = Message { headers: &headers, ..row(r#"{"id":1}"#, r#"{"id":1,"a":2}"#) };
        let batch = read(message);
        let change = only(&batch).change().unwrap();
        assert_eq!(
            (change.operation(), change.table(), change.position_text()),
            (Operation::Delete, "things", "7")
        );
        assert_eq!(to_json(change.before_value()), r#"{"id":1,"a":2}"#);
    }
}

#[test]
fn another_prefix_is_an_option() {
    let options = DecoderOptions { flattened_prefix: Some("cdc_".to_owned()), ..DecoderOptions::default() };
    let message =
        row(r#"{"id":1}"#, r#"{"id":1,"cdc_op":"c","cdc_table":"t","__table":"x","__deleted":"false"}"#);
    let batch = decode_messages(&mut RecordDecoder::new(options), TOPIC, 0, &[message]);
    let change = only(&batch).change().unwrap();
    assert_eq!((change.operation(), change.table()), (Operation::Create, "t"));
    assert_eq!(to_json(change.after_value()), r#"{"id":1,"__table":"x"}"#);
}

#[test]
fn deleted_alone_says_what_happened() {
    for (value, outcome) in [
        (r#"{"id":1,"a":2,"__deleted":"true"}"#, r#"DELETE {"id":1} {"id":1,"a":2} null"#),
        (r#"{"id":1,"a":2,"__deleted":"false"}"#, r#"READ {"id":1} null {"id":1,"a":2}"#),
        (r#"{"id":1,"a":2,"__deleted":false}"#, r#"READ {"_id":1} null {"id":1,"a":2}"#),
        (
            r#"{"id":1,"a":"__debezium_unavailable_value","__deleted":"false"}"#,
            r#"UPDATE {"id":1} null {"id":1,"a":"__debezium_unavailable_value"}"#,
        ),
        (r#"{"__deleted":true}"#, r#"DELETE {"_id":1} null null"#),
    ] {
        assert_eq!(outcomes(&read(row(r#"{"id":1}"#, value))), [outcome], "{value}");
    }
    let unavailable = read(row(r#"{"id":1}"#, r#"{"id":1,"a":"__debezium_unavailable_value","__op":"u"}"#));
    assert!(only(&unavailable).change().unwrap().after().get("a").unwrap().is_unavailable());
}

#[test]
fn what_contradicts_itself_is_refused_by_name() {
    let key = r#"{"id":1}"#;
    for (value, reason) in [
        (
            r#"{"id":1,"__op":"d","__deleted":"false"}"#,
            r#"broken flattened row: `__op` says "d" and `__deleted` says false"#,
        ),
        (
            r#"{"id":1,"__op":"u","__deleted":"true"}"#,
            r#"broken flattened row: `__op` says "u" and `__deleted` says true"#,
        ),
        (
            r#"{"id":1,"__op":"u","__deleted":"maybe"}"#,
            "broken flattened row: `__deleted` is text; expected true or false",
        ),
        (
            r#"{"id":1,"__op":7,"__deleted":"false"}"#,
            "broken flattened row: `__op` is a number; expected c, r, u or d",
        ),
        (r#"{"id":1,"__op":"u","__table":5}"#, "broken flattened row: `__table` is a number; expected text"),
    ] {
        assert_eq!(refusal(row(key, value)), reason, "{value}");
    }
    let nothing = refusal(row("null", r#"{"__deleted":"true"}"#));
    assert!(nothing.contains("op \"d\" without a row"), "{nothing}");
    let empty = refusal(row(key, r#"{"__op":"u"}"#));
    assert!(empty.contains("op \"u\" without a row"), "{empty}");
}

#[test]
fn rows_that_say_nothing_of_themselves_stay_plain() {
    for value in [
        r#"{"id":1,"a":2}"#,
        r#"{"id":1,"__op":"add"}"#,
        r#"{"id":1,"__op":5}"#,
        r#"{"id":1,"__op":null}"#,
        r#"{"id":1,"__deleted":"yes"}"#,
        r#"{"id":1,"__deleted":null}"#,
        r#"{"id":1,"__table":"t","__lsn":5}"#,
    ] {
        let batch = read(row(r#"{"id":1}"#, value));
        assert!(only(&batch).change().is_none(), "{value}");
        assert_eq!(to_json(only(&batch).value()), value);
    }
}

#[test]
fn a_table_with_columns_of_an_envelope_is_a_row_where_it_says_so() {
    let value = r#"{"id":1,"op":"add","before":5,"after":7,"__op":"c"}"#;
    let batch = read(row(r#"{"id":1}"#, value));
    let after = to_json(only(&batch).change().unwrap().after_value());
    assert_eq!(after, r#"{"id":1,"op":"add","before":5,"after":7}"#);
}

#[test]
fn with_flattened_every_object_is_a_row_and_every_tombstone_a_delete() {
    let mut decoder = decoder_of(ChangeEvents::Flattened);
    let messages = [
        tombstone(r#"{"id":9}"#),
        row(r#"{"id":1}"#, r#"{"id":1,"op":"x","source":{"a":1}}"#),
        row(r#"{"id":1}"#, r#"{"id":1,"__table":"elsewhere"}"#),
        tombstone(r#"{"id":1}"#),
        row("null", r#"["no object"]"#),
    ];
    let batch = decode_messages(&mut decoder, TOPIC, 0, &messages);
    assert_eq!(
        outcomes(&batch),
        [
            r#"DELETE {"id":9} null null"#,
            r#"READ {"id":1} null {"id":1,"op":"x","source":{"a":1}}"#,
            r#"READ {"id":1} null {"id":1}"#,
            r#"DELETE {"id":1} null null"#,
            r#"plain null ["no object"]"#,
        ]
    );
    for change in batch.records().filter_map(|record| record.change()) {
        assert_eq!((change.schema(), change.table()), ("public", "devices"));
    }
    assert!(batch.record(3).unwrap().is_tombstone());
    assert_eq!(notices(&mut decoder), []);
}

#[test]
fn with_none_nothing_is_an_event() {
    let mut decoder = decoder_of(ChangeEvents::None);
    let messages = [
        row("null", r#"{"op":"add","before":5,"after":7}"#),
        row("null", r#"{"id":1,"__op":"c"}"#),
        row(r#"{"serverName":"cdc"}"#, r#"{"ts_ms":1}"#),
    ];
    let batch = decode_messages(&mut decoder, TOPIC, 0, &messages);
    assert!(outcomes(&batch).iter().all(|outcome| outcome.starts_with("plain")));
}

#[test]
fn a_tombstone_deletes_where_rows_do_not_announce_deletes() {
    let mut decoder = json_decoder();
    let insert = row(r#"{"id":1}"#, r#"{"id":1,"__op":"c","__db":"shop","__schema":"s","__table":"t"}"#);
    let batch = decode_messages(&mut decoder, TOPIC, 0, &[insert, tombstone(r#"{"id":1}"#)]);
    assert_eq!(outcomes(&batch)[1], r#"DELETE {"id":1} null null"#);
    let change = batch.record(1).unwrap().change().unwrap();
    assert_eq!((change.database(), change.schema(), change.table()), ("shop", "s", "t"), "as its rows");
    assert_eq!(notices(&mut decoder), []);
}

#[test]
fn a_tombstone_after_an_announced_delete_is_redundant() {
    let mut decoder = json_decoder();
    let messages = [
        row(r#"{"id":1}"#, r#"{"id":1,"__op":"c","__deleted":"false"}"#),
        row(r#"{"id":1}"#, r#"{"id":1,"__op":"d","__deleted":"true"}"#),
        Message { headers: &[("__op", "d")], ..tombstone(r#"{"id":1}"#) },
        row(r#"{"id":2}"#, r#"{"id":2,"__op":"d"}"#),
        tombstone(r#"{"id":2}"#),
    ];
    let outcomes = outcomes(&decode_messages(&mut decoder, TOPIC, 0, &messages));
    assert_eq!((&*outcomes[2], &*outcomes[4]), (r#"plain {"id":1} null"#, r#"plain {"id":2} null"#));
    assert_eq!(notices(&mut decoder), []);
}

#[test]
fn tombstones_before_the_first_row_are_told_of_when_they_were_deletes() {
    let mut decoder = json_decoder();
    let messages =
        [tombstone(r#"{"id":7}"#), tombstone(r#"{"id":8}"#), row(r#"{"id":1}"#, r#"{"id":1,"__op":"c"}"#)];
    let batch = decode_messages(&mut decoder, TOPIC, 0, &messages);
    assert_eq!(outcomes(&batch)[0], r#"plain {"id":7} null"#);
    let [notice] = &notices(&mut decoder)[..] else { panic!("one notice") };
    assert_eq!((notice.cause.0, &*notice.subject), ("tombstone_before_rows", "cdc.public.devices[0]"));
    assert!(
        notice.message.as_ref().unwrap().starts_with("2 tombstones of cdc.public.devices[0] came before")
    );
    let envelope = r#"{"op":"d","before":{"id":1},"after":null,"source":{"table":"t"}}"#;
    let messages = [tombstone(r#"{"id":1}"#), row(r#"{"id":1}"#, envelope), tombstone(r#"{"id":1}"#)];
    let mut decoder = json_decoder();
    let outcomes = outcomes(&decode_messages(&mut decoder, TOPIC, 0, &messages));
    assert_eq!((&*outcomes[0], &*outcomes[2]), (r#"plain {"id":1} null"#, r#"plain {"id":1} null"#));
    assert_eq!(notices(&mut decoder), [], "tombstones of envelopes are normal");
}

#[test]
fn a_null_that_still_has_the_schema_of_a_row_is_a_delete() {
    let schema = r#"{"type":"struct","optional":true,"name":"cdc.public.devices.Value","fields":[{"type":"int32","field":"id"}]}"#;
    let null = format!(r#"{{"schema":{schema},"payload":null}}"#);
    assert_eq!(outcomes(&read(row(r#"{"id":1}"#, &null))), [r#"DELETE {"id":1} null null"#]);
    let mut decoder = json_decoder();
    let messages = [
        row(r#"{"id":1}"#, "null"),
        row(r#"{"id":1}"#, r#"{"id":1,"__op":"c"}"#),
        row(r#"{"id":1}"#, "null"),
    ];
    let outcomes = outcomes(&decode_messages(&mut decoder, TOPIC, 0, &messages));
    assert_eq!((&*outcomes[0], &*outcomes[2]), (r#"plain {"id":1} null"#, r#"DELETE {"id":1} null null"#));
    assert_eq!(notices(&mut decoder), []);
}

#[test]
fn a_header_says_that_a_tombstone_is_a_delete() {
    let headers = [("__op", "d"), ("__table", "devices"), ("__lsn", "9")];
    let batch = read(Message { headers: &headers, ..tombstone(r#"{"id":1}"#) });
    assert_eq!(outcomes(&batch), [r#"DELETE {"id":1} null null"#]);
    assert_eq!(only(&batch).change().unwrap().position_text(), "9");
}

#[test]
fn what_was_known_of_a_topic_survives_a_restart() {
    let messages = [
        row(r#"{"id":1}"#, r#"{"id":1,"__op":"c","__schema":"s","__table":"t"}"#),
        tombstone(r#"{"id":1}"#),
        row(r#"{"id":2}"#, r#"{"id":2,"__op":"c","__schema":"s","__table":"t"}"#),
        tombstone(r#"{"id":2}"#),
    ];
    let whole = outcomes(&decode_messages(&mut json_decoder(), TOPIC, 0, &messages));
    let mut state: HostState = None;
    let mut parts = Vec::new();
    for (offset, message) in messages.iter().enumerate() {
        let mut decoder = json_decoder();
        let offset = offset.try_into().unwrap();
        let stored = state.take();
        decoder.open(&Reading {
            topic: TOPIC,
            partition: 0,
            assignment: 1,
            offset,
            state: stored.as_deref(),
        });
        let batch = decode_messages(&mut decoder, TOPIC, offset, std::slice::from_ref(message));
        parts.extend(outcomes(&batch));
        assert_eq!(batch.record(0).unwrap().change().unwrap().schema(), "s");
        state = decoder.state(TOPIC, 0);
        assert_eq!(notices(&mut decoder), []);
    }
    assert_eq!(parts, whole);
}

#[test]
fn a_tombstone_that_does_not_say_which_row_is_refused() {
    let mut decoder = json_decoder();
    let messages = [
        row(r#"{"id":1}"#, r#"{"id":1,"__op":"c","__table":"a"}"#),
        tombstone("5"),
        row(r#"{"id":1}"#, r#"{"id":1,"__op":"c","__table":"b"}"#),
        tombstone(r#"{"id":1}"#),
    ];
    let batch = decode_messages(&mut decoder, TOPIC, 0, &messages);
    let reasons: Vec<_> =
        batch.rejected().iter().map(|rejected| (rejected.input, &*rejected.reason)).collect();
    assert_eq!(
        reasons,
        [
            (
                1,
                "tombstone in a topic with flattened rows: the key is a number; expected an object with the primary key's \
                 columns, to delete the row"
            ),
            (
                3,
                "tombstone in a topic with flattened rows of several tables: its key does not say which table it is for; \
                 set delete.tombstone.handling.mode to rewrite, or route each table to a topic of its own"
            ),
        ]
    );
}

#[test]
fn documents_of_mongodb_have_the_key_of_the_document() {
    let mut decoder = decoder_of(ChangeEvents::Flattened);
    let messages =
        [row(r#"{"id":"65a0"}"#, r#"{"_id":"65a0","id":"own","a":1}"#), tombstone(r#"{"id":"65a0"}"#)];
    let batch = decode_messages(&mut decoder, TOPIC, 0, &messages);
    assert_eq!(
        outcomes(&batch),
        [r#"READ {"_id":"65a0"} null {"_id":"65a0","id":"own","a":1}"#, r#"DELETE {"_id":"65a0"} null null"#]
    );
    let table = row(r#"{"id":5}"#, r#"{"_id":5,"id":5,"__op":"c"}"#);
    assert_eq!(outcomes(&read(table)), [r#"INSERT {"id":5} null {"_id":5,"id":5}"#], "a column called _id");
}

#[test]
fn with_a_schema_rows_keep_their_types() {
    let schema = r#"{"type":"struct","name":"cdc.public.devices.Value","fields":[{"type":"int32","field":"id"},{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"price"},{"type":"string","optional":true,"name":"io.debezium.data.Json","field":"more"},{"type":"bytes","optional":true,"field":"raw"},{"type":"string","optional":true,"field":"__op"},{"type":"int64","optional":true,"field":"__source_ts_ms"}]}"#;
    let mark = "__debezium_unavailable_value";
    let payload = format!(
        r#"{{"id":1,"price":"A/w=","more":"{mark}","raw":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","__op":"u","__source_ts_ms":7}}"#
    );
    let value = format!(r#"{{"schema":{schema},"payload":{payload}}}"#);
    let batch = read(row(r#"{"id":1}"#, &value));
    let record = only(&batch);
    let change = record.change().unwrap();
    assert_eq!(
        to_json(change.after_value()),
        format!(r#"{{"id":1,"price":10.20,"more":"{mark}","raw":"{mark}"}}"#)
    );
    for name in ["more", "raw"] {
        assert!(change.after().get(name).unwrap().is_unavailable(), "{name}");
    }
    assert_eq!(change.row_schema().unwrap().get("price").unwrap().scale(), Some(2));
    assert_eq!((record.value_schema().is_none(), change.commit_ms()), (true, Some(7)));
}
