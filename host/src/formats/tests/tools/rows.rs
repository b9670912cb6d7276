//! Rows in messages of other tools than Debezium: types, missing columns, and keys.

use tidegate_abi::{Record, host::Batch};

use super::{causes, messages::decode_one, options};
use crate::formats::{
    ChangeEvents, ColumnHint, DecoderOptions, Hints, RecordDecoder,
    tests::{Message, decode_messages, only, to_json},
};

fn decode_all(decoder: &mut RecordDecoder, values: &[&str]) -> Batch {
    let messages: Vec<_> =
        values.iter().map(|value| Message { key: None, value: Some(value), headers: &[] }).collect();
    let batch = decode_messages(decoder, "t", 0, &messages);
    assert_eq!(batch.rejected(), []);
    batch
}

fn after(record: Record<'_>) -> String {
    to_json(record.change().unwrap().after_value())
}

fn hinted(change_events: ChangeEvents, hints: &[(&str, ColumnHint)]) -> DecoderOptions {
    let mut all = Hints::default();
    hints.iter().for_each(|(column, hint)| all.insert(column, *hint).unwrap());
    DecoderOptions { hints: all, ..options(change_events, &[]) }
}

const HINTS: [(&str, ColumnHint); 9] = [
    ("d.t.id", ColumnHint::Integer),
    ("d.t.big", ColumnHint::Integer),
    ("d.t.price", ColumnHint::Decimal { scale: 0 }),
    ("d.t.part", ColumnHint::Decimal { scale: 3 }),
    ("d.t.ratio", ColumnHint::Float),
    ("d.t.day", ColumnHint::Date),
    ("d.t.at", ColumnHint::TimeMicros),
    ("d.t.made", ColumnHint::TimestampMillis),
    ("d.t.never", ColumnHint::TimestampMillis),
];

