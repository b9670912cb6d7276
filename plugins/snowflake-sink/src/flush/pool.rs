//! The sessions of a task: one per warehouse, made when it is needed, replaced before it expires.

use crate::session::{Login, Session, SqlError};

/// Sessions by warehouse.
pub(crate) struct Pool {
    login: Login,
    warehouses: Vec<Option<String>>,
    sessions: Vec<Option<Session>>,
}

impl Pool {
    /// A pool without any session.
    pub(crate) fn new(login: Login, warehouses: &[Option<String>]) -> Self {
        let sessions = warehouses.iter().map(|_| None).collect();
        Self { login, warehouses: warehouses.to_vec(), sessions }
    }

    /// The session of a warehouse. Only asked for outside of a transaction, it is a good moment to replace an old one.
    ///
    /// # Errors
    /// When a login fails.
    pub(crate) async fn session(&mut self, warehouse: usize) -> Result<&mut Session, SqlError> {
        let warehouse = if warehouse < self.sessions.len() { warehouse } else { 0 };
        // A transaction that could not be rolled back ends with its session.
        let is_spent = |session: &Session| session.is_stale() || session.in_transaction();
        if self.sessions.get(warehouse).is_some_and(|session| session.as_ref().is_some_and(is_spent)) {
            self.discard(warehouse).await;
        }
        let name = self.warehouses.get(warehouse).and_then(Option::as_deref);
        let opened = match self.sessions.get_mut(warehouse).and_then(Option::take) {
            Some(session) => session,
            None => Session::open(&self.login, name).await?,
        };
        match self.sessions.get_mut(warehouse) {
            Some(place) => Ok(place.insert(opened)),
            None => unreachable!("there is a place for each warehouse"),
        }
    }

    /// Gives a session up: the next use of its warehouse logs in anew.
    pub(crate) async fn discard(&mut self, warehouse: usize) {
        if let Some(session) = self.sessions.get_mut(warehouse).and_then(Option::take) {
            session.close().await;
        }
    }

    /// Ends all sessions.
    pub(crate) async fn close(&mut self) {
        for warehouse in 0..self.sessions.len() {
            self.discard(warehouse).await;
        }
    }
}
