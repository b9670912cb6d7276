//! Events of MongoDB: documents as text of Extended JSON become rows, and the key's `id` the document's `_id`.

use tidegate_abi::{Arena, Field, Operation, Struct, Value, ValueRef};

use super::{
    envelope::{Envelope, has_columns},
    error::{EventError, Found},
    extended_json::ExtendedJson,
    inner_json,
};
use crate::formats::json::{JsonError, MemoryBudget, Scratch};

/// Reads documents into a batch's memory.
pub(super) struct Documents<'b, 's> {
    pub(super) arena: Arena<'b>,
    pub(super) scratch: &'s mut Scratch<'b>,
    /// Bytes that the values of one record may take.
    pub(super) max_value_bytes: usize,
}

impl<'b> Documents<'b, '_> {
    /// Replaces the text of both documents by what it holds.
    ///
    /// # Errors
    /// When one cannot be read, or an update does not have the whole document.
    pub(super) fn read(
        &mut self,
        envelope: &mut Envelope<'b>,
        operation: Operation,
    ) -> Result<(), EventError> {
        let after_is_null = envelope.after.is_none_or(|after| after.is_null());
        if operation == Operation::Update && after_is_null && has_columns(envelope.update_description) {
            return Err(EventError::NoDocument(Found::of_field(envelope.after)));
        }
        let texts =
            [envelope.before, envelope.after].map(|value| text_of(value).unwrap_or_default().as_bytes());
        self.scratch.budget = MemoryBudget::after_payloads(texts, self.max_value_bytes)?;
        envelope.before = self.document("before", envelope.before)?;
        envelope.after = self.document("after", envelope.after)?;
        Ok(())
    }

    fn document(
        &mut self,
        field: &'static str,
        value: Option<Value<'b>>,
    ) -> Result<Option<Value<'b>>, EventError> {
        let document = match text_of(value) {
            Some(text) => self.parse(field, text)?,
            // Expanded by a transform on the way, or not there; the rules of the envelope see to anything else.
            None => return Ok(value.map(|value| self.typed(value))),
        };
        match document.as_struct() {
            Some(_) => Ok(Some(self.typed(document))),
            None => Err(EventError::NotADocument { field, found: Found::of(document) }),
        }
    }

    /// The key under the name that its value has in the document, typed as it is there.
    ///
    /// # Errors
    /// When its text cannot be read.
    pub(super) fn key(&mut self, key: Value<'b>) -> Result<Value<'b>, EventError> {
        let Some(fields) = key.as_struct() else { return Ok(key) };
        if fields.get("_id").is_some() {
            return Ok(key);
        }
        let Some(id) = fields.get("id") else { return Ok(self.key_of_object(key)) };
        let id = match text_of(Some(id)) {
            Some(text) => self.parse("id", text)?,
            None => id,
        };
        let id = self.typed(id);
        let renamed = fields.fields().iter().map(|field| match field.name() {
            "id" => Field::new("_id", id),
            _ => *field,
        });
        Ok(Value::object(self.arena.collect(renamed)))
    }

    /// A key that is the id itself, such as `{"$oid": ".."}`.
    fn key_of_object(&mut self, key: Value<'b>) -> Value<'b> {
        let typed = self.typed(key);
        match typed.as_struct() {
            Some(_) => key,
            None => self.arena.object(&[Field::new("_id", typed)]),
        }
    }

    fn typed(&mut self, value: Value<'b>) -> Value<'b> {
        ExtendedJson { arena: self.arena, scratch: self.scratch }.typed(value)
    }

    fn parse(&mut self, field: &'static str, text: &'b str) -> Result<Value<'b>, EventError> {
        let parsed = inner_json::parse(text, self.arena, self.scratch).or_else(|error| {
            let Some(mended) = quote_bare_doubles(text).filter(|_| is_syntax(&error)) else {
                return Err(error);
            };
            inner_json::parse(self.arena.str(&mended), self.arena, self.scratch)
        });
        parsed.map_err(|error| EventError::Document { field, error: Box::new(error) })
    }
}

fn text_of<'b>(value: Option<Value<'b>>) -> Option<&'b str> {
    match value?.view() {
        ValueRef::String(text) | ValueRef::Json(text) => Some(text),
        _ => None,
    }
}

const fn is_syntax(error: &JsonError) -> bool {
    matches!(error, JsonError::Syntax { .. })
}

/// MongoDB's driver writes NaN and infinities bare in the strict mode of version 1, which is no JSON. The same document
/// with these as objects of version 2; nothing if it has none.
fn quote_bare_doubles(text: &str) -> Option<String> {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    let mut mended = String::new();
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'I' | b'N' if !in_string => {
                let rest = &text[at..];
                if let Some(word) = WORDS.into_iter().find(|word| rest.starts_with(word)) {
                    mended.push_str(&text[copied..at]);
                    mended.extend(["{\"$numberDouble\":\"", word, "\"}"]);
                    at += word.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    mended.push_str(&text[copied..]);
    (copied > 0).then_some(mended)
}

/// The key of a flattened document, whose field `id` is the document's `_id`.
pub(super) fn renamed_key<'b>(key: Struct<'b>, arena: Arena<'b>) -> Option<Value<'b>> {
    match key.fields() {
        [only] if only.name() == "id" => Some(arena.object(&[Field::new("_id", only.value())])),
        _ => None,
    }
}
