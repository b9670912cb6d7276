//! What a format implements to fill a batch with values.

use crate::{arena::Arena, change::ChangeParts, record::Record, schema::Schema, value::Value};

/// What a format made of one record.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'b> {
    /// The key; null when there is none.
    pub key: Value<'b>,
    /// The value; null for a tombstone.
    pub value: Value<'b>,
    /// Schema of the key.
    pub key_schema: Option<Schema>,
    /// Schema of the value.
    pub value_schema: Option<Schema>,
    /// The change event in the value.
    pub change: Option<ChangeParts<'b>>,
}

/// The part of a record that is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The record as a whole, or what was made of it.
    Record,
    /// Its headers.
    Headers,
    /// Its key.
    Key,
    /// Its value.
    Value,
}

/// Why a record is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The part that is at fault.
    pub part: Part,
    /// It takes more room than it may.
    pub too_large: bool,
    /// Why, for people.
    pub reason: String,
}

impl Refusal {
    /// Refuses `part` for `reason`.
    #[must_use]
    pub fn of(part: Part, reason: impl Into<String>) -> Self {
        Self { part, too_large: false, reason: reason.into() }
    }

    /// Refuses `part` since it takes more room than it may.
    #[must_use]
    pub fn too_large(part: Part, reason: impl Into<String>) -> Self {
        Self { part, too_large: true, reason: reason.into() }
    }
}

/// Turns the bytes of records into values.
pub trait Decode {
    /// Decodes one record; new values go into `arena`, text may point into the record's bytes.
    ///
    /// # Errors
    /// Why the record cannot be read, which becomes its rejection.
    fn decode<'b>(&mut self, record: Record<'b>, arena: Arena<'b>) -> Result<Decoded<'b>, Refusal>;
}

/// Finds the change event in a value that a transform has made.
pub trait Recognise {
    /// The record's key and value with the change event in them, if there is one. Both may become others, as in
    /// [`Decode::decode`].
    ///
    /// # Errors
    /// Why the value can be no event although it looks like one, which becomes the record's rejection.
    fn recognise<'b>(&mut self, record: Record<'b>, arena: Arena<'b>) -> Result<Decoded<'b>, Refusal>;
}
