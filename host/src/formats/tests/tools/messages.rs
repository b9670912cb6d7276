//! What single messages of other tools become, and which are refused.

use tidegate_abi::{Operation, host::Batch};

use super::{causes, options};
use crate::formats::{
    ChangeEvents, ColumnHint, DecoderOptions, Hints, RecordDecoder,
    tests::{Message, decode_messages, notices, only, to_json},
};

pub(super) fn decode_one(options: DecoderOptions, key: Option<&str>, value: &str) -> Batch {
    let message = Message { key, value: Some(value), headers: &[] };
    decode_messages(&mut RecordDecoder::new(options), "shop.items", 7, &[message])
}

#[track_caller]
fn refusal(change_events: ChangeEvents, key: Option<&str>, value: &str) -> String {
    let batch = decode_one(options(change_events, &[]), key, value);
    match batch.rejected() {
        [rejected] => rejected.reason.clone(),
        _ => panic!("accepted: {value}"),
    }
}

#[test]
fn the_envelope_says_what_the_message_said() {
    let maxwell = r#"{"database":"test","table":"e","type":"update","ts":1477053217,"xid":23396,"xoffset":3,"position":"master.000006:800911","gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:23","server_id":23042,"data":{"id":1,"m":5.4,"c":null},"old":{"m":4.2}}"#;
    let batch = decode_one(
        options(ChangeEvents::Maxwell, &[]),
        Some(r#"{"database":"test","table":"e","pk.id":1}"#),
        maxwell,
    );
    let record = only(&batch);
    let change = record.change().unwrap();
    assert_eq!(
        (change.connector(), change.database(), change.schema(), change.table()),
        ("maxwell", "test", "", "e")
    );
    assert_eq!((change.transaction(), change.commit_ms()), ("23396", Some(1_477_053_217_000)));
    assert_eq!(change.position().map(|position| position.words()), Some([6, 800_911, 3, 0]));
    assert_eq!(change.position_text(), "master.000006:800911");
    assert_eq!(to_json(record.key()), r#"{"id":1}"#);
    assert_eq!(
        to_json(record.value()),
        r#"{"before":{"id":1,"m":4.2,"c":null},"after":{"id":1,"m":5.4,"c":null},"source":{"connector":"maxwell","db":"test","table":"e","ts_ms":1477053217000,"snapshot":"false","server_id":23042,"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:23","file":"master.000006","pos":800911,"row":3,"txId":"23396"},"op":"u","ts_ms":null,"transaction":null}"#
    );
}

#[test]
fn positions_and_times_are_those_of_the_source() {
    let canal = r#"{"data":[{"id":"2"}],"database":"test","es":1639633141221,"id":0,"isDdl":false,"mysqlType":{"id":"bigint unsigned"},"old":null,"pkNames":["id"],"table":"t","ts":1639633142960,"type":"INSERT","_tidb":{"commitTs":429918007904436226}}"#;
    let goldengate = r#"{"table":"PDB1.GG.TCUSTORD","op_type":"I","op_ts":"2013-06-02 22:14:36.000000","current_ts":"2015-09-18T10:17:49.570000","pos":"00000000020000002122","xid":"5.6.7","primary_keys":["ID"],"after":{"ID":1}}"#;
    let dms = r#"{"data":{"id":1},"metadata":{"timestamp":"2024-07-29T00:58:17.983670Z","commit-timestamp":"2024-07-29T00:58:17.974340Z","record-type":"data","operation":"insert","schema-name":"public","table-name":"foo","stream-position":"00000002/7C007178.3.00000002/7C007178","transaction-id":1139}}"#;
    let simple = r#"{"version":1,"database":"simple","table":"user","type":"INSERT","commitTs":447984084414103554,"buildTs":1708923662983,"data":{"id":"1"}}"#;
    for (tool, value, names, words, transaction, times) in [
        (
            ChangeEvents::TiCdc,
            canal,
            ["test", "", "t"],
            Some([429_918_007_904_436_226, 0, 0, 0]),
            "429918007904436226",
            [Some(1_639_633_141_221), Some(1_639_633_142_960)],
        ),
        (
            ChangeEvents::GoldenGate,
            goldengate,
            ["PDB1", "GG", "TCUSTORD"],
            Some([2, 2122, 0, 0]),
            "5.6.7",
            [Some(1_370_211_276_000), Some(1_442_571_469_570)],
        ),
        (
            ChangeEvents::Dms,
            dms,
            ["", "public", "foo"],
            None,
            "1139",
            [Some(1_722_214_697_974), Some(1_722_214_697_983)],
        ),
        (
            ChangeEvents::TiCdc,
            simple,
            ["simple", "", "user"],
            Some([447_984_084_414_103_554, 0, 0, 0]),
            "447984084414103554",
            [Some(1_708_923_661_858), Some(1_708_923_662_983)],
        ),
    ] {
        let batch = decode_one(options(tool, &[]), None, value);
        let change = only(&batch).change().unwrap();
        assert_eq!([change.database(), change.schema(), change.table()], names, "{tool:?}");
        assert_eq!(change.position().map(|position| position.words()), words, "{tool:?}");
        assert_eq!(
            (change.transaction(), [change.commit_ms(), change.event_ms()]),
            (transaction, times),
            "{tool:?}"
        );
    }
}

#[test]
fn events_that_a_tool_sends_again_are_recognised() {
    let insert = |commit: u64, id: u32| {
        format!(
            r#"{{"version":1,"database":"d","table":"t","type":"INSERT","commitTs":{commit},"buildTs":1,"data":{{"id":"{id}"}}}}"#
        )
    };
    let values =
        [insert(500_000_000, 1), insert(500_000_001, 2), insert(500_000_000, 1), insert(500_000_002, 3)];
    let messages: Vec<_> =
        values.iter().map(|value| Message { key: None, value: Some(value), headers: &[] }).collect();
    let mut decoder = RecordDecoder::new(options(ChangeEvents::TiCdc, &[]));
    let batch = decode_messages(&mut decoder, "t", 0, &messages);
    let resent: Vec<_> = batch.records().map(|record| record.change().unwrap().is_resent()).collect();
    assert_eq!(resent, [false, false, true, false]);
}

#[test]
fn tables_of_ticdc_are_ordered_each_by_itself() {
    let insert = |name: &str, commit: u64| {
        let (database, table) = name.split_once('.').unwrap();
        format!(
            r#"{{"version":1,"database":"{database}","table":"{table}","type":"INSERT","commitTs":{commit},"buildTs":1,"data":{{"id":"{commit}"}}}}"#
        )
    };
    let values = [
        insert("d.a", 900_000_000),
        insert("d.b", 500_000_000),
        insert("e.a", 400_000_000),
        insert("d.a", 900_000_001),
        insert("d.b", 500_000_001),
        insert("e.a", 400_000_001),
    ];
    let messages: Vec<_> =
        values.iter().map(|value| Message { key: None, value: Some(value), headers: &[] }).collect();
    let mut decoder = RecordDecoder::new(options(ChangeEvents::TiCdc, &[]));
    let batch = decode_messages(&mut decoder, "t", 0, &messages);
    assert!(batch.records().all(|record| {
        let change = record.change().unwrap();
        !change.is_resent() && change.log_generation() == 0
    }));
    assert_eq!(causes(&mut decoder), [""; 0]);
}

#[test]
fn several_rows_of_a_message_are_records_of_one_offset() {
    let value = r#"{"data":[{"id":"1"},{"id":"2"},{"id":"3"}],"database":"d","table":"t","type":"INSERT","isDdl":false,"pkNames":["id"]}"#;
    let batch = decode_one(options(ChangeEvents::Canal, &[]), None, value);
    let keys: Vec<_> =
        batch.records().map(|record| (record.offset(), record.input(), to_json(record.key()))).collect();
    assert_eq!(keys, [1, 2, 3].map(|id| (7, 0, format!(r#"{{"id":"{id}"}}"#))));
    assert_eq!((batch.input_count(), batch.filtered_count()), (1, 0));
}

#[test]
fn one_bad_row_rejects_the_message() {
    let value = r#"{"data":[{"id":"1"},{"no":"2"}],"database":"d","table":"t","type":"INSERT","isDdl":false,"pkNames":["id"]}"#;
    let batch = decode_one(options(ChangeEvents::Canal, &[]), None, value);
    assert_eq!((batch.len(), batch.rejected().len()), (0, 1));
    assert_eq!(
        batch.rejected()[0].reason,
        r#"invalid Canal message: the row has no column "id", which is part of the primary key"#
    );
}

#[test]
fn an_update_of_the_primary_key_deletes_the_old_row() {
    let canal = r#"{"data":[{"a":"9","b":"1","c":"x"}],"old":[{"a":"8"}],"database":"d","table":"t","type":"UPDATE","isDdl":false,"pkNames":["a","b"]}"#;
    let goldengate = r#"{"table":"D.T","op_type":"U","primary_keys":["a","b"],"before":{"a":"8","b":"1","c":"x"},"after":{"a":"9","b":"1"}}"#;
    let simple = r#"{"version":1,"database":"d","table":"t","type":"UPDATE","commitTs":500000000,"buildTs":1,"data":{"a":"9","b":"1","c":"x"},"old":{"a":"8","b":"1","c":"x"}}"#;
    let dms = r#"{"data":{"a":"9","b":"1","c":"x"},"before-image":{"a":"8","b":"1"},"metadata":{"record-type":"data","operation":"update","schema-name":"d","table-name":"t"}}"#;
    for (tool, value) in [
        (ChangeEvents::Canal, canal),
        (ChangeEvents::GoldenGate, goldengate),
        (ChangeEvents::TiCdc, simple),
        (ChangeEvents::Dms, dms),
    ] {
        let batch = decode_one(options(tool, &[("d.t", &["a", "b"])]), None, value);
        assert_eq!(batch.rejected(), []);
        let shown: Vec<_> = batch
            .records()
            .map(|record| {
                let change = record.change().unwrap();
                format!(
                    "{} {} {} {}",
                    change.operation(),
                    to_json(record.key()),
                    to_json(change.before_value()),
                    to_json(change.after_value())
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                r#"DELETE {"a":"8","b":"1"} {"a":"8","b":"1","c":"x"} null"#,
                r#"INSERT {"a":"9","b":"1"} null {"a":"9","b":"1","c":"x"}"#
            ],
            "{tool:?}"
        );
    }
}

#[test]
fn columns_that_an_update_of_goldengate_leaves_out_keep_their_values() {
    let insert =
        r#"{"table":"A.T","op_type":"I","primary_keys":["ID"],"after":{"ID":1,"X":"a","Y":"b","Z":null}}"#;
    let update = r#"{"table":"A.T","op_type":"U","primary_keys":["ID"],"before":{"ID":1,"X":"a"},"after":{"ID":1,"X":"c"}}"#;
    let other = r#"{"table":"B.T","op_type":"U","primary_keys":["ID"],"after":{"ID":1,"X":"c"}}"#;
    let messages =
        [insert, update, other].map(|value| Message { key: None, value: Some(value), headers: &[] });
    let mut decoder = RecordDecoder::new(options(ChangeEvents::GoldenGate, &[]));
    let batch = decode_messages(&mut decoder, "t", 0, &messages);
    let rows: Vec<_> =
        batch.records().map(|record| to_json(record.change().unwrap().after_value())).collect();
    let mark = r#""__debezium_unavailable_value""#;
    let expected = [
        r#"{"ID":1,"X":"a","Y":"b","Z":null}"#.to_owned(),
        format!(r#"{{"ID":1,"X":"c","Y":{mark},"Z":{mark}}}"#),
        r#"{"ID":1,"X":"c"}"#.to_owned(),
    ];
    assert_eq!(rows, expected);
    assert_eq!(causes(&mut decoder), ["incomplete_updates 1"]);
}

#[test]
fn other_writers_of_these_formats_are_read_as_well() {
    // Flink and Flink CDC write no names, numbers as numbers, and the row of a delete into `old`.
    for (tool, value, shown) in [
        (
            ChangeEvents::Canal,
            r#"{"data":[{"id":101,"name":"x"}],"type":"INSERT"}"#,
            r#"INSERT items {"id":101,"name":"x"}"#,
        ),
        (
            ChangeEvents::Canal,
            r#"{"old":[{"id":8}],"data":null,"type":"DELETE","database":null,"table":"u","pkNames":["id"],"ts":0}"#,
            r#"DELETE u {"id":8}"#,
        ),
        (ChangeEvents::Maxwell, r#"{"data":{"id":101},"type":"insert"}"#, r#"INSERT items {"id":101}"#),
        (
            ChangeEvents::GoldenGate,
            r#"{"before":null,"after":{"id":101},"op_type":"I"}"#,
            r#"INSERT items {"id":101}"#,
        ),
    ] {
        let batch = decode_one(options(tool, &[]), None, value);
        let change = only(&batch).change().unwrap();
        let row = to_json(change.row().to_value());
        assert_eq!(format!("{} {} {row}", change.operation(), change.table()), shown);
    }
}

#[test]
fn values_of_mysql_become_typed_and_hints_go_first() {
    let value = r#"{"data":[{"i":"18446744073709551615","d":"12.30","z":"0000-00-00 00:00:00","t":"-05:00:00","j":"{\"a\":1}","b":"ÿ\u0000","e":"2","h":"1714557600000"}],"database":"d","table":"t","type":"INSERT","isDdl":false,"mysqlType":{"i":"bigint(20) unsigned","d":"decimal(10,2)","z":"datetime","t":"time","j":"json","b":"blob","e":"enum('a','b')","h":"bigint"}}"#;
    let mut hints = Hints::default();
    hints.insert("d.t.h", ColumnHint::TimestampMillis).unwrap();
    hints.insert("d.t.d", ColumnHint::Decimal { scale: 4 }).unwrap();
    let batch = decode_one(DecoderOptions { hints, ..options(ChangeEvents::Canal, &[]) }, None, value);
    assert_eq!(
        to_json(only(&batch).change().unwrap().after_value()),
        r#"{"i":18446744073709551615,"d":12.30,"z":"0000-00-00 00:00:00","t":"-05:00:00","j":{"a":1},"b":"/wA=","e":"2","h":"2024-05-01T10:00:00"}"#
    );
}

#[test]
fn what_is_no_message_of_the_tool_is_refused_by_name() {
    use ChangeEvents::{Canal, CloudEvents, Dms, GoldenGate, Maxwell, TiCdc};
    for (tool, value, reason) in [
        (Maxwell, "[1]", "not a Maxwell message: the value is a list; expected an object"),
        (
            Maxwell,
            r#"{"op":"c","after":{"id":1},"source":{}}"#,
            "invalid Maxwell message: `type` is missing; expected insert, update, delete, bootstrap-.., table-.. or database-..",
        ),
        (
            Maxwell,
            r#"{"type":"insert","table":"t","data":null}"#,
            "invalid Maxwell message: `data` is null; expected an object with the row",
        ),
        (
            Maxwell,
            r#"{"type":"insert","table":"t","ts":"now","data":{"id":1}}"#,
            "invalid Maxwell message: `ts` is text; expected whole seconds since 1970",
        ),
        (
            Canal,
            r#"{"type":"INSERT","table":"t","data":{"id":1}}"#,
            "invalid Canal message: `data` is an object; expected a list of rows",
        ),
        (
            Canal,
            r#"{"type":"INSERT","table":"t","data":[]}"#,
            "invalid Canal message: `data` is a list; expected a list of rows",
        ),
        (
            Canal,
            r#"{"type":"MERGE","table":"t","data":[{"id":1}]}"#,
            "invalid Canal message: `type` is text; expected INSERT, UPDATE, DELETE, TRUNCATE, QUERY, or a statement with isDdl",
        ),
        (
            Canal,
            r#"{"type":"TRUNCATE","isDdl":true,"table":""}"#,
            "invalid Canal message: `table` is an empty text; expected the name of the table that was truncated",
        ),
        (
            Canal,
            r#"{"type":"UPDATE","table":"t","pkNames":["id"],"data":[{"id":"2"},{"id":"3"}],"old":[{"id":"1"}]}"#,
            "invalid Canal message: `old` has 1 rows where `data` has 2, so that it is not known whose primary key was changed; let the source change primary keys row by row",
        ),
        (
            TiCdc,
            r#"{"type":"INSERT","table":"t","data":[{"id":"1"}],"_tidb":{"commitTs":1,"onlyHandleKey":true}}"#,
            "invalid TiCDC message: it holds the key of a row alone, because the row is larger than max-message-bytes: raise max-message-bytes in TiCDC and max.message.bytes of the topic",
        ),
        (Dms, r#"{"id":1}"#, "invalid AWS DMS message: `metadata` is missing; expected an object"),
        (
            Dms,
            r#"{"data":{"id":1},"metadata":{"record-type":"data","operation":"merge"}}"#,
            "invalid AWS DMS message: `metadata.operation` is text; expected load, insert, update or delete",
        ),
        (
            GoldenGate,
            r#"{"table":"A.B","op_type":"U","ID":1}"#,
            "invalid GoldenGate message: `after` is missing; expected an object with the row, as format=json writes it",
        ),
        (
            CloudEvents,
            r#"{"id":1}"#,
            "invalid CloudEvents message: `specversion` is missing; expected the version of CloudEvents, in the value or in the header ce_specversion",
        ),
        (
            CloudEvents,
            r#"{"specversion":"1.0","iodebeziumop":"c","data":"AAAA"}"#,
            "invalid CloudEvents message: `data` is text; expected an object; set data.serializer.type=json in the converter",
        ),
        (
            CloudEvents,
            r#"{"specversion":"1.0","data":{"before":null,"after":{"id":1}}}"#,
            "invalid CloudEvents message: `iodebeziumop` is missing; expected Debezium's operation; set extension.attributes.enable=true in the converter",
        ),
    ] {
        assert_eq!(refusal(tool, None, value), reason, "{value}");
    }
}

#[test]
fn statements_without_their_rows_are_a_warning() {
    let insert = r#"{"type":"INSERT","isDdl":false,"sql":"insert into t values (1)","database":"d","table":"t","data":null}"#;
    let query =
        r#"{"type":"QUERY","isDdl":false,"sql":"update t set a = 1","database":"d","table":"t","data":null}"#;
    for value in [insert, query] {
        let mut decoder = RecordDecoder::new(options(ChangeEvents::Canal, &[]));
        let message = Message { value: Some(value), ..Message::default() };
        let batch = decode_messages(&mut decoder, "t", 0, &[message]);
        assert_eq!((batch.rejected(), batch.len(), batch.filtered_count()), (&[][..], 0, 1));
        let noted = notices(&mut decoder);
        let expected = "statements 1: t contains SQL statements from Canal; their row changes may be missing";
        assert!(noted[0].starts_with(expected), "{noted:?}");
    }
}

#[test]
fn markers_of_canal_are_control_events_whatever_is_ddl_says() {
    for (kind, cause) in [
        ("XACOMMIT", "transaction_markers 1"),
        ("XAROLLBACK", "transaction_markers 1"),
        ("CREATE", "schema_changes 1"),
        ("alter", "schema_changes 1"),
    ] {
        let value = format!(
            r#"{{"type":"{kind}","isDdl":false,"sql":"..","database":"d","table":"t","data":null,"old":null}}"#
        );
        let mut decoder = RecordDecoder::new(options(ChangeEvents::Canal, &[]));
        let message = Message { value: Some(&value), ..Message::default() };
        let batch = decode_messages(&mut decoder, "t", 0, &[message]);
        assert_eq!((batch.rejected(), batch.filtered_count()), (&[][..], 1), "{kind}");
        assert_eq!(causes(&mut decoder), [cause]);
    }
}

#[test]
fn keys_of_maxwell_in_lower_case_name_the_columns_of_the_row() {
    let value = r#"{"database":"d","table":"t","type":"insert","data":{"OrderId":1,"Größe":2,"n":3}}"#;
    for key in [
        r#"{"database":"d","table":"t","pk.orderid":1,"pk.größe":2}"#,
        r#"["d","t",[{"orderid":1},{"größe":2}]]"#,
    ] {
        let batch = decode_one(options(ChangeEvents::Maxwell, &[]), Some(key), value);
        assert_eq!(to_json(only(&batch).key()), r#"{"OrderId":1,"Größe":2}"#);
    }
    let both = r#"{"database":"d","table":"t","type":"insert","data":{"ID":1,"id":2}}"#;
    let batch = decode_one(options(ChangeEvents::Maxwell, &[]), Some(r#"{"pk.id":2}"#), both);
    assert_eq!(to_json(only(&batch).key()), r#"{"id":2}"#, "the exact name goes first");
}

#[test]
fn rows_larger_than_a_batch_may_have_are_refused_before_they_take_memory() {
    let rows = vec![r#"{"id":"1"}"#; 400].join(",");
    let value = format!(r#"{{"data":[{rows}],"database":"d","table":"t","type":"INSERT","isDdl":false}}"#);
    let options = DecoderOptions { max_value_bytes: 400_000, ..options(ChangeEvents::Canal, &[]) };
    let batch = decode_one(options, None, &value);
    let [rejected] = batch.rejected() else { panic!("accepted") };
    assert!(
        rejected.too_large && rejected.reason.contains("an event for each of its rows"),
        "{}",
        rejected.reason
    );
}

#[test]
fn a_key_that_does_not_name_a_row_is_refused_where_rows_come_by_key() {
    let row = r#"{"a":1}"#;
    for (key, reason) in [
        (None, "the key is null; expected an object with the primary key's columns, or a single value"),
        (Some("{}"), "the key is an empty object; expected"),
        (Some("[1]"), "the key is a list; expected"),
        (
            Some("5"),
            r#"the key is a number, a single value, and its column is not known: name one column for "items" in [source.key_columns], which names 0"#,
        ),
    ] {
        let refused = refusal(ChangeEvents::Upsert, key, row);
        assert!(refused.contains(reason), "{refused}");
    }
    let refused = refusal(ChangeEvents::Upsert, Some(r#"{"id":1}"#), "5");
    assert_eq!(refused, "not a row: the value is a number; expected an object");
}

#[test]
fn a_row_by_key_takes_what_the_key_alone_has() {
    let batch = decode_one(options(ChangeEvents::Upsert, &[]), Some(r#"{"a":1,"b":2}"#), r#"{"b":2,"c":3}"#);
    let record = only(&batch);
    let change = record.change().unwrap();
    assert_eq!(to_json(change.after_value()), r#"{"a":1,"b":2,"c":3}"#);
    assert_eq!((change.operation(), change.schema(), change.table()), (Operation::Read, "", "items"));
    let tombstone = Message { key: Some(r#"{"a":1}"#), value: None, headers: &[] };
    let batch = decode_messages(
        &mut RecordDecoder::new(options(ChangeEvents::Upsert, &[])),
        "app.shop.items",
        0,
        &[tombstone],
    );
    let record = only(&batch);
    let change = record.change().unwrap();
    assert_eq!((change.operation(), change.schema(), change.table()), (Operation::Delete, "shop", "items"));
    assert!(record.is_tombstone() && record.value().is_null());
}

#[test]
fn control_events_are_passed_on_where_it_is_asked_for() {
    let value = r#"{"version":1,"type":"WATERMARK","commitTs":447984124732375041,"buildTs":1708923816911}"#;
    let filtered = decode_one(options(ChangeEvents::TiCdc, &[]), None, value);
    assert_eq!((filtered.len(), filtered.filtered_count()), (0, 1));
    let options = DecoderOptions { pass_control_events: true, ..options(ChangeEvents::TiCdc, &[]) };
    let passed = decode_one(options, None, value);
    let record = only(&passed);
    assert_eq!(record.change().unwrap().operation(), Operation::Message);
    assert_eq!(to_json(record.value()), value);
}

#[test]
fn whole_debezium_events_as_data_of_cloudevents_are_events() {
    let value = r#"{"specversion":"1.0","type":"DataChangeEvent","data":{"before":null,"after":{"id":1},"source":{"connector":"mysql","db":"d","table":"t","file":"b.000002","pos":4},"op":"c","ts_ms":5}}"#;
    let batch = decode_one(options(ChangeEvents::CloudEvents, &[]), Some(r#"{"id":1}"#), value);
    let change = only(&batch).change().unwrap();
    assert_eq!((change.table(), change.position_text()), ("t", "b.000002:4"));
}

#[test]
fn placeholders_in_cloudevents_are_marked_with_a_schema_too() {
    let row = |name: &str| {
        format!(
            r#"{{"type":"struct","optional":true,"field":"{name}","fields":[{{"type":"int32","field":"id"}},{{"type":"bytes","field":"raw"}},{{"type":"string","field":"text"}}]}}"#
        )
    };
    let schema = format!(r#"{{"type":"struct","fields":[{},{}]}}"#, row("before"), row("after"));
    let data = r#"{"before":null,"after":{"id":1,"raw":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","text":"__debezium_unavailable_value"}}"#;
    let typed = format!(r#"{{"schema":{schema},"payload":{data}}}"#);
    let structured = |data: &str| {
        format!(r#"{{"specversion":"1.0","iodebeziumop":"u","iodebeziumtable":"t","data":{data}}}"#)
    };
    let headers = [("ce_specversion", "1.0"), ("ce_iodebeziumop", "u"), ("ce_iodebeziumtable", "t")];
    for (value, headers) in [
        (structured(data), &[][..]),
        (structured(&typed), &[]),
        (data.to_owned(), &headers),
        (typed, &headers),
    ] {
        let message = Message { key: Some(r#"{"id":1}"#), value: Some(&value), headers };
        let mut decoder = RecordDecoder::new(options(ChangeEvents::CloudEvents, &[]));
        let batch = decode_messages(&mut decoder, "t", 0, &[message]);
        let change = only(&batch).change().unwrap();
        assert_eq!((change.table(), change.operation()), ("t", Operation::Update));
        for name in ["raw", "text"] {
            assert!(change.after().get(name).unwrap().is_unavailable(), "{name} of {value}");
        }
        assert_eq!(change.row_schema().is_some(), value.contains("schema"), "{value}");
    }
}

#[test]
fn the_placeholder_may_be_another_one() {
    let value = r#"{"op":"u","before":null,"after":{"id":1,"text":"n/a","bytes":"bi9h","list":["n/a"],"map":{"n/a":"n/a"},"default":"__debezium_unavailable_value"},"source":{"table":"t"}}"#;
    let options =
        DecoderOptions { unavailable_placeholder: Some("n/a".to_owned()), ..DecoderOptions::default() };
    let batch = decode_one(options, Some(r#"{"id":1}"#), value);
    let after = only(&batch).change().unwrap().after();
    let unavailable: Vec<_> =
        after.iter().filter(|(_, value)| value.is_unavailable()).map(|(name, _)| name).collect();
    assert_eq!(unavailable, ["text", "bytes", "list", "map"]);
}
