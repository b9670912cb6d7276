//! The Snowflake service for the tests of the sink: a stand-in in Python, or the account given in the environment.
//!
//! | variable | |
//! |---|---|
//! | `TIDEGATE_SNOWFLAKE_ACCOUNT`, `_USER`, `_PASSWORD` or `_PRIVATE_KEY` (PEM), `_ROLE`, `_WAREHOUSE`, `_DATABASE` | run the tests against this account; the user may create schemas in the database |
//! | `TIDEGATE_REQUIRE_SNOWFLAKE=1` | fail where there is neither account nor Python, instead of skipping |
//!
//! The value of `_ACCOUNT` is also the connector's `account`. The tests drop the schemas that they create, unless they
//! crash.

mod account;
mod python;
mod rows;
mod schema;
mod stand_in;

use std::{
    env,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::skipped;

pub use account::Account;
pub use rows::{Column, Rows};
pub use schema::Schema;
pub use stand_in::{ExclusiveStandIn, Fired, LogEntry, StagedFile, StandIn};

/// A Snowflake service.
#[derive(Debug)]
pub enum Snowflake {
    /// The stand-in.
    StandIn(StandIn),
    /// A real account.
    Account(Account),
}

impl Snowflake {
    /// A service that the tests of this process share, or `None`, with a message, if there is none. Tests use two
    /// stand-ins in turn, because one stand-in uses a single CPU only.
    ///
    /// # Panics
    /// When there is none and the environment requires one.
    #[must_use]
    pub fn find() -> Option<&'static Self> {
        static SHARED: [OnceLock<Result<Snowflake, String>>; 2] = [const { OnceLock::new() }; 2];
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let next = CALLS.fetch_add(1, Ordering::Relaxed) % SHARED.len();
        let shared = SHARED[next].get_or_init(|| {
            if let Some(account) = Account::of_environment() {
                return Ok(Self::Account(account?));
            }
            StandIn::try_start(&[]).map(Self::StandIn)
        });
        shared.as_ref().map_err(|reason| skip(reason)).ok()
    }

    /// Creates a schema for one test.
    ///
    /// # Panics
    /// When it cannot be created.
    #[must_use]
    pub fn schema(&self, name: &str) -> Schema<'_> {
        Schema::create(self, name)
    }

    /// Runs a statement. Values are returned as exact text.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn query(&self, schema: &str, sql: &str) -> Rows {
        match self {
            Self::StandIn(stand_in) => stand_in.query(schema, sql),
            Self::Account(account) => account.query(schema, sql),
        }
    }

    /// The sink's options for this service.
    #[must_use]
    pub fn options(&self) -> String {
        match self {
            Self::StandIn(stand_in) => stand_in.options(),
            Self::Account(account) => account.options(),
        }
    }

    /// The database of the tests.
    #[must_use]
    pub fn database(&self) -> &str {
        match self {
            Self::StandIn(_) => stand_in::DATABASE,
            Self::Account(account) => account.database(),
        }
    }
}

/// Reports that the suite is skipped, or fails if the environment requires the service.
fn skip(reason: &str) {
    let required = env::var("TIDEGATE_REQUIRE_SNOWFLAKE").is_ok_and(|value| value == "1");
    assert!(!required, "TIDEGATE_REQUIRE_SNOWFLAKE=1, but {reason}");
    skipped::print_once(reason);
}

/// A TOML string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}
