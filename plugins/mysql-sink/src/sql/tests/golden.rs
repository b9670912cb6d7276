//! The exact text of all statements.

use tidegate_cdc::testing::expect_golden;

use super::sample;

#[test]
fn statements_match_the_golden_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql/tests/golden");
    expect_golden(folder, sample().statements().iter().map(|case| (case.name, case.text())));
}
