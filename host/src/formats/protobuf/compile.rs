//! Compiles the descriptors of a schema into a program.

use std::collections::HashMap;

use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value as ProtoValue,
};
use tidegate_abi::{Arena, Field, Value};

use super::{
    definition::Definitions,
    error::SchemaError,
    files,
    program::{EnumId, EnumType, FieldType, Label, MessageId, MessageType, Program, Type},
    well_known,
};
use crate::formats::registry::RegisteredSchema;

/// Compiles a registered schema.
///
/// # Errors
/// When it cannot be used.
pub(crate) fn compile<'m>(schema: &RegisteredSchema, arena: Arena<'m>) -> Result<Program<'m>, SchemaError> {
    let file = files::compile(schema)?;
    let mut compiler = Compiler::new(arena);
    let mut open: Vec<MessageDescriptor> = file.messages().collect();
    let mut own = Vec::new();
    while let Some(message) = open.pop() {
        if !message.is_map_entry() {
            let id = compiler.message(&message);
            own.push((id, message.clone()));
        }
        open.extend(message.child_messages());
    }
    if own.is_empty() {
        return Err(SchemaError::Empty);
    }
    compiler.compile_open();
    let mut messages: Vec<MessageType<'m>> = compiler.messages.into_iter().flatten().collect();
    let mut definitions = Definitions::new(arena);
    for (id, descriptor) in &own {
        if let Some(message) = messages.get_mut(*id as usize) {
            message.schema = definitions.schema(descriptor);
        }
    }
    Ok(Program {
        messages,
        enums: compiler.enums,
        by_indexes: own.iter().map(|(id, message)| (indexes(message), *id)).collect(),
        by_name: names(&own, file.package_name()),
    })
}

/// Messages by their names within the package, and nested ones by their own names as well, which are all that Apicurio's
/// serializers write, if no other message has this name.
fn names(own: &[(MessageId, MessageDescriptor)], package: &str) -> HashMap<Box<str>, MessageId> {
    let within = |name: &str| -> Box<str> {
        name.strip_prefix(package).map_or(name, |rest| rest.trim_start_matches('.')).into()
    };
    let mut found: HashMap<Box<str>, MessageId> =
        own.iter().map(|(id, message)| (within(message.full_name()), *id)).collect();
    let mut nested: HashMap<&str, Option<MessageId>> = HashMap::new();
    for (id, message) in own.iter().filter(|(_, message)| message.parent_message().is_some()) {
        nested.entry(message.name()).and_modify(|of_several| *of_several = None).or_insert(Some(*id));
    }
    for (name, id) in nested.into_iter().filter_map(|(name, id)| Some((name, id?))) {
        found.entry(name.into()).or_insert(id);
    }
    found
}

/// The place of a message in its file, and of each message around it in the one around that.
fn indexes(message: &MessageDescriptor) -> Box<[i32]> {
    // A path has the number of a field of the descriptor in front of each index.
    message.path().iter().skip(1).step_by(2).copied().collect()
}

struct Compiler<'m> {
    arena: Arena<'m>,
    /// Filled in before the compiler returns.
    messages: Vec<Option<MessageType<'m>>>,
    enums: Vec<EnumType<'m>>,
    message_ids: HashMap<String, MessageId>,
    enum_ids: HashMap<String, EnumId>,
    /// Messages that have an id and are not compiled yet.
    open: Vec<(MessageId, MessageDescriptor)>,
}

impl<'m> Compiler<'m> {
    fn new(arena: Arena<'m>) -> Self {
        Self {
            arena,
            messages: Vec::new(),
            enums: Vec::new(),
            message_ids: HashMap::new(),
            enum_ids: HashMap::new(),
            open: Vec::new(),
        }
    }

    /// The id of a message, which is compiled later: messages may be nested to any depth.
    fn message(&mut self, message: &MessageDescriptor) -> MessageId {
        if let Some(id) = self.message_ids.get(message.full_name()) {
            return *id;
        }
        let id = self.messages.len() as MessageId;
        self.messages.push(None);
        self.message_ids.insert(message.full_name().to_owned(), id);
        self.open.push((id, message.clone()));
        id
    }

