//! Deletes, tombstones, added fields and headers, routing.

use super::*;

fn mode(mode: &str) -> Json {
    json!({ "delete.tombstone.handling.mode": mode })
}

fn with(mode: &str, more: &Json) -> Json {
    let mut config = json!({ "delete.tombstone.handling.mode": mode });
    for (name, value) in more.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    config
}

#[test]
fn tombstone_dropped_by_default() {
    assert_eq!(unwrapped(mode("drop"), &tombstone()), None);
    assert_eq!(unwrapped(json!({}), &tombstone()), None);
}

#[test]
fn tombstone_forward_configured() {
    assert_eq!(unwrapped(mode("tombstone"), &tombstone()), None);
}

#[test]
fn tombstone_rewrite_with_tombstone() {
    let seen = kept(mode("rewrite-with-tombstone"), &tombstone());
    assert_eq!((seen.key, seen.value, seen.event), (json!({ "id": 1 }), Json::Null, None));
}

#[test]
fn truncate_dropped_by_default() {
    for every in ["drop", "tombstone", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"] {
        assert_eq!(unwrapped(mode(every), &truncate()), None);
    }
}

#[test]
fn handle_delete_drop() {
    assert_eq!(unwrapped(mode("drop"), &delete()), None);
}

#[test]
fn handle_delete_none() {
    let seen = kept(mode("tombstone"), &delete());
    assert_eq!((&seen.key, &seen.value), (&json!({ "id": 1 }), &Json::Null));
    // A sink that applies events still deletes the row.
    assert_eq!(seen.event, Some(("DELETE".to_owned(), Json::Null, Json::Null)));
}

#[test]
fn handle_delete_rewrite() {
    let seen = kept(mode("rewrite"), &delete());
    assert_eq!(seen.value, json!({ "id": 1, "name": "myRecord", "__deleted": "true" }));
    let row = json!({ "id": 1, "name": "myRecord" });
    assert_eq!(seen.event, Some(("DELETE".to_owned(), row, Json::Null)));
}

#[test]
fn handle_create_rewrite() {
    let seen = kept(with("rewrite", &json!({ "add.headers": "op" })), &create());
    assert_eq!(seen.value, json!({ "id": 1, "name": "myRecord", "__deleted": "false" }));
    assert_eq!(seen.headers, [("__op".to_owned(), Some("c".to_owned()))]);
    let row = json!({ "id": 1, "name": "myRecord" });
    assert_eq!(seen.event, Some(("INSERT".to_owned(), Json::Null, row)));
}

#[test]
fn unwrap_create_record() {
    let seen = kept(mode("tombstone"), &create());
    assert_eq!(seen.value, json!({ "id": 1, "name": "myRecord" }));
}

#[test]
fn unwrap_create_record_with_optional_default_value() {
    let seen = kept(mode("tombstone"), &create_with_optional_null());
    assert_eq!(seen.value, json!({ "id": 1, "name": null }));
}

#[test]
fn ignore_unknown_record() {
    let seen = kept(mode("tombstone"), &plain());
    assert_eq!((seen.value, seen.event), (json!({ "id": 1 }), None));
}

#[test]
fn unwrap_propagates_record_headers() {
    let message =
        create().with_header("application/debezium-test-header", "shouldPropagatePreviousRecordHeaders");
    let seen = kept(mode("tombstone"), &message);
    assert_eq!(seen.value["id"], 1);
    assert_eq!(seen.headers.len(), 1);
    assert_eq!(seen.header("application/debezium-test-header"), Some("shouldPropagatePreviousRecordHeaders"));
}

#[test]
fn add_field() {
    assert_eq!(kept(with("tombstone", &json!({ "add.fields": "op" })), &create()).value["__op"], "c");
}

#[test]
fn add_timestamp() {
    let seen = kept(json!({ "add.fields": "ts_ms" }), &create());
    assert_eq!(seen.value["__ts_ms"], 1_710_032_523_000_i64);
    let seen = kept(json!({ "add.fields": "source.ts_ms" }), &create());
    assert_eq!(seen.value["__source_ts_ms"], 1_588_252_618_953_i64);
}

