//! Transactions, and the end of sessions that hold one.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use tidegate_cdc::session::Session as _;

use super::{
    super::Class,
    block_on, open, select,
    server::{Reply, Server, login, refusal},
};

const LOGIN: &str = "/session/v1/login-request";
const RENEW: &str = "/session/token-request";

/// A server whose logins return tokens with this lifetime in seconds.
fn lasting(session: u64, master: u64) -> Server {
    Server::start(move |asked| (asked.path() == LOGIN).then(|| Reply::Json(login(session, master))))
}

#[test]
fn a_transaction_is_open_from_begin_to_commit() {
    let server = lasting(3_600, 14_400);
    block_on(async {
        let mut session = open(&server).await.unwrap();
        session.rollback("t").await.unwrap();
        session.begin("t").await.unwrap();
        assert!(session.in_transaction());
        session.commit("t").await.unwrap();
        assert!(!session.in_transaction());
        session.begin("t").await.unwrap();
        session.rollback("t").await.unwrap();
        assert!(!session.in_transaction());
        session.close().await;
    });
    let statements = ["SELECT 1", "BEGIN TRANSACTION", "COMMIT", "BEGIN TRANSACTION", "ROLLBACK"];
    assert_eq!(server.statements(), statements);
    assert!(server.asked().last().unwrap().target.contains("delete=true"));
}

#[test]
fn a_transaction_that_was_idle_for_too_long_is_not_continued() {
    let server = lasting(3_600, 14_400);
    block_on(async {
        let mut session = open(&server).await.unwrap();
        session.begin("t").await.unwrap();
        session.last_answer = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
        let error = session.commit("t").await.unwrap_err();
        assert_eq!(error.class, Class::Session);
        assert!(session.is_stale());
    });
    assert_eq!(server.statements(), ["SELECT 1", "BEGIN TRANSACTION"]);
}

#[test]
fn a_token_is_renewed_in_the_middle_of_a_transaction() {
    let server = lasting(1, 14_400);
    block_on(async {
        let mut session = open(&server).await.unwrap();
        session.begin("t").await.unwrap();
        sleep(Duration::from_millis(1_100));
        session.commit("t").await.unwrap();
    });
    assert_eq!((server.count(LOGIN), server.count(RENEW)), (1, 1));
    let asked = server.asked();
    let renewal = asked.iter().find(|asked| asked.path() == RENEW).unwrap();
    assert_eq!(renewal.header("authorization"), "Snowflake Token=\"master-1\"");
    assert_eq!(asked.last().unwrap().header("authorization"), "Snowflake Token=\"session-2\"");
}

#[test]
fn a_transaction_is_not_continued_in_another_session() {
    let server = lasting(1, 1);
    block_on(async {
        let mut session = open(&server).await.unwrap();
        session.begin("t").await.unwrap();
        sleep(Duration::from_millis(1_100));
        let error = session.run(&select("SELECT 2")).await.unwrap_err();
        assert_eq!(error.class, Class::Session);
        assert!(session.is_stale());
        assert_eq!(session.commit("t").await.unwrap_err().class, Class::Session);
    });
    assert_eq!(server.count(LOGIN), 1);
    assert_eq!(server.statements(), ["SELECT 1", "BEGIN TRANSACTION"]);
}

#[test]
fn a_rejected_renewal_ends_the_session() {
    let server = Server::start(|asked| match asked.path() {
        LOGIN => Some(Reply::Json(login(1, 14_400))),
        RENEW => Some(Reply::Json(refusal("390114", "Authentication token has expired."))),
        _ => None,
    });
    block_on(async {
        let mut session = open(&server).await.unwrap();
        session.begin("t").await.unwrap();
        sleep(Duration::from_millis(1_100));
        let error = session.run(&select("SELECT 2")).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (Class::Session, "390114"));
        assert_eq!(session.run(&select("SELECT 2")).await.unwrap_err().class, Class::Session);
    });
    assert_eq!(server.count(LOGIN), 1);
}

#[test]
fn any_token_error_means_that_the_session_has_ended() {
    for code in ["390104", "390111", "390112", "390114", "390777"] {
        let server = Server::start(move |asked| {
            (asked.sql() == "SELECT 2").then(|| Reply::Json(refusal(code, "Session no longer exists.")))
        });
        block_on(async {
            let mut session = open(&server).await.unwrap();
            let error = session.run(&select("SELECT 2")).await.unwrap_err();
            assert_eq!((error.class, error.code.as_str()), (Class::Session, code));
            assert!(session.is_stale());
        });
    }
}

#[test]
fn a_session_becomes_stale_before_its_master_token_expires() {
    let server = lasting(3_600, 4);
    block_on(async {
        let session = open(&server).await.unwrap();
        assert!(!session.is_stale());
        sleep(Duration::from_millis(3_100));
        assert!(session.is_stale());
    });
}

#[test]
fn a_cancelled_statement_makes_the_session_unusable() {
    let server =
        Server::start(|asked| (asked.sql() == "SELECT 2").then(|| Reply::Late(Duration::from_secs(3))));
    block_on(async {
        let mut session = open(&server).await.unwrap();
        let statement = select("SELECT 2");
        let given_up = tokio::time::timeout(Duration::from_millis(100), session.run(&statement)).await;
        assert!(given_up.is_err());
        assert!(session.is_stale());
        assert_eq!(session.run(&select("SELECT 3")).await.unwrap_err().class, Class::Session);
    });
}
