//! The transaction of a lane: rows of a batch and their offsets.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    rc::Rc,
};

use futures_util::future::join;
use tidegate_plugin::Context;

use super::{
    dry_run,
    files::{FromFile, remove_early, store_early, with_rows},
    offsets::Moves,
    statements::{Prepared, Purpose, Values},
};
use crate::{
    rows::RowFormat,
    session::{Answer, Class, Session, SqlError, Statement},
    statement::{Call, Query},
};

/// Statements that are also run in a dry run.
const READING: [&str; 2] = ["SELECT", "SHOW COLUMNS"];

/// Runs statements with a query tag.
pub(crate) struct Runner<'s, S> {
    pub(crate) session: &'s mut S,
    pub(crate) tag: &'s str,
    /// Where progress is reported.
    pub(crate) context: &'s Context,
    /// Whether statements that change something are printed instead of run.
    pub(crate) is_dry: bool,
}

/// The transaction of a lane.
pub(crate) struct Work<'w, R> {
    pub(crate) prepared: &'w [Prepared<R>],
    /// Statements that another session runs before the transaction is committed.
    pub(crate) early: &'w [Prepared<R>],
    /// The offsets to update, in the order of the lanes.
    pub(crate) offsets: &'w [OffsetsMove<'w>],
    /// Tables that are written without a comparison with deleted keys, each with the name of its table of deleted keys.
    pub(crate) unguarded: &'w [(String, String)],
    /// The query for the names of all tables.
    pub(crate) list: &'w Query,
    /// [`Dialect::same_table`](crate::dialect::Dialect::same_table).
    pub(crate) same_table: &'w dyn Fn(&str) -> String,
}

/// The update of the offsets of a lane.
pub(crate) struct OffsetsMove<'m> {
    pub(crate) table: String,
    pub(crate) call: Call,
    pub(crate) moves: Moves,
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
    /// Tables in the database whose rows were searched although the counts of the MERGE were as expected.
    pub(crate) as_expected: Vec<String>,
}

/// Why a transaction was rolled back.
#[derive(Debug)]
pub(crate) enum Failure<R> {
    /// A statement failed, possibly the one with these rows.
    Statement(SqlError, Option<Prepared<R>>),
    /// The offsets are not as expected: another task has claimed a partition.
    OffsetsMoved,
    /// The numbers of changed rows of these tables are not as expected: search for rows without a match first.
    Unexpected(BTreeSet<String>),
    /// Another task has created the tables of deleted keys of these tables.
    Guarded(Vec<String>),
}

impl<R> Failure<R> {
    /// Whether the transaction may be committed later although it has no response: its COMMIT may be under way.
    pub(crate) fn leaves_doubt(&self) -> bool {
        let is_lost =
            |error: &SqlError| matches!(error.class, Class::Session | Class::Transient | Class::Clock);
        matches!(self, Self::Statement(error, _) if is_lost(error))
    }
}

impl<R> From<SqlError> for Failure<R> {
    fn from(error: SqlError) -> Self {
        Self::Statement(error, None)
    }
}