#[test]
fn add_fields() {
    let config = with("tombstone", &json!({ "add.fields": "op , lsn,id", "add.fields.prefix": "prefix." }));
    let seen = kept(config, &update());
    let added =
        json!({ "id": 1, "name": "updatedRecord", "prefix.op": "u", "prefix.lsn": 1234, "prefix.id": "571" });
    assert_eq!(seen.value, added);
}

#[test]
fn new_field_and_header_mapping() {
    let config = with(
        "tombstone",
        &json!({
            "add.fields": "op:OP, lsn:LSN, id:ID, source.lsn:source_lsn, transaction.total_order:TOTAL_ORDER",
            "add.fields.prefix": "",
            "add.headers": "op, source.lsn:source_lsn, transaction.id:TXN_ID, transaction.total_order:TOTAL_ORDER",
            "add.headers.prefix": "prefix.",
        }),
    );
    let seen = kept(config, &update());
    let added = json!({ "id": 1, "name": "updatedRecord", "OP": "u", "LSN": 1234, "ID": "571", "source_lsn": 1234, "TOTAL_ORDER": 42 });
    assert_eq!(seen.value, added);
    let headers = [("op", "u"), ("source_lsn", "1234"), ("TXN_ID", "571"), ("TOTAL_ORDER", "42")];
    assert_eq!(seen.headers, headers.map(|(name, value)| (format!("prefix.{name}"), Some(value.to_owned()))));
}

#[test]
fn add_fields_for_missing_optional_field() {
    let seen = kept(with("tombstone", &json!({ "add.fields": "op,lsn,id" })), &create());
    let added = json!({ "id": 1, "name": "myRecord", "__op": "c", "__lsn": 1234, "__id": null });
    assert_eq!(seen.value, added);
}

#[test]
fn add_fields_specify_struct() {
    let fields = json!({ "add.fields": "op,source.lsn,transaction.id,transaction.total_order" });
    let seen = kept(with("tombstone", &fields), &update());
    assert_eq!(seen.value["__op"], "u");
    assert_eq!(seen.value["__source_lsn"], 1234);
    assert_eq!(seen.value["__transaction_id"], "571");
    assert_eq!(seen.value["__transaction_total_order"], 42);
}

#[test]
fn add_headers() {
    let seen = kept(with("tombstone", &json!({ "add.headers": "op" })), &create());
    assert_eq!(seen.headers, [("__op".to_owned(), Some("c".to_owned()))]);
    let seen = kept(with("tombstone", &json!({ "add.headers": "op , lsn,id" })), &update());
    let expected = [("__op", "u"), ("__lsn", "1234"), ("__id", "571")];
    assert_eq!(seen.headers, expected.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))));
}

#[test]
fn add_headers_for_missing_optional_field() {
    let seen = kept(with("tombstone", &json!({ "add.headers": "op,lsn,id" })), &create());
    let expected = [("__op", Some("c")), ("__lsn", Some("1234")), ("__id", None)];
    assert_eq!(seen.headers, expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))));
}

#[test]
fn add_headers_specify_struct() {
    let headers = json!({
        "add.headers": "op,source.lsn,transaction.id,transaction.total_order", "add.headers.prefix": "prefix.",
    });
    let seen = kept(with("tombstone", &headers), &update());
    let expected =
        [("op", "u"), ("source_lsn", "1234"), ("transaction_id", "571"), ("transaction_total_order", "42")];
    assert_eq!(
        seen.headers,
        expected.map(|(name, value)| (format!("prefix.{name}"), Some(value.to_owned())))
    );
}

#[test]
fn topic_routing_field() {
    let config = || with("tombstone", &json!({ "route.by.field": "name" }));
    assert_eq!(kept(config(), &create()).topic, "myRecord");
    assert_eq!(kept(config(), &update()).topic, "updatedRecord");
    assert_eq!(kept(config(), &delete()).topic, "myRecord");
    assert_eq!(kept(config(), &create_with_optional_null()).topic, "dummy");
    let by = |column: &str| refused(json!({ "route.by.field": column }), &create());
    assert_eq!(by("id"), "column \"id\" is not text: route.by.field needs the name of a topic");
    assert_eq!(by("missing"), "the row has no column \"missing\", which route.by.field names");
}

