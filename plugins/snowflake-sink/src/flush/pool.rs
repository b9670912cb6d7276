//! The sessions of a task: one per warehouse, opened on demand and replaced before it expires.

use crate::session::{Login, Session, SqlError};

/// Sessions by warehouse.
pub(crate) struct Pool {
    login: Login,
    warehouses: Vec<Option<String>>,
    sessions: Vec<Option<Session>>,
}

impl Pool {
    /// Creates a pool without sessions.
    pub(crate) fn new(login: Login, warehouses: &[Option<String>]) -> Self {
        let sessions = warehouses.iter().map(|_| None).collect();
        Self { login, warehouses: warehouses.to_vec(), sessions }
    }

    /// The session of a warehouse. Replaces an old session, because this is only called outside of transactions.
    ///
    /// # Errors
    /// If a login fails.
    pub(crate) async fn session(&mut self, warehouse: usize) -> Result<&mut Session, SqlError> {
        let warehouse = if warehouse < self.sessions.len() { warehouse } else { 0 };
        // Closing the session ends a transaction that could not be rolled back.
        let is_unusable = |session: &Session| session.is_stale() || session.in_transaction();
        if self.sessions.get(warehouse).is_some_and(|session| session.as_ref().is_some_and(is_unusable)) {
            self.discard(warehouse).await;
        }
        let name = self.warehouses.get(warehouse).and_then(Option::as_deref);
        let opened = match self.sessions.get_mut(warehouse).and_then(Option::take) {
            Some(session) => session,
            None => Session::open(&self.login, name).await?,
        };
        match self.sessions.get_mut(warehouse) {
            Some(place) => Ok(place.insert(opened)),
            None => unreachable!("there is a slot for each warehouse"),
        }
    }

    /// Closes a session. The next use of its warehouse logs in again.
    pub(crate) async fn discard(&mut self, warehouse: usize) {
        if let Some(session) = self.sessions.get_mut(warehouse).and_then(Option::take) {
            session.close().await;
        }
    }

    /// Closes all sessions.
    pub(crate) async fn close(&mut self) {
        for warehouse in 0..self.sessions.len() {
            self.discard(warehouse).await;
        }
    }
}