impl<S: Session> Runner<'_, S> {
    /// Runs a statement.
    ///
    /// # Errors
    /// Errors of the database.
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
        self.send(&Statement { kind, table, text, binds: &binds, load: None, tag: self.tag }).await
    }

    /// Runs a query for the database's own catalog.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn query(&mut self, table: Option<&str>, query: &Query) -> Result<Answer, SqlError> {
        self.run(query.kind, table, &query.text, &query.binds).await
    }

    /// Runs a statement with its rows.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn call(
        &mut self,
        call: &Call,
        table: Option<&str>,
        values: &Values,
        rows: &str,
    ) -> Result<Answer, SqlError> {
        let Call { kind, text, loads, .. } = call;
        if self.is_dry && !READING.contains(kind) {
            dry_run::print(kind, table, text, None);
            return Ok(Answer::default());
        }
        let load = loads.then_some(rows);
        let binds = values.binds(call, rows);
        self.send(&Statement { kind, table, text, binds: &binds, load, tag: self.tag }).await
    }

    async fn send(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        let answer = self.session.run(statement).await?;
        self.context.progress();
        Ok(answer)
    }

    /// Runs statements in a transaction, which is rolled back if one fails.
    ///
    /// # Errors
    /// Errors of the database, and those of `run`.
    pub(crate) async fn in_transaction<T, E: From<SqlError>>(
        &mut self,
        run: impl AsyncFnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.session.begin(self.tag).await?;
        match run(self).await {
            Ok(done) => {
                self.session.commit(self.tag).await?;
                self.context.progress();
                Ok(done)
            }
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    /// Runs the transaction of a lane. `side` runs the early statements; it may be missing if there are none.
    ///
    /// # Errors
    /// Why it was rolled back. If the database did not respond, it may have been committed nevertheless.
    pub(crate) async fn transaction<R: RowFormat>(
        &mut self,
        work: &Work<'_, R>,
        mut side: Option<Runner<'_, S>>,
    ) -> Result<Outcome, Failure<R>> {
        let Work { prepared, early, offsets, .. } = work;
        if self.is_dry {
            prepared.iter().chain(*early).for_each(|statement| {
                for Call { kind, text, .. } in &*statement.calls {
                    dry_run::print(kind, Some(&statement.table), text, statement.row_count());
                }
            });
            return Ok(Outcome::default());
        }
        if prepared.is_empty() && offsets.len() <= 1 {
            // One statement is a transaction. If it updates fewer rows than expected, those that it updates are right.
            self.move_offsets(offsets).await?;
            return Ok(Outcome::default());
        }
        let (files, early_files) = join(self.store_all(prepared), store_early(side.as_mut(), early)).await;
        let written = match (files, early_files) {
            (Ok(files), Ok(early_files)) => {
                self.in_transaction(async |runner| {
                    let storing = early_statements(side.as_mut(), early, &early_files);
                    let (outcome, stored) = join(runner.statements(work, &files), storing).await;
                    let outcome = outcome?;
                    stored?;
                    runner.check_unguarded(work).await?;
                    runner.check(&files).await?;
                    Ok(outcome)
                })
                .await
            }
            (Err(error), _) | (_, Err(error)) => Err(error.into()),
        };
        join(self.remove_stored(prepared), remove_early(side.as_mut(), early)).await;
        written
    }

    /// Runs the statements, and moves the offsets before the last one: a table is locked from the statement that writes it until
    /// COMMIT, so the last one keeps other tasks waiting for no more than these two, and claims wait no longer.
    async fn statements<R: RowFormat>(
        &mut self,
        work: &Work<'_, R>,
        files: &[Option<FromFile>],
    ) -> Result<Outcome, Failure<R>> {
        let Work { prepared, offsets, .. } = work;
        let mut outcome = Outcome::default();
        let (mut unexpected, mut searched) = (BTreeSet::new(), BTreeMap::new());
        if prepared.is_empty() {
            self.move_offsets(offsets).await?;
        }
        for (number, (statement, from_file)) in prepared.iter().zip(files).enumerate() {
            let answer = if number + 1 == prepared.len() {
                self.last(statement, from_file.as_ref(), offsets).await?
            } else {
                let answer = self.calls(statement, None, from_file.as_ref()).await;
                answer.map_err(|error| Failure::Statement(error, Some(statement.clone())))?
            };
            let is_unexpected = statement.is_unexpected(&answer);
            match &statement.counted {
                Some(counted) if counted.is_searched => {
                    *searched.entry(&*counted.target).or_insert(false) |= is_unexpected;
                }
                Some(counted) if is_unexpected => {
                    unexpected.insert(counted.target.to_string());
                }
                _ => {}
            }
            outcome.note(statement, &answer);
        }
        let as_expected = searched.into_iter().filter(|(_, is_unexpected)| !is_unexpected);
        outcome.as_expected = as_expected.map(|(target, _)| target.to_owned()).collect();
        if unexpected.is_empty() { Ok(outcome) } else { Err(Failure::Unexpected(unexpected)) }
    }

    /// Checks that the tables that were written without a comparison with deleted keys have no such table.
    ///
    /// A task that stores deleted keys locks the table before, as this transaction has done. So if there is no table of deleted
    /// keys now, no other task has deleted a row of it that this transaction could restore.
    async fn check_unguarded<R>(&mut self, work: &Work<'_, R>) -> Result<(), Failure<R>> {
        if work.unguarded.is_empty() {
            return Ok(());
        }
        let answer = self.query(None, work.list).await?;
        let listed: BTreeSet<String> =
            answer.rows.iter().flatten().flatten().map(|name| (work.same_table)(name)).collect();
        let exists = |deleted: &String| listed.contains(&(work.same_table)(deleted));
        let found = work.unguarded.iter().filter(|(_, deleted)| exists(deleted));
        let found: Vec<String> = found.map(|(target, _)| target.clone()).collect();
        if found.is_empty() { Ok(()) } else { Err(Failure::Guarded(found)) }
    }

    async fn move_offsets<R>(&mut self, offsets: &[OffsetsMove<'_>]) -> Result<(), Failure<R>> {
        for OffsetsMove { table, call, moves, now } in
            offsets.iter().filter(|offsets| !offsets.moves.is_empty())
        {
            let answer = self.call(call, Some(table), &Values::at(now), &moves.payload()).await?;
            if answer.updated != moves.copies() {
                return Err(Failure::OffsetsMoved);
            }
        }
        Ok(())
    }

    /// Runs prepared statements outside of a transaction; several of them in one of their own. The counts are those of all of them
    /// together, and the rows of the result are those of the last one that returns some.
    ///
    /// # Errors
    /// The first error of the database.
    pub(crate) async fn prepared<R: RowFormat>(
        &mut self,
        statement: &Prepared<R>,
    ) -> Result<Answer, SqlError> {
        let answer = self.prepared_and_stored(statement).await;
        self.remove_stored(std::slice::from_ref(statement)).await;
        answer
    }

    async fn prepared_and_stored<R: RowFormat>(
        &mut self,
        statement: &Prepared<R>,
    ) -> Result<Answer, SqlError> {
        let from_file = self.store(statement, None).await?;
        self.alone(statement, &from_file).await
    }

    /// Runs prepared statements, which may read a file, outside of a transaction; several of them in one of their own.
    async fn alone<R: RowFormat>(
        &mut self,
        statement: &Prepared<R>,
        from_file: &Option<FromFile>,
    ) -> Result<Answer, SqlError> {
        if statement.calls.len() > 1 {
            return self
                .in_transaction(async |runner| {
                    let answer = runner.calls(statement, None, from_file.as_ref()).await?;
                    runner.check([from_file]).await?;
                    Ok(answer)
                })
                .await;
        }
        // If the file was incomplete, the statement is repeated: it changes nothing a second time.
        let answer = self.calls(statement, None, from_file.as_ref()).await?;
        self.check([from_file]).await?;
        Ok(answer)
    }

    /// Runs prepared statements with all their rows, or with these, which may be in a file.
    async fn calls<R: RowFormat>(
        &mut self,
        statement: &Prepared<R>,
        rows: Option<Range<usize>>,
        from_file: Option<&FromFile>,
    ) -> Result<Answer, SqlError> {
        let (calls, payload) = with_rows(statement, rows, from_file);
        let mut all = Answer::default();
        self.calls_with(calls, &payload, statement, &mut all).await?;
        Ok(all)
    }

    /// Runs the last statement of a transaction. Locks are held from where the offsets are moved, so rows that are loaded by a
    /// statement of their own are loaded before: a host that is cut off while it sends them keeps nobody waiting.
    async fn last<R: RowFormat>(
        &mut self,
        statement: &Prepared<R>,
        from_file: Option<&FromFile>,
        offsets: &[OffsetsMove<'_>],
    ) -> Result<Answer, Failure<R>> {
        let (calls, payload) = with_rows(statement, None, from_file);
        let loaded = calls.iter().rposition(|call| call.loads).map_or(0, |load| load + 1);
        let (loading, writing) = calls.split_at(loaded);
        let failed = |error| Failure::Statement(error, Some(statement.clone()));
        let mut all = Answer::default();
        self.calls_with(loading, &payload, statement, &mut all).await.map_err(failed)?;
        self.move_offsets(offsets).await?;
        self.calls_with(writing, &payload, statement, &mut all).await.map_err(failed)?;
        Ok(all)
    }

    /// Runs statements with these rows, and adds up what they return.
    async fn calls_with<R: RowFormat>(
        &mut self,
        calls: &[Call],
        payload: &str,
        statement: &Prepared<R>,
        all: &mut Answer,
    ) -> Result<(), SqlError> {
        for call in calls {
            let answer = self.call(call, Some(&statement.table), &statement.values, payload).await?;
            all.inserted += answer.inserted;
            all.updated += answer.updated;
            all.deleted += answer.deleted;
            if !answer.rows.is_empty() {
                all.rows = answer.rows;
            }
        }
        Ok(())
    }

    /// Rolls back. If that fails, the session is unusable, and closing it ends the transaction.
    async fn roll_back(&mut self) {
        let _gone = self.session.rollback(self.tag).await.is_err();
    }

    /// Finds the rows that make a statement fail, by bisection in transactions that are rolled
    /// back. Returns the index of each bad row with the database's reason.
    ///
    /// # Errors
    /// If something other than the rows fails.
    pub(crate) async fn bad_rows<R: RowFormat>(
        &mut self,
        statement: &Prepared<R>,
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
            let from_file = self.store(statement, Some(part.clone())).await?;
            self.session.begin(self.tag).await?;
            let tried = self.calls(statement, Some(part.clone()), from_file.as_ref()).await;
            self.session.rollback(self.tag).await?;
            self.check([&from_file]).await?;
            self.remove_stored(std::slice::from_ref(statement)).await;
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

/// Runs statements that are each a transaction of their own.
async fn early_statements<S: Session, R: RowFormat>(
    side: Option<&mut Runner<'_, S>>,
    early: &[Prepared<R>],
    files: &[Option<FromFile>],
) -> Result<(), Failure<R>> {
    let Some(side) = side else { return Ok(()) };
    for (statement, from_file) in early.iter().zip(files) {
        let answer = side.alone(statement, from_file).await;
        answer.map_err(|error| Failure::Statement(error, Some(statement.clone())))?;
    }
    Ok(())
}

impl Outcome {
    fn note<R: RowFormat>(&mut self, statement: &Prepared<R>, answer: &Answer) {
        let table = &statement.source;
        match statement.purpose {
            Purpose::Bookkeeping => {}
            Purpose::AddVersions => {
                let sent = statement.row_count().unwrap_or_default() as u64;
                let (inserted, unchanged) = (answer.inserted, sent.saturating_sub(answer.inserted));
                self.add_counts(table, RowCounts { inserted, unchanged, ..RowCounts::default() });
            }
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
                self.add_counts(table, changed);
            }
        }
    }

    fn add_counts(&mut self, table: &Rc<str>, changed: RowCounts) {
        match self.changed.iter_mut().find(|(known, _)| known == table) {
            Some((_, known)) => known.add(changed),
            None => self.changed.push((Rc::clone(table), changed)),
        }
    }
}
