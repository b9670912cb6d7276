//! The exact text of all statements.

use tidegate_cdc::{Dialect, statement::Column, testing::expect_golden};

use super::{dialect, sample, sample_for_few_rows};
use crate::types::ColumnType;

#[test]
fn statements_match_the_golden_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql/tests/golden");
    expect_golden(folder, sample().statements().iter().map(|case| (case.name, case.text())));
}

#[test]
fn statements_for_few_rows_match_the_golden_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql/tests/golden_few_rows");
    let few = sample_for_few_rows().statements();
    let all = sample().statements();
    let other = few.iter().zip(&all).filter(|(few, all)| few.calls != all.calls);
    expect_golden(folder, other.map(|(few, _)| (few.name, few.text())));
}

#[test]
fn rows_with_types_that_the_sink_does_not_know_are_loaded() {
    for kind in ["bit(3)", "mood"].map(|name| ColumnType::Native(name.to_owned())) {
        for kind in [kind.clone(), ColumnType::Array(Box::new(kind))] {
            let dialect = dialect().for_rows(1).into_owned();
            let column = Column { name: "flags".to_owned(), kind };
            let meta = sample().meta;
            let calls = dialect.insert_rows(&dialect.table("orders"), &[column], &meta);
            assert!(calls.iter().any(|call| call.loads), "{calls:?}");
        }
    }
}
