//! Decodes the key or the value of a record in its format, and explains why a payload cannot be decoded.

use tidegate_abi::{
    Arena, Headers, Value,
    host::{Kept, Part, Rejection},
};

use super::{
    Format,
    connect::{BYTE_ORDER_MARK, Envelopes},
    json::{Fault, FindingKind, Findings, InvalidUnicode, JsonError, Scratch},
    notices::{Cause, Notices},
    read::Read,
    registered::{Registered, RegisteredError},
    registry::RegistryError,
};

const UNKNOWN_TYPE: Cause = Cause("unknown_semantic_type");
const DOUBLED_NAME: Cause = Cause("doubled_name");
const MISSING_FIELD: Cause = Cause("missing_field");
const FURTHER_FIELDS: Cause = Cause("further_fields");
const UNKNOWN_FIELD: Cause = Cause("unknown_field");
const UNKNOWN_SYMBOL: Cause = Cause("unknown_enum_number");
const INVALID_UNICODE: Cause = Cause("invalid_unicode");
const SCHEMAS_DROPPED: Cause = Cause("schemas_dropped");

/// Decodes the keys or the values of a task.
pub(super) struct PayloadDecoder {
    part: Part,
    format: Format,
    invalid_unicode: InvalidUnicode,
    envelopes: Envelopes,
    registered: Registered,
}

#[derive(Debug, thiserror::Error)]
enum PayloadError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("is not text: invalid UTF-8 at byte {0}; use the format \"bytes\"")]
    Text(usize),
    #[error(transparent)]
    Registered(#[from] RegisteredError),
}

impl PayloadDecoder {
    pub(super) fn new(
        part: Part,
        format: Format,
        invalid_unicode: InvalidUnicode,
        registered: Registered,
        max_schema_bytes: usize,
    ) -> Self {
        let envelopes = Envelopes::new(invalid_unicode, max_schema_bytes);
        Self { part, format, invalid_unicode, envelopes, registered }
    }

    /// Whether schemas have to be found before anything is decoded.
    pub(super) const fn needs_registry(&self) -> bool {
        self.format.needs_registry()
    }

    /// Begins the preparation of a batch.
    pub(super) fn begin_batch(&mut self) {
        self.registered.begin_batch();
    }

    /// Finds the schema of a payload.
    ///
    /// # Errors
    /// When the registry does not answer.
    #[inline]
    pub(super) fn prepare(
        &mut self,
        payload: Option<&[u8]>,
        headers: Headers<'_>,
    ) -> Result<(), RegistryError> {
        match payload {
            Some(payload) if self.needs_registry() => self.registered.prepare(payload, headers),
            _ => Ok(()),
        }
    }

    /// The payload if it is JSON, whose values take memory beyond the payload.
    pub(super) fn json<'b>(&self, payload: Option<&'b [u8]>) -> &'b [u8] {
        payload.filter(|_| matches!(self.format, Format::Json | Format::JsonSchema)).unwrap_or_default()
    }

    /// Decodes a payload of `topic`, and notes what is unusual about it.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub(super) fn read<'b>(
        &mut self,
        payload: Option<&'b [u8]>,
        headers: Headers<'b>,
        topic: &str,
        (arena, kept): (Arena<'b>, Kept<'b>),
        scratch: &mut Scratch<'b>,
        notices: &mut Notices,
    ) -> Result<Read<'b>, Rejection> {
        let Some(payload) = payload else {
            return Ok(Read::plain(Value::NULL));
        };
        scratch.findings.clear();
        let read = match self.format {
            Format::Bytes => return Ok(Read::plain(Value::bytes(payload))),
            Format::Json => self.envelopes.read(payload, arena, kept, scratch).map_err(PayloadError::Json),
            Format::String => self.text(payload, arena, &mut scratch.findings),
            Format::Avro | Format::Protobuf | Format::JsonSchema => self
                .registered
                .decode(payload, headers, arena, kept, scratch)
                .map_err(PayloadError::Registered),
        };
        if self.envelopes.take_dropped() || self.registered.take_dropped() {
            note_dropped(side(self.part), notices);
        }
        let read = read.map_err(|error| self.unreadable(payload, &error))?;
        if !scratch.findings.is_empty() || !read.unknown.is_empty() {
            let Scratch { findings, text, .. } = scratch;
            Notes { side: side(self.part), topic, notices }.all(&read, findings, text);
        }
        Ok(read)
    }

    fn text<'b>(
        &self,
        payload: &'b [u8],
        arena: Arena<'b>,
        findings: &mut Findings<'b>,
    ) -> Result<Read<'b>, PayloadError> {
        match std::str::from_utf8(payload) {
            Ok(text) => Ok(Read::plain(Value::string(text))),
            Err(_) if self.invalid_unicode == InvalidUnicode::Replace => {
                findings.replaced += 1;
                Ok(Read::plain(Value::string(arena.str(&String::from_utf8_lossy(payload)))))
            }
            Err(error) => Err(PayloadError::Text(error.valid_up_to())),
        }
    }

    #[cold]
    fn unreadable(&self, payload: &[u8], error: &PayloadError) -> Rejection {
        let side = side(self.part);
        let reason = format!("{side} {error}");
        match error {
            PayloadError::Json(JsonError::Budget(_)) => Rejection::too_large(self.part, reason),
            PayloadError::Registered(error) if error.is_too_large() => {
                Rejection::too_large(self.part, reason)
            }
            PayloadError::Json(error) => Rejection::new(self.part, reason + &advice(side, payload, error)),
            PayloadError::Text(_) | PayloadError::Registered(_) => Rejection::new(self.part, reason),
        }
    }
}

