//! Logins: requests, missing objects, and rejected credentials.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::json;

use tidegate_cdc::session::Session as _;

use super::{
    super::{Class, LoginSecret, Session},
    block_on, login, open, open_error, secret,
    server::{Reply, Server, login as logged_in, login_without, refusal, usual},
};

const LOGIN: &str = "/session/v1/login-request";

#[test]
fn a_login_is_sent_to_the_endpoint_with_session_timeouts() {
    let server = Server::start(|_| None);
    let session = block_on(open(&server)).unwrap();
    assert!(!session.is_stale() && !session.in_transaction());
    let asked = server.asked();
    assert_eq!(asked[0].path(), LOGIN);
    for part in ["warehouse=LOAD_WH", "databaseName=DB1", "schemaName=PUBLIC", "roleName=LOADER"] {
        assert!(asked[0].target.contains(part), "{}", asked[0].target);
    }
    assert!(asked[0].header("user-agent").starts_with("tidegate/"));
    let data = &asked[0].body["data"];
    assert_eq!(data["ACCOUNT_NAME"], "MYORG-ACCOUNT1");
    assert_eq!(data["PASSWORD"], "hunter2");
    assert_eq!(data["SESSION_PARAMETERS"]["LOCK_TIMEOUT"], 60);
    assert_eq!(data["SESSION_PARAMETERS"]["ABORT_DETACHED_QUERY"], true);
    assert_eq!(data["SESSION_PARAMETERS"]["CLIENT_VALIDATE_DEFAULT_PARAMETERS"], false);
}

#[test]
fn a_key_logs_in_with_a_token_for_the_account_without_region() {
    let server = Server::start(|_| None);
    let mut login = login(&server);
    login.account = "xy12345.eu-central-1".to_owned();
    let pem = secret(include_str!("keys/pkcs8_aes.pem"));
    login.secret = LoginSecret::Key { pem, passphrase: Some(secret("throw-away")) };
    block_on(Session::open(&login, None, None)).map(drop).unwrap();
    let data = &server.asked()[0].body["data"];
    assert_eq!((&data["AUTHENTICATOR"], &data["ACCOUNT_NAME"]), (&json!("SNOWFLAKE_JWT"), &json!("XY12345")));
    let claims = data["TOKEN"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["sub"], "XY12345.CDC");
    assert!(claims["iss"].as_str().unwrap().starts_with("XY12345.CDC.SHA256:"));
}

