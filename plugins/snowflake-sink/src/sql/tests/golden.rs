//! The exact text of all statements.

use tidegate_cdc::{
    Dialect as _,
    names::Naming,
    options::Identifiers,
    statement::FILE,
    testing::{Case, Sample, expect_golden},
};

use super::kinds;
use crate::{
    dialect::{NAMES, Snowflake},
    sql::{StageName, create_stage, list_stage, put, remove},
};

/// The text of each statement, by name.
fn statements(identifiers: Identifiers) -> Vec<(&'static str, String)> {
    let naming = Naming::new("{table}", identifiers, NAMES).unwrap();
    let dialect = Snowflake { database: "SHOP".to_owned(), schema: "PUBLIC".to_owned(), reads_files: true };
    let sample = Sample::plain(dialect.clone(), kinds()).cased(&naming);
    let of_case = |case: &Case| {
        assert!(case.calls.iter().all(|call| !call.loads), "rows are bound");
        let texts: Vec<&str> = case.calls.iter().map(|call| call.text.as_str()).collect();
        (case.name, texts.join(";\n"))
    };
    let mut texts: Vec<(&str, String)> = sample.statements().iter().map(of_case).collect();
    let columns = sample.columns();
    let amount = &columns[2];
    let adding = dialect.add_columns(&sample.table, std::slice::from_ref(amount)).remove(0);
    texts.extend([
        ("add_column", adding),
        ("widen", dialect.widen(&sample.table, amount)),
        ("show_columns", dialect.describe(&sample.table).text),
        ("list_tables", dialect.list_tables().text),
    ]);
    texts
}

#[test]
fn statements_match_the_golden_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql/tests/golden");
    expect_golden(folder, statements(Identifiers::Preserve));
}

#[test]
fn statements_that_read_a_file_match_the_golden_files() {
    let dialect = Snowflake { database: "SHOP".to_owned(), schema: "PUBLIC".to_owned(), reads_files: true };
    let stage = StageName::new("SHOP", "PUBLIC", "_cdc_stage_shop");
    let file = stage.path("c0ffee/0-1f/1700000000-0.json.gz");
    let sample = Sample::plain(dialect, kinds());
    let of_case = |case: &Case| {
        let text = case.calls.first()?.from_file.as_ref()?;
        Some((case.name, text.replace(FILE, &file)))
    };
    let mut texts: Vec<(&str, String)> = sample.statements().iter().filter_map(of_case).collect();
    texts.extend([
        ("create_stage", create_stage(&stage)),
        ("put", put(&stage, "c0ffee/0-1f/", "1700000000-0.json.gz").trim_start().to_owned()),
        ("list", list_stage(&stage, "c0ffee/0-1f/")),
        ("remove", remove(&stage, "c0ffee/0-1f/")),
    ]);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql/tests/golden_stage");
    expect_golden(folder, texts);
}

#[test]
fn without_a_stage_statements_have_no_other_text() {
    let dialect = Snowflake { database: "SHOP".to_owned(), schema: "PUBLIC".to_owned(), reads_files: false };
    let statements = Sample::plain(dialect, kinds()).statements();
    assert!(statements.iter().flat_map(|case| &case.calls).all(|call| call.from_file.is_none()));
}

#[test]
fn names_of_stages_are_quoted_twice() {
    let stage = StageName::new("d", "s", r#"it's "my" \ stage"#);
    assert_eq!(list_stage(&stage, "a/"), r#"LIST '@"d"."s"."it\'s ""my"" \\ stage"/a/'"#);
}

#[test]
fn upper_case_changes_only_names() {
    let (preserved, upper) = (statements(Identifiers::Preserve), statements(Identifiers::Upper));
    for ((name, preserved), (_, upper)) in preserved.iter().zip(upper) {
        assert_eq!(preserved.to_uppercase(), upper.to_uppercase(), "{name}");
        let ours = ["\"_cdc_", "\"key\"", "\"orders", "\"epoch\"", "\"id\""];
        assert!(!ours.iter().any(|name| upper.contains(name)), "{name}: {upper}");
    }
}