#[cold]
fn note_dropped(side: &str, notices: &mut Notices) {
    notices.note(SCHEMAS_DROPPED, side, || {
        format!(
            "the schemas of {side}s take more than their part of limits.memory: those that were not used for the longest time are \
             dropped, and compiled again when they are needed; raise limits.memory if many tables change in turn"
        )
    });
}

fn side(part: Part) -> &'static str {
    if part == Part::Key { "key" } else { "value" }
}

/// Suggests an option for a payload that is not JSON, by its first bytes.
fn advice(side: &str, payload: &[u8], error: &JsonError) -> String {
    let fault = match error {
        JsonError::Syntax { fault, .. } => Some(*fault),
        JsonError::Utf8 { .. } => None,
        _ => return String::new(),
    };
    let payload = payload.strip_prefix(BYTE_ORDER_MARK).unwrap_or(payload);
    let first = payload.iter().find(|byte| !byte.is_ascii_whitespace());
    match (fault, first) {
        (Some(Fault::Empty), _) => {
            format!(
                ": a tombstone has no {side} at all, this one has 0 bytes of JSON; set {side}_format = \"string\" if it \
                 is an empty text"
            )
        }
        (Some(Fault::Surrogate), _) => {
            "; invalid_unicode = \"replace\" in [source] reads it as U+FFFD".to_owned()
        }
        (_, Some(0)) if payload.len() > 5 => {
            format!(
                "; it begins as what a schema registry's serializer writes: set {side}_format = \"avro\", \"protobuf\" or \
                 \"json-schema\" in [source]; \"bytes\" takes anything as it is"
            )
        }
        (None, _) => {
            format!(
                "; set {side}_format = \"bytes\" if it is no text, or invalid_unicode = \"replace\" in [source] to read \
                 what is invalid as U+FFFD"
            )
        }
        (_, Some(b'{' | b'[' | b'"') | None) => String::new(),
        _ => format!("; set {side}_format = \"string\" in [source] if it is plain text"),
    }
}

/// Notes what is unusual about JSON documents in text fields of a value.
#[cold]
pub(super) fn note_findings<'b>(
    topic: &str,
    value: Value<'b>,
    scratch: &mut Scratch<'b>,
    notices: &mut Notices,
) {
    let Scratch { findings, text, .. } = scratch;
    Notes { side: side(Part::Value), topic, notices }.all(&Read::plain(value), findings, text);
}

struct Notes<'n> {
    side: &'static str,
    topic: &'n str,
    notices: &'n mut Notices,
}

impl Notes<'_> {
    #[cold]
    fn all<'b>(mut self, read: &Read<'b>, findings: &Findings<'b>, subject: &mut String) {
        let (side, topic) = (self.side, self.topic);
        for unknown in read.unknown {
            self.notices.note(UNKNOWN_TYPE, &unknown.name, || {
                format!(
                    "the field {:?} in the {side}s of {topic} has the semantic type {:?}, which is not known here: its \
                     values are read as {}",
                    unknown.place, unknown.name, unknown.read_as
                )
            });
        }
        for finding in findings.iter() {
            subject.clear();
            subject.extend([topic, " ", side, " "]);
            let start = subject.len();
            finding.write_path(read.value, subject);
            self.unusual(finding.what, subject, start);
        }
        if findings.further() > 0 {
            self.notices.note(FURTHER_FIELDS, topic, || {
                format!(
                    "a {side} of {topic} has further unusual fields (duplicate, missing or unknown): only the first 32 are \
                     logged one by one"
                )
            });
        }
        if findings.replaced > 0 {
            self.notices.note(INVALID_UNICODE, topic, || {
                format!(
                    "a {side} of {topic} has bytes that are no UTF-8, or half of a surrogate pair: each became U+FFFD, as \
                     invalid_unicode = \"replace\" in [source] says"
                )
            });
        }
    }

    /// `subject` contains topic, side and, from `start` on, the path of the field.
    fn unusual(&mut self, what: FindingKind, subject: &str, start: usize) {
        let (side, topic, field) = (self.side, self.topic, subject.get(start..).unwrap_or_default());
        match what {
            FindingKind::Doubled => self.notices.note(DOUBLED_NAME, subject, || {
                format!(
                    "a {side} of {topic} has {field:?} more than once in one object: the last one counts, at the place of \
                     the first, as in most readers; let its producer write each name once"
                )
            }),
            FindingKind::Missing => self.notices.note(MISSING_FIELD, subject, || {
                format!(
                    "a {side} of {topic} lacks {field:?}, which its schema has: it is read as its default or null, as \
                     Kafka Connect reads it; let its producer write every field of the schema"
                )
            }),
            FindingKind::UnknownField => self.notices.note(UNKNOWN_FIELD, subject, || {
                format!(
                    "a {side} of {topic} has a field that its schema does not have ({field}): it is skipped; let its producer \
                     register the schema that it writes with"
                )
            }),
            FindingKind::UnknownSymbol => self.notices.note(UNKNOWN_SYMBOL, subject, || {
                format!(
                    "a {side} of {topic} has a number that its enum has no symbol for ({field}): it is read as the number; let \
                     its producer register the schema that it writes with"
                )
            }),
        }
    }
}
