//! Statements that are too large are split. If that does not help, the record is reported.

use tidegate_tests::StandIn;

use super::{Trial, shop, trial::WHOLE};

const ORDERS: &str = "^MERGE INTO [^ ]*\"orders\"";

#[test]
fn a_statement_that_is_too_large_is_split() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    // The last one exceeds the statement timeout, which splitting can fix too.
    let scenes = [
        ("by_size", "", "code:001795:54001", "001795/54001"),
        ("by_value", "", "code:100069:22P02", "100069/22P02"),
        ("by_time", "statement_timeout = \"1s\"\n", "delay:5", "000630/57014"),
    ];
    for (name, sink, action, code) in scenes {
        let trial = Trial::new(&stand_in, name);
        trial.connector(&format!("max_statement_bytes = 10000\n{sink}"), WHOLE);
        let finished = trial.run_past(ORDERS, 1, 1, action);
        let line = finished.expect_log(code);
        assert!(line.contains("MERGE into ") && line.contains("query "), "{line}");
        let merges = merges(&trial);
        // The rejected statement, and its halves.
        assert!(merges >= 3, "{merges} statements");
        println!("{action}: {merges} statements");
    }
}

#[test]
fn a_single_row_that_is_too_large_is_reported_by_offset() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let trial = Trial::new(&stand_in, "never_small_enough");
    stand_in.fault_at(ORDERS, 1, 0, "code:100069:22P02");
    let finished = trial.run_once().expect_code(3);
    let line = finished.expect_log("rejected cdc.public.orders-0 offset 0");
    assert!(line.contains("100069/22P02") && line.contains("NEVER_SMALL_ENOUGH\".\"orders\""), "{line}");
    assert_eq!(trial.select("\"id\"", "orders"), Vec::<Vec<Option<String>>>::new());
    assert_eq!(trial.broker.committed("connect-never_small_enough", shop::ORDERS, 0).unwrap_or(0), 0);
}

#[test]
fn statements_stay_below_their_size() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "small_statements");
    trial.connector("max_statement_bytes = 1000\n", WHOLE);
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);
    let merges = merges(&trial);
    // There are sixty rows of more than eighty bytes each.
    assert!(merges > 4, "{merges} statements");
}

fn merges(trial: &Trial<'_>) -> usize {
    let log = trial.log();
    let is_merge = |sql: &str| {
        sql.starts_with("MERGE INTO") && sql.lines().next().is_some_and(|line| line.contains("\"orders\""))
    };
    log.iter().filter(|entry| entry.sql.as_deref().is_some_and(is_merge)).count()
}
