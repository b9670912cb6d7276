//! The process-wide set of resolved secrets, which are removed from all output.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    sync::{PoisonError, RwLock, RwLockWriteGuard},
};

use crate::config::Secrets;

/// Secrets that nothing uses any more, and that are still removed: a thread may be about to log them, and a check of a
/// configuration reports its errors after it. There are twice as many at most.
const KEPT: usize = 500;

static SECRETS: RwLock<Option<Known>> = RwLock::new(None);

/// The secrets, and who uses them.
#[derive(Default)]
struct Known {
    secrets: Secrets,
    /// The number of users by secret.
    users: HashMap<String, usize>,
    /// Secrets without a user, in the order in which they lost it. Some may have one again.
    unused: VecDeque<String>,
}

/// Keeps secrets from being shown while it exists, and for some time afterwards.
#[derive(Debug, Default)]
pub struct Protection(Secrets);

/// Removes secrets from every log line, error and reply from now on.
#[must_use = "the secrets may be shown again some time after it is dropped"]
pub fn protect(secrets: &Secrets) -> Protection {
    if !secrets.is_empty() {
        known().get_or_insert_with(Known::default).add(secrets);
    }
    Protection(secrets.clone())
}

impl Protection {
    /// Keeps the secrets from being shown for as long as the process lives.
    pub fn forever(mut self) {
        self.0 = Secrets::default();
    }
}

impl Drop for Protection {
    fn drop(&mut self) {
        if let Some(known) = known().as_mut() {
            known.remove(&self.0);
        }
    }
}

/// `text` with every known secret replaced by `***`.
#[must_use]
pub fn scrub(text: &str) -> Cow<'_, str> {
    match SECRETS.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
        Some(known) => known.secrets.scrub(text),
        None => Cow::Borrowed(text),
    }
}

fn known() -> RwLockWriteGuard<'static, Option<Known>> {
    SECRETS.write().unwrap_or_else(PoisonError::into_inner)
}

impl Known {
    fn add(&mut self, secrets: &Secrets) {
        self.secrets.extend(secrets);
        for secret in secrets.values() {
            *self.users.entry(secret.to_owned()).or_default() += 1;
        }
    }

    fn remove(&mut self, secrets: &Secrets) {
        for secret in secrets.values() {
            let Some(users) = self.users.get_mut(secret) else { continue };
            *users = users.saturating_sub(1);
            if *users == 0 {
                self.unused.push_back(secret.to_owned());
            }
        }
        if self.unused.len() > 2 * KEPT {
            self.forget();
        }
    }

    /// Forgets the oldest secrets without a user.
    fn forget(&mut self) {
        let forgotten = self.unused.drain(..self.unused.len() - KEPT);
        for secret in forgotten {
            if self.users.get(&secret) == Some(&0) {
                self.users.remove(&secret);
            }
        }
        self.secrets = Secrets::default();
        self.users.keys().for_each(|secret| self.secrets.insert(secret));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(value: &str) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.insert(value);
        secrets
    }

    #[test]
    fn secrets_in_use_stay_and_the_oldest_others_are_forgotten() {
        let mut known = Known::default();
        known.add(&secrets("in-use"));
        known.add(&secrets("in-use"));
        known.remove(&secrets("in-use"));
        for number in 0..3 * KEPT {
            let secret = secrets(&format!("validated-{number:05}"));
            known.add(&secret);
            known.remove(&secret);
            assert!(known.users.len() <= 2 * KEPT + 1 && known.unused.len() <= 2 * KEPT);
        }
        assert_eq!(known.secrets.scrub("in-use validated-00000"), "*** validated-00000");
        let last = format!("validated-{:05}", 3 * KEPT - 1);
        assert_eq!(known.secrets.scrub(&last), "***");
        known.remove(&secrets("in-use"));
        assert_eq!(known.secrets.scrub("in-use"), "***", "it was in use until now");
    }

    #[test]
    fn a_secret_that_is_used_again_is_not_forgotten() {
        let mut known = Known::default();
        known.add(&secrets("used-again"));
        known.remove(&secrets("used-again"));
        known.add(&secrets("used-again"));
        for number in 0..3 * KEPT {
            let secret = secrets(&format!("other-{number:05}"));
            known.add(&secret);
            known.remove(&secret);
        }
        assert_eq!(known.secrets.scrub("used-again"), "***");
    }
}
