//! Settings of the server that statements depend on.
//!
//! They are set at the start of each transaction and end with it. A pooler in transaction mode gives every transaction another session
//! of the server, and would hand settings of a session on to other clients.

use std::time::Duration;

use super::{Login, MAX_IDLE};

/// Rows are found by their keys. By default, PostgreSQL takes that for so expensive that it reads a table of up to some 300,000 rows
/// completely instead, three times for each batch. A table without an index on its key is read completely in any case.
const LOOKUPS: &str = "pg_catalog.set_config('random_page_cost', \
                       LEAST(pg_catalog.current_setting('random_page_cost')::float8, 0.1)::text, true)";

/// The statements that begin a transaction. They return the row of [`of_transaction`].
pub(super) fn begin(login: &Login) -> String {
    format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {}", of_transaction(login))
}

/// A query that sets everything until the transaction ends. The first value of its row is another one after a restart of the server,
/// and for each server that a pooler connects to.
pub(super) fn of_transaction(login: &Login) -> String {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    let settings = [
        // The user or the database may have other defaults.
        ("standard_conforming_strings", "on".to_owned()),
        ("DateStyle", "ISO, YMD".to_owned()),
        ("IntervalStyle", "iso_8601".to_owned()),
        ("TimeZone", "UTC".to_owned()),
        ("bytea_output", "hex".to_owned()),
        ("idle_in_transaction_session_timeout", milliseconds(login.lock_timeout + MAX_IDLE)),
        // The server then notices within half a minute that a host is gone that was sending rows.
        ("tcp_keepalives_idle", "10".to_owned()),
        ("tcp_keepalives_interval", "5".to_owned()),
        ("tcp_keepalives_count", "4".to_owned()),
        ("statement_timeout", milliseconds(login.statement_timeout)),
        ("lock_timeout", milliseconds(login.lock_timeout)),
    ];
    let set = settings.map(|(name, value)| format!("pg_catalog.set_config('{name}', '{value}', true)"));
    format!(
        "SELECT pg_catalog.concat(pg_catalog.pg_postmaster_start_time(), ' ', pg_catalog.inet_server_addr()), {LOOKUPS}, {}",
        set.join(", ")
    )
}
