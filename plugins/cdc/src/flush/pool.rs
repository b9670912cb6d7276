//! The sessions of a task: two per warehouse and lane, opened on demand and replaced before they expire. The second one of a
//! lane stores deletes; it is opened with the first batch that has some.

use futures_util::future::join_all;

use super::lanes::MAX_LANES;
use crate::session::{Database, Session as _, SqlError};

/// Sessions by warehouse and lane. The second session of a lane has the number of the lane plus [`MAX_LANES`].
pub(crate) struct Pool<B: Database> {
    database: B,
    warehouses: Vec<Option<String>>,
    /// By warehouse, then by lane. A session that is lent is missing.
    sessions: Vec<Vec<Option<B::Session>>>,
    /// Number of sessions that were opened for [`Pool::lend`].
    opened: u64,
}

impl<B: Database> Pool<B> {
    /// Creates a pool without sessions.
    pub(crate) fn new(database: B, warehouses: &[Option<String>]) -> Self {
        let sessions = warehouses.iter().map(|_| Vec::new()).collect();
        Self { database, warehouses: warehouses.to_vec(), sessions, opened: 0 }
    }

    /// Lends the sessions of lanes of a warehouse, in the same order. Opens the missing ones at the same time, and replaces old
    /// ones, because this is only called outside of transactions.
    ///
    /// # Errors
    /// If a login fails.
    pub(crate) async fn lend(
        &mut self,
        warehouse: usize,
        lanes: impl IntoIterator<Item = usize>,
    ) -> Result<Vec<B::Session>, SqlError> {
        let lanes: Vec<usize> = lanes.into_iter().collect();
        let kept: Vec<Option<B::Session>> = lanes.iter().map(|lane| self.take(warehouse, *lane)).collect();
        self.opened += kept.iter().filter(|kept| kept.as_ref().is_none_or(is_unusable)).count() as u64;
        let (database, name) = (&self.database, self.warehouses.get(warehouse).and_then(Option::as_deref));
        let opened = join_all(kept.into_iter().map(|kept| usable(database, name, kept))).await;
        let (mut sessions, mut failed) = (Vec::with_capacity(opened.len()), None);
        for (lane, session) in lanes.iter().zip(opened) {
            match session {
                Ok(session) => sessions.push((*lane, session)),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let Some(error) = failed else {
            return Ok(sessions.into_iter().map(|(_, session)| session).collect());
        };
        sessions.into_iter().for_each(|(lane, session)| self.give_back(warehouse, lane, session));
        Err(error)
    }

    /// Number of sessions that were opened until now.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// Lends the session of the first lane of the default warehouse, for what is not part of a flush.
    ///
    /// # Errors
    /// If a session cannot be opened.
    pub(crate) async fn lend_first(&mut self) -> Result<B::Session, SqlError> {
        let kept = self.take(0, 0);
        usable(&self.database, self.warehouses.first().and_then(Option::as_deref), kept).await
    }

    /// Takes a session back. It is replaced before it is lent again if it is unusable, or a transaction is open.
    pub(crate) fn give_back(&mut self, warehouse: usize, lane: usize, session: B::Session) {
        let Some(lanes) = self.sessions.get_mut(warehouse) else { return };
        if lanes.len() <= lane {
            lanes.resize_with(lane + 1, || None);
        }
        if let Some(place) = lanes.get_mut(lane) {
            *place = Some(session);
        }
    }

    /// Closes the sessions of a warehouse that may have an open transaction, or whose state is unknown, and those that are not
    /// of a lane: if they are lost as well, the next attempt would fail for it. The next use logs in again.
    pub(crate) async fn discard_unusable(&mut self, warehouse: usize) {
        let places = self.sessions.get_mut(warehouse).into_iter().flatten().enumerate();
        let unusable = places.filter(|(lane, place)| {
            place.as_ref().is_some_and(|session| *lane >= MAX_LANES || is_unusable(session))
        });
        let unusable: Vec<B::Session> = unusable.filter_map(|(_, place)| place.take()).collect();
        let _closed = join_all(unusable.into_iter().map(B::Session::close)).await;
    }

    /// Closes all sessions.
    pub(crate) async fn close(&mut self) {
        let all: Vec<B::Session> = self.sessions.iter_mut().flatten().filter_map(Option::take).collect();
        let _closed = join_all(all.into_iter().map(B::Session::close)).await;
    }

    fn take(&mut self, warehouse: usize, lane: usize) -> Option<B::Session> {
        self.sessions.get_mut(warehouse)?.get_mut(lane)?.take()
    }
}

/// A session that is kept if it can be used, or a new one.
async fn usable<B: Database>(
    database: &B,
    warehouse: Option<&str>,
    kept: Option<B::Session>,
) -> Result<B::Session, SqlError> {
    match kept {
        Some(session) if !is_unusable(&session) => Ok(session),
        Some(session) => {
            // Closing the session ends a transaction that could not be rolled back.
            session.close().await;
            database.open(warehouse).await
        }
        None => database.open(warehouse).await,
    }
}

fn is_unusable(session: &impl crate::session::Session) -> bool {
    session.is_stale() || session.in_transaction()
}
