//! What to do about an error of Snowflake: try again at once, hand the batch back to the host for later, or stop.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tidegate_plugin::Error;

use crate::session::{Class, SqlError};

/// Why a batch was not written, before anybody decides what to do about it.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Snowflake's error.
    Sql(SqlError),
    /// An error for the host as it is.
    Tidegate(Error),
    /// A value does not fit its column, as the column was when it was last looked at.
    Misfit(SqlError),
    /// The offsets in Snowflake are not what this task knows.
    OffsetsMoved,
}

impl From<SqlError> for Trouble {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Tidegate(error)
    }
}

/// What to do next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Try the batch again, after a pause; all tables are looked at anew if `tables`.
    Again {
        /// How long to wait.
        pause: Duration,
        /// Whether what is known of tables is out of date.
        tables: bool,
    },
    /// Let the host decide.
    Give(Error),
}

/// How often what was tried for one batch.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    sessions: u32,
    conflicts: u32,
    schemas: u32,
    moves: u32,
}

/// New sessions for one batch without a pause.
const SESSIONS: u32 = 3;
/// Tries against the locks of others.
const CONFLICTS: u32 = 6;
/// Looks at changed tables.
const SCHEMAS: u32 = 3;
/// Looks at offsets that moved.
const LOOKS: u32 = 2;
/// How long to leave a warehouse alone that has no room.
const NO_ROOM: Duration = Duration::from_secs(30);

impl Attempts {
    /// Whether to look at the offsets once more. The look itself tells if another task has claimed a partition.
    pub(crate) fn looks_at_offsets(&mut self) -> bool {
        self.moves += 1;
        self.moves <= LOOKS
    }

    /// Decides about an error.
    pub(crate) fn next(&mut self, error: SqlError) -> Next {
        match error.class {
            Class::Session if self.sessions < SESSIONS => {
                self.sessions += 1;
                Next::Again { pause: Duration::ZERO, tables: false }
            }
            Class::Transient if is_conflict(&error) && self.conflicts < CONFLICTS => {
                self.conflicts += 1;
                Next::Again { pause: pause(self.conflicts), tables: false }
            }
            Class::Schema if self.schemas < SCHEMAS => {
                self.schemas += 1;
                Next::Again { pause: Duration::ZERO, tables: true }
            }
            _ => Next::Give(given(error)),
        }
    }
}

/// Another transaction wrote the same, or held its lock for too long.
const CONFLICT: &str = "000625";
/// A table or column exists already.
const EXISTS: [&str; 2] = ["002002", "001430"];
/// A table, schema or database does not exist, or the role may not see it; SHOW has a code of its own for that.
const UNKNOWN_OBJECT: [&str; 2] = ["002003", "002043"];
/// The statement took too long.
const TIMEOUT: &str = "000630";

fn is_conflict(error: &SqlError) -> bool {
    error.code == CONFLICT
}

/// Whether a change of a table failed because somebody else made one: another look shows what is left to do.
pub(crate) fn is_lost_race(error: &SqlError) -> bool {
    is_conflict(error) || EXISTS.contains(&error.code.as_str())
}

/// Whether a table does not exist, as far as the role can see.
pub(crate) fn is_unknown_object(error: &SqlError) -> bool {
    UNKNOWN_OBJECT.contains(&error.code.as_str())
}

/// Whether a statement was cancelled because it took too long.
pub(crate) fn is_timeout(error: &SqlError) -> bool {
    error.code == TIMEOUT
}

/// The class as a label of metrics.
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

/// The error as the host handles it.
pub(crate) fn given(error: SqlError) -> Error {
    match error.class {
        Class::Session => Error::retriable(error),
        Class::Transient => {
            let retry_after = error.retry_after.unwrap_or_default();
            Error::retriable(error).after(retry_after)
        }
        Class::Capacity => Error::retriable(error).after(NO_ROOM),
        Class::Data | Class::TooBig => Error::rejected(error),
        Class::Schema | Class::Credentials | Class::Clock | Class::Rights | Class::Missing | Class::Bug => {
            Error::fatal(error)
        }
    }
}

/// A pause that grows, of which a random part is taken, so that tasks do not meet again.
fn pause(attempt: u32) -> Duration {
    let ceiling = Duration::from_millis(50 << attempt.min(6));
    let random = RandomState::new().hash_one(attempt) as f64 / u64::MAX as f64;
    ceiling.mul_f64(0.5 + random / 2.0)
}
