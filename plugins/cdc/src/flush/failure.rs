//! Handling of the database's errors: retry at once, return a retriable error to the host, or fail.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tidegate_plugin::Error;

use crate::session::{Cause, Class, SqlError};

/// Why a batch was not written.
#[derive(Debug)]
pub(crate) enum FlushError {
    /// An error of the database.
    Sql(SqlError),
    /// An error for the host.
    Plugin(Error),
    /// A value does not fit its column, according to the cached definition.
    Mismatch(SqlError),
    /// The offsets in the database are different from those of this task.
    OffsetsMoved,
    /// Rows of these tables may be missing: search for them, and write again.
    Unexpected(BTreeSet<String>),
    /// Tables were created by another task: list them, and write again.
    Guarded,
    /// Sessions were opened for the transactions. If they replace others that were lost in a failover, the database may have lost commits:
    /// read the offsets again before anything is written.
    NewSessions,
}

impl From<SqlError> for FlushError {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for FlushError {
    fn from(error: Error) -> Self {
        Self::Plugin(error)
    }
}

#[derive(Debug)]
pub(crate) enum Next {
    /// Retry the batch after a delay.
    Retry {
        pause: Duration,
        /// Whether to reload all table definitions.
        tables: bool,
    },
    /// Return the error to the host.
    Fail(Error),
}

/// Number of attempts for one batch, by cause.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    sessions: u32,
    conflicts: u32,
    schemas: u32,
    offset_refreshes: u32,
    new_sessions: u32,
}

/// Maximum number of new sessions without a delay.
const MAX_SESSIONS: u32 = 3;
/// Maximum number of retries after lock conflicts.
const MAX_CONFLICTS: u32 = 6;
/// Maximum number of reloads of table definitions.
const MAX_SCHEMA_RELOADS: u32 = 3;
/// Maximum number of refreshes of the offsets.
const OFFSET_REFRESHES: u32 = 2;
/// Maximum number of times that a batch finds its sessions replaced.
const MAX_NEW_SESSIONS: u32 = 5;
/// Minimum delay if the database has no capacity.
const CAPACITY_DELAY: Duration = Duration::from_secs(30);

impl Attempts {
    /// Whether to refresh the offsets again. The refresh detects if another task has claimed a partition.
    pub(crate) fn may_refresh_offsets(&mut self) -> bool {
        self.offset_refreshes += 1;
        self.offset_refreshes <= OFFSET_REFRESHES
    }

    /// Whether to read the offsets again because sessions were opened.
    pub(crate) fn may_open_sessions(&mut self) -> bool {
        self.new_sessions += 1;
        self.new_sessions <= MAX_NEW_SESSIONS
    }

    /// Decides how to handle an error.
    pub(crate) fn next(&mut self, error: SqlError) -> Next {
        match error.class {
            Class::Session if self.sessions < MAX_SESSIONS => {
                self.sessions += 1;
                Next::Retry { pause: Duration::ZERO, tables: false }
            }
            Class::Transient if error.cause == Cause::Conflict && self.conflicts < MAX_CONFLICTS => {
                self.conflicts += 1;
                Next::Retry { pause: pause(self.conflicts), tables: false }
            }
            Class::Schema if self.schemas < MAX_SCHEMA_RELOADS => {
                self.schemas += 1;
                Next::Retry { pause: Duration::ZERO, tables: true }
            }
            _ => Next::Fail(into_plugin_error(error)),
        }
    }
}

/// Whether altering a table failed because of a concurrent change. Reload the table, and check what is left to do.
pub(crate) fn is_lost_race(error: &SqlError) -> bool {
    matches!(error.cause, Cause::Conflict | Cause::Exists)
}

/// The class as a metric label.
pub(crate) fn label(class: Class) -> &'static str {
    match class {
        Class::Session => "session",
        Class::Credentials => "credentials",
        Class::Clock => "clock",
        Class::Transient => "transient",
        Class::Capacity => "capacity",
        Class::TooBig => "too_big",
        Class::Schema => "schema",
        Class::Data => "data",
        Class::Rights => "rights",
        Class::Missing => "missing",
        Class::Bug => "bug",
    }
}

/// Converts an error of a session for the host, for sinks that open a session of their own.
///
/// No single record causes a fatal error. What the database says of a value, or of a statement that is too large, is `Data` or `TooBig`, and
/// the host finds the record by halving the batch. The others are of the login, of rights, of objects that are not there, or of a
/// statement that the database does not understand (`Schema` after the definitions were loaded again, `Bug`). Names in records cannot make
/// such a statement: they are checked and quoted (`names.rs`), and a table, a column or a key that does not fit its definition is
/// rejected before anything is sent (`table/alter.rs`). Rejecting the records of a statement that is wrong for another reason would lose
/// all of them.
#[must_use]
pub fn into_plugin_error(error: SqlError) -> Error {
    match error.class {
        Class::Session => Error::retriable(error),
        Class::Transient => {
            let retry_after = error.retry_after.unwrap_or_default();
            Error::retriable(error).after(retry_after)
        }
        Class::Capacity => Error::retriable(error).after(CAPACITY_DELAY),
        Class::Data | Class::TooBig => Error::rejected(error),
        Class::Schema | Class::Credentials | Class::Clock | Class::Rights | Class::Missing | Class::Bug => {
            Error::fatal(error)
        }
    }
}

/// An increasing delay with jitter, so that tasks do not collide again.
fn pause(attempt: u32) -> Duration {
    let ceiling = Duration::from_millis(50 << attempt.min(6));
    let random = RandomState::new().hash_one(attempt) as f64 / u64::MAX as f64;
    ceiling.mul_f64(0.5 + random / 2.0)
}
