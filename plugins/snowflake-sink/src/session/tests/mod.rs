//! Sessions with a simulated server, and tests without a server.

mod key_forms;
mod logins;
mod parts;
mod server;
mod statements;
mod transactions;
mod uploads;

use std::{future::Future, time::Duration};

use serde_json::json;
use tidegate_plugin::Secret;

use super::{Login, LoginSecret, Session, SqlError, Statement};
use server::Server;

/// A secret as in a connector file.
fn secret(text: &str) -> Secret {
    serde_json::from_value(json!(text)).unwrap()
}

/// A login to the server.
fn login(server: &Server) -> Login {
    Login {
        account: "myorg-account1".to_owned(),
        user: "cdc".to_owned(),
        secret: LoginSecret::Password(secret("hunter2")),
        role: Some("LOADER".to_owned()),
        database: "DB1".to_owned(),
        schema: "PUBLIC".to_owned(),
        endpoint: Some(server.url.clone()),
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(5),
        statement_timeout: Duration::from_secs(240),
        lock_timeout: Duration::from_secs(60),
    }
}

/// Runs a future on a new runtime, as in a sink.
fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn open(server: &Server) -> Result<Session, SqlError> {
    Session::open(&login(server), Some("LOAD_WH"), None).await
}

/// The error of opening a session.
async fn open_error(login: &Login, warehouse: Option<&str>) -> SqlError {
    match Session::open(login, warehouse, None).await {
        Ok(_) => panic!("the session opened"),
        Err(error) => error,
    }
}

fn select(text: &str) -> Statement<'_> {
    Statement { kind: "SELECT", table: None, text, binds: &[], load: None, tag: "tidegate orders" }
}

fn merge<'s>(text: &'s str, binds: &'s [&'s str]) -> Statement<'s> {
    Statement {
        kind: "MERGE",
        table: Some(r#""DB1"."PUBLIC"."orders""#),
        text,
        binds,
        load: None,
        tag: "tidegate orders",
    }
}
