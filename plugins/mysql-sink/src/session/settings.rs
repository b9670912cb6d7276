//! Settings of the server that statements depend on, and what is asked once after the login.

use std::time::Duration;

use super::{Login, MAX_IDLE, Server};

/// How strictly values are checked, and what quotes mean.
///
/// Without STRICT_ALL_TABLES, the server would cut values. Without NO_AUTO_VALUE_ON_ZERO, the key 0 would become another number. With
/// NO_BACKSLASH_ESCAPES, a text in a statement ends at its quote. Names are in backticks, which all modes understand.
const SQL_MODE: &str = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,\
                        NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES";

/// What a session has to know of its server.
pub(super) const ABOUT: &str = "SELECT VERSION(), @@local_infile, @@max_allowed_packet, @@read_only, @@wait_timeout, \
     @@lower_case_table_names";

/// The statements that set up a session. The user or the server may have other defaults.
pub(super) fn of_session(login: &Login, server: &Server) -> String {
    let lock_timeout = whole_seconds(login.lock_timeout);
    let mut set = vec![
        format!("sql_mode = '{SQL_MODE}'"),
        "time_zone = '+00:00'".to_owned(),
        "autocommit = 1".to_owned(),
        "sql_safe_updates = 0".to_owned(),
        "sql_notes = 1".to_owned(),
        "sql_select_limit = DEFAULT".to_owned(),
        "max_error_count = 64".to_owned(),
        // A lock timeout undoes only the statement; the transaction is rolled back by the sink.
        format!("innodb_lock_wait_timeout = {lock_timeout}"),
        format!("lock_wait_timeout = {lock_timeout}"),
    ];
    if server.is_mariadb {
        // In MariaDB, the server ends statements of all kinds and idle transactions by itself.
        set.push(format!("max_statement_time = {}", login.statement_timeout.as_secs_f64()));
        set.push(format!("idle_transaction_timeout = {}", max_idle(login)));
    } else {
        set.push(format!("max_execution_time = {}", login.statement_timeout.as_millis()));
    }
    format!(
        "SET NAMES utf8mb4 COLLATE {}; SET SESSION {}; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
        server.collation(),
        set.join(", ")
    )
}

/// The statements that begin a transaction. MySQL has no timeout for idle transactions alone.
pub(super) fn begin(login: &Login, server: &Server) -> String {
    if server.is_mariadb {
        return "START TRANSACTION".to_owned();
    }
    format!("SET SESSION wait_timeout = {}; START TRANSACTION", max_idle(login))
}

/// The statements that end a transaction by `COMMIT` or `ROLLBACK`, and release the locks of tables.
pub(super) fn end(how: &str, server: &Server) -> String {
    let release = format!("{how}; DO RELEASE_ALL_LOCKS()");
    if server.is_mariadb {
        return release;
    }
    format!("{release}; SET SESSION wait_timeout = {}", server.wait_timeout)
}

/// How long a transaction may be idle, in seconds.
fn max_idle(login: &Login) -> u64 {
    whole_seconds(login.lock_timeout + MAX_IDLE)
}

/// At least one second: zero would mean not to wait at all, or forever.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().max(1)
}
