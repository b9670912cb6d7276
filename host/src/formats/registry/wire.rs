//! The schema's id in a message: in front of the payload, or in a header.
//!
//! | form | payload | header |
//! |---|---|---|
//! | Confluent | `00`, id of 4 bytes, data | |
//! | Confluent since 8.0 | data | `__key_schema_id`, `__value_schema_id`: `01`, GUID of 16 bytes |
//! | Apicurio | data | `apicurio.key.globalId`, `apicurio.value.globalId`, or `contentId`: 8 bytes |
//! | Apicurio without headers | `00`, id of 8 bytes, data | |
//!
//! Ids begin with 1, so an id whose first 4 bytes are zero has 8 bytes.

use std::fmt;

use tidegate_abi::{Headers, host::Part};

use super::ApicurioId;

const ID: u8 = 0;
const GUID: u8 = 1;

/// What a schema is registered under.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum SchemaId {
    /// Confluent's id: in Apicurio, the content id.
    Id(u32),
    /// Confluent's globally unique id.
    Guid([u8; 16]),
    /// Apicurio's content id.
    Content(u64),
    /// Apicurio's global id.
    Global(u64),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "schema {id}"),
            Self::Content(id) => write!(f, "schema with content id {id}"),
            Self::Global(id) => write!(f, "schema with global id {id}"),
            Self::Guid(guid) => write!(f, "schema {}", Guid(*guid)),
        }
    }
}

/// A GUID as its text.
pub(super) struct Guid(pub(super) [u8; 16]);

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

/// Which of its schema's messages a Protobuf message is: where that is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MessageRef<'b> {
    /// In front of the data: Confluent's indexes, or Apicurio's `Ref` with the name.
    InData,
    /// Confluent's indexes, behind the id in the header.
    Indexes(&'b [u8]),
    /// The name, in Apicurio's header.
    Name(&'b [u8]),
}

/// The schema id and the data of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Framed<'b> {
    pub(crate) id: SchemaId,
    /// What was serialized.
    pub(crate) data: &'b [u8],
    /// For Protobuf.
    pub(crate) message: MessageRef<'b>,
}

/// Why there is no schema id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("is empty: it has neither a schema id nor data")]
    Empty,
    #[error(
        "begins with the byte {0:#04x} instead of the 0 that a schema registry's serializer writes before the schema id, and \
         has no header with one"
    )]
    Magic(u8),
    #[error("ends after {0} bytes, within its schema id")]
    Short(usize),
    #[error("has a header {name:?} that holds no schema id: {len} bytes")]
    Header { name: &'static str, len: usize },
    #[error(
        "is Avro in its JSON encoding, as its header {0:?} says; let the serializer write the binary one \
         (apicurio.registry.avro.encoding=BINARY)"
    )]
    JsonEncoding(&'static str),
}

/// Names of headers of one part of a record.
struct Names {
    confluent: &'static str,
    global: &'static str,
    content: &'static str,
    encoding: &'static str,
    protobuf_type: &'static str,
}

const KEY: Names = Names {
    confluent: "__key_schema_id",
    global: "apicurio.key.globalId",
    content: "apicurio.key.contentId",
    encoding: "apicurio.key.encoding",
    protobuf_type: "apicurio.protobuf.type.key",
};
const VALUE: Names = Names {
    confluent: "__value_schema_id",
    global: "apicurio.value.globalId",
    content: "apicurio.value.contentId",
    encoding: "apicurio.value.encoding",
    protobuf_type: "apicurio.protobuf.type",
};

/// Finds the schema id of a key or value.
///
/// # Errors
/// When there is none.
#[inline]
pub(crate) fn frame<'b>(
    part: Part,
    payload: &'b [u8],
    headers: Headers<'b>,
    apicurio: ApicurioId,
) -> Result<Framed<'b>, WireError> {
    if !headers.is_empty()
        && let Some((id, message)) = of_headers(if part == Part::Key { &KEY } else { &VALUE }, headers)?
    {
        return Ok(Framed { id, data: payload, message });
    }
    of_payload(payload, apicurio)
}

fn of_headers<'b>(
    names: &'static Names,
    headers: Headers<'b>,
) -> Result<Option<(SchemaId, MessageRef<'b>)>, WireError> {
    let mut found = None;
    let mut message = MessageRef::InData;
    for header in headers.iter() {
        let value = header.value.unwrap_or_default();
        let wrong = |name| WireError::Header { name, len: value.len() };
        found = match header.name {
            name if name == names.confluent => {
                let (id, indexes) = of_confluent_header(value).ok_or_else(|| wrong(names.confluent))?;
                message = MessageRef::Indexes(indexes);
                Some(id)
            }
            name if name == names.global => {
                Some(SchemaId::Global(number(value).ok_or_else(|| wrong(names.global))?))
            }
            name if name == names.content && found.is_none() => {
                Some(SchemaId::Content(number(value).ok_or_else(|| wrong(names.content))?))
            }
            name if name == names.protobuf_type => {
                message = MessageRef::Name(value);
                found
            }
            name if name == names.encoding && value.eq_ignore_ascii_case(b"json") => {
                return Err(WireError::JsonEncoding(names.encoding));
            }
            _ => found,
        };
    }
    Ok(found.map(|id| (id, message)))
}

/// The id, and what follows it: in Protobuf, message indexes.
fn of_confluent_header(value: &[u8]) -> Option<(SchemaId, &[u8])> {
    let (kind, rest) = value.split_first()?;
    match *kind {
        ID => rest.split_first_chunk().map(|(id, rest)| (SchemaId::Id(u32::from_be_bytes(*id)), rest)),
        GUID => rest.split_first_chunk().map(|(guid, rest)| (SchemaId::Guid(*guid), rest)),
        _ => None,
    }
}

fn number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

#[inline]
fn of_payload(payload: &[u8], apicurio: ApicurioId) -> Result<Framed<'_>, WireError> {
    let (kind, rest) = payload.split_first().ok_or(WireError::Empty)?;
    let short = WireError::Short(payload.len());
    let framed = |id, data| Framed { id, data, message: MessageRef::InData };
    match *kind {
        ID => {
            let (id, data) = rest.split_first_chunk().ok_or(short)?;
            match (u32::from_be_bytes(*id), apicurio) {
                (0, _) => {
                    let (id, data) = rest.split_first_chunk().ok_or(short)?;
                    let id = u64::from_be_bytes(*id);
                    let is_content = apicurio == ApicurioId::Content;
                    let id = if is_content { SchemaId::Content(id) } else { SchemaId::Global(id) };
                    Ok(framed(id, data))
                }
                (id, ApicurioId::Global) => Ok(framed(SchemaId::Global(id.into()), data)),
                (id, _) => Ok(framed(SchemaId::Id(id), data)),
            }
        }
        GUID => {
            let (guid, data) = rest.split_first_chunk().ok_or(short)?;
            Ok(framed(SchemaId::Guid(*guid), data))
        }
        other => Err(WireError::Magic(other)),
    }
}
