//! The exact text of all statements.

use tidegate_cdc::{
    Dialect as _,
    names::Naming,
    options::Identifiers,
    statement::{Meta, OffsetNames},
};

use super::sample::Sample;
use crate::dialect::{NAMES, Snowflake};

fn sample(identifiers: Identifiers) -> Sample {
    let naming = Naming::new("{table}", identifiers, NAMES).unwrap();
    let dialect = Snowflake { database: "SHOP".to_owned(), schema: "PUBLIC".to_owned() };
    let table = |name: &str| dialect.table(&naming.cased(name));
    Sample {
        table: table("orders"),
        deleted_keys: table("orders__cdc_deleted"),
        offsets: table("_cdc_offsets_shop"),
        columns: ["id", "region", "amount", "document", "photo", "_cdc_topic"].map(|name| naming.cased(name)),
        meta: Meta::cased(&naming),
        offset_names: OffsetNames::cased(&naming),
        dialect: dialect.clone(),
        comment: r"Written by the connector's \ sink".to_owned(),
    }
}

macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("golden/", $name, ".sql")))),*]
    };
}

const GOLDEN: [(&str, &str); 29] = golden![
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
    "add_column",
    "add_columns",
    "widen",
    "show_columns",
    "list_tables",
];

#[test]
fn statements_match_the_golden_files() {
    let cases = sample(Identifiers::Preserve).statements();
    assert_eq!(cases.len(), GOLDEN.len());
    for (case, (name, text)) in cases.iter().zip(GOLDEN) {
        assert_eq!(case.name, name);
        assert_eq!(case.text, text.trim_end(), "{name}");
    }
}

#[test]
fn upper_case_changes_only_names() {
    let (preserved, upper) =
        (sample(Identifiers::Preserve).statements(), sample(Identifiers::Upper).statements());
    for (preserved, upper) in preserved.iter().zip(upper) {
        assert_eq!(preserved.text.to_uppercase(), upper.text.to_uppercase(), "{}", upper.name);
        let ours = ["\"_cdc_", "\"key\"", "\"orders", "\"epoch\"", "\"id\""];
        assert!(!ours.iter().any(|name| upper.text.contains(name)), "{}: {}", upper.name, upper.text);
    }
}
