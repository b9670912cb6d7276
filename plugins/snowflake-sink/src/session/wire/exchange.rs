//! What a session and its middleware tell each other about the request at hand.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use super::{call::Call, failure::Failure};

/// What Snowflake said, before the library made of it what it can.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// What was asked.
    pub(crate) call: Call,
    /// Whether it worked.
    pub(crate) success: bool,
    /// Code, with its leading zeros; may be empty.
    pub(crate) code: String,
    /// SQLSTATE; may be empty.
    pub(crate) state: String,
    /// Id of the statement; may be empty.
    pub(crate) query_id: String,
    /// Message; may be empty.
    pub(crate) message: String,
    /// From `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the first rows are in the answer itself and more in parts elsewhere. The library puts them last.
    pub(crate) inline_last: bool,
}

/// What a login says about the new session.
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

/// How long the master token is good for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    /// When it was given.
    pub(crate) since: Instant,
    /// For how long.
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
}

/// The shared slate. One request is under way at a time. It has no `Debug`: it holds what is bound.
#[derive(Default)]
pub(crate) struct Exchange(Mutex<State>);

impl Exchange {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-written by a panic: every change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what the next query carries beside its text.
    pub(crate) fn prepare(&self, extras: Map<String, Value>) {
        let mut state = self.state();
        state.extras = extras;
        state.outcome = None;
        state.failure = None;
    }

    /// Allows logins, or forbids them.
    pub(crate) fn allow_logins(&self, allowed: bool) {
        self.state().logins_allowed = allowed;
    }

    /// What the last request was answered with.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.state().outcome.clone()
    }

    /// Why the last request got no answer.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.state().failure.clone()
    }

    /// Whether a login has succeeded.
    pub(crate) fn is_logged_in(&self) -> bool {
        self.state().info.is_some()
    }

    /// What the login said.
    pub(crate) fn info(&self) -> SessionInfo {
        self.state().info.clone().unwrap_or_default()
    }

    /// How long the master token is good for.
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
