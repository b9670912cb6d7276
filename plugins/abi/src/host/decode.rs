//! Traits that formats implement to decode the records of a batch.

use super::kept::Kept;
use crate::{
    arena::Arena,
    change::ChangeParts,
    record::Record,
    schema::Schema,
    value::{Struct, Value},
};

/// A decoded record.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'b> {
    /// The key, or null.
    pub key: Value<'b>,
    /// The value; null for a tombstone.
    pub value: Value<'b>,
    /// Schema of the key.
    pub key_schema: Option<Schema<'b>>,
    /// Schema of the value.
    pub value_schema: Option<Schema<'b>>,
    /// The change event in the value.
    pub change: Option<ChangeParts<'b>>,
    /// Further records in the same message, in order. Theirs are not read.
    pub further: &'b [Decoded<'b>],
    /// Whether the message is passed on to nobody: it counts as filtered.
    pub is_filtered: bool,
    /// Whether the value's bytes are JSON on one line, valid UTF-8, and `value` says the same.
    pub is_json_text: bool,
}

impl<'b> Decoded<'b> {
    /// A record without schemas and without an event.
    #[must_use]
    pub const fn plain(key: Value<'b>, value: Value<'b>) -> Self {
        Self {
            key,
            value,
            key_schema: None,
            value_schema: None,
            change: None,
            further: &[],
            is_filtered: false,
            is_json_text: false,
        }
    }
}

/// The part of a record that is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The record as a whole, or a record made from it.
    Record,
    /// Its headers.
    Headers,
    /// Its key.
    Key,
    /// Its value.
    Value,
}

/// Why a record is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The invalid part.
    pub part: Part,
    /// Whether the record exceeds a size limit.
    pub too_large: bool,
    /// Readable reason.
    pub reason: String,
}

impl Rejection {
    /// Rejects `part` for `reason`.
    #[must_use]
    pub fn new(part: Part, reason: impl Into<String>) -> Self {
        Self { part, too_large: false, reason: reason.into() }
    }

    /// Rejects `part` because it exceeds a size limit.
    #[must_use]
    pub fn too_large(part: Part, reason: impl Into<String>) -> Self {
        Self { part, too_large: true, reason: reason.into() }
    }
}

/// Decodes the bytes of records into values.
pub trait Decode {
    /// Decodes one record. New values are allocated in `arena`; text may point into the record's bytes, and values and schemas into
    /// items that are shared with the batch through `kept`.
    ///
    /// # Errors
    /// Rejects the record if it cannot be decoded.
    fn decode<'b>(
        &mut self,
        record: Record<'b>,
        arena: Arena<'b>,
        kept: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection>;

    /// Whether headers have types, see [`Record::has_typed_headers`].
    fn types_headers(&self) -> bool {
        false
    }
}

/// Parses change events in values that a transform has created.
pub trait Recognise {
    /// Returns the record's key and value and the change event in them, if there is one. Both may be replaced, as in
    /// [`Decode::decode`].
    ///
    /// # Errors
    /// Rejects the record if the value looks like a change event but is not a valid one.
    fn recognise<'b>(
        &mut self,
        record: Record<'b>,
        arena: Arena<'b>,
        kept: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection>;

    /// The columns in a row that a transform has taken out of an event, without the fields that came from elsewhere in the
    /// event. By default, all fields are columns.
    fn columns<'b>(&mut self, row: Struct<'b>, arena: Arena<'b>) -> Struct<'b> {
        let _all_are_columns = arena;
        row
    }
}
