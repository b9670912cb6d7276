//! A transaction in one warehouse: the rows of a batch and their offsets.

use std::{ops::Range, rc::Rc};

use super::{
    dry_run,
    offsets::Moves,
    statements::{Prepared, Purpose},
};
use crate::session::{Answer, Class, Session, SqlError, Statement};

/// Statements that are also run in a dry run.
const READING: [&str; 2] = ["SELECT", "SHOW COLUMNS"];

/// Runs statements with a query tag.
pub(crate) struct Runner<'s> {
    pub(crate) session: &'s mut Session,
    pub(crate) tag: &'s str,
    /// Whether statements that change something are printed instead of run.
    pub(crate) is_dry: bool,
}

/// The update of the offsets in a transaction.
pub(crate) struct OffsetsMove<'m> {
    pub(crate) table: &'m str,
    pub(crate) text: &'m str,
    pub(crate) moves: &'m Moves,
    /// The time of writing, to be bound.
    pub(crate) now: &'m str,
}

/// Number of rows that a transaction changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowCounts {
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    /// Rows without effect: the existing row is newer, or there was nothing to delete.
    pub(crate) unchanged: u64,
    /// Deletes among these.
    pub(crate) unchanged_deletes: u64,
}

impl RowCounts {
    fn add(&mut self, more: Self) {
        self.inserted += more.inserted;
        self.updated += more.updated;
        self.deleted += more.deleted;
        self.unchanged += more.unchanged;
        self.unchanged_deletes += more.unchanged_deletes;
    }
}

/// The result of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// By table of the source.
    pub(crate) changed: Vec<(Rc<str>, RowCounts)>,
    /// By table of the source: keys of updates and deletes that matched no row.
    pub(crate) unmatched: Vec<(Rc<str>, Vec<String>)>,
}

/// Why a transaction was rolled back.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A statement failed, possibly the one with these rows.
    Statement(SqlError, Option<Prepared>),
    /// The offsets are not as expected: another task has claimed a partition.
    OffsetsMoved,
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Statement(error, None)
    }
}

impl Runner<'_> {
    /// Runs a statement.
    ///
    /// # Errors
    /// Errors of Snowflake.
    pub(crate) async fn run(
        &mut self,
        kind: &'static str,
        table: Option<&str>,
        text: &str,
        binds: &[String],
    ) -> Result<Answer, SqlError> {
        if self.is_dry && !READING.contains(&kind) {
            dry_run::print(kind, table, text, None);
            return Ok(Answer::default());
        }
        let binds: Vec<&str> = binds.iter().map(String::as_str).collect();
        self.session.run(&Statement { kind, table, text, binds: &binds, tag: self.tag }).await
    }

    /// Claims partitions in a transaction, and reads their rows.
    ///
    /// # Errors
    /// Errors of Snowflake.
    pub(crate) async fn claim(
        &mut self,
        table: &str,
        claim: &str,
        read: &str,
        partitions: &[String],
    ) -> Result<Answer, SqlError> {
        self.session.begin(self.tag).await?;
        let claimed = match self.run("MERGE", Some(table), claim, partitions).await {
            Ok(_) => self.run("SELECT", Some(table), read, partitions).await,
            Err(error) => Err(error),
        };
        match claimed {
            Ok(answer) => self.session.commit(self.tag).await.map(|()| answer),
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    /// Runs a transaction.
    ///
    /// # Errors
    /// Why it was rolled back. If Snowflake did not respond, it may have been committed nevertheless.
    pub(crate) async fn transaction(
        &mut self,
        prepared: &[Prepared],
        offsets: &OffsetsMove<'_>,
    ) -> Result<Outcome, Failure> {
        if self.is_dry {
            prepared.iter().for_each(|statement| {
                let Prepared { kind, table, text, .. } = statement;
                dry_run::print(kind, Some(table), text, statement.row_count());
            });
            return Ok(Outcome::default());
        }
        self.session.begin(self.tag).await?;
        let outcome = match self.statements(prepared, offsets).await {
            Ok(outcome) => outcome,
            Err(failure) => {
                self.roll_back().await;
                return Err(failure);
            }
        };
        self.session.commit(self.tag).await?;
        Ok(outcome)
    }

    async fn statements(
        &mut self,
        prepared: &[Prepared],
        offsets: &OffsetsMove<'_>,
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        for statement in prepared {
            let answer = self.prepared(statement, None).await;
            outcome.note(
                statement,
                &answer.map_err(|error| Failure::Statement(error, Some(statement.clone())))?,
            );
        }
        let OffsetsMove { table, text, moves, now } = offsets;
        if !moves.is_empty() {
            let binds = [(*now).to_owned(), moves.payload()];
            let answer = self.run("MERGE", Some(table), text, &binds).await?;
            if answer.updated != moves.copies() {
                return Err(Failure::OffsetsMoved);
            }
        }
        Ok(outcome)
    }

    async fn prepared(
        &mut self,
        statement: &Prepared,
        rows: Option<Range<usize>>,
    ) -> Result<Answer, SqlError> {
        let Prepared { kind, table, text, .. } = statement;
        self.run(kind, Some(table), text, &statement.all_binds(rows)).await
    }

    /// Rolls back. If that fails, the session is unusable, and closing it ends the transaction.
    async fn roll_back(&mut self) {
        let _gone = self.session.rollback(self.tag).await.is_err();
    }

    /// Finds the rows that make a statement fail, by bisection in transactions that are rolled
    /// back. Returns the index of each bad row with Snowflake's reason.
    ///
    /// # Errors
    /// If something other than the rows fails.
    pub(crate) async fn bad_rows(
        &mut self,
        statement: &Prepared,
        mut tries: usize,
    ) -> Result<Vec<(usize, String)>, SqlError> {
        let Some((_, all)) = &statement.rows else { return Ok(Vec::new()) };
        let mut bad_rows = Vec::new();
        let mut parts = vec![all.clone()];
        while let Some(part) = parts.pop() {
            if tries == 0 {
                break;
            }
            tries -= 1;
            self.session.begin(self.tag).await?;
            let tried = self.prepared(statement, Some(part.clone())).await;
            self.session.rollback(self.tag).await?;
            match tried {
                Ok(_) => {}
                Err(error) if error.class != Class::Data => return Err(error),
                Err(error) if part.len() == 1 => bad_rows.push((part.start, error.to_string())),
                Err(_) => {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
            }
        }
        Ok(bad_rows)
    }
}

impl Outcome {
    fn note(&mut self, statement: &Prepared, answer: &Answer) {
        let table = &statement.source;
        match statement.purpose {
            Purpose::Bookkeeping => {}
            Purpose::FindUnmatched => {
                let keys = answer.rows.iter().filter_map(|row| row.first().cloned().flatten());
                let keys: Vec<String> = keys.collect();
                if !keys.is_empty() {
                    self.unmatched.push((Rc::clone(table), keys));
                }
            }
            Purpose::Write => {
                let Answer { inserted, updated, deleted, .. } = *answer;
                let sent = statement.row_count().unwrap_or_default() as u64;
                let unchanged = sent.saturating_sub(inserted + updated + deleted);
                // Soft deletes are updates.
                let ineffective = (statement.delete_count() as u64).saturating_sub(deleted);
                let unchanged_deletes = ineffective.min(unchanged);
                let changed = RowCounts { inserted, updated, deleted, unchanged, unchanged_deletes };
                match self.changed.iter_mut().find(|(known, _)| known == table) {
                    Some((_, known)) => known.add(changed),
                    None => self.changed.push((Rc::clone(table), changed)),
                }
            }
        }
    }
}
