//! Why a Protobuf message or schema cannot be used.

use crate::formats::binary::DataError;

/// Why a payload cannot be decoded. The text follows "does not fit schema 17: ".
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProtobufError {
    /// The schema has no such message.
    #[error("the schema has no message with the indexes {0}")]
    Indexes(String),
    /// The schema has no message of this name.
    #[error("the schema has no message {0:?}")]
    Name(String),
    /// The data does not say which message of the schema it is.
    #[error("{0}")]
    Reference(&'static str),
    #[error(transparent)]
    Data(#[from] Box<DataError>),
}

impl ProtobufError {
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::Data(error) if error.is_too_large())
    }
}

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    /// Neither the text of a schema nor a descriptor in base64.
    #[error("it is not a Protobuf schema: {0}")]
    Syntax(String),
    /// A name, a type or an import is not known.
    #[error("{0}")]
    Invalid(String),
    /// It is written in an edition, which `protox` does not know.
    #[error("it is written in a Protobuf edition; register it in proto2 or proto3")]
    Edition,
    #[error("it is nested deeper than {0} levels")]
    Nested(usize),
    /// It has no messages.
    #[error("it has no message")]
    Empty,
}
