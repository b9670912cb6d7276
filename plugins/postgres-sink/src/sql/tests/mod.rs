//! Tests of the statements' texts. What they do is tested with a real server, in `tests/table_sinks`.

mod golden;
mod names;

use tidegate_cdc::{
    Dialect,
    testing::{Kinds, Sample, Syntax, Token},
};

use crate::{dialect::Postgres, types::ColumnType};

/// The dialect of a schema.
fn dialect() -> Postgres {
    Postgres::new("shop".to_owned())
}

/// Types of the sample's columns.
fn kinds() -> Kinds<ColumnType> {
    Kinds {
        whole: ColumnType::BigInt,
        number: ColumnType::Numeric(Some((18, 4))),
        text: ColumnType::Text(None),
        document: ColumnType::Jsonb,
        bytes: ColumnType::Bytea,
        time: ColumnType::TimestampTz,
    }
}

/// All statements, with plain names.
fn sample() -> Sample<Postgres> {
    Sample::plain(dialect(), kinds())
}

/// As [`sample`], with the statements for few rows.
fn sample_for_few_rows() -> Sample<Postgres> {
    Sample::plain(dialect().for_rows(1).into_owned(), kinds())
}

/// The tokens of a statement.
fn tokens(statement: &str) -> Vec<Token> {
    SYNTAX.tokens(statement)
}

const SYNTAX: Syntax = Syntax { bind: '$', has_escapes: false, forbidden: "/#\\[`" };
