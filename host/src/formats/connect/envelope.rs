//! Telling `{"schema","payload"}` from other JSON, and finding a known schema without reading it.

use std::sync::Arc;

use tidegate_abi::{
    Arena, Value,
    host::{Keep, Kept},
};

use super::{Compiled, document::Document};
use crate::formats::{
    json::{Fault, FindingKind, InvalidUnicode, JsonError, Lexer, Parser, Scratch},
    read::Read,
    schema_cache::SchemaCache,
};

const SCHEMA_FIRST: &str = "{\"schema\":";
const PAYLOAD_NEXT: &str = ",\"payload\":";

/// The lengths of schemas that records brought last, to tell how much of a record is not its payload, before it is decoded.
#[derive(Debug, Default)]
pub(crate) struct SchemaLengths(Vec<usize>);

impl SchemaLengths {
    /// Bytes of the envelope before the payload of a key or a value; 0 without a schema in front of the payload. A schema
    /// with another property named `payload` counts as shorter than it is.
    pub(crate) fn before_payload(&mut self, bytes: &[u8]) -> usize {
        let next = PAYLOAD_NEXT.as_bytes();
        let Some(rest) = bytes.strip_prefix(SCHEMA_FIRST.as_bytes()) else { return 0 };
        let ends_at = |length: usize| rest.get(length..).is_some_and(|after| after.starts_with(next));
        let known = self.0.iter().position(|length| ends_at(*length));
        let length = match known {
            Some(known) => {
                self.0.swap(0, known);
                self.0.first().copied()
            }
            None => rest.windows(next.len()).position(|window| window == next),
        };
        let Some(length) = length else { return 0 };
        if known.is_none() {
            self.0.truncate(RECENT_LIMIT - 1);
            self.0.insert(0, length);
        }
        SCHEMA_FIRST.len() + length + next.len()
    }
}

/// Written at the start of a text by some programs; it is no part of it (RFC 8259, section 8.1).
pub(crate) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How many schemas a decoder looks for by comparing bytes; beyond, a schema's end is searched and its text hashed.
const RECENT_LIMIT: usize = 64;

/// The schemas that a decoder has met.
pub(crate) struct Envelopes {
    known: SchemaCache<Arc<str>, Arc<Document>>,
    /// Those of `known` that were met last. Latest first, more or less.
    recent: Vec<Arc<Document>>,
    invalid_unicode: InvalidUnicode,
}

impl Envelopes {
    /// Has met none. Schemas may take `max_schema_bytes`.
    pub(crate) fn new(invalid_unicode: InvalidUnicode, max_schema_bytes: usize) -> Self {
        Self { known: SchemaCache::new(max_schema_bytes), recent: Vec::new(), invalid_unicode }
    }

    /// Reads a payload of JSON, typed by its schema where it brings one. What is unusual about it is in the findings of
    /// `scratch`.
    ///
    /// # Errors
    /// When it is not JSON, or not of its schema.
    pub(crate) fn read<'b>(
        &mut self,
        payload: &'b [u8],
        arena: Arena<'b>,
        kept: Kept<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Result<Read<'b>, JsonError> {
        let (payload, offset) = without_mark(payload);
        let invalid_unicode = self.invalid_unicode;
        if let Some((document, at)) = self.find_recent(payload) {
            let rest = payload.get(at..).unwrap_or_default();
            let parser = parser(rest, offset + at, invalid_unicode, arena, scratch)?;
            if let Some(read) = read_after_schema(kept.keep(document).compiled(), parser)? {
                return Ok(read);
            }
            scratch.findings.clear();
        }
        let mut parser = parser(payload, offset, invalid_unicode, arena, scratch)?;
        if parser.lexer.peek().is_none() {
            return Err(parser.lexer.error(Fault::Empty));
        }
        let read = self.read_whole(&mut parser, kept)?;
        parser.scratch.findings.replaced += parser.lexer.replaced();
        Ok(read)
    }

    fn read_whole<'b>(&mut self, parser: &mut Parser<'b, '_>, kept: Kept<'b>) -> Result<Read<'b>, JsonError> {
        let Some(envelope) = split(parser.lexer.fork()) else {
            let value = parser.value()?;
            parser.lexer.end()?;
            return Ok(Read { is_text: true, ..Read::plain(value) });
        };
        for name in envelope.doubled.into_iter().flatten() {
            parser.scratch.findings.add(FindingKind::Doubled, name);
        }
        parser.lexer.jump(envelope.payload_at);
        if envelope.schema == "null" {
            return parser.value().map(Read::plain);
        }
        let compiled = kept.keep(&self.document(envelope.schema)?).compiled();
        Ok(typed(parser.typed(&compiled.root)?, compiled))
    }

    /// Whether schemas were dropped for others since the last call.
    pub(crate) const fn take_dropped(&mut self) -> bool {
        self.known.take_dropped()
    }

    /// The schema with this text, compiled now if it is new.
    fn document(&mut self, text: &str) -> Result<Arc<Document>, JsonError> {
        let document = match self.known.get(text) {
            Some(document) => Arc::clone(document),
            None => self.add(text)?,
        };
        self.recent.truncate(RECENT_LIMIT - 1);
        self.recent.insert(0, Arc::clone(&document));
        Ok(document)
    }

    fn add(&mut self, text: &str) -> Result<Arc<Document>, JsonError> {
        let document = Arc::new(Document::compile(text, self.known.limit())?);
        let bytes = document.bytes();
        for dropped in self.known.insert(Arc::clone(document.text()), Arc::clone(&document), bytes) {
            self.recent.retain(|recent| !Arc::ptr_eq(recent, &dropped));
        }
        Ok(document)
    }

    /// A schema met lately that `payload` begins with, and where the payload proper begins.
    fn find_recent(&mut self, payload: &[u8]) -> Option<(&Arc<Document>, usize)> {
        let rest = payload.strip_prefix(SCHEMA_FIRST.as_bytes())?;
        let found = self.recent.iter().position(|document| {
            let after = rest.strip_prefix(document.text().as_bytes());
            after.is_some_and(|after| after.starts_with(PAYLOAD_NEXT.as_bytes()))
        })?;
        self.recent.swap(0, found);
        let document = self.recent.first()?;
        Some((document, SCHEMA_FIRST.len() + document.text().len() + PAYLOAD_NEXT.len()))
    }
}

