//! Classification of PostgreSQL's errors by their SQLSTATE.
//!
//! Source: "Appendix A. PostgreSQL Error Codes" of its documentation.

use std::error::Error as _;

use tidegate_cdc::session::{Cause, Class, SqlError, Statement, one_line};
use tokio_postgres::Error;

use super::{KIND, Login};

/// The class and the cause of a SQLSTATE.
pub(super) fn class_of(state: &str) -> (Class, Cause) {
    match state {
        "40001" | "40P01" | "55P03" => (Class::Transient, Cause::Conflict),
        // Another client has inserted the row at the same time.
        "23505" => (Class::Data, Cause::Other),
        "42P07" | "42701" | "42710" => (Class::Schema, Cause::Exists),
        "42P01" => (Class::Schema, Cause::UnknownObject),
        "57014" => (Class::Capacity, Cause::Timeout),
        "3D000" | "3F000" => (Class::Missing, Cause::Other),
        "42501" => (Class::Rights, Cause::Other),
        "54000" | "54001" | "54011" => (Class::TooBig, Cause::Other),
        // 25006: the server has become a replica, and another one of the hosts may be the primary.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P02" | "25P03" | "25006" => (Class::Session, Cause::Other),
        _ => match state.get(..2).unwrap_or_default() {
            "08" => (Class::Session, Cause::Other),
            "28" => (Class::Credentials, Cause::Other),
            "22" | "23" => (Class::Data, Cause::Other),
            "42" => (Class::Schema, Cause::Other),
            "40" => (Class::Transient, Cause::Conflict),
            "53" => (Class::Capacity, Cause::Other),
            "57" | "58" | "XX" => (Class::Transient, Cause::Other),
            _ => (Class::Bug, Cause::Other),
        },
    }
}

/// The error of a statement.
pub(super) fn error_of(error: &Error, statement: &Statement<'_>) -> SqlError {
    let found = match error.as_db_error() {
        Some(answered) => {
            let (class, cause) = match (statement.kind, class_of(answered.code().code())) {
                // Two clients have created the same table: the second one fails in PostgreSQL's own tables.
                ("CREATE TABLE", (Class::Data, _)) => (Class::Schema, Cause::Exists),
                (_, found) => found,
            };
            let mut found = SqlError::new(class, statement.kind, one_line(answered.message()));
            answered.code().code().clone_into(&mut found.code);
            found.cause = cause;
            // Its detail may contain values.
            found.hint = for_rights(class, statement);
            found
        }
        None => SqlError::new(Class::Session, statement.kind, reason(error)),
    };
    found.about(statement)
}

/// The error of a login.
pub(super) fn of_login(error: &Error, login: &Login) -> SqlError {
    let user = login.config.get_user().unwrap_or_default();
    let Some(answered) = error.as_db_error() else {
        let reason = reason(error);
        // The server will have none later, and no other certificate either.
        let (class, hint) = match () {
            () if reason.contains("does not support TLS") => {
                (Class::Missing, Some("set ssl_mode = \"disable\" where the network is trusted"))
            }
            // It is a replica, perhaps until it becomes the primary.
            () if reason.contains("does not allow writes") => (
                Class::Transient,
                Some("it is a read-only replica: connect to the primary, or name all hosts"),
            ),
            () if reason.contains("not valid after") || reason.contains("not valid before") => {
                (Class::Missing, Some("renew the certificate of the server, or set the clock"))
            }
            () if reason.contains("invalid peer certificate") => (
                Class::Missing,
                Some("set ssl_root_cert to the certificate of its authority, and host to a name that it has"),
            ),
            () if reason.contains("password missing") => {
                (Class::Credentials, Some("set password, or PGPASSWORD"))
            }
            () => (Class::Transient, None),
        };
        let hint = hint.map(str::to_owned);
        return SqlError::new(class, KIND, reason).with_hint(hint);
    };
    let (class, _) = class_of(answered.code().code());
    let mut found = SqlError::new(class, KIND, one_line(answered.message()));
    answered.code().code().clone_into(&mut found.code);
    let hint = match answered.code().code() {
        "28P01" => Some(format!("check user and password, or ALTER ROLE \"{user}\" PASSWORD '<password>'")),
        "28000" => Some("check pg_hba.conf: it does not let this user in from this address".to_owned()),
        "3D000" => Some("check database, or create it".to_owned()),
        "53300" => Some("raise max_connections, or set lanes: each task has a session per lane".to_owned()),
        _ => None,
    };
    found.hint = hint;
    found
}

/// All causes of an error without a response.
fn reason(error: &Error) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        reason = format!("{reason}: {next}");
        cause = next.source();
    }
    one_line(&reason)
}

fn for_rights(class: Class, statement: &Statement<'_>) -> Option<String> {
    let table = statement.table?;
    if class != Class::Rights {
        return None;
    }
    Some(match statement.kind {
        "CREATE TABLE" => "GRANT CREATE on the schema to the user".to_owned(),
        "ALTER TABLE" => format!("make the user the owner of {table}, or set schema_evolution = \"off\""),
        _ => format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON {table} to the user, and TEMPORARY on the database"
        ),
    })
}
