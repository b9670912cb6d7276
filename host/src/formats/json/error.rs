//! Why a payload cannot be read.

use std::fmt;

use super::{MAX_DEPTH, budget::BudgetExceeded};
use crate::formats::{connect::SchemaError, types::Mismatch};

/// Why a payload cannot be read. The text follows the word "key" or "value", and never holds the payload itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    /// The grammar is broken.
    #[error("is not JSON: {fault} at byte {at}")]
    Syntax {
        /// What is wrong.
        fault: Fault,
        /// Where, counted from the start of the payload.
        at: usize,
    },
    /// The payload is not UTF-8.
    #[error("is not JSON: invalid UTF-8 at byte {at}")]
    Utf8 {
        /// Where, counted from the start of the payload.
        at: usize,
    },
    /// A value is not of the type that the schema declares.
    #[error("does not fit its schema: {0}")]
    Mismatch(Box<Mismatch>),
    /// It leaves out too many fields of its schema.
    #[error(transparent)]
    Budget(#[from] BudgetExceeded),
    /// The schema cannot be used.
    #[error("has a schema that cannot be used: {0}")]
    Schema(Box<SchemaError>),
}

impl From<SchemaError> for JsonError {
    fn from(error: SchemaError) -> Self {
        Self::Schema(Box::new(error))
    }
}

impl JsonError {
    /// The same error inside the field `name`.
    #[cold]
    pub(crate) fn inside(mut self, name: &str) -> Self {
        if let Self::Mismatch(mismatch) = &mut self {
            mismatch.inside(name);
        }
        self
    }
}

/// What is wrong with the grammar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The payload ends in the middle of a value.
    End,
    /// There is nothing at all.
    Empty,
    /// Something else stands where a value should.
    Value,
    /// Something else stands where a field's name should.
    Name,
    /// No colon after a name.
    Colon,
    /// Neither comma nor end of an object.
    ObjectEnd,
    /// Neither comma nor end of an array.
    ArrayEnd,
    /// A raw control character in a string.
    Control,
    /// A backslash with something unknown after it.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// A number that JSON does not allow.
    Number,
    /// `NaN`, `Infinity` or `-Infinity`.
    NotFinite,
    /// More text after the value.
    Trailing,
    /// Too many levels.
    Depth,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::End => "unexpected end",
            Self::Empty => "empty payload",
            Self::Value => "expected a value",
            Self::Name => "expected a field name in quotes",
            Self::Colon => "expected ':'",
            Self::ObjectEnd => "expected ',' or '}'",
            Self::ArrayEnd => "expected ',' or ']'",
            Self::Control => "control character in a string",
            Self::Escape => "unknown escape in a string",
            Self::Surrogate => "half of a surrogate pair in a string",
            Self::Number => "malformed number",
            Self::NotFinite => "NaN or an infinity, which is no JSON,",
            Self::Trailing => "unexpected text after the value",
            Self::Depth => return write!(out, "nested deeper than {MAX_DEPTH} levels"),
        })
    }
}
