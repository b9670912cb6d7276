//! Fields that a header names are dropped.

use super::*;

const HEADER: &str = "drop-fields";

/// Values and keys after `id` and `name` were to be dropped.
fn dropped(compatible: bool, from_key: bool) -> Vec<(Json, Json)> {
    let config = json!({
        "delete.tombstone.handling.mode": "drop", "drop.fields.header.name": HEADER,
        "drop.fields.keep.schema.compatible": compatible, "drop.fields.from.key": from_key,
    });
    let messages = [
        create_with_optional_null(),
        create_with_optional_null().with_key(),
        update_with_optional_null(),
        update_with_optional_null().with_key(),
        delete(),
        tombstone(),
    ];
    let messages = messages.map(|message| message.with_header(HEADER, r#"["id","name"]"#));
    let (seen, rejected) = Line::open(&config).pass(&messages);
    assert_eq!(rejected, [] as [&str; 0]);
    seen.into_iter().map(|seen| (seen.key, seen.value)).collect()
}

fn expected(key: Json, value: Json) -> [(Json, Json); 4] {
    [(Json::Null, value.clone()), (key.clone(), value.clone()), (Json::Null, value.clone()), (key, value)]
}

#[test]
fn drop_fields_from_value_with_schema_compatibility() {
    assert_eq!(dropped(true, false), expected(json!({ "id": 1 }), json!({ "id": 1 })));
}

#[test]
fn drop_fields_from_value_without_schema_compatibility() {
    assert_eq!(dropped(false, false), expected(json!({ "id": 1 }), json!({})));
}

#[test]
fn drop_fields_from_value_and_key_with_schema_compatibility() {
    assert_eq!(dropped(true, true), expected(json!({ "id": 1 }), json!({ "id": 1 })));
}

#[test]
fn drop_fields_from_value_and_key_without_schema_compatibility() {
    assert_eq!(dropped(false, true), expected(json!({}), json!({})));
}

#[test]
fn the_header_may_have_other_notations_and_is_rejected_if_it_has_no_names() {
    let config = || json!({ "drop.fields.header.name": HEADER });
    let value = |header: &str| kept(config(), &create_with_optional_null().with_header(HEADER, header)).value;
    let json_converter = r#"{"schema":{"type":"array","items":{"type":"string"}},"payload":["name"]}"#;
    for header in [r#"["name"]"#, r#"[ "other" , "name" ]"#, "name", "other, name", json_converter] {
        assert_eq!(value(header), json!({ "id": 1 }), "{header}");
    }
    for header in ["null", "[]", "Name", ""] {
        assert_eq!(value(header), json!({ "id": 1, "name": null }), "{header}");
    }
    let reason = refused(config(), &create().with_header(HEADER, "17"));
    assert_eq!(reason, r#"header "drop-fields" does not hold a list of field names, such as ["a","b"]"#);
}

#[test]
fn without_a_schema_every_field_is_optional() {
    let value = json!({ "op": "c", "after": { "id": 1, "name": "x" }, "table": "t" }).to_string();
    let message = Message { value: Some(value), ..Message::default() }.with_header(HEADER, r#"["id"]"#);
    assert_eq!(kept(json!({ "drop.fields.header.name": HEADER }), &message).value, json!({ "name": "x" }));
}
