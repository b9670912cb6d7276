//! A compiled schema: how the fields of its messages are encoded, and what they become.

use std::collections::HashMap;

use tidegate_abi::{Field, Schema};

use super::well_known::WellKnown;

/// The messages of a schema and of its imports.
#[derive(Debug)]
pub(crate) struct Program<'m> {
    pub(super) messages: Vec<MessageType<'m>>,
    pub(super) enums: Vec<EnumType<'m>>,
    /// Messages of the schema itself by their indexes: place in the file, or in the message around.
    pub(super) by_indexes: HashMap<Box<[i32]>, MessageId>,
    /// Messages of the schema itself by their names within the package, and by their own names if these are unique.
    pub(super) by_name: HashMap<Box<str>, MessageId>,
}

impl Program<'_> {
    /// Bytes that it takes outside of its arena.
    pub(crate) fn heap_bytes(&self) -> usize {
        let field = size_of::<FieldType<'_>>() + size_of::<Field<'_>>() + size_of::<(u32, u32)>();
        let messages =
            self.messages.iter().map(|message| size_of_val(message) + message.fields.len() * field);
        let enums = self.enums.iter().map(|symbols| size_of_val(symbols) + size_of_val(&*symbols.symbols));
        let names = self.by_name.keys().map(|name| 2 * (name.len() + size_of_val(name)));
        messages.chain(enums).chain(names).sum()
    }
}

/// Number of a message in its program: messages may be recursive.
pub(super) type MessageId = u32;

/// Number of an enum in its program.
pub(super) type EnumId = u32;

#[derive(Debug)]
pub(super) struct MessageType<'m> {
    pub(super) name: &'m str,
    /// What it stands for, if that is not a struct of its fields.
    pub(super) well_known: Option<WellKnown>,
    /// In the order of the schema, which is that of the struct.
    pub(super) fields: Vec<FieldType<'m>>,
    /// Number of each field and its place in `fields`, by number.
    pub(super) numbers: Vec<(u32, u32)>,
    /// The struct before anything was read: defaults, and null for fields that may be missing.
    pub(super) initial: Vec<Field<'m>>,
    /// Number of required fields.
    pub(super) required: u32,
    /// Number of oneofs.
    pub(super) oneofs: u32,
    /// A row that Debezium's ExtractNewRecordState has flattened.
    pub(super) is_row: bool,
    pub(super) schema: Option<Schema<'m>>,
}

impl MessageType<'_> {
    /// The place of a field. `next` is where it is if fields are written in order.
    #[inline]
    pub(super) fn slot(&self, number: u32, next: &mut usize) -> Option<usize> {
        let slot = match self.numbers.get(*next) {
            Some((candidate, slot)) if *candidate == number => *slot as usize,
            _ => {
                let at = self.numbers.binary_search_by_key(&number, |(number, _)| *number).ok()?;
                *next = at;
                self.numbers.get(at)?.1 as usize
            }
        };
        // A repeated field stays the next one until another follows.
        if self.fields.get(slot).is_some_and(|field| field.label == Label::Single) {
            *next += 1;
        }
        Some(slot)
    }
}

#[derive(Debug)]
pub(super) struct FieldType<'m> {
    pub(super) name: &'m str,
    pub(super) ty: Type,
    pub(super) label: Label,
    /// Which required field of its message it is.
    pub(super) required: Option<u32>,
    /// The field is a row of a change event, where placeholders for unavailable values are recognised.
    pub(super) is_row: bool,
    /// Number of its oneof in its message.
    pub(super) oneof: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Label {
    Single,
    Repeated,
    /// A map; one with text keys becomes a struct, another a list of pairs.
    Map {
        is_struct: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    Text,
    Bytes,
    Enum(EnumId),
    /// `google.protobuf.NullValue`.
    Null,
    Message(MessageId),
    /// Proto2's older form of a nested message.
    Group(MessageId),
}

impl Type {
    /// The nested message, in either of its forms.
    pub(super) const fn message(self) -> Option<MessageId> {
        match self {
            Self::Message(id) | Self::Group(id) => Some(id),
            _ => None,
        }
    }

    /// Whether the items of a list may be one field, one after the other.
    pub(super) const fn may_be_packed(self) -> bool {
        !matches!(self, Self::Text | Self::Bytes | Self::Message(_) | Self::Group(_))
    }

    /// Its name in a schema.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
            Self::Bool => "bool",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Enum(_) | Self::Null => "an enum",
            Self::Message(_) => "a message",
            Self::Group(_) => "a group",
        }
    }
}

/// The symbols of an enum by number. Of several with one number, the first counts.
#[derive(Debug)]
pub(super) struct EnumType<'m> {
    pub(super) name: &'m str,
    pub(super) symbols: Vec<(i32, &'m str)>,
}

impl<'m> EnumType<'m> {
    pub(super) fn symbol(&self, number: i32) -> Option<&'m str> {
        let at = self.symbols.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.symbols.get(at).map(|(_, symbol)| *symbol)
    }
}
