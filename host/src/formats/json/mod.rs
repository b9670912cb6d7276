//! JSON text to value trees, with exact numbers and borrowed strings.
//!
//! The parser is our own: no library hands out a number's text, borrows strings without escapes from the payload, builds
//! in an arena and can be steered by a schema on the way. It accepts exactly what serde_json accepts, a property that a
//! test holds, save that a number beyond the range of an `f64` is kept as its text and that nesting may be one level
//! deeper.

mod error;
mod lexer;
mod number;
mod scan;
mod tree;

pub(crate) use error::{Fault, JsonError};
pub(crate) use lexer::Lexer;
pub(crate) use tree::{Parser, Scratch};

/// How many arrays and objects may lie within each other.
pub const MAX_DEPTH: u32 = 128;

/// Whether `text` is one JSON document.
pub(crate) fn is_valid(text: &str) -> bool {
    let mut lexer = Lexer::new(text, 0);
    lexer.skip().and_then(|()| lexer.end()).is_ok()
}
