//! How SQLite runs the statements of histories.

use tidegate_cdc::HistoryDialect as _;

use super::sample;
use crate::{dialect::Sqlite, session::Session};

/// A hot row may have a million versions: no statement reads all of them, nor the whole table.
#[test]
fn versions_are_found_by_index() {
    let sample = sample();
    let session = Session::in_memory();
    sample.create_history(&Sqlite).iter().for_each(|create| session.execute(create));
    session.execute(&Sqlite.create_truncates(&sample.truncates, &sample.meta));
    let mut plans = 0;
    for case in sample
        .statements()
        .iter()
        .filter(|case| case.name.starts_with("add_versions") || case.name == "earlier_values")
    {
        session.begin();
        for call in &case.calls {
            let binds: Vec<String> = call.binds.iter().map(|_| "[]".to_owned()).collect();
            if call.kind.ends_with("TEMP TABLE") && !call.kind.starts_with("UPDATE") {
                let binds: Vec<&str> = binds.iter().map(String::as_str).collect();
                session.counts(call, &binds).unwrap();
                continue;
            }
            let plan = session.query(&format!("EXPLAIN QUERY PLAN {}", call.text), &binds).rows;
            for step in plan.iter().filter_map(|row| row.last()?.as_deref()) {
                let is_of_table =
                    ["t", "p", "q", "n"].iter().any(|alias| step.split_whitespace().nth(1) == Some(alias));
                assert!(!is_of_table || step.starts_with("SEARCH"), "{}: {step}", case.name);
                // By the key alone, all versions of it would be read.
                let has_all = step.contains("_cdc_source_lsn") || step.contains("_cdc_valid_to");
                assert!(!is_of_table || has_all, "{}: {step}", case.name);
                plans += usize::from(is_of_table);
            }
        }
        session.execute("ROLLBACK");
    }
    assert!(plans > 10, "{plans} plans");
}
