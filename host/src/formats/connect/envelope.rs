//! Telling `{"schema","payload"}` from other JSON, and finding a known schema without reading it.

use tidegate_abi::{Arena, Schema, Value};

use super::{Document, registry};
use crate::formats::json::{Fault, JsonError, Lexer, Parser, Scratch};

const SCHEMA_FIRST: &str = "{\"schema\":";
const PAYLOAD_NEXT: &str = ",\"payload\":";

/// How many schemas a decoder looks for by comparing bytes; beyond, a schema's end is searched and its text hashed.
const RECENT_LIMIT: usize = 64;

/// What a payload turned out to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'b> {
    /// The value.
    pub(crate) value: Value<'b>,
    /// Whether a schema came with it, be it one of a plain number.
    pub(crate) typed: bool,
    /// The schema, if it is of a struct.
    pub(crate) schema: Option<Schema>,
}

/// The schemas that a decoder met last.
#[derive(Default)]
pub(crate) struct Envelopes {
    /// Latest first, more or less.
    recent: Vec<&'static Document>,
}

impl Envelopes {
    /// Reads a payload of JSON, typed by its schema where it brings one.
    ///
    /// # Errors
    /// When it is not JSON, or not of its schema.
    pub(crate) fn read<'b>(
        &mut self,
        payload: &'b [u8],
        arena: Arena<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Result<Read<'b>, JsonError> {
        if let Some((document, at)) = self.find_recent(payload)
            && let Some(read) = read_after_schema(document, payload, at, arena, scratch)?
        {
            return Ok(read);
        }
        let text = utf8(payload, 0)?;
        let mut parser = Parser { lexer: Lexer::new(text, 0), arena, scratch };
        if parser.lexer.peek().is_none() {
            return Err(parser.lexer.error(Fault::Empty));
        }
        let Some((schema, payload_at)) = split(text) else {
            let value = parser.value()?;
            parser.lexer.end()?;
            return Ok(Read { value, typed: false, schema: None });
        };
        parser.lexer.jump(payload_at);
        if schema == "null" {
            return Ok(Read { value: parser.value()?, typed: false, schema: None });
        }
        let document = registry::lookup(schema)?;
        self.recent.truncate(RECENT_LIMIT - 1);
        self.recent.insert(0, document);
        Ok(Read { value: parser.typed(&document.root)?, typed: true, schema: document.schema() })
    }

    /// A schema met lately that `payload` begins with, and where the payload proper begins.
    fn find_recent(&mut self, payload: &[u8]) -> Option<(&'static Document, usize)> {
        let rest = payload.strip_prefix(SCHEMA_FIRST.as_bytes())?;
        let found = self.recent.iter().position(|document| {
            let after = rest.strip_prefix(document.text.as_bytes());
            after.is_some_and(|after| after.starts_with(PAYLOAD_NEXT.as_bytes()))
        })?;
        self.recent.swap(0, found);
        let document = self.recent.first()?;
        Some((document, SCHEMA_FIRST.len() + document.text.len() + PAYLOAD_NEXT.len()))
    }
}

/// Reads what follows a known schema; `None` if a third field follows, so that it is no envelope after all.
fn read_after_schema<'b>(
    document: &Document,
    payload: &'b [u8],
    at: usize,
    arena: Arena<'b>,
    scratch: &mut Scratch<'b>,
) -> Result<Option<Read<'b>>, JsonError> {
    let text = utf8(payload.get(at..).unwrap_or_default(), at)?;
    let mut parser = Parser { lexer: Lexer::new(text, at), arena, scratch };
    let value = parser.typed(&document.root)?;
    if parser.lexer.peek() == Some(b',') {
        return Ok(None);
    }
    parser.lexer.expect(b'}', Fault::ObjectEnd)?;
    parser.lexer.end()?;
    Ok(Some(Read { value, typed: true, schema: document.schema() }))
}

fn utf8(bytes: &[u8], offset: usize) -> Result<&str, JsonError> {
    std::str::from_utf8(bytes).map_err(|error| JsonError::Utf8 { at: offset + error.valid_up_to() })
}

/// The text of the schema, and where the payload begins, if the document is an envelope: an object of exactly these two
/// fields, in either order, whose schema is null or an object with a type. Anything else is read as it stands.
fn split(text: &str) -> Option<(&str, usize)> {
    let mut lexer = Lexer::new(text, 0);
    if !lexer.take(b'{') {
        return None;
    }
    let mut schema = None;
    let mut payload = None;
    loop {
        let part = match lexer.plain_string()? {
            "schema" => &mut schema,
            "payload" => &mut payload,
            _ => return None,
        };
        if part.is_some() || !lexer.take(b':') {
            return None;
        }
        lexer.peek()?;
        let start = lexer.position();
        lexer.skip().ok()?;
        *part = Some((start, lexer.position()));
        if lexer.take(b'}') {
            break;
        }
        if !lexer.take(b',') {
            return None;
        }
    }
    lexer.end().ok()?;
    let (start, end) = schema?;
    let schema = text.get(start..end)?;
    (schema == "null" || has_type(schema)).then_some((schema, payload?.0))
}

/// Whether an object has a field `type` with a text.
fn has_type(text: &str) -> bool {
    let mut lexer = Lexer::new(text, 0);
    let mut found = false;
    if !lexer.take(b'{') {
        return false;
    }
    while let Some(name) = lexer.plain_string() {
        if !lexer.take(b':') {
            return false;
        }
        found |= name == "type" && lexer.peek() == Some(b'"');
        if lexer.skip().is_err() || !lexer.take(b',') {
            break;
        }
    }
    found
}
