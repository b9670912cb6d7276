//! Claims of partitions, and reading and deleting their stored offsets, in the offsets tables of all lanes.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    time::SystemTime,
};

use futures_util::future::join_all;
use tidegate_plugin::{Batch, Claim, Error, Partition, Result};

use super::{
    TableSink,
    failure::{Attempts, FlushError},
    lanes::{Lanes, MAX_LANES},
    offsets::Offsets,
    statements::Values,
    time_text,
    transaction::{Failure, OffsetsMove, Runner, Work},
};
use crate::{
    dialect::Dialect as _,
    names::lane_offsets_table,
    options::Evolution,
    rows::JsonRows,
    session::{Answer, Database, Session},
    statement::{OFFSETS_LANE, TableName},
};

/// Maximum number of sessions that claim partitions.
const MAX_SESSIONS: usize = 8;

impl<B: Database> TableSink<B> {
    /// Claims partitions.
    ///
    /// # Errors
    /// As for `write`.
    pub async fn claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>> {
        if self.settings.options.dry_run {
            return Ok(vec![Claim::default(); partitions.len()]);
        }
        // The previous owner of the partitions may have changed the tables.
        self.catalog.forget();
        let mut attempts = Attempts::default();
        loop {
            match self.try_claim(partitions).await {
                Ok(Some(claims)) => return Ok(claims),
                // Another task claims as well, or has more lanes.
                Ok(None) => {}
                Err(cause) => self.recover(&mut attempts, cause, 0).await?,
            }
        }
    }

    async fn try_claim(&mut self, partitions: &[Partition<'_>]) -> Result<Option<Vec<Claim>>, FlushError> {
        let mut first = self.pool.lend_first().await?;
        let found = self.find_lanes(&mut first).await;
        self.pool.give_back(0, 0, first);
        found?;
        let lanes = 0..self.lanes.count().min(MAX_SESSIONS);
        let mut sessions = self.pool.lend(0, lanes.clone()).await?;
        let claimed = self.claim_in(&mut sessions, partitions).await;
        lanes.zip(sessions).for_each(|(lane, session)| self.pool.give_back(0, lane, session));
        let Some(answers) = claimed? else { return Ok(None) };
        Ok(Some(self.lanes.claimed(partitions, &answers)?))
    }

    /// Claims partitions in all lanes. Returns the claimed rows of each lane; `None` if another task claims them at the same time,
    /// or there are more lanes than known.
    ///
    /// A claim sets an epoch, in each lane by itself, unless the lane has a higher one. So of claims that are made at the same time,
    /// one ends with the highest epoch in all lanes. It reads what a lane has written after it has locked all others out of the
    /// lane. Another one that has not noticed by then has lost all lanes. A claim holds no lock while it waits for one.
    async fn claim_in(
        &self,
        sessions: &mut [B::Session],
        partitions: &[Partition<'_>],
    ) -> Result<Option<Vec<Answer>>, FlushError> {
        let (tag, wanted) = (self.tag("claim"), Offsets::partitions(partitions));
        let tables = self.lane_tables();
        self.create_lanes(sessions, &tables, &tag).await?;
        let Some(first) = sessions.first_mut() else { return Ok(None) };
        let known = read_offsets(&mut self.runner(first, &tag), self, &tables, &wanted).await?;
        let missing = self.lanes.missing(partitions, &known)?;
        let epochs = Lanes::new_epochs(partitions, &known, RandomState::new().hash_one(&tag))?;
        let claiming = Offsets::claiming(partitions, &epochs);
        let dialect = self.catalog.dialect();
        let answers = spread_over(sessions, &tables, async |session, lane, table| {
            let mut runner = self.runner(session, &tag);
            let label = table.to_string();
            if let Some(missing) = missing.get(lane).cloned().flatten() {
                let call = dialect.offsets_add_missing(table, &self.offset_names);
                runner.call(&call, Some(&label), &Values::default(), &missing).await?;
            }
            let call = dialect.offsets_claim(table, &self.offset_names);
            runner.call(&call, Some(&label), &Values::default(), &claiming).await?;
            let answers = read_offsets(&mut runner, self, std::slice::from_ref(table), &wanted).await?;
            Ok(answers.into_iter().next().unwrap_or_default())
        });
        let answers = answers.await?;
        let Some(first) = sessions.first_mut() else { return Ok(None) };
        // A task with more lanes that adds its lanes later also claims later.
        let has_all = self.count_lanes(&mut self.runner(first, &tag)).await? <= tables.len();
        let is_valid = has_all && Lanes::holds_claim(partitions, &epochs, &answers)?;
        Ok(is_valid.then_some(answers))
    }

    fn runner<'r>(&'r self, session: &'r mut B::Session, tag: &'r str) -> Runner<'r, B::Session> {
        Runner { session, tag, context: &self.context, is_dry: false }
    }

