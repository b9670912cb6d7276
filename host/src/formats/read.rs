//! What the payload of a key or value was decoded to.

use tidegate_abi::{Schema, Value};

/// What a payload was decoded to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'b> {
    /// The value.
    pub(crate) value: Value<'b>,
    /// Whether its type is known from a schema, be it one of a plain number.
    pub(crate) typed: bool,
    /// Whether the value is all that the payload, JSON text, says.
    pub(crate) is_text: bool,
    /// The schema, if it is of a struct.
    pub(crate) schema: Option<Schema<'b>>,
    /// Semantic types of the schema that are not known.
    pub(crate) unknown: &'b [Unknown],
}

/// A semantic type that is not known: its values are of their primitive type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unknown {
    /// The semantic name.
    pub(crate) name: Box<str>,
    /// The type that its values are read as.
    pub(crate) read_as: Box<str>,
    /// The first field that has it.
    pub(crate) place: Box<str>,
}

impl<'b> Read<'b> {
    /// A value without a schema.
    pub(crate) const fn plain(value: Value<'b>) -> Self {
        Self { value, typed: false, is_text: false, schema: None, unknown: &[] }
    }
}