#[test]
fn hints_type_the_text_of_tools() {
    let row = r#"{"id":"7","big":"18446744073709551615","price":"2000","part":"-1.5","ratio":"0.25","day":"2024-02-26","at":"13:01:02.5","made":"2024-02-26 13:01:02","never":"0000-00-00 00:00:00"}"#;
    let typed = r#"{"id":7,"big":18446744073709551615,"price":2000,"part":-1.500,"ratio":0.25,"day":"2024-02-26","at":"13:01:02.500","made":"2024-02-26T13:01:02","never":"0000-00-00 00:00:00"}"#;
    let ticdc = format!(
        r#"{{"version":1,"database":"d","table":"t","type":"INSERT","commitTs":500000000,"buildTs":1,"data":{row}}}"#
    );
    let goldengate = format!(r#"{{"table":"D.d.t","op_type":"I","after":{row}}}"#);
    for (tool, value) in [(ChangeEvents::TiCdc, &ticdc), (ChangeEvents::GoldenGate, &goldengate)] {
        let mut decoder = RecordDecoder::new(hinted(tool, &HINTS));
        let batch = decode_all(&mut decoder, &[value]);
        assert_eq!(after(only(&batch)), typed, "{tool:?}");
        assert_eq!(causes(&mut decoder), [""; 0], "no digits are taken for base64");
    }
    let counts = r#"{"table":"D.d.t","op_type":"I","after":{"big":18446744073709551615,"day":19779,"made":1708952462000,"ratio":1}}"#;
    let batch = decode_one(hinted(ChangeEvents::GoldenGate, &HINTS), None, counts);
    assert_eq!(
        after(only(&batch)),
        r#"{"big":18446744073709551615,"day":"2024-02-26","made":"2024-02-26T13:01:02","ratio":1.0}"#,
        "numbers are counts as elsewhere"
    );
    for (row, reason) in [
        (
            r#"{"price":"20.5"}"#,
            "t.price does not fit its hint in [source.columns]: expected a decimal number with no more digits than its scale, found text that is none",
        ),
        (
            r#"{"id":"x"}"#,
            "t.id does not fit its hint in [source.columns]: expected a whole number of 64 bits, found text that is none",
        ),
        (
            r#"{"day":"today"}"#,
            "t.day does not fit its hint in [source.columns]: expected an ISO 8601 date, found text that is none",
        ),
    ] {
        let value = format!(r#"{{"table":"D.d.t","op_type":"I","after":{row}}}"#);
        let batch = decode_one(hinted(ChangeEvents::GoldenGate, &HINTS), None, &value);
        assert_eq!(batch.rejected()[0].reason, reason);
    }
}

#[test]
fn timestamps_of_ticdc_are_values() {
    let message = |location: &str, value: &str| {
        format!(
            r#"{{"version":1,"database":"d","table":"t","type":"UPDATE","commitTs":500000000,"buildTs":1,"data":{{"id":"1","at":{{"location":"{location}","value":"{value}"}}}},"old":{{"id":"1","at":{{"location":"UTC","value":"2024-02-26 13:01:01"}}}}}}"#
        )
    };
    let mut decoder = RecordDecoder::new(options(ChangeEvents::TiCdc, &[]));
    let batch = decode_all(&mut decoder, &[&message("UTC", "2024-02-26 13:01:02.5")]);
    let record = only(&batch);
    assert_eq!(after(record), r#"{"id":"1","at":"2024-02-26T13:01:02.500Z"}"#);
    assert!(record.change().unwrap().after().get("at").unwrap().as_str().is_none(), "a timestamp, no text");
    assert_eq!(to_json(record.change().unwrap().before_value()), r#"{"id":"1","at":"2024-02-26T13:01:01Z"}"#);
    let zero = message("UTC", "0000-00-00 00:00:00");
    assert_eq!(after(only(&decode_all(&mut decoder, &[&zero]))), r#"{"id":"1","at":"0000-00-00 00:00:00"}"#);
    assert_eq!(causes(&mut decoder), [""; 0]);
    let local = message("Asia/Shanghai", "2024-02-26 21:01:02");
    assert_eq!(after(only(&decode_all(&mut decoder, &[&local]))), r#"{"id":"1","at":"2024-02-26 21:01:02"}"#);
    assert_eq!(causes(&mut decoder), ["timestamps_in_time_zone 1"]);
}

const MARK: &str = r#""__debezium_unavailable_value""#;

#[test]
fn columns_that_an_update_of_maxwell_leaves_out_keep_their_values() {
    let message = |database: &str, kind: &str, data: &str, old: &str| {
        format!(
            r#"{{"database":"{database}","table":"t","type":"{kind}","data":{data},"old":{old},"primary_key_columns":["id"]}}"#
        )
    };
    let values = [
        message("d", "insert", r#"{"id":1,"x":"a","y":"b"}"#, "null"),
        // Of another database's table nothing is known.
        message("e", "update", r#"{"id":1,"x":"c"}"#, r#"{"x":"a"}"#),
        // binlog_row_image=MINIMAL.
        message("d", "update", r#"{"id":1,"x":"c"}"#, r#"{"x":"a"}"#),
        // output_nulls=false: the update has set y to NULL.
        message("d", "update", r#"{"id":1,"x":"c"}"#, r#"{"y":"b"}"#),
        message("d", "table-alter", "null", "null"),
        message("d", "update", r#"{"id":1,"x":"d"}"#, r#"{"x":"c"}"#),
    ];
    let mut decoder = RecordDecoder::new(options(ChangeEvents::Maxwell, &[]));
    let batch = decode_all(&mut decoder, &values.each_ref().map(|value| &**value));
    let rows: Vec<_> = batch.records().map(after).collect();
    assert_eq!(
        rows,
        [
            r#"{"id":1,"x":"a","y":"b"}"#.to_owned(),
            r#"{"id":1,"x":"c"}"#.to_owned(),
            format!(r#"{{"id":1,"x":"c","y":{MARK}}}"#),
            r#"{"id":1,"x":"c","y":null}"#.to_owned(),
            r#"{"id":1,"x":"d"}"#.to_owned(),
        ]
    );
    assert_eq!(causes(&mut decoder), ["incomplete_updates 1", "schema_changes 1"]);
}

#[test]
fn columns_that_an_update_of_canal_leaves_out_keep_their_values() {
    let message = |kind: &str, data: &str, old: &str| {
        format!(
            r#"{{"database":"d","table":"t","type":"{kind}","isDdl":false,"pkNames":["id"],"data":[{data}],"old":{old}}}"#
        )
    };
    let ddl = r#"{"database":"d","table":"t","type":"ALTER","isDdl":true,"sql":"alter table t drop y","data":null}"#;
    let update = message("UPDATE", r#"{"id":"1","x":"c"}"#, r#"[{"x":"a"}]"#);
    let insert = message("INSERT", r#"{"id":"1","x":"a","y":"b"}"#, "null");
    let mut decoder = RecordDecoder::new(options(ChangeEvents::Canal, &[]));
    let batch = decode_all(&mut decoder, &[&insert, &update, ddl, &update]);
    let rows: Vec<_> = batch.records().map(after).collect();
    assert_eq!(
        rows,
        [
            r#"{"id":"1","x":"a","y":"b"}"#.to_owned(),
            format!(r#"{{"id":"1","x":"c","y":{MARK}}}"#),
            r#"{"id":"1","x":"c"}"#.to_owned(),
        ]
    );
    assert_eq!(causes(&mut decoder), ["incomplete_updates 1", "schema_changes 1"]);
}

#[test]
fn deletes_of_ticdc_need_the_key_alone() {
    for (value, key) in [
        (
            r#"{"type":"DELETE","database":"d","table":"t","pkNames":["id"],"data":[{"id":"1"}],"_tidb":{"commitTs":1,"onlyHandleKey":true}}"#,
            r#"{"id":"1"}"#,
        ),
        (
            r#"{"version":1,"database":"d","table":"t","type":"DELETE","commitTs":500000000,"buildTs":1,"handleKeyOnly":true,"old":{"id":"1"}}"#,
            r#"{"id":"1"}"#,
        ),
    ] {
        let batch = decode_one(options(ChangeEvents::TiCdc, &[("d.t", &["id"])]), None, value);
        assert_eq!(batch.rejected(), []);
        assert_eq!(to_json(only(&batch).key()), key);
        let update = value.replace("DELETE", "UPDATE").replace(r#""old""#, r#""data""#);
        let batch = decode_one(options(ChangeEvents::TiCdc, &[("d.t", &["id"])]), None, &update);
        assert!(batch.rejected()[0].reason.contains("max-message-bytes"));
    }
}

#[test]
fn the_key_of_all_other_tables_is_for_messages_that_name_none() {
    let value = |names: &str| {
        format!(
            r#"{{"type":"INSERT","database":"d","table":"t","isDdl":false,"pkNames":{names},"data":[{{"id":"1","no":"2"}}]}}"#
        )
    };
    let key = |keys: &[(&str, &[&str])], names: &str| {
        to_json(only(&decode_one(options(ChangeEvents::Canal, keys), None, &value(names))).key())
    };
    let others: &[(&str, &[&str])] = &[("*", &["id"])];
    assert_eq!(key(others, r#"["no"]"#), r#"{"no":"2"}"#);
    assert_eq!(key(others, "null"), r#"{"id":"1"}"#);
    assert_eq!(key(&[("t", &["id"])], r#"["no"]"#), r#"{"id":"1"}"#, "a table that is named");
}

#[test]
fn rows_by_key_are_not_encoded_as_debezium_encodes_them() {
    let row = r#"{"id":1,"size":{"scale":2,"value":"A/w="},"token":"A/w="}"#;
    let mut decoder = RecordDecoder::new(options(ChangeEvents::Upsert, &[]));
    let message = Message { key: Some(r#"{"id":1}"#), value: Some(row), headers: &[] };
    let batch = decode_messages(&mut decoder, "shop.items", 0, &[message]);
    assert_eq!(after(only(&batch)), row);
    assert_eq!(causes(&mut decoder), [""; 0]);
}

#[test]
fn rows_by_key_keep_their_schema_where_the_key_alone_has_its_columns() {
    let value = r#"{"schema":{"type":"struct","fields":[{"type":"int32","field":"n"}]},"payload":{"n":5}}"#;
    let batch = decode_one(options(ChangeEvents::Upsert, &[]), Some(r#"{"id":1}"#), value);
    let change = only(&batch).change().unwrap();
    assert_eq!(to_json(change.after_value()), r#"{"id":1,"n":5}"#);
    assert!(change.row_schema().is_some_and(|schema| schema.get("n").is_some()));
}
