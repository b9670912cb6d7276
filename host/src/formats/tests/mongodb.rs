//! Events of MongoDB: documents become rows, keys their `_id`.

use tidegate_abi::{Operation, ValueRef, host::Batch};

use super::{Message, decode_messages, json_decoder, only, to_json, with_hints};
use crate::formats::{ColumnHint, Hints};

const SOURCE: &str = r#"{"version":"3.6.3.Final","connector":"mongodb","name":"app","ts_ms":1790000000000,"snapshot":"false","db":"app","collection":"carts","ord":1,"wallTime":1790000000000}"#;

/// A JSON text as JSON writes text.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn event(op: &str, before: Option<&str>, after: Option<&str>, rest: &str) -> String {
    let [before, after] = [before, after].map(|text| text.map_or("null".to_owned(), quoted));
    format!(r#"{{"before":{before},"after":{after},"source":{SOURCE},"op":"{op}","ts_ms":1{rest}}}"#)
}

fn key(id: &str) -> String {
    format!(r#"{{"id":{}}}"#, quoted(id))
}

fn read(key: &str, value: &str) -> Batch {
    let message = Message { key: Some(key), value: Some(value), headers: &[] };
    decode_messages(&mut json_decoder(), "app.app.carts", 0, &[message])
}

#[track_caller]
fn refusal(key: &str, value: &str) -> String {
    let batch = read(key, value);
    let [rejected] = batch.rejected() else { panic!("{value} was accepted") };
    rejected.reason.clone()
}

/// The document as it becomes a row, written as JSON.
fn row_of(document: &str) -> String {
    let batch = read(&key("1"), &event("c", None, Some(document), ""));
    to_json(only(&batch).change().unwrap().after_value())
}

const OID: &str = r#"{"$oid": "65a000000000000000000001"}"#;

#[test]
fn documents_become_rows_and_keys_their_id() {
    let document = format!(r#"{{"_id": {OID}, "items": 2, "note": "x", "a.b": 1, "$c": {{"d": null}}}}"#);
    let batch = read(&key(OID), &event("c", None, Some(&document), ""));
    let record = only(&batch);
    let change = record.change().unwrap();
    assert_eq!(
        (change.operation(), change.connector(), change.database()),
        (Operation::Create, "mongodb", "app")
    );
    assert_eq!((change.table(), change.schema()), ("carts", ""));
    let row = r#"{"_id":"65a000000000000000000001","items":2,"note":"x","a.b":1,"$c":{"d":null}}"#;
    assert_eq!(to_json(change.after_value()), row);
    assert_eq!(to_json(record.value().get("after").unwrap()), row, "the value shows the same row");
    assert_eq!(to_json(record.key()), r#"{"_id":"65a000000000000000000001"}"#);
    assert_eq!(change.key_columns().collect::<Vec<_>>(), ["_id"]);
}

#[test]
fn a_delete_has_the_key_of_its_row() {
    for (id, in_document) in [
        (OID, OID),
        ("1004", r#"{"$numberLong": "1004"}"#),
        ("7", "7"),
        (r#""abc""#, r#""abc""#),
        (r#""{\"a\": 1}""#, r#""{\"a\": 1}""#),
        ("1.5", r#"{"$numberDouble": "1.5"}"#),
        (r#"{"$date": "2020-01-01T00:00:00Z"}"#, r#"{"$date": 1577836800000}"#),
        (r#"{"a": {"$numberLong": "5"}, "b": [1]}"#, r#"{"a": 5, "b": [{"$numberInt": "1"}]}"#),
        (
            r#"{"$binary": {"base64": "AAECAwQFBgcICQoLDA0ODw==", "subType": "04"}}"#,
            r#"{"$binary": "AAECAwQFBgcICQoLDA0ODw==", "$type": "04"}"#,
        ),
    ] {
        let delete = read(&key(id), &event("d", None, None, ""));
        let insert = read(&key(id), &event("c", None, Some(&format!(r#"{{"_id": {in_document}}}"#)), ""));
        let (delete, insert) = (only(&delete), only(&insert));
        assert_eq!(delete.change().unwrap().operation(), Operation::Delete);
        let row_id = insert.change().unwrap().after().get("_id").unwrap();
        for record in [delete, insert] {
            let id = record.change().unwrap().key().get("_id").unwrap();
            assert_eq!(format!("{:?}", id.view()), format!("{:?}", row_id.view()));
        }
    }
}

#[test]
fn extended_json_is_typed_in_every_mode() {
    for (document, row) in [
        (r#"{"v": {"$oid": "65a00000000000000000000A"}}"#, r#"{"v":"65a00000000000000000000A"}"#),
        (r#"{"v": {"$date": "2024-02-29T11:14:15.123Z"}}"#, r#"{"v":"2024-02-29T11:14:15.123Z"}"#),
        (r#"{"v": {"$date": "2024-02-29T12:14:15.123+01:00"}}"#, r#"{"v":"2024-02-29T11:14:15.123Z"}"#),
        (r#"{"v": {"$date": 1709205255123}}"#, r#"{"v":"2024-02-29T11:14:15.123Z"}"#),
        (r#"{"v": {"$date": {"$numberLong": "1709205255123"}}}"#, r#"{"v":"2024-02-29T11:14:15.123Z"}"#),
        (r#"{"v": {"$date": {"$numberLong": "-62135596800001"}}}"#, r#"{"v":"0000-12-31T23:59:59.999Z"}"#),
        (r#"{"v": {"$date": {"$numberLong": "253402300800000"}}}"#, r#"{"v":"+10000-01-01T00:00:00Z"}"#),
        (r#"{"v": {"$numberLong": "9223372036854775807"}}"#, r#"{"v":9223372036854775807}"#),
        (r#"{"v": {"$numberInt": "-5"}}"#, r#"{"v":-5}"#),
        (r#"{"v": {"$numberDouble": "1.0"}}"#, r#"{"v":1.0}"#),
        (r#"{"v": {"$numberDouble": "NaN"}}"#, r#"{"v":"NaN"}"#),
        (r#"{"v": {"$numberDouble": "-Infinity"}}"#, r#"{"v":"-Infinity"}"#),
        (
            r#"{"v": NaN, "w": [Infinity, -Infinity, -1], "x": "NaN, \"Infinity"}"#,
            r#"{"v":"NaN","w":["Infinity","-Infinity",-1],"x":"NaN, \"Infinity"}"#,
        ),
        (r#"{"v": 0.30000000000000004}"#, r#"{"v":0.30000000000000004}"#),
        (r#"{"v": {"$numberDecimal": "1.20"}}"#, r#"{"v":1.20}"#),
        (
            r#"{"v": {"$numberDecimal": "-1234567890123456789012345678901234"}}"#,
            r#"{"v":-1234567890123456789012345678901234}"#,
        ),
        (r#"{"v": {"$numberDecimal": "1.2E+3"}}"#, r#"{"v":1200}"#),
        (r#"{"v": {"$numberDecimal": "5E-3"}}"#, r#"{"v":0.005}"#),
        (r#"{"v": {"$numberDecimal": "NaN"}}"#, r#"{"v":"NaN"}"#),
        (r#"{"v": {"$numberDecimal": "-Infinity"}}"#, r#"{"v":"-Infinity"}"#),
        (r#"{"v": {"$binary": {"base64": "aGk=", "subType": "00"}}}"#, r#"{"v":"aGk="}"#),
        (r#"{"v": {"$binary": "aGk=", "$type": "80"}}"#, r#"{"v":"aGk="}"#),
        (r#"{"v": {"$type": "00", "$binary": "aGk="}}"#, r#"{"v":"aGk="}"#),
        (
            r#"{"v": {"$binary": {"base64": "AAECAwQFBgcICQoLDA0ODw==", "subType": "04"}}}"#,
            r#"{"v":"00010203-0405-0607-0809-0a0b0c0d0e0f"}"#,
        ),
        (
            r#"{"v": {"$binary": {"base64": "AAECAwQFBgcICQoLDA0ODw==", "subType": "03"}}}"#,
            r#"{"v":"AAECAwQFBgcICQoLDA0ODw=="}"#,
        ),
        (
            r#"{"v": {"$uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f"}}"#,
            r#"{"v":"00010203-0405-0607-0809-0a0b0c0d0e0f"}"#,
        ),
        (r#"{"v": {"$symbol": "s"}}"#, r#"{"v":"s"}"#),
        (
            r#"{"v": {"$timestamp": {"t": 4294967295, "i": 1}}}"#,
            r#"{"v":{"$timestamp":{"t":4294967295,"i":1}}}"#,
        ),
        (
            r#"{"v": {"$regularExpression": {"pattern": "a", "options": "i"}}}"#,
            r#"{"v":{"$regularExpression":{"pattern":"a","options":"i"}}}"#,
        ),
        (r#"{"v": {"$regex": "a", "$options": "i"}}"#, r#"{"v":{"$regex":"a","$options":"i"}}"#),
        (
            r#"{"v": [{"$minKey": 1}, {"$maxKey": 1}, {"$undefined": true}]}"#,
            r#"{"v":[{"$minKey":1},{"$maxKey":1},{"$undefined":true}]}"#,
        ),
        (
            r#"{"v": {"$code": "f()", "$scope": {"n": {"$numberInt": "1"}}}}"#,
            r#"{"v":{"$code":"f()","$scope":{"n":1}}}"#,
        ),
        (
            r#"{"v": {"$ref": "c", "$id": {"$oid": "65a000000000000000000001"}}}"#,
            r#"{"v":{"$ref":"c","$id":"65a000000000000000000001"}}"#,
        ),
        // Nothing of what their names say.
        (r#"{"v": {"$oid": "short"}}"#, r#"{"v":{"$oid":"short"}}"#),
        (r#"{"v": {"$date": "yesterday"}}"#, r#"{"v":{"$date":"yesterday"}}"#),
        (r#"{"v": {"$numberLong": "1.5"}}"#, r#"{"v":{"$numberLong":"1.5"}}"#),
        (
            r#"{"v": {"$oid": "65a000000000000000000001", "x": 1}}"#,
            r#"{"v":{"$oid":"65a000000000000000000001","x":1}}"#,
        ),
        (r#"{"v": {"scale": 1, "value": "aGk="}}"#, r#"{"v":{"scale":1,"value":"aGk="}}"#),
        (r#"{"v": [[{"a": {"$numberLong": "1"}}], []], "w": {}}"#, r#"{"v":[[{"a":1}],[]],"w":{}}"#),
        (r#"{"v": "__debezium_unavailable_value"}"#, r#"{"v":"__debezium_unavailable_value"}"#),
    ] {
        assert_eq!(row_of(document), row, "{document}");
    }
}

#[test]
fn kinds_are_those_that_sinks_know() {
    let document = r#"{"at": {"$date": 0}, "n": {"$numberDecimal": "1.5"}, "f": 1e5, "u": {"$uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f"}, "b": {"$binary": {"base64": "aGk=", "subType": "0"}}}"#;
    let batch = read(&key("1"), &event("r", None, Some(document), ""));
    let row = only(&batch).change().unwrap().after();
    let of = |name: &str| row.get(name).unwrap().view();
    assert!(matches!(of("at"), ValueRef::Timestamp(at) if at.offset_seconds == Some(0) && at.seconds == 0));
    assert!(matches!(of("n"), ValueRef::Decimal(_)));
    assert!(matches!(of("f"), ValueRef::Float(float) if float == 1e5));
    assert!(matches!((of("u"), of("b")), (ValueRef::Uuid(_), ValueRef::Bytes(b"hi"))));
}

#[test]
fn updates_with_the_document_apply_with_and_without_the_one_before() {
    let rest = r#","updateDescription":{"removedFields":null,"updatedFields":"{\"items\": 3}","truncatedArrays":null}"#;
    for before in [None, Some(r#"{"_id": 1, "items": 2}"#)] {
        let batch = read(&key("1"), &event("u", before, Some(r#"{"_id": 1, "items": 3}"#), rest));
        let change = only(&batch).change().unwrap();
        assert_eq!(change.operation(), Operation::Update);
        assert_eq!(to_json(change.after_value()), r#"{"_id":1,"items":3}"#);
        assert_eq!(change.before().len(), before.map_or(0, |_| 2));
    }
    let batch = read(&key("1"), &event("d", Some(r#"{"_id": 1, "items": 3}"#), None, ""));
    assert_eq!(to_json(only(&batch).change().unwrap().before_value()), r#"{"_id":1,"items":3}"#);
}

#[test]
fn updates_without_the_document_are_refused_with_the_setting_to_change() {
    let rest = r#","updateDescription":{"removedFields":["b"],"updatedFields":"{\"items\": 3}","truncatedArrays":null}"#;
    let reason = refusal(&key("1"), &event("u", None, None, rest));
    assert_eq!(
        reason,
        "MongoDB update without the document: `after` is null, and `updateDescription` only says what changed; set \
         capture.mode to change_streams_update_full in the connector, and capture.mode.full.update.type to post_image if \
         documents may be deleted before the connector has looked them up"
    );
    let reason = refusal(&key("1"), &event("u", None, None, ""));
    assert!(reason.starts_with("broken change event: op \"u\" without a row: `after` is null"), "{reason}");
}

#[test]
fn what_is_no_document_is_refused_by_name() {
    for (document, reason) in [
        (r#"{"_id": 1"#, "MongoDB document in `after` is not JSON: unexpected end at byte 9"),
        ("", "MongoDB document in `after` is not JSON: empty payload at byte 0"),
        (r#"{"_id": nan}"#, "MongoDB document in `after` is not JSON: expected a value at byte 8"),
        ("[1]", "MongoDB document in `after` is a list; expected an object"),
        ("null", "MongoDB document in `after` is null; expected an object"),
    ] {
        assert_eq!(refusal(&key("1"), &event("c", None, Some(document), "")), reason);
    }
    let number = event("c", None, None, "").replace(r#""after":null"#, r#""after":[{}]"#);
    assert_eq!(
        refusal(&key("1"), &number),
        "broken change event: `after` is a list; expected an object or null"
    );
    let batch = read(&key("{"), &event("d", None, None, ""));
    let [rejected] = batch.rejected() else { panic!("accepted") };
    assert_eq!(rejected.part, tidegate_abi::host::Part::Key);
    assert_eq!(rejected.reason, "MongoDB document in `id` is not JSON: unexpected end at byte 1");
    let message = Message { key: None, value: Some(&event("d", None, None, "")), headers: &[] };
    let batch = decode_messages(&mut json_decoder(), "t", 0, &[message]);
    assert!(batch.rejected()[0].reason.contains("op \"d\" without a row"), "{:?}", batch.rejected());
}

#[test]
fn a_document_that_breaks_off_leaves_nothing_behind() {
    let mut decoder = json_decoder();
    let broken = event("c", None, Some(r#"{"_id": 1, "list": [1, {"a": [2, "#), "");
    let whole = event("c", None, Some(r#"{"_id": 2, "list": [{"$numberInt": "7"}]}"#), "");
    let messages = [&broken, &whole].map(|value| Message { key: None, value: Some(value), headers: &[] });
    let batch = decode_messages(&mut decoder, "t", 0, &messages);
    assert_eq!(batch.rejected_count(), 1);
    let row = batch.record(0).unwrap().change().unwrap().after_value();
    assert_eq!(to_json(row), r#"{"_id":2,"list":[7]}"#);
}

#[test]
fn with_schemas_it_is_the_same() {
    let key_schema = r#"{"type":"struct","optional":false,"fields":[{"type":"string","optional":false,"field":"id"}],"name":"app.app.carts.Key"}"#;
    let json = |name: &str| {
        format!(
            r#"{{"type":"string","optional":true,"field":"{name}","name":"io.debezium.data.Json","version":1}}"#
        )
    };
    let schema = format!(
        r#"{{"type":"struct","optional":false,"name":"app.app.carts.Envelope","fields":[{},{},{{"type":"struct","optional":true,"field":"updateDescription","fields":[{}]}},{{"type":"struct","field":"source","fields":[{{"type":"string","field":"connector"}},{{"type":"string","field":"collection"}}]}},{{"type":"string","field":"op"}}]}}"#,
        json("before"),
        json("after"),
        json("updatedFields"),
    );
    let document = format!(r#"{{"_id": {OID}, "items": 2, "ratio": NaN}}"#);
    let payload = format!(
        r#"{{"before":null,"after":{},"updateDescription":{{"updatedFields":"{{\"ratio\": NaN}}"}},"source":{{"connector":"mongodb","collection":"carts"}},"op":"u"}}"#,
        quoted(&document)
    );
    let (key, value) = (
        format!(r#"{{"schema":{key_schema},"payload":{}}}"#, key(OID)),
        format!(r#"{{"schema":{schema},"payload":{payload}}}"#),
    );
    let batch = read(&key, &value);
    let record = only(&batch);
    let change = record.change().unwrap();
    assert_eq!(
        to_json(change.after_value()),
        r#"{"_id":"65a000000000000000000001","items":2,"ratio":"NaN"}"#
    );
    assert_eq!(to_json(record.key()), r#"{"_id":"65a000000000000000000001"}"#);
    assert!(
        record.key_schema().is_none() && record.value_schema().is_none() && change.row_schema().is_none()
    );
    assert_eq!(change.table(), "carts");
}

#[test]
fn hints_type_fields_of_documents() {
    let mut hints = Hints::default();
    hints.insert("carts.day", ColumnHint::Date).unwrap();
    let value = event("c", None, Some(r#"{"_id": 1, "day": 3, "more": {"scale": 1, "value": "aGk="}}"#), "");
    let message = Message { key: Some(r#"{"id":"1"}"#), value: Some(&value), headers: &[] };
    let batch = decode_messages(&mut with_hints(hints), "app.app.carts", 0, &[message]);
    let row = to_json(only(&batch).change().unwrap().after_value());
    assert_eq!(row, r#"{"_id":1,"day":"1970-01-04","more":{"scale":1,"value":"aGk="}}"#);
}

#[test]
fn other_sources_keep_their_text() {
    let value = event("c", None, Some("{}"), "").replace("mongodb", "postgresql");
    assert_eq!(
        refusal(&key("1"), &value),
        "broken change event: `after` is text; expected an object or null"
    );
    let expanded =
        event("c", None, None, "").replace(r#""after":null"#, r#""after":{"_id":{"$numberLong":"5"}}"#);
    let batch = read(r#"{"id":{"$numberLong":"5"}}"#, &expanded);
    assert_eq!(to_json(only(&batch).change().unwrap().after_value()), r#"{"_id":5}"#);
    assert_eq!(to_json(only(&batch).key()), r#"{"_id":5}"#);
}
