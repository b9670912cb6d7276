//! Statements do not depend on names.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate_cdc::{
    Dialect as _,
    sql::quoted,
    statement::{Bind, Column, Merge},
    testing::{Case, Sample, Token},
};

use super::{kinds, tokens};
use crate::{
    dialect::Snowflake,
    sql::{add_columns, create_table, merge, unmatched},
    types::ColumnType,
};

/// Unusual names.
fn name() -> impl Strategy<Value = String> {
    let nasty = prop_oneof![
        Just("\"".to_owned()),
        Just("a\"; DROP TABLE x; --".to_owned()),
        Just("it's".to_owned()),
        Just("?".to_owned()),
        Just("back\\slash\\".to_owned()),
        Just("/* \n */".to_owned()),
        Just("Größe 🧊".to_owned()),
        Just("$$".to_owned()),
        Just("__key".to_owned()),
        Just("__keep_0".to_owned()),
    ];
    prop_oneof![nasty, "[\"'?;\\\\/*-]{1,8}", "\\PC{1,20}", "[a-z]{1,5}", any::<String>()]
        // Names with it are rejected before.
        .prop_map(|name| name.replace('\0', "."))
}

fn names<const N: usize>() -> impl Strategy<Value = [String; N]> {
    proptest::collection::vec(name(), N).prop_map(|names| names.try_into().unwrap())
}

fn sample() -> impl Strategy<Value = Sample<Snowflake>> {
    let dialect =
        (name(), name()).prop_map(|(database, schema)| Snowflake { database, schema, reads_files: true });
    (dialect, names::<21>(), name())
        .prop_map(|(dialect, names, comment)| Sample::named(dialect, kinds(), names, comment))
}

fn tame() -> Sample<Snowflake> {
    Sample::plain(Snowflake { database: "d".into(), schema: "s".into(), reads_files: true }, kinds())
}

/// A statement without names and comments.
fn skeleton(statement: &str) -> Vec<Token> {
    let mut tokens = tokens(statement);
    let mut is_comment = false;
    for token in &mut tokens {
        match token {
            Token::Name(name) => name.clear(),
            Token::Text(text) if is_comment => text.clear(),
            _ => {}
        }
        is_comment = match token {
            Token::Word(word) => word == "COMMENT",
            Token::Sign('=') => is_comment,
            _ => false,
        };
    }
    tokens
}

proptest! {
    #[test]
    fn a_quoted_name_is_a_single_token(name in any::<String>()) {
        prop_assert_eq!(tokens(&quoted(&name).to_string()), [Token::Name(name)]);
    }

    #[test]
    fn statements_do_not_depend_on_names(sample in sample()) {
        for (case, tame) in sample.statements().iter().zip(tame().statements()) {
            let [call, tame] = [&case.calls, &tame.calls].map(|calls| &calls[0].text);
            prop_assert_eq!(skeleton(call), skeleton(tame), "{}", case.name);
        }
    }

    #[test]
    fn a_table_name_has_three_parts(database in name(), schema in name(), table in name()) {
        let name = |name: &String| Token::Name(name.clone());
        let dot = Token::Sign('.');
        let expected = [name(&database), dot.clone(), name(&schema), dot, name(&table)];
        prop_assert_eq!(tokens(&Snowflake { database, schema, reads_files: true }.table(&table).to_string()), expected);
    }

    #[test]
    fn a_comment_is_one_text(comment in any::<String>()) {
        let statement = create_table(&tame().table, &tame().columns(), &[0], &comment);
        prop_assert_eq!(tokens(&statement).pop(), Some(Token::Text(comment)));
    }
}

#[test]
fn statements_have_the_documented_binds_and_no_literals() {
    let constants = BTreeSet::from(["", "*", "d", "BASE64", "early", "0", "1", "9999-12-31T23:59:59.9999Z"]);
    for case in tame().statements() {
        let call = &case.calls[0];
        let tokens = tokens(&call.text);
        let binds = tokens.iter().filter(|token| **token == Token::Bind).count();
        assert_eq!(binds, call.binds.len(), "{}", case.name);
        let is_ddl = binds == 0;
        for token in &tokens {
            if let Token::Text(text) = token {
                assert!(is_ddl || constants.contains(text.as_str()), "{}: {text:?}", case.name);
            }
        }
    }
}

#[test]
fn the_time_of_writing_is_bound_before_the_rows() {
    let is_timed = |case: &&Case| case.calls[0].binds == [Bind::Now, Bind::Rows];
    for case in tame().statements().iter().filter(is_timed) {
        let text = &case.calls[0].text;
        let time = text.find("CAST(? AS TIMESTAMP_TZ)").unwrap();
        assert!(time < text.find("PARSE_JSON(?)").unwrap(), "{}", case.name);
    }
}

#[test]
fn columns_do_not_conflict_with_the_sinks_own() {
    let sample = tame();
    let mut columns = sample.columns();
    for (column, name) in columns.iter_mut().zip(["__key", "__KEY_", "__insert", "__keep_0", "__Keep_1"]) {
        column.name = name.to_owned();
    }
    let plain = sample.merge(&columns);
    let flagged =
        Merge { kept: &[3, 4], deleted_keys: Some(&sample.deleted_keys), insert_flag: true, ..plain };
    for statement in [merge(&flagged), unmatched(&sample.table, columns.get(..2).unwrap(), None)] {
        let read = tokens(statement.split("FROM LATERAL").next().unwrap());
        let is_alias =
            |pair: &&[Token]| pair[0] == Token::Word("AS".to_owned()) && matches!(pair[1], Token::Name(_));
        let aliases: Vec<_> =
            read.windows(2).filter(is_alias).map(|pair| format!("{:?}", pair[1]).to_lowercase()).collect();
        let distinct: BTreeSet<_> = aliases.iter().collect();
        assert_eq!(distinct.len(), aliases.len(), "{statement}");
    }
}

#[test]
fn no_columns_need_no_statement() {
    assert_eq!(add_columns(&tame().table, &[]), None);
}

#[test]
fn the_sinks_own_elements_follow_the_columns() {
    let columns = [Column { name: "id".to_owned(), kind: ColumnType::Boolean }];
    let sample = tame();
    let plain = Merge { key: &[0], about: &[], ..sample.merge(&columns) };
    let flagged =
        Merge { kept: &[0, 0], deleted_keys: Some(&sample.deleted_keys), insert_flag: true, ..plain };
    let text = merge(&flagged);
    let elements = [
        "f.value[0]::BOOLEAN AS \"id\"",
        "f.value[1]::VARCHAR AS \"__key\"",
        "f.value[2]::BOOLEAN AS \"__insert\"",
        "f.value[3]::VARCHAR AS \"__keep_0\"",
        "f.value[4]::VARCHAR AS \"__keep_1\"",
    ];
    assert!(text.contains(&elements.join(", ")), "{text}");
}
