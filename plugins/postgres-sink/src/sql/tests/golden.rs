//! The exact text of all statements.

use super::sample::{Case, Sample};

macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("golden/", $name, ".sql")))),*]
    };
}

const GOLDEN: [(&str, &str); 25] = golden![
    "merge_plain",
    "merge_single_key_deletes",
    "merge_guarded",
    "merge_soft",
    "merge_soft_flagged",
    "insert_rows",
    "copy_moved",
    "copy_moved_soft",
    "without_values",
    "without_values_soft",
    "unmatched",
    "unmatched_soft",
    "store_deletes",
    "purge_deletes",
    "truncate_hard",
    "truncate_soft",
    "offsets_add_missing",
    "offsets_claim",
    "offsets_read",
    "offsets_move",
    "create_table",
    "create_table_keyless",
    "create_deleted_keys",
    "create_offsets",
    "add_columns",
];

/// The statements of a case, one after the other.
fn text(case: &Case) -> String {
    case.calls.iter().map(|call| format!("{};\n", call.text)).collect()
}

#[test]
fn statements_match_the_golden_files() {
    let cases = Sample::tame().statements();
    assert_eq!(cases.len(), GOLDEN.len());
    for (case, (name, expected)) in cases.iter().zip(GOLDEN) {
        assert_eq!(case.name, name);
        assert_eq!(text(case), expected, "{name}");
    }
}
