//! Statements do not depend on names, and contain no values.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate_cdc::{
    Dialect as _,
    statement::{Column, Merge},
    testing::{Sample, Token},
};

use super::{binds, dialect, kinds, sample, tokens};
use crate::{
    dialect::MySql,
    sql::quoted,
    types::{Charset, ColumnType, Kind},
};

/// Unusual names.
fn name() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "`",
        "a`; DROP TABLE x; --",
        "it's",
        "?",
        "ROWS(?, 2)",
        "VALUES (",
        "back\\slash",
        "/* \n */",
        "Größe",
        "@v0",
        "__key",
        "__keep_0",
    ])
    .prop_map(str::to_owned);
    prop_oneof![nasty, "[\"'`?;\\\\/*-]{1,8}", "\\PC{1,20}", "[a-z]{1,5}"]
}

/// Names of which no two differ only in case.
fn names<const N: usize>() -> impl Strategy<Value = [String; N]> {
    let distinct = |names: &Vec<String>| {
        names.iter().map(|name| name.to_lowercase()).collect::<BTreeSet<_>>().len() == names.len()
    };
    let numbered = prop::collection::vec(name(), N).prop_map(|names| {
        names.into_iter().enumerate().map(|(index, name)| format!("{name}{index}")).collect::<Vec<_>>()
    });
    prop_oneof![prop::collection::vec(name(), N).prop_filter("distinct", distinct), numbered]
        .prop_map(|names| names.try_into().unwrap())
}

fn any_sample() -> impl Strategy<Value = Sample<MySql>> {
    (names::<21>(), any::<bool>()).prop_map(|(names, loads)| {
        Sample::named(MySql { loads, ..dialect() }, kinds(), names, sample().comment)
    })
}

/// A statement without names.
fn skeleton(statement: &str) -> Vec<Token> {
    let mut tokens = tokens(statement);
    for token in &mut tokens {
        match token {
            Token::Name(name) => name.clear(),
            // The name of a lock is the digest of its table.
            Token::Text(name) if name.starts_with("tidegate_") => name.clear(),
            _ => {}
        }
    }
    tokens
}

proptest! {
    #[test]
    fn a_quoted_name_is_a_single_token(name in any::<String>()) {
        prop_assert_eq!(tokens(&quoted(&name).to_string()), [Token::Name(name)]);
    }

    #[test]
    fn statements_do_not_depend_on_names(named in any_sample()) {
        let tame = Sample { dialect: named.dialect.clone(), ..sample() };
        for (case, tame) in named.statements().iter().zip(tame.statements()) {
            for (call, tame) in case.calls.iter().zip(&tame.calls) {
                prop_assert_eq!(skeleton(&call.text), skeleton(&tame.text), "{}", case.name);
            }
        }
    }
}

#[test]
fn statements_have_the_documented_binds_and_no_literals() {
    let constants = BTreeSet::from(["", "*", "d", "early", "0", "1", "Z", "rows", "09", "5C", "0A"]);
    for case in sample().statements().iter().filter(|case| !case.name.starts_with("create_")) {
        for call in &case.calls {
            assert_eq!(binds(&call.text), call.binds.len(), "{}", case.name);
            for token in tokens(&call.text) {
                if let Token::Text(text) = &token {
                    let is_lock = text.starts_with("tidegate_");
                    assert!(is_lock || constants.contains(text.as_str()), "{}: {text:?}", case.name);
                }
            }
        }
    }
}

#[test]
fn rows_are_inserted_where_no_files_are_loaded() {
    let sample = Sample { dialect: MySql { loads: false, ..dialect() }, ..sample() };
    let columns = sample.columns();
    let loading = sample.dialect.insert_rows(&sample.table, &columns, &sample.meta);
    let insert = loading.iter().find(|call| call.loads).unwrap();
    assert!(
        insert.text.ends_with(
            ") VALUES (?, ?, ?, ?, UNHEX(?), ?, CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)), ?, ?)"
        ),
        "{}",
        insert.text
    );
}

#[test]
fn keys_that_a_collation_takes_for_equal_are_told_apart() {
    let sample = sample();
    let charset = Charset { name: "latin1".to_owned(), collation: "latin1_swedish_ci".to_owned() };
    let kind = ColumnType { charset: Some(charset), ..Kind::VarChar(20).into() };
    let columns: Vec<Column<ColumnType>> = sample
        .columns()
        .into_iter()
        .map(|column| match column.name.as_str() {
            "region" => Column { kind: kind.clone(), ..column },
            _ => column,
        })
        .collect();
    let merge = sample.dialect.merge(&Merge { key: &[1], ..sample.merge(&columns) });
    let texts: String = merge.iter().map(|call| call.text.as_str()).collect();
    assert!(texts.contains("`region` longtext CHARACTER SET latin1 COLLATE latin1_swedish_ci"), "{texts}");
    assert!(
        texts.contains("t.`region` = s.`region` AND CAST(t.`region` AS BINARY) = CAST(s.`region` AS BINARY)"),
        "{texts}"
    );
}
