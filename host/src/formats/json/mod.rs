//! JSON text to value trees, with exact numbers and borrowed strings.
//!
//! The parser is our own: no library hands out a number's text, borrows strings without escapes from the payload, builds
//! in an arena and can be steered by a schema on the way. It accepts exactly what serde_json accepts, a property that a
//! test holds, save that a number beyond the range of an `f64` is kept as its text, that nesting may be one level deeper,
//! and that half of a surrogate pair may be replaced. Of a name that comes twice in an object the last value is kept.

mod budget;
mod error;
mod findings;
mod lexer;
mod names;
mod number;
mod scan;
mod tree;

pub(crate) use budget::{BudgetExceeded, MemoryBudget, TooLarge};
pub(crate) use error::{Fault, JsonError};
pub(crate) use findings::{FindingKind, Findings};
pub(crate) use lexer::Lexer;
pub(crate) use tree::{Open, Parser, Scratch};

use serde::{Deserialize, Serialize};

/// How many arrays and objects may lie within each other.
pub const MAX_DEPTH: u32 = 128;

/// What happens to invalid UTF-8 and to unpaired surrogates in escapes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum InvalidUnicode {
    /// The record is rejected.
    #[default]
    Reject,
    /// Each becomes U+FFFD, the replacement character.
    Replace,
}

/// Reads `text` as one JSON document and forgets it.
///
/// # Errors
/// When it is none, or nested too deep to be sure.
pub(crate) fn check(text: &str) -> Result<(), JsonError> {
    let mut lexer = Lexer::new(text, 0, InvalidUnicode::Reject);
    lexer.skip()?;
    lexer.end()
}
