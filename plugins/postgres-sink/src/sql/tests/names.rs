//! Statements do not depend on names, and contain no values.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate_cdc::{
    Dialect,
    sql::{quoted, unused},
    statement::Column,
    testing::{Sample, Token},
};

use super::{SYNTAX, dialect, kinds, sample, sample_for_few_rows, tokens};
use crate::{dialect::Postgres, types::ColumnType};

/// Unusual names.
fn name() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "\"",
        "a\"; DROP TABLE x; --",
        "it's",
        "?",
        "$$",
        "back\\slash",
        "/* \n */",
        "Größe 🧊",
        "pg_temp",
        "__key",
        "__keep_0",
    ])
    .prop_map(str::to_owned);
    prop_oneof![nasty, "[\"'?;\\\\/*-]{1,8}", "\\PC{1,20}", "[a-z]{1,5}"]
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

/// Samples with any names, for many rows and for few.
fn any_samples() -> impl Strategy<Value = [Sample<Postgres>; 2]> {
    names::<21>().prop_map(|names| {
        let few = dialect().for_rows(1).into_owned();
        [dialect(), few].map(|dialect| Sample::named(dialect, kinds(), names.clone(), sample().comment))
    })
}

/// A statement without names.
fn skeleton(statement: &str) -> Vec<Token> {
    let mut tokens = tokens(statement);
    for token in &mut tokens {
        match token {
            Token::Name(name) => name.clear(),
            // The name of a lock is that of its table.
            Token::Text(name) if name.starts_with('"') => name.clear(),
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
    fn statements_do_not_depend_on_names(named in any_samples()) {
        for (named, tame) in named.iter().zip([sample(), sample_for_few_rows()]) {
            for (case, tame) in named.statements().iter().zip(tame.statements()) {
                for (call, tame) in case.calls.iter().zip(&tame.calls) {
                    prop_assert_eq!(skeleton(&call.text), skeleton(&tame.text), "{}", case.name);
                }
            }
        }
    }
}

#[test]
fn statements_have_the_documented_binds_and_no_literals() {
    let constants = BTreeSet::from(["", "*", "d", "early", "0", "1"]);
    let cases = [sample(), sample_for_few_rows()].into_iter().flat_map(|sample| sample.statements());
    for case in cases.filter(|case| !case.name.starts_with("create_")) {
        for call in &case.calls {
            let tokens = tokens(&call.text);
            assert_eq!(SYNTAX.binds(&call.text), call.binds.len(), "{}", case.name);
            for token in &tokens {
                if let Token::Text(text) = token {
                    let is_lock =
                        [r#""shop"."orders""#, r#""shop"."orders_history""#].contains(&text.as_str());
                    assert!(is_lock || constants.contains(text.as_str()), "{}: {text:?}", case.name);
                }
            }
        }
    }
}

#[test]
fn columns_do_not_conflict_with_the_sinks_own() {
    let column = |name: &str| Column { name: name.to_owned(), kind: ColumnType::Text(None) };
    let columns = ["__key", "__KEY_", "__insert"].map(column);
    assert_eq!(unused("__key", &columns), "__key__");
    assert_eq!(unused("__insert", &columns), "__insert_");
    assert_eq!(unused("__values", &columns), "__values");
}
