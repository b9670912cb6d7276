//! Tests of the statements' texts, and of what they do.

mod effects;
mod golden;
mod history;
mod names;

use tidegate_cdc::testing::{Kinds, Sample, Syntax, Token};

use crate::{dialect::Sqlite, types::ColumnType};

/// Types of the sample's columns.
fn kinds() -> Kinds<ColumnType> {
    Kinds {
        whole: ColumnType::Integer,
        number: ColumnType::Real,
        text: ColumnType::Text,
        document: ColumnType::Json,
        bytes: ColumnType::Blob,
        time: ColumnType::Text,
    }
}

/// All statements, with plain names.
fn sample() -> Sample<Sqlite> {
    Sample::plain(Sqlite, kinds())
}

/// The tokens of a statement.
fn tokens(statement: &str) -> Vec<Token> {
    SYNTAX.tokens(statement)
}

const SYNTAX: Syntax = Syntax { bind: '?', has_escapes: false, forbidden: ";/#\\[`" };
