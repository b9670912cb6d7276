//! Prevents wrong credentials from locking the user: credentials that a database has rejected are not tried again at once.
//!
//! A library is never unloaded, so this state outlives tasks, and also applies to tasks that the host starts
//! again.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::{Class, SqlError};

/// Delay after the first, the second, and every later rejected login.
const DELAYS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

/// For all sessions of this process.
pub static LOCKOUT: Lockout = Lockout::new();

/// A digest of account, user and credentials.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credentials([u8; 32]);

impl Credentials {
    /// The digest of everything that identifies a login: server, account, user, and the secret.
    pub fn of<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// State of some credentials.
#[derive(Default)]
struct LoginState {
    failures: usize,
    rejected: Option<(SqlError, Instant)>,
    accepted: bool,
    login_lock: Arc<tokio::sync::Mutex<()>>,
}

/// Rejected credentials, and when they may be tried again.
#[derive(Default)]
pub struct Lockout(Mutex<BTreeMap<Credentials, LoginState>>);

impl Lockout {
    /// Without rejected credentials. [`LOCKOUT`] is that of the process.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Credentials, LoginState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs in, unless the credentials were rejected a moment ago.
    ///
    /// # Errors
    /// That of the login, or the last one that these credentials have got, with how long to wait.
    pub async fn log_in<S>(
        &self,
        credentials: &Credentials,
        login: impl Future<Output = Result<S, SqlError>>,
    ) -> Result<S, SqlError> {
        let gate = self.login_lock(credentials);
        let _turn = match &gate {
            Some(gate) => Some(gate.lock().await),
            None => None,
        };
        self.check(credentials, Instant::now())?;
        match login.await {
            Ok(session) => {
                self.accepted(credentials);
                Ok(session)
            }
            Err(error) => Err(self.rejected(credentials, error, Instant::now())),
        }
    }

    /// Lock for credentials that were never accepted, to be held during a login, so that the tasks of a connector do not
    /// send the same wrong password at the same time.
    fn login_lock(&self, credentials: &Credentials) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let mut known = self.known();
        let known = known.entry(credentials.clone()).or_default();
        (!known.accepted).then(|| Arc::clone(&known.login_lock))
    }

    /// Whether the credentials may be tried.
    ///
    /// # Errors
    /// The last error, and how long to wait.
    fn check(&self, credentials: &Credentials, now: Instant) -> Result<(), SqlError> {
        let known = self.known();
        let Some((error, until)) = known.get(credentials).and_then(|known| known.rejected.as_ref()) else {
            return Ok(());
        };
        let left = until.saturating_duration_since(now);
        if left.is_zero() {
            return Ok(());
        }
        Err(with_delay(error, left))
    }

    /// Records a successful login.
    fn accepted(&self, credentials: &Credentials) {
        let mut known = self.known();
        let known = known.entry(credentials.clone()).or_default();
        (known.accepted, known.failures, known.rejected) = (true, 0, None);
    }

    /// Records a rejected login. Returns the error with the delay.
    fn rejected(&self, credentials: &Credentials, error: SqlError, now: Instant) -> SqlError {
        if error.class != Class::Credentials {
            return error;
        }
        let mut known = self.known();
        let known = known.entry(credentials.clone()).or_default();
        let delay = DELAYS.get(known.failures).or(DELAYS.last()).copied().unwrap_or_default();
        known.accepted = false;
        known.failures += 1;
        known.rejected = Some((error.clone(), now + delay));
        with_delay(&error, delay)
    }
}

fn with_delay(error: &SqlError, left: Duration) -> SqlError {
    let when = format!(
        "not retried for {} s, so that the user is not locked; changed credentials are tried at once",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> SqlError {
        let mut error =
            SqlError::new(Class::Credentials, "login", "Incorrect username or password was specified.");
        error.code = "390100".to_owned();
        error
    }

    #[test]
    fn the_delay_increases_after_each_rejected_login() {
        let (lockout, start) = (Lockout::new(), Instant::now());
        let credentials = Credentials::of(["host", "ACCOUNT", "CDC", "password", "wrong"]);
        let mut now = start;
        for minutes in [1, 5, 15, 15] {
            assert!(lockout.check(&credentials, now).is_ok());
            let error = lockout.rejected(&credentials, refusal(), now);
            assert_eq!(error.retry_after, Some(Duration::from_secs(minutes * 60)));
            now += Duration::from_secs(minutes * 60 - 1);
            let early = lockout.check(&credentials, now).unwrap_err();
            assert_eq!(early.class, Class::Credentials);
            assert!(early.to_string().contains("Incorrect username"), "{early}");
            assert!(early.to_string().contains("not retried for 1 s"), "{early}");
            now += Duration::from_secs(1);
        }
        lockout.accepted(&credentials);
        let again = lockout.rejected(&credentials, refusal(), now);
        assert_eq!(again.retry_after, Some(Duration::from_secs(60)), "an accepted secret resets the delay");
    }

    #[test]
    fn other_credentials_are_tried_at_once_and_other_errors_do_not_delay() {
        let (lockout, now) = (Lockout::new(), Instant::now());
        let (old, new) =
            (Credentials::of(["cdc", "password", "old"]), Credentials::of(["cdc", "password", "new"]));
        assert!(old != Credentials::of(["cdcpassword", "old"]));
        lockout.rejected(&old, refusal(), now);
        assert!(lockout.check(&old, now).is_err());
        assert!(lockout.check(&new, now).is_ok());
        lockout.rejected(&new, SqlError::new(Class::Transient, "login", "away"), now);
        assert!(lockout.check(&new, now).is_ok());
    }

    #[test]
    fn only_unverified_credentials_wait_for_the_lock() {
        let (lockout, credentials) = (Lockout::new(), Credentials::of(["cdc"]));
        assert!(lockout.login_lock(&credentials).is_some());
        lockout.accepted(&credentials);
        assert!(lockout.login_lock(&credentials).is_none());
        lockout.rejected(&credentials, refusal(), Instant::now());
        assert!(lockout.login_lock(&credentials).is_some());
    }
}
