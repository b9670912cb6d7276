//! Claims of partitions, and reading and deleting their stored offsets, in the offsets tables of all lanes.

use std::time::SystemTime;

use tidegate_plugin::{Claim, Error, Partition, Result};

use super::{
    Flusher,
    failure::{Attempts, FlushError},
    lanes::MAX_LANES,
    offsets::Offsets,
    time_text,
    transaction::{Failure, OffsetsMove, Runner, Work},
};
use crate::{
    names::lane_offsets_table,
    session::{Answer, Session},
    sql::{self, TableName},
};

impl Flusher {
    /// Claims partitions.
    ///
    /// # Errors
    /// As for `write`.
    pub(crate) async fn claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>> {
        if self.config.dry_run {
            return Ok(vec![Claim::default(); partitions.len()]);
        }
        // The previous owner of the partitions may have changed the tables.
        self.catalog.forget();
        let mut attempts = Attempts::default();
        loop {
            match self.try_claim(partitions).await {
                Ok(Some(claims)) => return Ok(claims),
                // Another task has more lanes.
                Ok(None) => {}
                Err(cause) => self.recover(&mut attempts, cause, 0).await?,
            }
        }
    }

    async fn try_claim(&mut self, partitions: &[Partition<'_>]) -> Result<Option<Vec<Claim>>, FlushError> {
        let mut session = self.pool.lend_first().await?;
        let claimed = self.claim_in(&mut session, partitions).await;
        self.pool.give_back(0, 0, session);
        let Some(answers) = claimed? else { return Ok(None) };
        Ok(Some(self.lanes.claimed(partitions, &answers)?))
    }

    /// Claims partitions in all lanes with one transaction, so that no lane belongs to another task than the others. Returns the
    /// claimed rows of each lane; `None` if there are more lanes than known.
    async fn claim_in(
        &mut self,
        session: &mut Session,
        partitions: &[Partition<'_>],
    ) -> Result<Option<Vec<Answer>>, FlushError> {
        let (tag, context) = (self.tag("claim"), self.context.clone());
        let mut runner = Runner { session, tag: &tag, context: &context, is_dry: false };
        let wanted = Offsets::partitions(partitions);
        self.find_lanes(&mut runner).await?;
        let (tables, names) = (self.lane_tables(), &self.offset_names);
        let known = read_offsets(&mut runner, self, &tables, &wanted).await?;
        for (missing, table) in self.lanes.missing(partitions, &known)?.into_iter().zip(&tables) {
            let Some(missing) = missing else { continue };
            let text = sql::offsets_add_missing(table, names);
            runner.run("INSERT", Some(&table.to_string()), &text, &[missing]).await?;
        }
        let this = &*self;
        runner
            .in_transaction(async |runner: &mut Runner<'_>| {
                for (lane, table) in tables.iter().enumerate() {
                    let text = sql::offsets_claim(table, &this.offset_names);
                    let label = table.to_string();
                    runner.run("MERGE", Some(&label), &text, std::slice::from_ref(&wanted)).await?;
                    // Claims wait for each other at the first table. From here on, no other task adds a lane.
                    if lane == 0 && this.count_lanes(runner).await? > tables.len() {
                        return Ok(None);
                    }
                }
                read_offsets(runner, this, &tables, &wanted).await.map(Some)
            })
            .await
    }

    /// Lists the tables, and creates missing offsets tables of the lanes.
    async fn find_lanes(&mut self, runner: &mut Runner<'_>) -> Result<(), FlushError> {
        let count = self.count_lanes(runner).await?;
        self.lanes.grow(count.max(usize::from(self.config.lanes)));
        let with_statement = |table| {
            let create = sql::create_offsets(&table, &self.offset_names);
            (table, create)
        };
        let tables: Vec<(TableName, String)> = self.lane_tables().into_iter().map(with_statement).collect();
        self.catalog.require(runner, &tables).await
    }

    /// The number of lanes with an offsets table, of this connector's tasks with any configuration.
    async fn count_lanes(&self, runner: &mut Runner<'_>) -> Result<usize, FlushError> {
        let names = self.catalog.list(runner).await?;
        let last = (0..MAX_LANES).rev().find(|lane| names.contains(&self.lane_table(*lane).table));
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
    pub(crate) async fn reset_offsets(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        if self.config.dry_run {
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
        self.refresh(partitions).await?;
        let (tag, now) = (self.tag("reset offsets"), time_text(SystemTime::now()));
        let resets = self.lanes.resets(partitions).into_iter().zip(self.lane_tables());
        let offset = |(moves, table): (_, TableName)| {
            let text = sql::offsets_move(&table, &self.offset_names);
            OffsetsMove { table: table.to_string(), text, moves, now: &now }
        };
        let offsets: Vec<OffsetsMove<'_>> = resets.map(offset).collect();
        if offsets.iter().all(|offsets| offsets.moves.is_empty()) {
            return Ok(());
        }
        let mut session = self.pool.lend_first().await?;
        let work = Work { prepared: &[], offsets: &offsets, unguarded: &[], list: ("", "") };
        let mut runner = Runner { session: &mut session, tag: &tag, context: &self.context, is_dry: false };
        let outcome = runner.transaction(&work).await.map(drop);
        self.pool.give_back(0, 0, session);
        outcome?;
        let moved = offsets.into_iter().map(|offsets| offsets.moves);
        moved.enumerate().for_each(|(lane, moves)| self.lanes.moved(lane, moves));
        Ok(())
    }

    /// Determines the outcome of transactions without a response.
    pub(super) async fn refresh(&mut self, partitions: &[Partition<'_>]) -> Result<(), FlushError> {
        let tag = self.tag("refresh");
        let mut session = self.pool.lend_first().await?;
        let tables = self.lane_tables();
        let mut runner = Runner { session: &mut session, tag: &tag, context: &self.context, is_dry: false };
        let read = read_offsets(&mut runner, self, &tables, &Offsets::partitions(partitions)).await;
        self.pool.give_back(0, 0, session);
        Ok(self.lanes.refresh(partitions, &read?)?)
    }

    /// Closes the sessions that the last error has made unusable.
    pub(super) async fn discard_sessions(&mut self, warehouse: usize) {
        self.pool.discard_unusable(warehouse).await;
    }
}

impl From<Failure> for FlushError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Statement(error, _) => error.into(),
            Failure::OffsetsMoved => Self::OffsetsMoved,
            Failure::Unexpected(tables) => Self::Unexpected(tables),
            Failure::Guarded(_) => Self::Guarded,
        }
    }
}

/// Reads the rows of partitions, by lane, with one query. `wanted` are the partitions, to be bound.
async fn read_offsets(
    runner: &mut Runner<'_>,
    flusher: &Flusher,
    tables: &[TableName],
    wanted: &str,
) -> Result<Vec<Answer>, FlushError> {
    let text = sql::offsets_read(tables, &flusher.offset_names);
    let label = flusher.offsets_table.to_string();
    let binds = vec![wanted.to_owned(); tables.len()];
    let answer = runner.run("SELECT", Some(&label), &text, &binds).await?;
    let mut by_lane = vec![Answer::default(); tables.len()];
    for row in answer.rows {
        let lane =
            row.get(sql::OFFSETS_LANE).and_then(Option::as_deref).and_then(|lane| lane.parse::<usize>().ok());
        let of_lane = lane.and_then(|lane| by_lane.get_mut(lane));
        of_lane.ok_or_else(|| Error::fatal("Snowflake returned offsets of an unknown lane"))?.rows.push(row);
    }
    Ok(by_lane)
}
