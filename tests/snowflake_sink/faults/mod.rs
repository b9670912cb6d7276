//! Faults: the tables must be right in the end, and the log must report the fault.
//!
//! Each test has its own stand-in, so that faults do not affect other tests. A trial has a schema, a broker and a
//! connector that reads the shop's events.

mod capacity;
mod changes;
mod data;
mod lanes;
mod log_contents;
mod logins;
mod options;
mod privileges;
mod responses;
mod sessions;
mod shapes;
mod shop;
mod sizes;
mod stages;
mod trial;

use shop::{Order, Shop};
use trial::Trial;

/// The statements of a flush: a pattern, which of the matching statements fails, and its name in the log.
const STATEMENTS: [(&str, usize, &str); 7] = [
    ("^SELECT TABLE_NAME", 1, "SELECT failed"),
    ("^CREATE TABLE [^(]*\"orders\"", 1, "CREATE TABLE "),
    ("^BEGIN", 1, "BEGIN failed"),
    ("^MERGE INTO [^ ]*\"orders\"", 1, "MERGE into "),
    ("^INSERT INTO [^ ]*\"views\"", 1, "INSERT into "),
    ("^MERGE INTO [^ ]*_cdc_offsets_.*next_offset", 1, "MERGE into "),
    ("^COMMIT", 1, "COMMIT failed"),
];

/// Makes each statement of a claim and a flush fail once, one after the other. Checks the tables, and that the log
/// contains each failure `with` its reason.
#[track_caller]
fn fail_every_statement(trial: &Trial<'_>, action: &str, with: &str) -> tidegate_tests::Finished {
    for (pattern, nth, _) in STATEMENTS {
        trial.stand_in.fault_at(pattern, nth, 1, action);
    }
    let finished = trial.run_once().expect_code(0);
    trial.expect_fired();
    trial.expect_shop(&finished);
    let warnings: Vec<&str> = finished.stderr.lines().filter(|line| line.contains(" WARN ")).collect();
    for (_, _, statement) in STATEMENTS {
        // A CREATE TABLE that conflicts with another one is not a failure: the sink reads the columns again.
        if action.contains("000625") && statement.starts_with("CREATE") {
            continue;
        }
        let matches = |line: &&&str| line.contains(statement) && line.contains(with);
        assert!(warnings.iter().any(|line| matches(&line)), "{statement} {with}\n{}", finished.stderr);
    }
    assert_eq!(finished.count_log(" ERROR "), 0, "{}", finished.stderr);
    println!("{action}: {} faults, {} warnings, tables equal", trial.with_faults().len(), warnings.len());
    finished
}
