//! JSON Schemas to types, and what is decoded with them.

use std::sync::Arc;

use proptest::prelude::*;
use tidegate_abi::{
    Record,
    host::{Batch, Borrows, Decode, Decoded, Kept, NewRecord, Part, Rejection, WithMemory},
};

use super::{Program, SchemaError, compile, decode};
use crate::formats::{
    json::{MemoryBudget, Scratch},
    registry::{ReferencedSchema, RegisteredSchema, SchemaType},
};

struct ProgramBorrows;

impl Borrows for ProgramBorrows {
    type Of<'m> = Program<'m>;

    fn shorten<'s, 'm: 's>(program: &'s Program<'m>) -> &'s Program<'s> {
        program
    }
}

struct Decoder {
    program: Arc<WithMemory<ProgramBorrows>>,
    findings: usize,
}

impl Decode for Decoder {
    fn decode<'b>(
        &mut self,
        record: Record<'b>,
        arena: tidegate_abi::Arena<'b>,
        kept: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection> {
        let mut scratch = Scratch::default();
        let data = record.value_bytes().unwrap();
        scratch.budget = MemoryBudget::after_payloads([&[], data], 1 << 30).unwrap();
        let read = decode(kept.keep(&self.program).get(), data, arena, &mut scratch)
            .map_err(|error| Rejection::new(Part::Value, error.to_string()))?;
        self.findings = scratch.findings.iter().count();
        Ok(Decoded { value_schema: read.schema, ..Decoded::plain(tidegate_abi::Value::NULL, read.value) })
    }
}

fn registered(text: &str, references: &[(&str, &str)]) -> RegisteredSchema {
    let reference =
        |(name, text): &(&str, &str)| ReferencedSchema { name: (*name).into(), text: (*text).into() };
    RegisteredSchema {
        schema_type: Some(SchemaType::JsonSchema),
        text: text.to_owned(),
        references: references.iter().map(reference).collect(),
    }
}

fn compiled(schema: &RegisteredSchema) -> Result<Arc<WithMemory<ProgramBorrows>>, SchemaError> {
    Ok(Arc::new(WithMemory::try_new(|arena| compile(schema, arena))?))
}

fn program(text: &str) -> Result<Arc<WithMemory<ProgramBorrows>>, SchemaError> {
    compiled(&registered(text, &[]))
}

/// The value with its kinds, or why it is rejected; then the number of findings.
fn show(schema: &str, json: &str) -> (String, usize) {
    let mut decoder = Decoder { program: program(schema).unwrap(), findings: 0 };
    let mut batch = Batch::new();
    let slot = batch.slot(&"t".into(), 0, 1);
    let record = NewRecord { offset: 0, timestamp_ms: None, key: None, value: Some(json.as_bytes()) };
    batch.push(slot, record, std::iter::empty());
    batch.decode(&mut decoder);
    let shown = match batch.rejected().first() {
        Some(rejected) => format!("error: {}", rejected.reason),
        None => format!("{:?}", batch.records().next().unwrap().value()),
    };
    (shown, decoder.findings)
}