    /// Lists the tables, and determines the number of lanes.
    async fn find_lanes(&mut self, session: &mut B::Session) -> Result<(), FlushError> {
        let tag = self.tag("claim");
        let count = self.count_lanes(&mut self.runner(session, &tag)).await?;
        self.lanes.grow(count);
        Ok(())
    }

    /// Creates missing offsets tables of the lanes, all at the same time.
    async fn create_lanes(
        &self,
        sessions: &mut [B::Session],
        tables: &[TableName],
        tag: &str,
    ) -> Result<(), FlushError> {
        let with_statement = |table: &TableName| {
            let create = self.catalog.dialect().create_offsets(table, &self.offset_names);
            (table.clone(), create)
        };
        let tables: Vec<(TableName, String)> = tables.iter().map(with_statement).collect();
        if self.settings.options.schema_evolution == Evolution::Off {
            let Some(first) = sessions.first_mut() else { return Ok(()) };
            // One error with all statements.
            return self.catalog.require(&mut self.runner(first, tag), &tables).await;
        }
        let creating = spread_over(sessions, &tables, async |session, _, table| {
            self.catalog.require(&mut self.runner(session, tag), std::slice::from_ref(table)).await
        });
        creating.await.map(drop)
    }

    /// The number of lanes with an offsets table, of this connector's tasks with any configuration.
    async fn count_lanes(&self, runner: &mut Runner<'_, B::Session>) -> Result<usize, FlushError> {
        let names = self.catalog.list(runner).await?;
        let last = (0..MAX_LANES)
            .rev()
            .find(|lane| names.contains(&self.catalog.dialect().same_table(&self.lane_table(*lane).table)));
        Ok(last.map_or(0, |last| last + 1))
    }

    fn lane_table(&self, lane: usize) -> TableName {
        let table = lane_offsets_table(&self.offsets_table.table, lane, &self.catalog.columns().naming);
        self.catalog.name(&table)
    }

    /// The offsets tables, by lane.
    pub(super) fn lane_tables(&self) -> Vec<TableName> {
        (0..self.lanes.count()).map(|lane| self.lane_table(lane)).collect()
    }

    /// Deletes the stored offsets of partitions, because their logs start over.
    ///
    /// # Errors
    /// As for `write`.
    pub async fn reset_offsets(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        if self.settings.options.dry_run {
            return Ok(());
        }
        let mut attempts = Attempts::default();
        loop {
            match self.try_reset_offsets(partitions).await {
                Ok(()) => return Ok(()),
                Err(cause) => self.recover(&mut attempts, cause, 0).await?,
            }
        }
    }

