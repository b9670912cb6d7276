//! The exact text of all statements.

use tidegate_cdc::{
    Dialect as _,
    names::Naming,
    options::Identifiers,
    testing::{Case, Sample, expect_golden},
};

use super::kinds;
use crate::dialect::{NAMES, Snowflake};

/// The text of each statement, by name.
fn statements(identifiers: Identifiers) -> Vec<(&'static str, String)> {
    let naming = Naming::new("{table}", identifiers, NAMES).unwrap();
    let dialect = Snowflake { database: "SHOP".to_owned(), schema: "PUBLIC".to_owned() };
    let sample = Sample::plain(dialect.clone(), kinds()).cased(&naming);
    let of_case = |case: &Case| {
        let [call] = case.calls.as_slice() else { panic!("{} is one statement", case.name) };
        assert!(!call.loads, "rows are bound");
        (case.name, call.text.clone())
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
fn upper_case_changes_only_names() {
    let (preserved, upper) = (statements(Identifiers::Preserve), statements(Identifiers::Upper));
    for ((name, preserved), (_, upper)) in preserved.iter().zip(upper) {
        assert_eq!(preserved.to_uppercase(), upper.to_uppercase(), "{name}");
        let ours = ["\"_cdc_", "\"key\"", "\"orders", "\"epoch\"", "\"id\""];
        assert!(!ours.iter().any(|name| upper.contains(name)), "{name}: {upper}");
    }
}
