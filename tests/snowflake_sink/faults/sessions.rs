//! Sessions that end and tokens that expire, between batches and during a transaction.

use std::{thread, time::Duration};

use tidegate_tests::StandIn;

use super::{Trial, fail_every_statement};

#[test]
fn a_session_that_ends_loses_no_row() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    for (action, code) in [("kill", "390111"), ("expire_session", "390112"), ("expire_master", "390114")] {
        let trial = Trial::new(&stand_in, action);
        let finished = fail_every_statement(&trial, action, code);
        let logins = trial.count("LOGIN");
        assert!(logins > 1, "{logins} logins");
        assert_eq!(finished.count_log("Connected to Snowflake successfully"), logins);
    }
}

#[test]
fn sessions_that_ended_between_batches_are_reopened() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let mut trial = Trial::new(&stand_in, "restarted");
    let mut running = trial.start();
    trial.wait_for_shop(&mut running);
    for _ in 0..3 {
        assert!(stand_in.end_sessions() > 0);
        trial.shop.trade(&trial.broker);
        trial.wait_for_shop(&mut running);
    }
    let finished = running.terminate().expect_code(0);
    trial.expect_shop(&finished);
    // Each time two sessions: one writes, one stores deletes.
    assert_eq!(trial.count("LOGIN"), 8);
    assert_eq!(finished.count_log("390111"), 3, "{}", finished.stderr);
}

#[test]
fn tokens_are_renewed_before_they_expire() {
    let options = ["--session-seconds", "4"];
    let Some(stand_in) = StandIn::start(&options) else { return };
    let trial = Trial::new(&stand_in, "renewed");
    // The token expires during a transaction.
    let finished = trial.run_past("^INSERT INTO [^ ]*\"views\"", 1, 1, "delay:2.1");
    let renewals: Vec<_> = trial.log().into_iter().filter(|entry| entry.kind == "RENEW").collect();
    assert!(renewals.iter().any(|renewal| renewal.in_transaction), "{renewals:#?}");
    assert_eq!((trial.count("LOGIN"), finished.count_log(" WARN ")), (2, 0), "{}", finished.stderr);
}

#[test]
fn a_renewal_that_fails_ends_in_a_new_session() {
    let options = ["--session-seconds", "2", "--idle-seconds", "0.3"];
    let Some(stand_in) = StandIn::start(&options) else {
        return;
    };
    let actions = ["expire_master", "kill", "crash_connection", "http:503", "code:390104:08001"];
    for (number, action) in actions.into_iter().enumerate() {
        let trial = Trial::new(&stand_in, &format!("renewal_{number}"));
        stand_in.fault("^INSERT INTO [^ ]*\"views\"", "delay:1.1");
        let finished = trial.run_past("^RENEW", 1, 1, action);
        assert!(trial.count("LOGIN") > 1, "{action}\n{}", finished.stderr);
        assert!(finished.count_log(" WARN ") > 0, "{action}\n{}", finished.stderr);
        assert_eq!(finished.count_log(" ERROR "), 0, "{action}\n{}", finished.stderr);
    }
}

#[test]
fn a_master_token_that_expires_ends_in_a_new_session() {
    let options = ["--session-seconds", "1", "--master-seconds", "2", "--idle-seconds", "0.3"];
    let Some(stand_in) = StandIn::start(&options) else { return };
    let mut trial = Trial::new(&stand_in, "short_lives");
    // During a transaction, which is rolled back and repeated.
    stand_in.fault("^INSERT INTO [^ ]*\"views\"", "delay:2.5");
    let mut running = trial.start();
    trial.wait_for_shop(&mut running);
    trial.expect_fired();
    let lost = running.log().lines().filter(|line| line.contains(" WARN ")).count();
    assert!(lost > 0, "{}", running.log());
    let logins = trial.count("LOGIN");
    // Between two batches, nothing is lost and there is no warning.
    thread::sleep(Duration::from_secs(3));
    trial.shop.trade(&trial.broker);
    trial.wait_for_shop(&mut running);
    let finished = running.terminate().expect_code(0);
    trial.expect_shop(&finished);
    assert!(trial.count("LOGIN") > logins, "{}", finished.stderr);
    assert_eq!(finished.count_log(" WARN "), lost, "{}", finished.stderr);
}

#[test]
fn a_pause_causes_no_login() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let mut trial = Trial::new(&stand_in, "pause");
    let mut running = trial.start();
    trial.wait_for_shop(&mut running);
    // The stand-in closes connections that are idle for five seconds.
    thread::sleep(Duration::from_secs(6));
    trial.shop.trade(&trial.broker);
    trial.wait_for_shop(&mut running);
    let finished = running.terminate().expect_code(0);
    assert_eq!((trial.count("LOGIN"), finished.count_log(" WARN ")), (2, 0), "{}", finished.stderr);
}