/// The text behind a byte order mark, and where it begins.
pub(super) fn without_mark(payload: &[u8]) -> (&[u8], usize) {
    match payload.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (rest, BYTE_ORDER_MARK.len()),
        None => (payload, 0),
    }
}

/// A parser of `bytes`, which begin `offset` bytes into the payload.
pub(super) fn parser<'b, 's>(
    bytes: &'b [u8],
    offset: usize,
    invalid_unicode: InvalidUnicode,
    arena: Arena<'b>,
    scratch: &'s mut Scratch<'b>,
) -> Result<Parser<'b, 's>, JsonError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) if invalid_unicode == InvalidUnicode::Replace => {
            scratch.findings.replaced += 1;
            arena.str(&String::from_utf8_lossy(bytes))
        }
        Err(error) => return Err(JsonError::Utf8 { at: offset + error.valid_up_to() }),
    };
    Ok(Parser { lexer: Lexer::new(text, offset, invalid_unicode), arena, scratch })
}

fn typed<'b>(value: Value<'b>, compiled: &'b Compiled<'b>) -> Read<'b> {
    Read { value, typed: true, is_text: false, schema: compiled.schema(), unknown: &compiled.unknown }
}

/// Reads what follows a known schema; `None` if a third field follows, so that it is no envelope after all.
fn read_after_schema<'b>(
    compiled: &'b Compiled<'b>,
    mut parser: Parser<'b, '_>,
) -> Result<Option<Read<'b>>, JsonError> {
    let value = parser.typed(&compiled.root)?;
    if parser.lexer.peek() == Some(b',') {
        return Ok(None);
    }
    parser.lexer.expect(b'}', Fault::ObjectEnd)?;
    parser.lexer.end()?;
    parser.scratch.findings.replaced += parser.lexer.replaced();
    Ok(Some(typed(value, compiled)))
}

/// Connect's envelope: where its two parts are.
struct Parts<'b> {
    /// Text of the schema.
    schema: &'b str,
    /// Where the payload begins.
    payload_at: usize,
    /// Names that came more than once: the last part of a name counts.
    doubled: [Option<&'static str>; 2],
}

/// The parts of the document if it is an envelope: an object of exactly these two fields, in either order, whose schema is
/// null or an object with a type. Anything else is read as it stands.
fn split(mut lexer: Lexer<'_>) -> Option<Parts<'_>> {
    if !lexer.take(b'{') {
        return None;
    }
    let mut schema = None;
    let mut payload = None;
    let mut doubled = [None; 2];
    loop {
        let (part, name, index) = match lexer.plain_string()? {
            "schema" => (&mut schema, "schema", 0),
            "payload" => (&mut payload, "payload", 1),
            _ => return None,
        };
        if part.is_some() {
            doubled[index] = Some(name);
        }
        if !lexer.take(b':') {
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
    let schema = lexer.text(start..end)?;
    (schema == "null" || has_type(schema)).then_some(Parts { schema, payload_at: payload?.0, doubled })
}

/// Whether an object has a field `type` with a text.
fn has_type(text: &str) -> bool {
    let mut lexer = Lexer::new(text, 0, InvalidUnicode::Reject);
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
