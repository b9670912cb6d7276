//! Keeps a wrong password from locking its user out: what Snowflake has refused is not tried again at once.
//!
//! A library lives as long as its process, so what is remembered here outlives tasks, and a task that the host starts
//! anew meets what the one before it was told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::{class::Class, error::SqlError};

/// How long to wait after the first refusal, the second, and every later one.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

/// Of all sessions of this process.
pub(crate) static LOCKOUT: Lockout = Lockout::new();

/// Who logs in, where, and with what: a digest of it all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claimant([u8; 32]);

impl Claimant {
    /// The digest of these parts.
    pub(crate) fn of<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// What is known about a claimant.
#[derive(Default)]
struct Known {
    refusals: usize,
    refused: Option<(SqlError, Instant)>,
    accepted: bool,
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// Who was refused, and when they may try again.
pub(crate) struct Lockout(Mutex<BTreeMap<Claimant, Known>>);

impl Lockout {
    /// Nobody is known.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Claimant, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a claimant that was never accepted: to be held while it is tried, so that the tasks of a connector do not
    /// send the same wrong password all at once.
    pub(crate) fn gate(&self, claimant: &Claimant) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let mut known = self.known();
        let known = known.entry(claimant.clone()).or_default();
        (!known.accepted).then(|| Arc::clone(&known.gate))
    }

    /// Whether the claimant may try.
    ///
    /// # Errors
    /// With what it was told the last time, and how long to wait.
    pub(crate) fn check(&self, claimant: &Claimant, now: Instant) -> Result<(), SqlError> {
        let known = self.known();
        let Some((error, until)) = known.get(claimant).and_then(|known| known.refused.as_ref()) else {
            return Ok(());
        };
        let left = until.saturating_duration_since(now);
        if left.is_zero() {
            return Ok(());
        }
        Err(postponed(error, left))
    }

    /// The claimant was accepted.
    pub(crate) fn accepted(&self, claimant: &Claimant) {
        let mut known = self.known();
        let known = known.entry(claimant.clone()).or_default();
        (known.accepted, known.refusals, known.refused) = (true, 0, None);
    }

    /// The claimant was refused: returns the error with how long to wait.
    pub(crate) fn refused(&self, claimant: &Claimant, error: SqlError, now: Instant) -> SqlError {
        if error.class != Class::Credentials {
            return error;
        }
        let mut known = self.known();
        let known = known.entry(claimant.clone()).or_default();
        let pause = PAUSES.get(known.refusals).or(PAUSES.last()).copied().unwrap_or_default();
        known.accepted = false;
        known.refusals += 1;
        known.refused = Some((error.clone(), now + pause));
        postponed(&error, pause)
    }
}

fn postponed(error: &SqlError, left: Duration) -> SqlError {
    let when = format!(
        "not tried again for {} s, so that Snowflake does not lock the user; another secret is tried at once",
        left.as_secs().max(1)
    );
    let hint = match &error.hint {
        Some(hint) => format!("{hint} ({when})"),
        None => when,
    };
    let mut error = error.clone().with_hint(Some(hint));
    error.retry_after = Some(left);
    error
}
