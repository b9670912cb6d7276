//! The process-wide set of resolved secrets, which are removed from all output.

use std::{
    borrow::Cow,
    sync::{PoisonError, RwLock},
};

use crate::config::Secrets;

static SECRETS: RwLock<Option<Secrets>> = RwLock::new(None);

/// Adds secrets, which are then removed from every log line, error and reply.
pub fn protect(secrets: &Secrets) {
    if secrets.is_empty() {
        return;
    }
    let mut known = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_with(Secrets::default).extend(secrets);
}

/// `text` with every known secret replaced by `***`.
#[must_use]
pub fn scrub(text: &str) -> Cow<'_, str> {
    match SECRETS.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
        Some(secrets) => secrets.scrub(text),
        None => Cow::Borrowed(text),
    }
}
