//! What goes wrong, and that it ends in the right tables and an honest log.
//!
//! Every room has stand-ins of its own, so that a fault meets nobody else. A trial is one schema, one broker and one
//! connector that reads the shop's events while something fails.

mod answers;
mod capacity;
mod changes;
mod data;
mod logins;
mod options;
mod quiet;
mod rights;
mod sessions;
mod shapes;
mod shop;
mod sizes;
mod trial;

use shop::{Order, Shop};
use trial::Trial;

/// The statements of a flush, each by a pattern, the number of the one that is to fail, and what the log calls it. The
/// first BEGIN and COMMIT are those of the claim.
const STATEMENTS: [(&str, usize, &str); 7] = [
    ("^SHOW COLUMNS", 1, "SHOW COLUMNS of "),
    ("^CREATE TABLE [^(]*\"orders\"", 1, "CREATE TABLE "),
    ("^BEGIN", 2, "BEGIN failed"),
    ("^MERGE INTO [^ ]*\"orders\"", 1, "MERGE into "),
    ("^INSERT INTO [^ ]*\"views\"", 1, "INSERT into "),
    ("^MERGE INTO [^ ]*_cdc_offsets_.*next_offset", 1, "MERGE into "),
    ("^COMMIT", 2, "COMMIT failed"),
];

/// Has each of the statements of a claim and a flush fail once, one after the other, and checks that the tables are right
/// and that the log tells each failure, `with` its reason.
#[track_caller]
fn fail_every_statement(trial: &Trial<'_>, action: &str, with: &str) -> tidegate_tests::Finished {
    for (pattern, nth, _) in STATEMENTS {
        trial.stand_in.fault_at(pattern, nth, 1, action);
    }
    let finished = trial.run_once().expect_code(0);
    trial.expect_fired();
    trial.expect_shop(&finished);
    let told: Vec<&str> = finished.stderr.lines().filter(|line| line.contains(" WARN ")).collect();
    for (_, _, statement) in STATEMENTS {
        // A CREATE TABLE that meets another one is no failure: the next look shows what is left to do.
        if action.contains("000625") && statement.starts_with("CREATE") {
            continue;
        }
        let tells = |line: &&&str| line.contains(statement) && line.contains(with);
        assert!(told.iter().any(|line| tells(&line)), "{statement} {with}\n{}", finished.stderr);
    }
    assert_eq!(finished.count_log(" ERROR "), 0, "{}", finished.stderr);
    println!("{action}: {} faults, {} warnings, tables equal", trial.faulty().len(), told.len());
    finished
}