#[test]
fn what_connect_s_converter_says_is_typed() {
    let schema = r##"{"type":"object","title":"shop.Value","connect.version":3,"properties":{
        "at":{"oneOf":[{"type":"null"},{"type":"integer","title":"io.debezium.time.MicroTimestamp","connect.type":"int64"}],"connect.index":1},
        "price":{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.type":"bytes","connect.parameters":{"scale":"2"},"connect.index":0},
        "n":{"type":"integer","connect.type":"int8","default":5,"connect.index":2}}}"##;
    let (shown, findings) = show(schema, r#"{"price":"BNI=","at":1,"n":7}"#);
    assert!(shown.contains("12.34") && shown.contains("seconds: 0, nanoseconds: 1000"), "{shown}");
    assert_eq!(findings, 0);
    // As in JSON with a schema, what is missing is its default or null, and noted.
    let (shown, findings) = show(schema, r#"{"price":"BNI="}"#);
    assert!(shown.contains('5') && shown.to_lowercase().contains("null"), "{shown}");
    assert_eq!(findings, 2);
    let (shown, _) = show(schema, r#"{"price":"BNI=","n":300}"#);
    assert!(shown.ends_with("n: expected a whole number of 8 bits, found a longer one"), "{shown}");
    let program = program(schema).unwrap();
    let defined = program.get().schema().unwrap();
    let names: Vec<&str> = defined.fields().map(|field| field.name()).collect();
    assert_eq!((defined.name(), defined.version(), names), ("shop.Value", 3, vec!["price", "at", "n"]));
    let optional: Vec<bool> = defined.fields().map(|field| field.is_optional()).collect();
    assert_eq!(optional, [false, true, false]);
}

#[test]
fn other_values_stay_as_they_are_written() {
    let schema = r#"{"properties":{"i":{"type":"integer"},"s":{"type":"string","default":"x"},"list":{"type":"array","items":{"type":"number"}},
        "map":{"type":"object","additionalProperties":{"type":"integer"}}},"required":["i"]}"#;
    let plain = |json: &str| {
        let (shown, findings) = show(schema, json);
        assert_eq!((shown, findings), (show("true", json).0, 0));
    };
    plain(r#"{"i":1}"#);
    plain(r#"{"i":"text","s":5,"list":[1,"a",null],"map":{"a":"b"},"more":{}}"#);
    plain(r#"{"i":null,"s":null,"list":{},"map":[]}"#);
    plain("[1]");
    plain("null");
}

#[test]
fn references_lead_into_other_documents_and_back() {
    let references = [
        (
            "customer.json",
            r#"{"$id":"http://a.example/customer.json","properties":{"at":{"$ref":"types.json#/definitions/at"}}}"#,
        ),
        (
            "types.json",
            r#"{"definitions":{"at":{"type":"integer","connect.type":"int64","title":"io.debezium.time.Timestamp"},"a/b~c":true}}"#,
        ),
    ];
    let find = |reference: &str| {
        let text = format!(
            r#"{{"type":"object","$defs":{{"i":{{"$id":"https://x.example/inner"}},"a":{{"$anchor":"in"}}}},"properties":{{"x":{{"$ref":"{reference}"}}}}}}"#
        );
        compiled(&registered(&text, &references))
    };
    for reference in [
        "customer.json",
        "http://a.example/customer.json",
        "http://a.example/customer.json#/properties/at",
        "types.json#/definitions/a~1b~0c",
        "types.json#/definitions/a~1b%7E0c",
        "customer.json#/properties/at",
        "#",
        "https://x.example/inner",
        "#in",
        "#/properties/x",
    ] {
        let found = find(reference);
        let loops = reference == "#/properties/x";
        assert_eq!(found.is_err(), loops, "{reference}: {:?}", found.err());
    }
    // Two schemas have this last part.
    let two = [("a/common.json", "true"), ("b/common.json", "true")];
    let text = r#"{"properties":{"x":{"$ref":"http://y.example/common.json"}}}"#;
    assert!(compiled(&registered(text, &two)).is_err());
    assert!(compiled(&registered(&text.replace("http://y.example", "b"), &two)).is_ok());
    for reference in ["foo/", "nowhere.json", "#/nowhere", "types.json#/definitions/nowhere", "#nowhere"] {
        let error = find(reference).unwrap_err().to_string();
        assert_eq!(error, format!("x: the reference {reference:?} cannot be resolved"));
    }
}

#[test]
fn schemas_that_contain_themselves_end() {
    let tree = r##"{"type":"object","properties":{"value":{"type":"integer"},"children":{"type":"array","items":{"$ref":"#"}}}}"##;
    let (shown, _) = show(tree, r#"{"value":1,"children":[{"value":2,"children":[]}]}"#);
    assert_eq!(shown, show("true", r#"{"value":1,"children":[{"value":2,"children":[]}]}"#).0);
}

/// Parts that refer to each other twice: 30 levels would be a billion parts.
#[test]
fn schemas_that_multiply_end() {
    let level = |at: usize| {
        format!(
            r##""d{at}":{{"properties":{{"a":{{"$ref":"#/$defs/d{0}"}},"b":{{"$ref":"#/$defs/d{0}"}}}}}}"##,
            at + 1
        )
    };
    let levels: Vec<String> = (0..30).map(level).collect();
    let text =
        format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d30":{{"type":"integer"}}}}}}"##, levels.join(","));
    assert_eq!(show(&text, r#"{"a":{"b":1}}"#), show("true", r#"{"a":{"b":1}}"#));
}

#[test]
fn numbers_have_the_semantic_type_of_their_title() {
    let at = r#"{"type":"integer","title":"io.debezium.time.MicroTimestamp"}"#;
    assert!(show(at, "1").0.contains("nanoseconds: 1000"));
    let price = r#"{"type":"number","title":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"2"}}"#;
    assert_eq!(show(price, "12.34").0, "Decimal(12.34)");
}

#[test]
fn connect_s_maps_have_typed_keys_and_values() {
    let schema = r#"{"properties":{"m":{"connect.index":0,"connect.type":"map","type":"array","items":{"type":"object","properties":{
        "key":{"type":"integer","connect.type":"int32","connect.index":0},
        "value":{"type":"object","properties":{"at":{"type":"integer","connect.type":"int32","title":"io.debezium.time.Date","connect.index":0}},"connect.index":1}}}}}}"#;
    let (shown, findings) = show(schema, r#"{"m":[{"key":1,"value":{"at":1}},{"value":{"at":2},"key":2}]}"#);
    assert!(shown.contains("List([Int(1), Struct(Struct([at: Date(Date { days: 1 })]))])"), "{shown}");
    assert!(shown.contains("List([Int(2), Struct(Struct([at: Date(Date { days: 2 })]))])"), "{shown}");
    assert_eq!(findings, 0);
    for wrong in [
        "[null]",
        "[1]",
        r#"[{"key":1}]"#,
        r#"[{"key":1,"value":{"at":1},"more":1}]"#,
        r#"[{"key":1,"values":1}]"#,
    ] {
        let (shown, _) = show(schema, &format!(r#"{{"m":{wrong}}}"#));
        assert!(shown.starts_with("error: "), "{wrong}: {shown}");
    }
}

proptest! {
    #[test]
    fn any_json_is_decoded_with_any_schema_of_its_kind(json in json(), schema in json()) {
        if let Ok(_program) = program(&schema.to_string()) {
            let (shown, _) = show(&schema.to_string(), &json.to_string());
            prop_assert!(!shown.is_empty());
        }
    }
}

/// JSON that uses the words of JSON Schema.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let word = prop::sample::select(vec![
        "type",
        "properties",
        "items",
        "oneOf",
        "$ref",
        "#",
        "object",
        "array",
        "integer",
        "null",
        "connect.type",
        "int8",
        "map",
        "bytes",
        "key",
        "value",
        "additionalProperties",
        "required",
        "default",
        "enum",
        "title",
        "#/properties/type",
        "io.debezium.time.Date",
        "connect.index",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        word.clone().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((word.clone(), inner), 0..5).prop_map(|fields| {
                fields.into_iter().map(|(name, json)| (name.to_owned(), json)).collect()
            }),
        ]
    })
}
