//! What would help against an error: the GRANT, the ALTER USER, the option to look at.

use super::{
    error::SqlError,
    login::{Login, LoginSecret},
};

/// A name as SQL has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The user as Snowflake knows it: logging in is in upper case.
fn user(login: &Login) -> String {
    quoted(&login.user.to_uppercase())
}

/// What helps against a refused login. `fingerprint`: of the public key, if a key was used.
pub(super) fn for_login(error: &SqlError, login: &Login, fingerprint: Option<&str>) -> Option<String> {
    let user = user(login);
    let says = |words: &str| error.message.to_ascii_lowercase().contains(words);
    // Not every code is documented, so the words count, too.
    let hint = match error.code.as_str() {
        "394301" | "394302" => "set this machine's clock: it differs from Snowflake's".to_owned(),
        "390186" | "390189" => for_role(login),
        "390201" => "check database, schema and warehouse, and that the role has USAGE on each".to_owned(),
        _ if says("locked") => format!("ALTER USER {user} SET MINS_TO_UNLOCK = 0, once the secret is right"),
        _ if says("disabled") => format!("ALTER USER {user} SET DISABLED = FALSE"),
        "390432" => format!(
            "a programmatic access token needs a network policy: ALTER USER {user} SET NETWORK_POLICY = <policy>"
        ),
        "390422" => network_policy(&user),
        _ if says("not allowed to access snowflake") || says("network policy") => network_policy(&user),
        _ if says("multi-factor") || says("mfa") || says("duo") => {
            format!(
                "a password is not enough for {user}: use private_key with ALTER USER {user} SET TYPE = SERVICE, RSA_PUBLIC_KEY = '<key>', or a programmatic access token as password"
            )
        }
        _ => return secret(error, login, &user, fingerprint),
    };
    Some(hint)
}

/// What helps where a role cannot be used.
pub(super) fn for_role(login: &Login) -> String {
    let user = user(login);
    match &login.role {
        Some(role) => format!("GRANT ROLE {} TO USER {user}", quoted(&role.to_uppercase())),
        None => format!("ALTER USER {user} SET DEFAULT_ROLE = <a role that is granted to it>"),
    }
}

fn network_policy(user: &str) -> String {
    format!(
        "the network policy does not let this machine in: add its address, or ALTER USER {user} SET NETWORK_POLICY = <policy>"
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
            "DESC USER {user} has to show RSA_PUBLIC_KEY_FP = {fingerprint}; if not, ALTER USER {user} SET RSA_PUBLIC_KEY = '<key>'; if it does, check account"
        )),
        (LoginSecret::Key { .. }, None) => None,
    }
}

/// What helps where the role lacks a privilege.
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

fn object(table: Option<&str>) -> Option<String> {
    table.map(|table| format!("TABLE {table}"))
}

fn schema(login: &Login) -> String {
    format!("SCHEMA {}.{}", quoted(&login.database), quoted(&login.schema))
}

/// What helps where a database cannot be used.
pub(super) fn for_database(login: &Login, role: &str) -> String {
    let database = quoted(&login.database);
    format!(
        "GRANT USAGE ON DATABASE {database} TO ROLE {}, or CREATE DATABASE {database} if there is none",
        quoted(role)
    )
}

/// What helps where a schema cannot be used.
pub(super) fn for_schema(login: &Login, role: &str) -> String {
    let schema = schema(login);
    format!("GRANT USAGE ON {schema} TO ROLE {}, or CREATE {schema} if there is none", quoted(role))
}

/// What helps where a warehouse cannot be used.
pub(super) fn for_warehouse(warehouse: &str, role: &str) -> String {
    let warehouse = quoted(warehouse);
    format!(
        "GRANT USAGE ON WAREHOUSE {warehouse} TO ROLE {}, or CREATE WAREHOUSE {warehouse} if there is none",
        quoted(role)
    )
}

/// What helps where a statement needs a warehouse and there is none.
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
