//! The schemas that plugins see, from Protobuf's descriptors.

use std::collections::HashMap;

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use tidegate_abi::{Arena, FieldDef, Schema, SchemaDef, raw::Kind as ValueKind};

use super::{
    compile::{default_value, fields, is_null, map_entry},
    well_known::{self, WellKnown},
};
use crate::formats::schemas;

/// Messages within each other that get a schema.
const MAX_DEPTH: usize = 100;

/// Makes schemas of messages.
pub(super) struct Definitions<'m> {
    arena: Arena<'m>,
    /// Messages that are defined. One that is being defined has no schema yet, and none within itself.
    known: HashMap<String, Option<Schema<'m>>>,
    depth: usize,
}

impl<'m> Definitions<'m> {
    pub(super) fn new(arena: Arena<'m>) -> Self {
        Self { arena, known: HashMap::new(), depth: 0 }
    }

    /// The schema of a message; `None` for one that stands for a value.
    pub(super) fn schema(&mut self, message: &MessageDescriptor) -> Option<Schema<'m>> {
        if let Some(known) = self.known.get(message.full_name()) {
            return *known;
        }
        if well_known::of(message).is_some() || self.depth >= MAX_DEPTH {
            return None;
        }
        self.known.insert(message.full_name().to_owned(), None);
        self.depth += 1;
        let fields = fields(message).iter().map(|field| self.field(field.name(), field)).collect();
        self.depth -= 1;
        let definition = SchemaDef { id: 0, name: message.full_name().to_owned(), version: 0, fields };
        let schema = Some(schemas::create(definition, self.arena));
        self.known.insert(message.full_name().to_owned(), schema);
        schema
    }

    fn field(&mut self, name: &str, field: &FieldDescriptor) -> FieldDef<'m> {
        if field.cardinality() == Cardinality::Repeated {
            return self.collection(name, field);
        }
        let single = self.single(name, field);
        let default = default_value(field, self.arena);
        let has_default =
            field.field_descriptor_proto().default_value.is_some() || !field.supports_presence();
        FieldDef { default: (has_default && !default.is_null()).then_some(default), ..single }
    }

    /// A field as if it occurred once.
    fn single(&mut self, name: &str, field: &FieldDescriptor) -> FieldDef<'m> {
        let message = match field.kind() {
            Kind::Message(message) => Some(message),
            _ => None,
        };
        let well_known = message.as_ref().and_then(well_known::of);
        let digits = |name| well_known::parameter(field, name).and_then(|text| text.parse().ok());
        let is_decimal = matches!(well_known, Some(WellKnown::Decimal));
        FieldDef {
            name: name.to_owned(),
            semantic: message.as_ref().map(|message| message.full_name().to_owned()).unwrap_or_default(),
            kind: kind(&field.kind(), well_known),
            optional: field.supports_presence() && !field.is_required(),
            precision: is_decimal.then(|| digits("precision")).flatten(),
            scale: is_decimal
                .then(|| well_known::parameter(field, "scale").and_then(|text| text.parse().ok()))
                .flatten(),
            length: bits(&field.kind()),
            nested: message.and_then(|message| self.schema(&message)),
            default: None,
        }
    }

    /// A list, or a map as a struct or a list of pairs.
    fn collection(&mut self, name: &str, field: &FieldDescriptor) -> FieldDef<'m> {
        let (item, kind) = match map_entry(field) {
            Some((key, value)) => {
                let kind = if key.kind() == Kind::String { ValueKind::STRUCT } else { ValueKind::LIST };
                (self.single("value", &value), kind)
            }
            None => (self.single("item", field), ValueKind::LIST),
        };
        let item = FieldDef { optional: false, ..item };
        FieldDef {
            name: name.to_owned(),
            semantic: String::new(),
            kind,
            optional: false,
            precision: None,
            scale: None,
            length: None,
            nested: Some(schemas::create(
                SchemaDef { fields: vec![item], ..SchemaDef::default() },
                self.arena,
            )),
            default: None,
        }
    }
}

/// Bits of a whole number with a sign.
fn bits(kind: &Kind) -> Option<u32> {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Some(32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Some(64),
        _ => None,
    }
}

fn kind(kind: &Kind, well_known: Option<WellKnown>) -> ValueKind {
    match kind {
        Kind::Double | Kind::Float => ValueKind::FLOAT,
        Kind::Bool => ValueKind::BOOL,
        Kind::Enum(symbols) if is_null(symbols) => ValueKind::NULL,
        Kind::String | Kind::Enum(_) => ValueKind::STRING,
        Kind::Bytes => ValueKind::BYTES,
        Kind::Message(message) => match well_known {
            None => ValueKind::STRUCT,
            Some(WellKnown::Wrapper) => {
                fields(message).first().map_or(ValueKind::NULL, |value| self::kind(&value.kind(), None))
            }
            Some(well_known) => well_known.kind(),
        },
        _ => ValueKind::INT,
    }
}
