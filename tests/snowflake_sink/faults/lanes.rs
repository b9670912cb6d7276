//! Every statement of a claim and of flushes fails once while four lanes write. `views` has no key, so that duplicates show.

use tidegate_tests::StandIn;

use super::{Trial, trial::WHOLE};

/// Patterns of statements, and which of the matching ones fail.
const STATEMENTS: [(&str, usize); 11] = [
    ("^CREATE TABLE [^(]*\"_cdc_lane2_offsets_", 1),
    ("^MERGE INTO [^ ]*\"_cdc_lane3_offsets_.*MAX", 1),
    ("^CREATE TABLE [^(]*\"orders\"", 1),
    ("^BEGIN", 1),
    ("^BEGIN", 2),
    ("^MERGE INTO [^ ]*\"orders\"", 1),
    ("^MERGE INTO [^ ]*\"orders__cdc_deleted\"", 1),
    ("^INSERT INTO [^ ]*\"views\"", 1),
    ("^MERGE INTO [^ ]*_cdc_.*offsets_.*EQUAL_NULL", 2),
    ("^COMMIT", 1),
    ("^COMMIT", 2),
];

#[test]
fn a_statement_of_a_lane_that_fails_loses_and_doubles_nothing() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let actions =
        ["kill", "expire_master", "lost", "crash_connection", "http:503", "code:000625:57014", "slow:0.3"];
    for (number, action) in actions.into_iter().enumerate() {
        let mut trial = Trial::new(&stand_in, &format!("four_lanes_{number}"));
        trial.connector_of_lanes(4, WHOLE);
        for (pattern, nth) in STATEMENTS {
            stand_in.fault_at(pattern, nth, 1, action);
        }
        let finished = trial.run_once().expect_code(0);
        trial.expect_fired();
        trial.expect_shop(&finished);
        // Lanes that were behind or in doubt go on.
        stand_in.clear_faults();
        trial.shop.trade(&trial.broker);
        let finished = trial.run_once().expect_code(0);
        trial.expect_shop(&finished);
        assert_eq!(finished.count_log(" ERROR "), 0, "{}", finished.stderr);
    }
}

#[test]
fn a_lane_without_rows_sends_nothing() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "idle_lanes");
    trial.connector_of_lanes(4, WHOLE);
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);
    // Two tables in one batch: two of the four lanes write, each with one update of its offsets.
    let log = trial.log();
    let moves = log.iter().filter(|entry| entry.sql.as_ref().is_some_and(|sql| sql.contains("EQUAL_NULL")));
    assert_eq!(moves.count(), 2, "{log:#?}");
}
