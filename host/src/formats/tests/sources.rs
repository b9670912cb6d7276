//! Source blocks of Debezium's connectors: names, positions, and what is odd about some.

use tidegate_abi::Operation;

use super::{Message, decode_messages, json_decoder, only, refusal, to_json};

/// A source block as the connector sends it; database, schema and table; the position.
type Case = (&'static str, [&'static str; 3], Option<[u64; 4]>);

const SOURCES: [Case; 10] = [
    (
        r#"{"connector":"postgresql","name":"cdc","db":"shop","sequence":"[\"100\",\"120\"]","schema":"public","table":"t","txId":7,"lsn":120}"#,
        ["shop", "public", "t"],
        Some([100, 120, 0, 0]),
    ),
    (
        r#"{"connector":"mysql","name":"cdc","db":"shop","table":"t","server_id":1,"gtid":null,"file":"mysql-bin.000003","pos":484,"row":2}"#,
        ["shop", "", "t"],
        Some([3, 484, 2, 0]),
    ),
    (
        r#"{"connector":"mariadb","name":"cdc","db":"shop","table":"t","server_id":1,"gtid":"0-1-7","file":"mariadb-bin.000004","pos":9,"row":0}"#,
        ["shop", "", "t"],
        Some([4, 9, 0, 0]),
    ),
    (
        r#"{"connector":"sqlserver","name":"cdc","db":"shop","schema":"dbo","table":"t","change_lsn":"00000027:00000758:0003","commit_lsn":"00000027:00000758:0005","event_serial_no":1}"#,
        ["shop", "dbo", "t"],
        Some([0x27 << 32 | 0x758, 5 << 32 | 0x27, 0x758 << 16 | 3, 1]),
    ),
    (
        r#"{"connector":"oracle","name":"cdc","db":"ORCL","schema":"SHOP","table":"T","txId":"6.28.807","scn":"2122185","commit_scn":"2122190","ssn":4}"#,
        ["ORCL", "SHOP", "T"],
        Some([2_122_190, 2_122_185, 4, 0]),
    ),
    (
        r#"{"connector":"db2","name":"cdc","db":"SHOP","schema":"DB2INST1","table":"T","change_lsn":"00000000:00000000:0000000000004d80","commit_lsn":"00000000:00000000:0000000000004d8b"}"#,
        ["SHOP", "DB2INST1", "T"],
        Some([0, 0x4d8b, 0, 0x4d80]),
    ),
    (
        r#"{"connector":"informix","name":"cdc","db":"shop","schema":"informix","table":"t","commit_lsn":"77309411400","change_lsn":"77309411328","txId":"31"}"#,
        ["shop", "informix", "t"],
        Some([77_309_411_400, 77_309_411_328, 0, 0]),
    ),
    (
        r#"{"connector":"vitess","name":"cdc","db":"","keyspace":"shop","table":"t","shard":"-80","vgtid":"[{\"keyspace\":\"shop\",\"shard\":\"-80\",\"gtid\":\"MySQL56/a-b:1-40,c-d:1-2\",\"table_p_ks\":[]},{\"keyspace\":\"shop\",\"shard\":\"80-\",\"gtid\":\"MySQL56/e-f:1-9\",\"table_p_ks\":[]}]"}"#,
        ["shop", "", "t"],
        Some([42, 0, 0, 0]),
    ),
    (
        r#"{"connector":"spanner","name":"cdc","db":"","project_id":"p","instance_id":"i","database_id":"shop","table":"t","value_capture_type":"NEW_ROW","mod_number":0}"#,
        ["shop", "", "t"],
        None,
    ),
    (
        r#"{"connector":"TiCDC","name":"cdc","db":"shop","table":"t","server_id":0,"gtid":null,"file":"","pos":0,"row":0,"commit_ts":447984084414103554,"cluster_id":"default"}"#,
        ["shop", "", "t"],
        Some([447_984_084_414_103_554, 0, 0, 0]),
    ),
];

fn event(op: &str, after: &str, source: &str) -> String {
    format!(r#"{{"before":null,"after":{after},"source":{source},"op":"{op}","ts_ms":5}}"#)
}

#[test]
fn every_connector_gives_table_and_position() {
    for (source, names, words) in SOURCES {
        let value = event("u", r#"{"id":1}"#, source);
        let message = Message { key: Some(r#"{"id":1}"#), value: Some(&value), headers: &[] };
        let batch = decode_messages(&mut json_decoder(), "cdc.t", 0, &[message]);
        let record = only(&batch);
        let change = record.change().unwrap();
        assert_eq!([change.database(), change.schema(), change.table()], names, "{source}");
        assert_eq!(change.position().map(|position| position.words()), words, "{source}");
        assert_eq!(change.key_columns().collect::<Vec<_>>(), ["id"]);
    }
}

const CASSANDRA: &str = r#"{"connector":"cassandra","name":"cdc","db":"NULL","cluster":"c","file":"CommitLog-6-1706.log","pos":812,"keyspace":"shop","table":"t"}"#;

#[test]
fn cells_of_cassandra_become_rows() {
    let cell = |value: &str| format!(r#"{{"value":{value},"deletion_ts":null,"set":true}}"#);
    let row =
        |name: &str| format!(r#"{{"id":{},"name":{name},"_range_start":null,"_range_end":null}}"#, cell("1"));
    let mark = r#""__debezium_unavailable_value""#;
    for (op, after, shown) in [
        ("i", row(&cell("\"x\"")), r#"INSERT null {"id":1,"name":"x"}"#.to_owned()),
        ("i", row("null"), format!(r#"UPDATE null {{"id":1,"name":{mark}}}"#)),
        ("u", row(&cell("null")), r#"UPDATE null {"id":1,"name":null}"#.to_owned()),
        ("d", row("null"), r#"DELETE {"id":1} null"#.to_owned()),
    ] {
        let value = event(op, &after, CASSANDRA);
        let message = Message { key: Some(r#"{"id":1}"#), value: Some(&value), headers: &[] };
        let batch = decode_messages(&mut json_decoder(), "cdc.shop.t", 0, &[message]);
        let change = only(&batch).change().unwrap();
        let rows = [change.before_value(), change.after_value()].map(to_json);
        assert_eq!(format!("{} {} {}", change.operation(), rows[0], rows[1]), shown);
        assert_eq!((change.table(), change.position()), ("t", None));
        assert_eq!(change.position_text(), "CommitLog-6-1706.log:812");
    }
    let range = refusal(event("r", &row("null"), CASSANDRA).as_bytes());
    assert!(range.starts_with("Cassandra's range tombstone"), "{range}");
}

#[test]
fn updates_of_spanner_without_the_whole_row_are_refused() {
    let source = r#"{"connector":"spanner","table":"t","value_capture_type":"OLD_AND_NEW_VALUES"}"#;
    let reason = refusal(event("u", r#"{"id":1,"a":null}"#, source).as_bytes());
    assert!(reason.starts_with("Spanner update with the changed columns alone"), "{reason}");
    let value = event("c", r#"{"id":1,"a":2}"#, source);
    let batch = decode_messages(
        &mut json_decoder(),
        "t",
        0,
        &[Message { value: Some(&value), ..Message::default() }],
    );
    assert_eq!(only(&batch).change().unwrap().operation(), Operation::Create);
}
