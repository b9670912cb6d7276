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

/// Turns the bytes of records into values.
pub trait Decode {
    /// Decodes one record; new values go into `arena`, text may point into the record's bytes.
    ///
    /// # Errors
    /// Why the record cannot be read: a reason for people, which becomes its rejection.
    fn decode<'b>(&mut self, record: Record<'b>, arena: Arena<'b>) -> Result<Decoded<'b>, String>;
}

/// Finds the change event in a value that a transform has made.
pub trait Recognise {
    /// The change event in the record's value, if it is one.
    fn recognise<'b>(&mut self, record: Record<'b>, arena: Arena<'b>) -> Option<ChangeParts<'b>>;
}
