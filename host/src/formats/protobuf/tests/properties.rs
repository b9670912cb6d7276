//! Any message that another library encodes is decoded to its values, and no bytes do harm.

use std::{collections::HashMap, fmt::Write as _};

use proptest::prelude::*;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value as ProtoValue,
};
use tidegate_abi::{host::WithMemory, value::write_json_string};

use super::{Decoder, ProgramBorrows, SCHEMA, descriptor, first};
use crate::formats::protobuf::compile::fields;

/// A message with random fields.
fn message(descriptor: &MessageDescriptor, random: &mut fastrand::Rng, depth: u32) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if random.bool() || depth > 3 {
            continue;
        }
        let count = random.usize(0..4);
        let value = if field.is_map() {
            let Kind::Message(entry) = field.kind() else { continue };
            let mut map = HashMap::new();
            for _ in 0..count {
                let key = match entry.map_entry_key_field().kind() {
                    Kind::String => MapKey::String(text(random)),
                    _ => MapKey::I32(random.i32(..)),
                };
                map.insert(key, value(&entry.map_entry_value_field(), random, depth));
            }
            ProtoValue::Map(map)
        } else if field.is_list() {
            ProtoValue::List((0..count).map(|_| value(&field, random, depth)).collect())
        } else {
            value(&field, random, depth)
        };
        message.set_field(&field, value);
    }
    message
}

fn text(random: &mut fastrand::Rng) -> String {
    (0..random.usize(0..4)).map(|_| random.char(..)).collect()
}

fn value(field: &FieldDescriptor, random: &mut fastrand::Rng, depth: u32) -> ProtoValue {
    // All lengths of varints.
    let bits = random.u64(..) >> random.u32(0..64);
    match field.kind() {
        Kind::Double => ProtoValue::F64(f64::from_bits(random.u64(..))),
        Kind::Float => ProtoValue::F32(f32::from_bits(random.u32(..))),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => ProtoValue::I32(bits as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => ProtoValue::I64(bits as i64),
        Kind::Uint32 | Kind::Fixed32 => ProtoValue::U32(bits as u32),
        Kind::Uint64 | Kind::Fixed64 => ProtoValue::U64(bits),
        Kind::Bool => ProtoValue::Bool(random.bool()),
        Kind::String => ProtoValue::String(text(random)),
        Kind::Bytes => ProtoValue::Bytes(text(random).into_bytes().into()),
        Kind::Enum(_) => ProtoValue::EnumNumber(random.i32(-1..3)),
        Kind::Message(descriptor) => ProtoValue::Message(message(&descriptor, random, depth + 1)),
    }
}

/// What the message has to be as JSON, by the documentation and not by our decoder.
fn expected(message: &DynamicMessage, out: &mut String) {
    match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => return timestamp(message, out),
        "google.protobuf.Int64Value" => {
            let value = message.get_field_by_number(1).unwrap();
            write!(out, "{}", value.as_i64().unwrap()).unwrap();
            return;
        }
        "google.protobuf.Value" => return json_value(message, out),
        "google.protobuf.Struct" => {
            let fields = message.get_field_by_number(1).unwrap();
            return map(&fields, out);
        }
        "google.protobuf.ListValue" => {
            let values = message.get_field_by_number(1).unwrap();
            return list(&values, None, out);
        }
        _ => {}
    }
    out.push('{');
    for (at, field) in fields(&message.descriptor()).iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_json_string(out, field.name()).unwrap();
        out.push(':');
        let value = message.get_field(field);
        if field.is_map() {
            map(&value, out);
        } else if field.is_list() {
            list(&value, Some(field), out);
        } else if field.supports_presence() && !message.has_field(field) {
            out.push_str("null");
        } else {
            single(&value, Some(field), out);
        }
    }
    out.push('}');
}

fn timestamp(message: &DynamicMessage, out: &mut String) {
    let seconds = message.get_field_by_number(1).unwrap().as_i64().unwrap();
    let nanos = message.get_field_by_number(2).unwrap().as_i32().unwrap();
    match u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000) {
        Some(nanoseconds) => {
            let timestamp = tidegate_abi::Timestamp { seconds, nanoseconds, offset_seconds: Some(0) };
            tidegate_abi::Value::timestamp(timestamp).write_json(out).unwrap();
        }
        None => write!(out, "{{\"seconds\":{seconds},\"nanos\":{nanos}}}").unwrap(),
    }
}

/// A `Value` has the field of a oneof.
fn json_value(message: &DynamicMessage, out: &mut String) {
    match message.fields().next() {
        None => out.push_str("null"),
        Some((field, _)) if field.name() == "null_value" => out.push_str("null"),
        Some((field, value)) => single(value, Some(&field), out),
    }
}

fn list(value: &ProtoValue, field: Option<&FieldDescriptor>, out: &mut String) {
    out.push('[');
    for (at, item) in value.as_list().unwrap().iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        single(item, field, out);
    }
    out.push(']');
}

