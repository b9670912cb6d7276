//! JSON text to value trees, with exact numbers and borrowed strings.
//!
//! The parser is our own: no library hands out a number's text, borrows strings without escapes from the payload, builds
//! in an arena and can be steered by a schema on the way. It accepts exactly what serde_json accepts, a property that a
//! test holds, save that a number beyond the range of an `f64` is kept as its text and that nesting may be one level
//! deeper.

mod error;
mod lexer;
mod number;
mod room;
mod scan;
mod tree;

pub(crate) use error::{Fault, JsonError};
pub(crate) use lexer::Lexer;
pub(crate) use room::{Room, TooLarge};
pub(crate) use tree::{Parser, Scratch};

/// How many arrays and objects may lie within each other.
pub const MAX_DEPTH: u32 = 128;

/// Reads `text` as one JSON document and forgets it.
///
/// # Errors
/// When it is none, or nested too deep to be sure.
pub(crate) fn check(text: &str) -> Result<(), JsonError> {
    let mut lexer = Lexer::new(text, 0);
    lexer.skip()?;
    lexer.end()
}
