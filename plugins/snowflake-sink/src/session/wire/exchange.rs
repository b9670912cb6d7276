//! State that a session and its middleware share about the current request.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use super::{super::stage::Offer, call::Call, failure::Failure};

/// Snowflake's response, before the library decodes it.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) call: Call,
    pub(crate) success: bool,
    /// Code with leading zeros; may be empty.
    pub(crate) code: String,
    /// SQLSTATE; may be empty.
    pub(crate) state: String,
    /// Query id; may be empty.
    pub(crate) query_id: String,
    /// Message; may be empty.
    pub(crate) message: String,
    /// From `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the first rows are in the response itself and more in parts elsewhere. The library returns the former last.
    pub(crate) inline_last: bool,
}

/// Session properties in a login response.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionInfo {
    /// Database in use, if there is one.
    pub(crate) database: Option<String>,
    /// Schema in use, if there is one.
    pub(crate) schema: Option<String>,
    /// Warehouse in use, if there is one.
    pub(crate) warehouse: Option<String>,
    /// Role in use.
    pub(crate) role: Option<String>,
}

/// Lifetime of the master token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    /// Start of the lifetime.
    pub(crate) since: Instant,
    /// Length of the lifetime.
    pub(crate) length: Duration,
}

#[derive(Default)]
struct State {
    logins_allowed: bool,
    extras: Map<String, Value>,
    outcome: Option<Outcome>,
    failure: Option<Failure>,
    info: Option<SessionInfo>,
    lease: Option<Lease>,
    offer: Option<Offer>,
}

/// The shared state of the current request. It does not implement `Debug`, because it contains bound values.
#[derive(Default)]
pub(crate) struct Exchange(Mutex<State>);

impl Exchange {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave an inconsistent state: every change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets binds and parameters of the next query.
    pub(crate) fn prepare(&self, extras: Map<String, Value>) {
        let mut state = self.state();
        state.extras = extras;
        state.outcome = None;
        state.failure = None;
        state.offer = None;
    }

    /// The target of an upload, if the last response was that to a PUT. It is returned once.
    pub(crate) fn take_offer(&self) -> Option<Offer> {
        self.state().offer.take()
    }

    /// Allows or forbids logins.
    pub(crate) fn allow_logins(&self, allowed: bool) {
        self.state().logins_allowed = allowed;
    }

    /// The response to the last request.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.state().outcome.clone()
    }

    /// Why the last request has no response.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.state().failure.clone()
    }

    /// Whether a login has succeeded.
    pub(crate) fn is_logged_in(&self) -> bool {
        self.state().info.is_some()
    }

    /// The login response.
    pub(crate) fn info(&self) -> SessionInfo {
        self.state().info.clone().unwrap_or_default()
    }

    /// Lifetime of the master token.
    pub(crate) fn lease(&self) -> Option<Lease> {
        self.state().lease
    }

    pub(super) fn logins_allowed(&self) -> bool {
        self.state().logins_allowed
    }

    pub(super) fn take_extras(&self) -> Map<String, Value> {
        std::mem::take(&mut self.state().extras)
    }

    pub(super) fn answered(&self, outcome: Outcome) {
        self.state().outcome = Some(outcome);
    }

    pub(super) fn offered(&self, offer: Option<Offer>) {
        self.state().offer = offer;
    }

    pub(super) fn failed(&self, failure: Failure) {
        self.state().failure = Some(failure);
    }

    pub(super) fn logged_in(&self, info: SessionInfo) {
        self.state().info = Some(info);
    }

    pub(super) fn leased(&self, seconds: u64) {
        self.state().lease = Some(Lease { since: Instant::now(), length: Duration::from_secs(seconds) });
    }
}
