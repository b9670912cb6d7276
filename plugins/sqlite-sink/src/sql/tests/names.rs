//! Statements do not depend on names, and contain no values.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate_cdc::{
    Dialect as _,
    sql::{quoted, unused},
    statement::{Column, Merge},
    testing::{Sample, Token},
};

use super::{kinds, sample, tokens};
use crate::{dialect::Sqlite, session::Session, types::ColumnType};

/// Unusual names that SQLite accepts: it has none with U+0000.
fn name() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "\"",
        "a\"; DROP TABLE x; --",
        "it's",
        "?",
        "[a]",
        "`",
        "/* \n */",
        "Größe 🧊",
        "main",
        "rowid",
        "__key",
        "__keep_0",
    ])
    .prop_map(str::to_owned);
    prop_oneof![nasty, "[\"'?;\\\\/*-]{1,8}", "\\PC{1,20}", "[a-z]{1,5}"]
}

/// Names of which no two are the same to SQLite.
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

fn any_sample() -> impl Strategy<Value = Sample<Sqlite>> {
    names::<21>().prop_map(|names| Sample::named(Sqlite, kinds(), names, sample().comment))
}

/// A statement without names.
fn skeleton(statement: &str) -> Vec<Token> {
    let mut tokens = tokens(statement);
    for token in &mut tokens {
        if let Token::Name(name) = token {
            name.clear();
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
        for (case, tame) in named.statements().iter().zip(sample().statements()) {
            for (call, tame) in case.calls.iter().zip(&tame.calls) {
                prop_assert_eq!(skeleton(&call.text), skeleton(&tame.text), "{}", case.name);
            }
        }
    }

    #[test]
    fn sqlite_accepts_every_statement_with_any_names(named in any_sample()) {
        prop_assume!(!named.table.table.to_lowercase().starts_with("sqlite_"));
        let session = Session::in_memory();
        let mut cases = named.statements();
        // In the sample, the second lane is a table that has other columns.
        let lanes = [&named.offsets, &named.offsets].map(Clone::clone);
        let read = cases.iter_mut().find(|case| case.name == "offsets_read").unwrap();
        read.calls = vec![Sqlite.offsets_read(&lanes, &named.offset_names)];
        let create = |name| cases.iter().find(|case| case.name == name).unwrap();
        for name in ["create_table", "create_deleted_keys", "create_offsets", "create_history", "create_truncates"] {
            session.execute(&create(name).calls[0].text);
        }
        for case in cases.iter().filter(|case| !case.name.starts_with("create_") && case.name != "add_columns") {
            session.begin();
            for call in &case.calls {
                let binds = vec!["[]"; call.binds.len()];
                prop_assert!(session.counts(call, &binds).is_ok(), "{}: {}", case.name, call.text);
            }
            session.execute("ROLLBACK");
        }
    }
}

#[test]
fn statements_have_the_documented_binds_and_no_literals() {
    let constants = BTreeSet::from(["", "*", "d", "early", "0", "1"]);
    for case in sample().statements() {
        for call in &case.calls {
            let tokens = tokens(&call.text);
            let binds = tokens.iter().filter(|token| **token == Token::Bind).count();
            assert_eq!(binds, call.binds.len(), "{}", case.name);
            for token in &tokens {
                if let Token::Text(text) = token {
                    assert!(constants.contains(text.as_str()), "{}: {text:?}", case.name);
                }
            }
        }
    }
}

#[test]
fn columns_do_not_conflict_with_the_sinks_own() {
    let column = |name: &str| Column { name: name.to_owned(), kind: ColumnType::Text };
    let columns = ["__key", "__KEY_", "__insert"].map(column);
    assert_eq!(unused("__key", &columns), "__key__");
    assert_eq!(unused("__insert", &columns), "__insert_");
    assert_eq!(unused("__values", &columns), "__values");
}

#[test]
fn the_sinks_own_elements_follow_the_columns() {
    let sample = sample();
    let columns = [Column { name: "id".to_owned(), kind: ColumnType::Blob }];
    let plain = Merge { key: &[0], about: &[], ..sample.merge(&columns) };
    let flagged =
        Merge { kept: &[0, 0], deleted_keys: Some(&sample.deleted_keys), insert_flag: true, ..plain };
    let elements = [
        "unhex(r.value ->> 0) AS \"id\"",
        "r.value ->> 1 AS \"__key\"",
        "r.value ->> 2 AS \"__insert\"",
        "r.value ->> 3 AS \"__keep_0\"",
        "r.value ->> 4 AS \"__keep_1\"",
    ];
    let text = &Sqlite.merge(&flagged)[0].text;
    assert!(text.contains(&elements.join(", ")), "{text}");
}