    fn compile_open(&mut self) {
        while let Some((id, message)) = self.open.pop() {
            let compiled = self.compile(&message);
            if let Some(slot) = self.messages.get_mut(id as usize) {
                *slot = Some(compiled);
            }
        }
    }

    fn compile(&mut self, message: &MessageDescriptor) -> MessageType<'m> {
        let descriptors = fields(message);
        let has = |name: &str| descriptors.iter().any(|field| field.name() == name);
        let is_change = has("op") && (has("before") || has("after"));
        let mut numbers: Vec<(u32, u32)> = Vec::with_capacity(descriptors.len());
        let mut compiled = Vec::with_capacity(descriptors.len());
        let mut initial = Vec::with_capacity(descriptors.len());
        let mut required = 0;
        let mut oneofs: HashMap<String, u32> = HashMap::new();
        for (slot, field) in descriptors.iter().enumerate() {
            numbers.push((field.number(), slot as u32));
            let field_type = FieldType {
                name: self.arena.str(field.name()),
                ty: self.field_type(field),
                label: label(field),
                required: field.is_required().then(|| {
                    required += 1;
                    required - 1
                }),
                is_row: is_change && matches!(field.name(), "before" | "after"),
                // A field that is `optional` in proto3 is in a oneof of its own, which does not count.
                oneof: field.containing_oneof().filter(|oneof| !oneof.is_synthetic()).map(|oneof| {
                    let next = oneofs.len() as u32;
                    *oneofs.entry(oneof.full_name().to_owned()).or_insert(next)
                }),
            };
            initial.push(Field::new(field_type.name, initial_value(field, field_type.label, self.arena)));
            compiled.push(field_type);
        }
        numbers.sort_unstable();
        MessageType {
            name: self.arena.str(message.full_name()),
            well_known: well_known::of(message),
            required,
            oneofs: oneofs.len() as u32,
            fields: compiled,
            numbers,
            initial,
            is_row: has("__op") || has("__deleted"),
            schema: None,
        }
    }

    fn field_type(&mut self, field: &FieldDescriptor) -> Type {
        match field.kind() {
            Kind::Double => Type::Double,
            Kind::Float => Type::Float,
            Kind::Int32 => Type::Int32,
            Kind::Int64 => Type::Int64,
            Kind::Uint32 => Type::Uint32,
            Kind::Uint64 => Type::Uint64,
            Kind::Sint32 => Type::Sint32,
            Kind::Sint64 => Type::Sint64,
            Kind::Fixed32 => Type::Fixed32,
            Kind::Fixed64 => Type::Fixed64,
            Kind::Sfixed32 => Type::Sfixed32,
            Kind::Sfixed64 => Type::Sfixed64,
            Kind::Bool => Type::Bool,
            Kind::String => Type::Text,
            Kind::Bytes => Type::Bytes,
            Kind::Enum(symbols) if is_null(&symbols) => Type::Null,
            Kind::Enum(symbols) => Type::Enum(self.enumeration(&symbols)),
            Kind::Message(message) if field.is_group() => Type::Group(self.message(&message)),
            Kind::Message(message) => Type::Message(self.message(&message)),
        }
    }

    fn enumeration(&mut self, descriptor: &EnumDescriptor) -> EnumId {
        if let Some(id) = self.enum_ids.get(descriptor.full_name()) {
            return *id;
        }
        let id = self.enums.len() as EnumId;
        self.enum_ids.insert(descriptor.full_name().to_owned(), id);
        let values = descriptor.enum_descriptor_proto().value.iter();
        let mut symbols: Vec<(i32, &'m str)> =
            values.map(|value| (value.number(), self.arena.str(value.name()))).collect();
        // Stable: of several symbols with one number, the first stays.
        symbols.sort_by_key(|(number, _)| *number);
        symbols.dedup_by_key(|(number, _)| *number);
        self.enums.push(EnumType { name: self.arena.str(descriptor.full_name()), symbols });
        id
    }
}

