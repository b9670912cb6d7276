//! Hints for errors: the GRANT or ALTER USER to run, or the option to check.

use tidegate_cdc::session::SqlError;

use super::login::{Login, LoginSecret};
use crate::sql::StageName;

/// A quoted name.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The quoted user name. Logins are in upper case.
fn user(login: &Login) -> String {
    quoted(&login.user.to_uppercase())
}

/// Hint for a rejected login. `fingerprint` is that of the public key, if a key was used.
pub(super) fn for_login(error: &SqlError, login: &Login, fingerprint: Option<&str>) -> Option<String> {
    let user = user(login);
    let says = |words: &str| error.message.to_ascii_lowercase().contains(words);
    // Not every code is documented, so also check the message.
    let hint = match error.code.as_str() {
        "394301" | "394302" => "correct this machine's clock: it differs from Snowflake's".to_owned(),
        "390186" | "390189" => for_role(login),
        "390201" => "check database, schema and warehouse, and that the role has USAGE on each".to_owned(),
        _ if says("locked") => {
            format!("ALTER USER {user} SET MINS_TO_UNLOCK = 0, after correcting the password or key")
        }
        _ if says("disabled") => format!("ALTER USER {user} SET DISABLED = FALSE"),
        "390432" => format!(
            "a programmatic access token needs a network policy: ALTER USER {user} SET NETWORK_POLICY = <policy>"
        ),
        "390422" => network_policy(&user),
        _ if says("not allowed to access snowflake") || says("network policy") => network_policy(&user),
        _ if says("multi-factor") || says("mfa") || says("duo") => {
            format!(
                "a password is not sufficient for {user}: use private_key with ALTER USER {user} SET TYPE = SERVICE, RSA_PUBLIC_KEY = '<key>', or a programmatic access token as password"
            )
        }
        _ => return secret(error, login, &user, fingerprint),
    };
    Some(hint)
}

/// Hint for a role that cannot be used.
pub(super) fn for_role(login: &Login) -> String {
    let user = user(login);
    match &login.role {
        Some(role) => format!("GRANT ROLE {} TO USER {user}", quoted(&role.to_uppercase())),
        None => format!("ALTER USER {user} SET DEFAULT_ROLE = <a role that is granted to it>"),
    }
}

fn network_policy(user: &str) -> String {
    format!(
        "the network policy blocks this machine: add its address, or ALTER USER {user} SET NETWORK_POLICY = <policy>"
    )
}

fn secret(error: &SqlError, login: &Login, user: &str, fingerprint: Option<&str>) -> Option<String> {
    if !error.code.starts_with("39") {
        return None;
    }
    match (&login.secret, fingerprint) {
        (LoginSecret::Password(_), _) => Some(format!(
            "check account, user and password, or ALTER USER {user} SET PASSWORD = '<password>'"
        )),
        (LoginSecret::Key { .. }, Some(fingerprint)) => Some(format!(
            "DESC USER {user} must show RSA_PUBLIC_KEY_FP = {fingerprint}; if not, ALTER USER {user} SET RSA_PUBLIC_KEY = '<key>'; if it does, check account"
        )),
        (LoginSecret::Key { .. }, None) => None,
    }
}

/// Hint for a missing privilege.
pub(super) fn for_rights(kind: &str, table: Option<&str>, login: &Login, role: &str) -> Option<String> {
    let (privileges, on) = match kind {
        "CREATE TABLE" => ("CREATE TABLE", schema(login)),
        "ALTER TABLE" => ("OWNERSHIP", object(table)?),
        "MERGE" | "UPDATE" | "DELETE" => ("SELECT, INSERT, UPDATE, DELETE", object(table)?),
        "INSERT" => ("SELECT, INSERT", object(table)?),
        "SELECT" | "SHOW COLUMNS" => ("SELECT", object(table)?),
        _ => return None,
    };
    Some(format!("GRANT {privileges} ON {on} TO ROLE {}", quoted(role)))
}

/// Hint for a stage that is missing and cannot be created.
pub(super) fn for_stage(login: &Login, stage: &StageName, role: &str) -> String {
    let (schema, role) = (schema(login), quoted(role));
    format!(
        "GRANT CREATE STAGE ON {schema} TO ROLE {role}, or create {stage} as the documentation shows and GRANT READ, WRITE on it, \
         or set stage_rows = \"never\""
    )
}

fn object(table: Option<&str>) -> Option<String> {
    table.map(|table| format!("TABLE {table}"))
}

fn schema(login: &Login) -> String {
    format!("SCHEMA {}.{}", quoted(&login.database), quoted(&login.schema))
}

/// Hint for a database that cannot be used.
pub(super) fn for_database(login: &Login, role: &str) -> String {
    let database = quoted(&login.database);
    format!(
        "GRANT USAGE ON DATABASE {database} TO ROLE {}, or CREATE DATABASE {database} if it does not exist",
        quoted(role)
    )
}

/// Hint for a schema that cannot be used.
pub(super) fn for_schema(login: &Login, role: &str) -> String {
    let schema = schema(login);
    format!("GRANT USAGE ON {schema} TO ROLE {}, or CREATE {schema} if it does not exist", quoted(role))
}

/// Hint for a warehouse that cannot be used.
pub(super) fn for_warehouse(warehouse: &str, role: &str) -> String {
    let warehouse = quoted(warehouse);
    format!(
        "GRANT USAGE ON WAREHOUSE {warehouse} TO ROLE {}, or CREATE WAREHOUSE {warehouse} if it does not exist",
        quoted(role)
    )
}

/// Hint for a statement without a running warehouse.
pub(super) fn for_no_warehouse(login: &Login, warehouse: Option<&str>) -> String {
    match warehouse {
        Some(warehouse) => format!(
            "warehouse {} was dropped, is suspended without AUTO_RESUME, or a resource monitor stopped it",
            quoted(warehouse)
        ),
        None => format!(
            "set warehouse in the sink's config, or ALTER USER {} SET DEFAULT_WAREHOUSE = <warehouse>",
            user(login)
        ),
    }
}