    async fn try_reset_offsets(&mut self, partitions: &[Partition<'_>]) -> Result<(), FlushError> {
        // A previous attempt may have succeeded although its response was lost.
        let answers = self.stored_offsets(partitions).await?;
        self.lanes.refresh_deleted(partitions, &answers)?;
        let (tag, now) = (self.tag("reset offsets"), time_text(SystemTime::now()));
        let resets = self.lanes.resets(partitions).into_iter().zip(self.lane_tables());
        let offset = |(moves, table): (_, TableName)| {
            let call = self.catalog.dialect().offsets_move(&table, &self.offset_names);
            OffsetsMove { table: table.to_string(), call, moves, now: &now }
        };
        let offsets: Vec<OffsetsMove<'_>> = resets.map(offset).collect();
        if offsets.iter().all(|offsets| offsets.moves.is_empty()) {
            return Ok(());
        }
        let mut session = self.pool.lend_first().await?;
        let list = self.catalog.listing();
        let (prepared, early, unguarded) = (&[], &[], &[]);
        let same_table = &|name: &str| self.catalog.dialect().same_table(name);
        let work =
            Work::<JsonRows> { prepared, early, offsets: &offsets, unguarded, list: &list, same_table };
        let outcome = self.runner(&mut session, &tag).transaction(&work, None).await.map(drop);
        self.pool.give_back(0, 0, session);
        outcome?;
        let moved = offsets.into_iter().map(|offsets| offsets.moves);
        moved.enumerate().for_each(|(lane, moves)| self.lanes.moved(lane, moves));
        Ok(())
    }

    /// Determines the outcome of transactions without a response, of all partitions: after a failover, the database may have lost
    /// commits of partitions to which no more events come.
    pub(super) async fn refresh(&mut self, batch: &Batch<'_>) -> Result<(), FlushError> {
        let in_doubt = self.lanes.in_doubt();
        if in_doubt.is_empty() {
            return Ok(());
        }
        let partitions: Vec<Partition<'_>> =
            in_doubt.iter().map(|(topic, partition)| Partition { topic, partition: *partition }).collect();
        let answers = self.stored_offsets(&partitions).await?;
        let written: HashSet<(&str, i32)> =
            batch.positions().map(|position| (position.topic, position.partition)).collect();
        let is_written =
            |partition: &Partition<'_>| written.contains(&(partition.topic, partition.partition));
        Ok(self.lanes.refresh(&partitions, &answers, is_written)?)
    }

    /// The rows of partitions in the offsets tables, by lane.
    async fn stored_offsets(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Answer>, FlushError> {
        let tag = self.tag("refresh");
        let mut session = self.pool.lend_first().await?;
        let tables = self.lane_tables();
        let mut runner = self.runner(&mut session, &tag);
        let read = read_offsets(&mut runner, self, &tables, &Offsets::partitions(partitions)).await;
        self.pool.give_back(0, 0, session);
        read
    }

    /// Closes the sessions that the last error has made unusable.
    pub(super) async fn discard_sessions(&mut self, warehouse: usize) {
        self.pool.discard_unusable(warehouse).await;
    }
}

impl<R> From<Failure<R>> for FlushError {
    fn from(failure: Failure<R>) -> Self {
        match failure {
            Failure::Statement(error, _) => error.into(),
            Failure::OffsetsMoved => Self::OffsetsMoved,
            Failure::Unexpected(tables) => Self::Unexpected(tables),
            Failure::Guarded(_) => Self::Guarded,
        }
    }
}

/// Runs something for each item, in sessions that take turns: each runs one after the other, all at the same time. Returns the
/// results in the order of the items.
async fn spread_over<S: Session, I, T>(
    sessions: &mut [S],
    items: &[I],
    run: impl AsyncFn(&mut S, usize, &I) -> Result<T, FlushError>,
) -> Result<Vec<T>, FlushError> {
    let count = sessions.len().max(1);
    let of_session = sessions.iter_mut().enumerate().map(async |(first, session)| {
        let mut results = Vec::new();
        for (number, item) in items.iter().enumerate().skip(first).step_by(count) {
            results.push((number, run(session, number, item).await?));
        }
        Ok(results)
    });
    let results: Result<Vec<Vec<(usize, T)>>, FlushError> = join_all(of_session).await.into_iter().collect();
    let mut results: Vec<(usize, T)> = results?.into_iter().flatten().collect();
    results.sort_by_key(|(number, _)| *number);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Reads the rows of partitions, by lane, with one query. `wanted` are the partitions, to be bound.
async fn read_offsets<B: Database>(
    runner: &mut Runner<'_, B::Session>,
    sink: &TableSink<B>,
    tables: &[TableName],
    wanted: &str,
) -> Result<Vec<Answer>, FlushError> {
    let call = sink.catalog.dialect().offsets_read(tables, &sink.offset_names);
    let label = sink.offsets_table.to_string();
    let answer = runner.call(&call, Some(&label), &Values::default(), wanted).await?;
    let mut by_lane = vec![Answer::default(); tables.len()];
    for row in answer.rows {
        let lane =
            row.get(OFFSETS_LANE).and_then(Option::as_deref).and_then(|lane| lane.parse::<usize>().ok());
        let of_lane = lane.and_then(|lane| by_lane.get_mut(lane));
        of_lane
            .ok_or_else(|| Error::fatal("the database returned offsets of an unknown lane"))?
            .rows
            .push(row);
    }
    Ok(by_lane)
}