/// Maps are compared in the order of the encoder, which is any: one entry at most is generated for them.
fn map(value: &ProtoValue, out: &mut String) {
    let entries = value.as_map().unwrap();
    let has_text = entries.keys().all(|key| matches!(key, MapKey::String(_)));
    out.push(if has_text { '{' } else { '[' });
    for (key, value) in entries {
        match key {
            MapKey::String(key) => {
                write_json_string(out, key).unwrap();
                out.push(':');
                single(value, None, out);
            }
            MapKey::I32(key) => {
                write!(out, "[{key},").unwrap();
                single(value, None, out);
                out.push(']');
            }
            _ => unreachable!(),
        }
    }
    out.push(if has_text { '}' } else { ']' });
}

fn single(value: &ProtoValue, field: Option<&FieldDescriptor>, out: &mut String) {
    use tidegate_abi::Value;
    let plain = match value {
        ProtoValue::Message(message) => return expected(message, out),
        ProtoValue::EnumNumber(number) => {
            let Some(Kind::Enum(symbols)) = field.map(FieldDescriptor::kind) else { unreachable!() };
            match symbols.get_value(*number) {
                Some(symbol) => return write_json_string(out, symbol.name()).unwrap(),
                None => Value::int((*number).into()),
            }
        }
        ProtoValue::Bool(value) => Value::bool(*value),
        ProtoValue::I32(value) => Value::int((*value).into()),
        ProtoValue::I64(value) => Value::int(*value),
        ProtoValue::U32(value) => Value::int((*value).into()),
        ProtoValue::U64(value) => return write!(out, "{value}").unwrap(),
        // The shortest text of the float, read as a double.
        ProtoValue::F32(value) => Value::float(format!("{value:e}").parse().unwrap()),
        ProtoValue::F64(value) => Value::float(*value),
        ProtoValue::String(text) => return write_json_string(out, text).unwrap(),
        ProtoValue::Bytes(bytes) => return Value::bytes(bytes).write_json(out).unwrap(),
        ProtoValue::List(_) | ProtoValue::Map(_) => unreachable!(),
    };
    plain.write_json(out).unwrap();
}

/// An empty map of numbers is a list, which [`map`] cannot see.
fn has_several_entries(message: &DynamicMessage) -> bool {
    message.fields().any(|(_, value)| match value {
        ProtoValue::Map(entries) => entries.len() > 1 || entries.values().any(nested_has_several),
        ProtoValue::List(items) => items.iter().any(nested_has_several),
        value => nested_has_several(value),
    })
}

fn nested_has_several(value: &ProtoValue) -> bool {
    matches!(value, ProtoValue::Message(message) if has_several_entries(message))
}

#[test]
fn messages_of_another_encoder_are_decoded_to_their_values() {
    let decoder = Decoder::new(SCHEMA);
    let all = descriptor(SCHEMA, "t.All");
    let mut compared = 0;
    for seed in 0..3_000 {
        let message = message(&all, &mut fastrand::Rng::with_seed(seed), 0);
        if has_several_entries(&message) {
            continue;
        }
        let mut text = String::new();
        expected(&message, &mut text);
        // Of an empty map, only the field says what its keys are.
        let shown = decoder.show(&first(&message)).replace("\"numbered\":[]", "\"numbered\":{}");
        assert_eq!(shown, text, "seed {seed}");
        compared += 1;
    }
    assert!(compared > 500, "{compared}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_bytes_are_decoded_or_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        thread_local!(static DECODER: Decoder = Decoder::new(SCHEMA));
        let _shown = DECODER.with(|decoder| decoder.show(&[&[0][..], &bytes].concat()));
        let _shown = DECODER.with(|decoder| decoder.show(&bytes));
    }

    #[test]
    fn any_damage_to_a_message_is_decoded_or_rejected(
        seed in any::<u64>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        thread_local!(static DECODER: Decoder = Decoder::new(SCHEMA));
        let message = message(&descriptor_once(), &mut fastrand::Rng::with_seed(seed), 0);
        let mut data = first(&message);
        let at = at.index(data.len());
        if cut {
            data.truncate(at);
        } else {
            data[at] = byte;
        }
        let _shown = DECODER.with(|decoder| decoder.show(&data));
    }

    #[test]
    fn any_text_is_a_schema_or_rejected(text in "(syntax|message|enum|oneof|map|=|;|\\{|\\}|<|>|int32|\"proto3\"|a|1| ){0,40}") {
        let schema = super::schema(&text);
        let compiled = WithMemory::<ProgramBorrows>::try_new(|arena| super::compile(&schema, arena));
        let _is_valid = compiled.is_ok();
    }
}

fn descriptor_once() -> MessageDescriptor {
    static DESCRIPTOR: std::sync::LazyLock<MessageDescriptor> =
        std::sync::LazyLock::new(|| descriptor(SCHEMA, "t.All"));
    DESCRIPTOR.clone()
}
