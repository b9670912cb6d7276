//! Which message of its schema a payload is.
//!
//! Confluent's serializers write the place of the message in its file, in front of the data or in a header: the number of indexes and
//! the indexes as zig-zag varints, or a single 0 for the first message. Apicurio's write a message `Ref` with the name, behind its
//! length, or a header with the name.

use super::{
    error::ProtobufError,
    program::{MessageId, Program},
};
use crate::formats::{
    binary::{Source, zigzag},
    registry::MessageRef,
};

/// Messages within each other that indexes may name.
const MAX_INDEXES: usize = 32;

/// Field 1 of Apicurio's `Ref`, with text.
const REF_NAME_TAG: u8 = 0x0a;

const TRUNCATED: ProtobufError = ProtobufError::Reference("it ends within its message indexes");
const INVALID: ProtobufError = ProtobufError::Reference(
    "it has neither valid message indexes nor the name of a message in front of the data",
);

/// The message and its data.
///
/// # Errors
/// When the payload does not say which message it is, or the schema has no such message.
#[inline]
pub(super) fn resolve<'b>(
    program: &Program<'_>,
    data: &'b [u8],
    message: MessageRef<'b>,
) -> Result<(MessageId, &'b [u8]), ProtobufError> {
    match message {
        MessageRef::InData => match apicurio_name(data) {
            Some((name, rest)) if program.by_name.contains_key(name) => Ok((by_name(program, name)?, rest)),
            _ => indexes(program, data),
        },
        // Confluent's header has no indexes if the serializer was not one of Protobuf.
        MessageRef::Indexes(header) => indexes(program, header).map(|(id, _)| (id, data)),
        MessageRef::Name(name) => match std::str::from_utf8(name) {
            Ok(name) => by_name(program, name).map(|id| (id, data)),
            Err(_) => Err(ProtobufError::Reference("the header with the name of its message is not text")),
        },
    }
}

fn by_name(program: &Program<'_>, name: &str) -> Result<MessageId, ProtobufError> {
    program.by_name.get(name).copied().ok_or_else(|| ProtobufError::Name(name.chars().take(100).collect()))
}

/// The name in Apicurio's `Ref`, and what follows it. Names of messages are shorter than 126 bytes, so each length is one byte.
fn apicurio_name(data: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = data.split_first()?;
    let (message, rest) = rest.split_at_checked(usize::from(*length))?;
    let [REF_NAME_TAG, length, name @ ..] = message else { return None };
    let is_whole = *length < 0x80 && name.len() == usize::from(*length);
    std::str::from_utf8(name).ok().filter(|_| is_whole).map(|name| (name, rest))
}

fn indexes<'b>(program: &Program<'_>, data: &'b [u8]) -> Result<(MessageId, &'b [u8]), ProtobufError> {
    let mut source = Source::new(data);
    let count = zigzag(source.varint().map_err(|_| TRUNCATED)?);
    let mut indexes = [0; MAX_INDEXES];
    // No index at all stands for the first message.
    let length = usize::try_from(count).map_err(|_| INVALID)?;
    let path = indexes.get_mut(..length.max(1)).ok_or(INVALID)?;
    for index in path.iter_mut().take(length) {
        let number = zigzag(source.varint().map_err(|_| TRUNCATED)?);
        *index = i32::try_from(number).map_err(|_| INVALID)?;
    }
    let path: &[i32] = path;
    match program.by_indexes.get(path) {
        Some(id) => Ok((*id, source.rest())),
        None => Err(ProtobufError::Indexes(format!("{path:?}"))),
    }
}