#[test]
fn add_headers_handle_delete_rewrite_and_tombstone() {
    let config = with("rewrite-with-tombstone", &json!({ "add.headers": "op,source.lsn" }));
    let (seen, rejected) = Line::open(&config).pass(&[delete(), tombstone()]);
    assert_eq!(rejected, [] as [&str; 0]);
    assert_eq!(seen[0].value["__deleted"], "true");
    assert_eq!((seen[0].header("__op"), seen[0].header("__source_lsn")), (Some("d"), Some("1234")));
    assert_eq!((seen[1].header("__op"), &seen[1].value), (Some("d"), &Json::Null));
    assert_eq!(seen[1].headers.len(), 1);
}

#[test]
fn add_fields_handle_delete_rewrite() {
    let seen = kept(with("rewrite", &json!({ "add.fields": "op,lsn" })), &delete());
    let expected = json!({ "id": 1, "name": "myRecord", "__deleted": "true", "__op": "d", "__lsn": 1234 });
    assert_eq!(seen.value, expected);
    let seen = kept(with("rewrite", &json!({ "add.fields": "op,source.lsn" })), &delete());
    assert_eq!((&seen.value["__op"], &seen.value["__source_lsn"]), (&json!("d"), &json!(1234)));
}

#[test]
fn add_fields_handle_delete_rewrite_and_tombstone() {
    let config = with("rewrite-with-tombstone", &json!({ "add.fields": "op,lsn" }));
    let (seen, _) = Line::open(&config).pass(&[delete(), tombstone()]);
    let expected = json!({ "id": 1, "name": "myRecord", "__deleted": "true", "__op": "d", "__lsn": 1234 });
    assert_eq!((&seen[0].value, &seen[1].value), (&expected, &Json::Null));
}

#[test]
fn schema_change_event_with_operation_header() {
    let seen = kept(with("tombstone", &json!({ "add.headers": "op" })), &plain());
    assert_eq!((seen.value, seen.headers), (json!({ "id": 1 }), vec![]));
}

#[test]
fn new_not_default_field() {
    let config = with(
        "tombstone",
        &json!({
            "add.fields": "notExisting,op:OP, lsn:LSN, id:ID, source.lsn:source_lsn, transaction.total_order:TOTAL_ORDER, changes:META_SRC_CHANGED",
            "add.fields.prefix": "",
        }),
    );
    let expected = json!({
        "id": 1, "name": "updatedRecord", "OP": "u", "LSN": 1234, "ID": "571", "source_lsn": 1234, "TOTAL_ORDER": 42,
        "META_SRC_CHANGED": ["name"],
    });
    assert_eq!(kept(config, &update_with_changed_fields()).value, expected);
}

#[test]
fn field_not_exists() {
    let config = with(
        "tombstone",
        &json!({ "add.fields": "op:OP, notExist:META_SRC_CHANGED", "add.fields.prefix": "" }),
    );
    let expected = json!({ "id": 1, "name": "updatedRecord", "OP": "u" });
    assert_eq!(kept(config, &update_with_changed_fields()).value, expected);
}

