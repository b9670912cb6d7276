//! Overloaded warehouses, locks of other sessions, and internal errors of Snowflake.

use tidegate_tests::StandIn;

use super::{Trial, fail_every_statement};

#[test]
fn retriable_errors_are_retried_at_once() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    for (name, action, code) in [
        ("conflict", "code:000625:57014", "000625/57014"),
        ("internal", "code:000603:XX000", "000603/XX000"),
        ("cancelled", "code:000604:57014", "000604/57014"),
    ] {
        let trial = Trial::new(&stand_in, name);
        let finished = fail_every_statement(&trial, action, code);
        let table = format!("MERGE into \"TIDEGATE\".\"{}\".\"orders\"", name.to_uppercase());
        assert!(finished.expect_log(&table).contains(", query "), "{}", finished.stderr);
    }
}

#[test]
fn a_lock_of_another_session_is_waited_for() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "conflicts");
    let finished = trial.run_past("^MERGE INTO [^ ]*\"orders\"", 1, 8, "code:000625:57014");
    // This is more than the sink's own retries, so the host retries too.
    assert!(finished.count_log("000625/57014") >= 8, "{}", finished.stderr);
    finished.expect_log("works again");
}

#[test]
fn an_overloaded_warehouse_is_retried_after_a_delay() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "no_room");
    let finished = trial.run_past("^INSERT INTO [^ ]*\"views\"", 1, 1, "code:000606:57P03");
    let line = finished.expect_log("000606/57P03");
    assert!(line.contains("INSERT into ") && line.contains("retry_in_ms=30000"), "{line}");
    assert!(line.contains("warehouse \"LOAD_WH\" was dropped, is suspended without AUTO_RESUME"), "{line}");
    finished.expect_log("works again");
}