/// The fields of a message in the order of the schema.
pub(super) fn fields(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let declared = &message.descriptor_proto().field;
    declared.iter().filter_map(|field| message.get_field(u32::try_from(field.number()).ok()?)).collect()
}

fn label(field: &FieldDescriptor) -> Label {
    match map_entry(field) {
        Some((key, _)) => Label::Map { is_struct: key.kind() == Kind::String },
        None if field.cardinality() == Cardinality::Repeated => Label::Repeated,
        None => Label::Single,
    }
}

/// Key and value of a map: one that is declared so, or a list of messages as Confluent's `ProtobufConverter` writes Connect's maps,
/// which it recognises by the same names.
pub(super) fn map_entry(field: &FieldDescriptor) -> Option<(FieldDescriptor, FieldDescriptor)> {
    if field.cardinality() != Cardinality::Repeated {
        return None;
    }
    let Kind::Message(entry) = field.kind() else { return None };
    let may_be_entry = entry.is_map_entry() || entry.name().ends_with("Entry");
    if !may_be_entry || entry.fields().len() != 2 {
        return None;
    }
    let (key, value) = (entry.get_field(1)?, entry.get_field(2)?);
    let is_single = |field: &FieldDescriptor| field.cardinality() != Cardinality::Repeated;
    let begins_with_key = entry.descriptor_proto().field.first().is_some_and(|field| field.number() == 1);
    let has_names = key.name() == "key" && value.name() == "value";
    (begins_with_key && has_names && is_single(&key) && is_single(&value)).then_some((key, value))
}

/// The value of a field that does not occur.
fn initial_value<'m>(field: &FieldDescriptor, label: Label, arena: Arena<'m>) -> Value<'m> {
    match label {
        Label::Repeated | Label::Map { is_struct: false } => Value::list(&[]),
        Label::Map { is_struct: true } => Value::object(&[]),
        Label::Single if field.is_required() => Value::NULL,
        // Proto2 may declare a default; what may be missing without one is null.
        Label::Single
            if field.supports_presence() && field.field_descriptor_proto().default_value.is_none() =>
        {
            Value::NULL
        }
        Label::Single => default_value(field, arena),
    }
}

/// The default of a scalar field; null for a message.
pub(super) fn default_value<'m>(field: &FieldDescriptor, arena: Arena<'m>) -> Value<'m> {
    match field.default_value() {
        ProtoValue::Bool(value) => Value::bool(value),
        ProtoValue::I32(value) => Value::int(value.into()),
        ProtoValue::I64(value) => Value::int(value),
        ProtoValue::U32(value) => Value::int(value.into()),
        ProtoValue::U64(value) => unsigned(value),
        ProtoValue::F32(value) => Value::float(crate::formats::binary::widen(value)),
        ProtoValue::F64(value) => Value::float(value),
        ProtoValue::String(text) => arena.string(&text),
        ProtoValue::Bytes(bytes) => Value::bytes(arena.slice(&bytes)),
        ProtoValue::EnumNumber(number) => match field.kind() {
            Kind::Enum(symbols) if is_null(&symbols) => Value::NULL,
            Kind::Enum(symbols) => match symbols.get_value(number) {
                Some(symbol) => arena.string(symbol.name()),
                None => Value::int(number.into()),
            },
            _ => Value::NULL,
        },
        _ => Value::NULL,
    }
}

/// Whether an enum has nothing but JSON's null.
pub(super) fn is_null(symbols: &EnumDescriptor) -> bool {
    symbols.full_name() == "google.protobuf.NullValue"
}

/// A whole number without a sign.
pub(super) fn unsigned<'b>(number: u64) -> Value<'b> {
    i64::try_from(number).map_or(Value::uint(number), Value::int)
}
