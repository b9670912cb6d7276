//! Responses that are late, are missing, or come from a gateway.

use tidegate_tests::StandIn;

use super::{Trial, fail_every_statement, trial::WHOLE};

#[test]
fn lost_responses_and_broken_connections_lose_and_duplicate_nothing() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    // A statement that is executed but whose response is lost, and one that is not executed.
    for action in ["lost", "crash_connection"] {
        let trial = Trial::new(&stand_in, action);
        let finished = fail_every_statement(&trial, action, "127.0.0.1 cannot be reached");
        finished.expect_log("works again");
    }
}

#[test]
fn a_commit_without_a_response_is_neither_repeated_nor_lost() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    for (action, repeats) in [("lost", 0), ("crash_connection", 1)] {
        let trial = Trial::new(&stand_in, &format!("commit_{action}"));
        // All records are in one batch, which includes the rows of the table without a key.
        trial.connector("", WHOLE);
        let finished = trial.run_past("^COMMIT", 1, 1, action);
        finished.expect_log("COMMIT failed");
        let with_faults = trial.with_faults().remove(0);
        assert!(with_faults.in_transaction, "{with_faults:?}");
        let log = trial.log();
        let inserts = |after: bool| {
            let is_wanted = |entry: &&tidegate_tests::LogEntry| {
                entry.kind == "INSERT"
                    && entry.tag == with_faults.tag
                    && (entry.number > with_faults.number) == after
            };
            log.iter().filter(is_wanted).count()
        };
        assert_eq!((inserts(false), inserts(true)), (1, repeats), "{action}\n{log:#?}");
    }
}

#[test]
fn gateway_errors_are_retried() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "http");
    stand_in.fault("^LOGIN", "http:503");
    fail_every_statement(&trial, "http:503", "responded with HTTP 503").expect_log("login failed: ");
    let trial = Trial::new(&stand_in, "too_many");
    let finished = trial.run_past("^MERGE INTO [^ ]*\"orders\"", 1, 1, "http:429");
    let line = finished.expect_log("responded with HTTP 429: too many requests");
    // The delay of the Retry-After header.
    assert!(line.contains("retry_in_ms=1000"), "{line}");
}

#[test]
fn slow_statements_are_waited_for() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "slow");
    for (pattern, nth, _) in super::STATEMENTS {
        stand_in.fault_at(pattern, nth, 1, "slow:0.2");
    }
    let finished = trial.run_once().expect_code(0);
    trial.expect_fired();
    trial.expect_shop(&finished);
    assert_eq!(finished.count_log(" WARN "), 0, "{}", finished.stderr);
    assert_eq!(trial.count("LOGIN"), 2, "one session writes, one stores deletes");
}

#[test]
fn polling_for_a_slow_statement_may_fail() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let mut trial = Trial::new(&stand_in, "slow_and_gone");
    let since = stand_in.log_end();
    stand_in.fault("^INSERT INTO [^ ]*\"views\"", "slow:2");
    let mut running = trial.start();
    let slow = stand_in.wait_for_entry(since, |entry| entry.fault.is_some());
    // The session ends while the statement runs, and its transaction is rolled back.
    assert!(slow.in_transaction && stand_in.end_sessions() > 0);
    trial.wait_for_shop(&mut running);
    trial.shop.trade(&trial.broker);
    trial.wait_for_shop(&mut running);
    let finished = running.terminate().expect_code(0);
    finished.expect_log("INSERT into ");
    trial.expect_shop(&finished);
}