#[test]
fn envelope_timestamp_fields_handled_correctly() {
    let fields = "source.table:META_SRC_TABLENAME,source.ts_ms:META_SRC_TS_MS,source.ts_us:META_SRC_TS_US,source.ts_ns:META_SRC_TS_NS,\
                  ts_ms:META_TS_MS,ts_us:META_TS_US,ts_ns:META_TS_NS,op:META_SRC_OP,source.scn:META_SRC_SCN,changes:META_SRC_CHANGES";
    let times = json!({
        "source": { "ts_us": 1_588_252_618_953_000_i64, "ts_ns": 1_588_252_618_953_000_000_i64 },
        "ts_us": 1_710_032_523_000_123_i64, "ts_ns": 1_710_032_523_000_123_456_i64,
    });
    let message = event(Names::Optional, "c", Json::Null, json!({ "id": 1, "name": null }), &times);
    let seen = kept(with("rewrite", &json!({ "add.fields": fields })), &message);
    let expected = json!({
        "id": 1, "name": "default_str", "__deleted": "false",
        "__META_SRC_TABLENAME": "test_table", "__META_SRC_TS_MS": 1_588_252_618_953_i64,
        "__META_SRC_TS_US": 1_588_252_618_953_000_i64, "__META_SRC_TS_NS": 1_588_252_618_953_000_000_i64,
        "__META_TS_MS": 1_710_032_523_000_i64, "__META_TS_US": 1_710_032_523_000_123_i64,
        "__META_TS_NS": 1_710_032_523_000_123_456_i64, "__META_SRC_OP": "c",
    });
    assert_eq!(seen.value, expected);
}

#[test]
fn add_headers_for_non_envelope_record() {
    let seen = kept(json!({ "add.headers": "op,source.lsn" }), &heartbeat());
    assert_eq!((seen.value, seen.headers), (json!({ "ts_ms": 5 }), vec![]));
    assert_eq!(seen.event.map(|event| event.0), Some("MESSAGE".to_owned()));
}

#[test]
fn unwrap_create_record_rewrite_with_optional_default_value() {
    let config = with("rewrite", &json!({ "replace.null.with.default": false }));
    assert_eq!(kept(config, &create_with_optional_null()).value["name"], Json::Null);
    let seen = kept(mode("rewrite"), &create_with_optional_null());
    assert_eq!(seen.value["name"], "default_str");
}

#[test]
fn delete_rewrite_to_tombstone_and_drop_actual_tombstone() {
    let (seen, _) = Line::open(&mode("delete-to-tombstone")).pass(&[delete(), tombstone()]);
    assert_eq!((seen.len(), &seen[0].value), (1, &Json::Null));
}

#[test]
fn the_older_options_have_the_defaults_that_they_had() {
    let after = |config: Json| {
        let (seen, _) = Line::open(&config).pass(&[delete(), tombstone()]);
        seen.into_iter().map(|seen| seen.value).collect::<Vec<_>>()
    };
    let rewritten = json!({ "id": 1, "name": "myRecord", "__deleted": "true" });
    assert_eq!(after(json!({ "drop.tombstones": true })), [] as [Json; 0]);
    assert_eq!(after(json!({ "drop.tombstones": "false" })), [Json::Null]);
    assert_eq!(after(json!({ "delete.handling.mode": "drop" })), [] as [Json; 0]);
    assert_eq!(after(json!({ "delete.handling.mode": "none" })), [Json::Null]);
    assert_eq!(after(json!({ "delete.handling.mode": "rewrite" })), std::slice::from_ref(&rewritten));
    let both = json!({ "delete.handling.mode": "rewrite", "drop.tombstones": false });
    assert_eq!(after(both), [rewritten, Json::Null]);
}

#[test]
fn fields_of_the_rows_can_be_added() {
    let fields = json!({ "add.fields": ["before.name", "after.name:new"], "add.fields.prefix": "" });
    let expected =
        json!({ "id": 1, "name": "updatedRecord", "before_name": "myRecord", "new": "updatedRecord" });
    assert_eq!(kept(fields.clone(), &update()).value, expected);
    assert_eq!(kept(fields, &create()).value["before_name"], Json::Null);
}

#[test]
fn a_name_that_is_a_column_already_rejects_the_record() {
    let reason = refused(json!({ "add.fields": "op:name", "add.fields.prefix": "" }), &create());
    assert!(reason.starts_with("the row has a column \"name\" already"), "{reason}");
}

#[test]
fn a_delete_without_the_old_row_keeps_its_key() {
    let message = event(Names::Required, "d", Json::Null, Json::Null, &json!({})).with_key();
    let seen = kept(mode("rewrite"), &message);
    assert_eq!(seen.value, json!({ "id": 1, "__deleted": "true" }));
    assert_eq!(seen.event, Some(("DELETE".to_owned(), json!({ "id": 1 }), Json::Null)));
}
