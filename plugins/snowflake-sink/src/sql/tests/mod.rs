//! Tests of the statements' texts.

mod golden;
mod names;

use tidegate_cdc::testing::{Kinds, Syntax, Token};

use crate::types::ColumnType;

/// Types of the sample's columns.
fn kinds() -> Kinds<ColumnType> {
    Kinds {
        whole: ColumnType::Number { precision: 38, scale: 0 },
        number: ColumnType::Number { precision: 18, scale: 4 },
        text: ColumnType::Text { length: None },
        document: ColumnType::Variant,
        bytes: ColumnType::Binary { length: None },
        time: ColumnType::TimestampTz,
    }
}

/// The tokens of a statement.
fn tokens(statement: &str) -> Vec<Token> {
    Syntax { bind: '?', has_escapes: true, forbidden: ";/#\\" }.tokens(statement)
}
