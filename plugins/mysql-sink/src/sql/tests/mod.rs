//! Tests of the statements' texts. What they do is tested with a real server, in `tests/table_sinks`.

mod golden;
mod names;

use tidegate_cdc::testing::{Kinds, Sample, Syntax, Token};

use crate::{
    dialect::MySql,
    types::{ColumnType, Kind, Size},
};

/// The dialect of a database in MariaDB.
pub(crate) fn dialect() -> MySql {
    MySql {
        database: "shop".to_owned(),
        collation: "utf8mb4_nopad_bin",
        is_mariadb: true,
        loads: true,
        folds_tables: false,
        lock_seconds: 30,
    }
}

/// Types of the sample's columns.
fn kinds() -> Kinds<ColumnType> {
    Kinds {
        whole: Kind::BIGINT.into(),
        number: Kind::Decimal { precision: 18, scale: 4, is_unsigned: false }.into(),
        text: Kind::Text(Size::Long).into(),
        document: Kind::Document.into(),
        bytes: Kind::Bytes(Size::Long).into(),
        time: Kind::DateTime(6).into(),
    }
}

/// All statements, with plain names.
fn sample() -> Sample<MySql> {
    Sample::plain(dialect(), kinds())
}

/// The tokens of a statement. Names are in backticks, so the two kinds of quotes change places.
fn tokens(statement: &str) -> Vec<Token> {
    let mut tokens = SYNTAX.tokens(&exchanged(statement));
    for token in &mut tokens {
        if let Token::Name(text) | Token::Text(text) = token {
            *text = exchanged(text);
        }
    }
    tokens
}

fn exchanged(text: &str) -> String {
    let exchange = |character| match character {
        '`' => '"',
        '"' => '`',
        other => other,
    };
    text.chars().map(exchange).collect()
}

/// Number of binds of a statement.
fn binds(statement: &str) -> usize {
    tokens(statement).iter().filter(|token| **token == Token::Bind).count()
}

const SYNTAX: Syntax = Syntax { bind: '?', has_escapes: false, forbidden: "/#\\[`" };
