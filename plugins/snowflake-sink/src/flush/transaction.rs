//! One transaction in one warehouse: the rows of a batch, and the offsets behind them.

use std::{ops::Range, rc::Rc};

use super::{
    dry_run,
    offsets::Moves,
    statements::{Prepared, Purpose},
};
use crate::session::{Answer, Class, Session, SqlError, Statement};

/// Statements that a dry run runs.
const READING: [&str; 2] = ["SELECT", "SHOW COLUMNS"];

/// Runs statements with the tag that tells the warehouse's owner who did what.
pub(crate) struct Runner<'s> {
    /// The session.
    pub(crate) session: &'s mut Session,
    /// The tag.
    pub(crate) tag: &'s str,
    /// Whether statements that change something are printed and not run.
    pub(crate) is_dry: bool,
}

/// How a transaction moves its offsets.
pub(crate) struct OffsetsMove<'m> {
    /// Their table.
    pub(crate) table: &'m str,
    /// The statement.
    pub(crate) text: &'m str,
    /// What moves.
    pub(crate) moves: &'m Moves,
    /// The time, as it is bound.
    pub(crate) now: &'m str,
}

/// Rows that a transaction changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Inserted.
    pub(crate) inserted: u64,
    /// Updated.
    pub(crate) updated: u64,
    /// Deleted.
    pub(crate) deleted: u64,
    /// Sent, and nothing changed: what is there is newer, or there was nothing to delete.
    pub(crate) unchanged: u64,
    /// Of these, deletes.
    pub(crate) unchanged_deletes: u64,
}

impl Changed {
    fn add(&mut self, more: Self) {
        self.inserted += more.inserted;
        self.updated += more.updated;
        self.deleted += more.deleted;
        self.unchanged += more.unchanged;
        self.unchanged_deletes += more.unchanged_deletes;
    }
}

/// What a transaction came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// By table of the source.
    pub(crate) changed: Vec<(Rc<str>, Changed)>,
    /// By table of the source: keys of updates and deletes that matched nothing.
    pub(crate) unmatched: Vec<(Rc<str>, Vec<String>)>,
}

/// Why a transaction was rolled back.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A statement failed, perhaps that of these rows.
    Statement(SqlError, Option<Prepared>),
    /// The offsets are not what this task knows: another one has claimed a partition.
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
    /// What Snowflake says.
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

    /// Claims partitions in a transaction, and reads what is stored of them.
    ///
    /// # Errors
    /// What Snowflake says.
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

    /// Runs a transaction: all of it, or nothing.
    ///
    /// # Errors
    /// Why it was rolled back. Only where Snowflake did not answer, it may have been committed all the same.
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

    /// Rolls back what can be. If even that fails, the session is of no use: whoever drops it ends the transaction.
    async fn roll_back(&mut self) {
        let _gone = self.session.rollback(self.tag).await.is_err();
    }

    /// Finds the rows at which a statement fails, by trying ever smaller parts of it in transactions that are rolled
    /// back. Each offending row is told by its place, with Snowflake's reason.
    ///
    /// # Errors
    /// When something else than the rows fails.
    pub(crate) async fn offenders(
        &mut self,
        statement: &Prepared,
        mut tries: usize,
    ) -> Result<Vec<(usize, String)>, SqlError> {
        let Some((_, all)) = &statement.rows else { return Ok(Vec::new()) };
        let mut offenders = Vec::new();
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
                Err(error) if part.len() == 1 => offenders.push((part.start, error.to_string())),
                Err(_) => {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
            }
        }
        Ok(offenders)
    }
}

impl Outcome {
    fn note(&mut self, statement: &Prepared, answer: &Answer) {
        let table = &statement.source;
        match statement.purpose {
            Purpose::Books => {}
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
                let changed = Changed { inserted, updated, deleted, unchanged, unchanged_deletes };
                match self.changed.iter_mut().find(|(known, _)| known == table) {
                    Some((_, known)) => known.add(changed),
                    None => self.changed.push((Rc::clone(table), changed)),
                }
            }
        }
    }
}