#[test]
fn unusable_objects_are_reported_with_the_grant() {
    for (name, expected) in [
        (
            "warehouseName",
            r#"warehouse LOAD_WH does not exist or cannot be used: GRANT USAGE ON WAREHOUSE "LOAD_WH" TO ROLE "LOADER""#,
        ),
        ("databaseName", r#"GRANT USAGE ON DATABASE "DB1" TO ROLE "LOADER", or CREATE DATABASE "DB1""#),
        (
            "schemaName",
            r#"GRANT USAGE ON SCHEMA "DB1"."PUBLIC" TO ROLE "LOADER", or CREATE SCHEMA "DB1"."PUBLIC""#,
        ),
        ("roleName", r#"GRANT ROLE "LOADER" TO USER "CDC""#),
    ] {
        let server =
            Server::start(move |asked| (asked.path() == LOGIN).then(|| Reply::Json(login_without(name))));
        let error = block_on(open_error(&login(&server), Some("LOAD_WH")));
        assert_eq!(error.class, Class::Missing);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(server.count("/session"), 1, "the session is closed again");
    }
}

#[test]
fn a_missing_warehouse_is_an_error_only_if_a_statement_needs_one() {
    let server = Server::start(|asked| match asked.sql() {
        _ if asked.path() == LOGIN => Some(Reply::Json(login_without("warehouseName"))),
        "SELECT 2" => {
            Some(Reply::Json(refusal("000606", "No active warehouse selected in the current session.")))
        }
        _ => None,
    });
    block_on(async {
        let mut session = Session::open(&login(&server), None, None).await.unwrap();
        let error = session.run(&super::select("SELECT 2")).await.unwrap_err();
        assert_eq!(error.class, Class::Missing);
        assert!(error.to_string().contains("set warehouse in the sink's config"), "{error}");
    });
}

#[test]
fn names_in_lower_case_are_used_unchanged() {
    let server = Server::start(|asked| match asked.sql() {
        _ if asked.path() == LOGIN => Some(Reply::Json(login_without("warehouseName"))),
        "USE SCHEMA \"shop\".\"raw\"" => Some(Reply::Json(refusal("002043", "Object does not exist."))),
        _ => None,
    });
    let mut login = login(&server);
    (login.database, login.schema) = ("shop".to_owned(), "raw".to_owned());
    let error = block_on(open_error(&login, Some("load_wh")));
    assert_eq!(error.class, Class::Missing);
    assert!(error.to_string().contains(r#"GRANT USAGE ON SCHEMA "shop"."raw""#), "{error}");
    assert!(!server.asked()[0].target.contains("databaseName"));

    login.schema = "cdc".to_owned();
    block_on(Session::open(&login, Some("load_wh"), None)).map(drop).unwrap();
    assert_eq!(server.statements().last().unwrap(), "USE WAREHOUSE \"load_wh\"");
}

#[test]
fn a_wrong_password_is_sent_once() {
    let server = Server::start(|asked| {
        (asked.path() == LOGIN && asked.body["data"]["PASSWORD"] == "hunter2")
            .then(|| Reply::Json(refusal("390100", "Incorrect username or password was specified.")))
    });
    let mut login = login(&server);
    block_on(async {
        let error = open_error(&login, None).await;
        assert_eq!((error.class, error.code.as_str()), (Class::Credentials, "390100"));
        assert!(error.to_string().contains(r#"ALTER USER "CDC" SET PASSWORD"#), "{error}");
        assert!(!error.to_string().contains("hunter2"));
        let again = open_error(&login, None).await;
        assert!(again.retry_after.is_some_and(|wait| wait > Duration::from_secs(50)));
        assert_eq!(server.count(LOGIN), 1);
        login.secret = LoginSecret::Password(secret("right"));
        assert!(Session::open(&login, None, None).await.is_ok(), "another password is tried at once");
    });
}

#[test]
fn a_wrong_password_of_concurrent_tasks_is_sent_once() {
    let server = Server::start(|asked| {
        (asked.path() == LOGIN)
            .then(|| Reply::Json(refusal("390100", "Incorrect username or password was specified.")))
    });
    let login = login(&server);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| block_on(open_error(&login, None)));
        }
    });
    assert_eq!(server.count(LOGIN), 1);
}

#[test]
fn a_token_with_a_wrong_time_is_created_again_once() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let first = asked.path() == LOGIN && count.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Reply::Json(refusal("394302", "JWT token is not yet valid.")))
    });
    assert!(block_on(open(&server)).is_ok());

    let server = Server::start(|asked| {
        (asked.path() == LOGIN).then(|| Reply::Json(refusal("394301", "JWT token has expired.")))
    });
    let error = block_on(open_error(&login(&server), None));
    assert_eq!(error.class, Class::Clock);
    assert!(error.to_string().contains("clock"), "{error}");
    assert_eq!(server.count(LOGIN), 2);
}

#[test]
fn an_unknown_account_is_an_error() {
    let server = Server::start(|_| Some(Reply::Http(403, "Content-Type: text/html", "<html>".to_owned())));
    let error = block_on(open_error(&login(&server), None));
    assert_eq!((error.class, error.code.as_str()), (Class::Rights, "HTTP 403"));
    assert!(error.to_string().contains("check account and endpoint"), "{error}");
}

#[test]
fn connection_errors_do_not_contain_the_url() {
    let server = Server::start(|_| None);
    let mut login = login(&server);
    login.endpoint = Some("http://127.0.0.1:1".parse().unwrap());
    let error = block_on(open_error(&login, None));
    assert_eq!(error.class, Class::Transient);
    let text = error.to_string();
    assert!(text.starts_with("login failed: 127.0.0.1 cannot be reached: "), "{text}");
    assert!(!text.contains("requestId"), "{text}");
}

#[test]
fn a_minimal_login_response_is_accepted() {
    let server = Server::start(|asked| {
        let mut answer = usual(asked);
        if asked.path() == LOGIN {
            answer = logged_in(3_600, 14_400);
            let data = answer["data"].as_object_mut().unwrap();
            data.remove("masterValidityInSeconds");
            data.remove("validityInSeconds");
            data.remove("parameters");
        }
        Some(Reply::Json(answer))
    });
    assert!(!block_on(open(&server)).unwrap().is_stale());
}
