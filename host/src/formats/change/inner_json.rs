//! JSON inside of JSON: a document that a text field or a header holds.

use tidegate_abi::{Arena, Value};

use crate::formats::json::{Fault, JsonError, Lexer, Parser, Scratch};

/// Reads a text as one JSON document.
///
/// # Errors
/// When it is none.
pub(super) fn parse<'b>(
    text: &'b str,
    arena: Arena<'b>,
    scratch: &mut Scratch<'b>,
) -> Result<Value<'b>, JsonError> {
    let (fields, values) = (scratch.fields.len(), scratch.values.len());
    let lexer = Lexer::new(text, 0, scratch.invalid_unicode);
    let mut parser = Parser { lexer, arena, scratch: &mut *scratch };
    if parser.lexer.peek().is_none() {
        return Err(parser.lexer.error(Fault::Empty));
    }
    let parsed = parser.value().and_then(|value| parser.lexer.end().map(|()| value));
    // What a broken document left open must not become part of what is built around it.
    scratch.fields.truncate(fields);
    scratch.values.truncate(values);
    parsed
}
