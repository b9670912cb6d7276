//! From a plan to durable rows: one transaction per warehouse, with the rows of all its tables and the offsets behind them.
//!
//! ```text
//! plan ── tables fit? (DDL, outside of the transaction) ── statements ── BEGIN, rows, offsets, COMMIT
//! ```
//!
//! Whatever fails in between is rolled back, and the batch is planned anew: what Snowflake holds already is then left out,
//! so that even a COMMIT whose answer was lost is neither repeated nor missed.

mod catalog;
mod dry_run;
mod failure;
mod moves;
mod notices;
mod offsets;
mod older;
mod pool;
mod statements;
mod tag;
mod transaction;
mod unavailable;
mod unmatched;

use std::time::SystemTime;

use tidegate_plugin::{
    Batch, Claim, Context, Error, Partition, Report, Result, Rows, Timestamp,
    prelude::{info, warn},
};

use self::{
    catalog::{Catalog, CatalogOptions},
    failure::{Attempts, Next, Trouble, given, is_timeout, label},
    notices::Notices,
    offsets::{Moves, Offsets},
    older::{Older, OlderLog},
    pool::Pool,
    statements::{Preparing, Statements},
    tag::told,
    transaction::{Failure, OffsetsMove, Outcome, Runner},
    unmatched::UnmatchedLog,
};
use crate::{
    config::{Config, Unmatched, UpdateMissing},
    names::{Naming, offsets_table},
    plan::{Planner, Router, Rules, Warehouses, Work},
    session::{Class, Login, SqlError},
    sql::{self, OffsetNames, TableName},
    table::Columns,
};

/// Statements that are tried to find the rows at fault, before the host is asked to split the batch.
const TRIES: usize = 100;
/// Below this, statements are not made smaller.
const SMALLEST: usize = 4_096;

/// Writes batches.
pub(crate) struct Flusher {
    connector: String,
    task: u32,
    config: Config,
    context: Context,
    planner: Planner,
    pool: Pool,
    catalog: Catalog,
    offsets: Offsets,
    offsets_table: TableName,
    offset_names: OffsetNames,
    has_offsets_table: bool,
    unmatched: UnmatchedLog,
    older: OlderLog,
    notices: Notices,
    /// Warehouses in the order in which they write.
    order: Vec<usize>,
}

impl Flusher {
    /// A flusher that has not connected yet.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub(crate) fn new(config: Config, login: Login, context: &Context) -> Result<Self> {
        let naming = Naming::new(&config.table, config.identifiers)?;
        let warehouses = Warehouses::of(&config);
        let pool = Pool::new(login, warehouses.names());
        let offsets = Offsets::new(warehouses.names());
        let order = warehouses.order(&config);
        let planner = Planner::new(Rules::of(&config), Router::new(&config, naming.clone(), warehouses));
        let offset_names = OffsetNames::cased(&naming);
        let table =
            config.offsets_table.clone().unwrap_or_else(|| naming.cased(&offsets_table(context.connector())));
        let catalog = Catalog::new(CatalogOptions {
            database: config.database.clone(),
            schema: config.schema.clone(),
            columns: Columns::of(&config, naming),
            mode: config.mode,
            delete_mode: config.delete_mode,
            deleted_retention: config.deleted_retention.0,
            evolution: config.schema_evolution,
            comment: format!("Written by Tidegate, connector {}", context.connector()),
        });
        Ok(Self {
            connector: context.connector().to_owned(),
            task: context.task(),
            offsets_table: catalog.name(&table),
            context: context.clone(),
            config,
            planner,
            pool,
            catalog,
            offsets,
            offset_names,
            has_offsets_table: false,
            unmatched: UnmatchedLog::default(),
            older: OlderLog::default(),
            notices: Notices::default(),
            order,
        })
    }

    /// Logs in, so that what is wrong with the account shows at once.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) async fn connect(&mut self) -> Result<()> {
        if self.config.dry_run {
            info!("dry run: nothing is changed in Snowflake; the group's offsets move all the same");
        }
        self.pool.session(0).await.map(|_| ()).map_err(given)
    }

    /// Takes partitions over.
    ///
    /// # Errors
    /// As for `write`.
    pub(crate) async fn claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>> {
        if self.config.dry_run {
            return Ok(vec![Claim::default(); partitions.len()]);
        }
        // Whoever had the partitions may have changed the tables.
        self.catalog.forget();
        let mut attempts = Attempts::default();
        loop {
            match self.try_claim(partitions).await {
                Ok(claims) => return Ok(claims),
                Err(trouble) => self.recover(&mut attempts, trouble, 0).await?,
            }
        }
    }

    async fn try_claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>, Trouble> {
        let tag = self.tag("claim");
        let Self { offsets_table: table, offset_names: names, .. } = self;
        let label = table.to_string();
        let wanted = [Offsets::partitions(partitions)];
        let session = self.pool.session(0).await?;
        let mut runner = Runner { session, tag: &tag, is_dry: false };
        let read = sql::offsets_read(table, names);
        if !self.has_offsets_table {
            self.catalog.require(&mut runner, table, &sql::create_offsets(table, names)).await?;
            self.has_offsets_table = true;
        }
        let known = runner.run("SELECT", Some(&label), &read, &wanted).await?;
        if let Some(missing) = self.offsets.missing(partitions, &known)? {
            runner.run("INSERT", Some(&label), &sql::offsets_add_missing(table, names), &[missing]).await?;
        }
        let claim = sql::offsets_claim(table, names);
        let answer = runner.claim(&label, &claim, &read, &wanted).await?;
        Ok(self.offsets.claimed(partitions, &answer)?)
    }

    /// Forgets how far these partitions are: their logs begin anew.
    ///
    /// # Errors
    /// As for `write`.
    pub(crate) async fn start_over(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        if self.config.dry_run {
            return Ok(());
        }
        let mut attempts = Attempts::default();
        loop {
            match self.try_start_over(partitions).await {
                Ok(()) => return Ok(()),
                Err(trouble) => self.recover(&mut attempts, trouble, 0).await?,
            }
        }
    }

    async fn try_start_over(&mut self, partitions: &[Partition<'_>]) -> Result<(), Trouble> {
        // An attempt whose answer was lost may have succeeded.
        self.refresh(partitions).await?;
        let moves = self.offsets.forgetting(partitions);
        if moves.is_empty() {
            return Ok(());
        }
        let (tag, now) = (self.tag("start over"), time_text(SystemTime::now()));
        let session = self.pool.session(0).await?;
        let mut runner = Runner { session, tag: &tag, is_dry: false };
        let text = sql::offsets_move(&self.offsets_table, &self.offset_names);
        let table = self.offsets_table.to_string();
        let offsets = OffsetsMove { table: &table, text: &text, moves: &moves, now: &now };
        match runner.transaction(&[], &offsets).await {
            Ok(_) => {
                self.offsets.moved(moves);
                Ok(())
            }
            Err(Failure::Statement(error, _)) => Err(error.into()),
            Err(Failure::OffsetsMoved) => Err(Trouble::OffsetsMoved),
        }
    }

    /// Lets partitions go.
    pub(crate) fn release(&mut self, partitions: &[Partition<'_>]) {
        self.offsets.release(partitions);
    }

    /// Ends the sessions.
    pub(crate) async fn close(&mut self) {
        self.unmatched.close();
        self.older.close();
        self.notices.close();
        self.pool.close().await;
    }

    /// Writes a batch: all of it is durable, or nothing, or the report names the records that cannot be written.
    ///
    /// # Errors
    /// Retriable, fenced or fatal.
    pub(crate) async fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        if !self.config.dry_run {
            self.offsets.check(batch)?;
        }
        let mut attempts = Attempts::default();
        let mut limits = Limits::of(&self.config);
        let mut report = Report::written();
        loop {
            match self.try_write(batch, &limits, &mut report).await {
                Ok(()) => return Ok(report),
                Err(Stopped { trouble: Trouble::Sql(error), .. }) if limits.can_shrink(&error) => {
                    self.count(&error);
                    warn!("{error}; trying again with smaller statements");
                    self.offsets.doubt();
                }
                // Somebody may have changed the table: better to look at it than to refuse records.
                Err(Stopped { trouble: Trouble::Misfit(_), .. }) if !limits.has_looked => {
                    limits.has_looked = true;
                    self.catalog.forget();
                }
                Err(Stopped { trouble, warehouse }) => {
                    self.recover(&mut attempts, trouble, warehouse).await?
                }
            }
        }
    }

    /// Prepares for another try, or gives up.
    async fn recover(&mut self, attempts: &mut Attempts, trouble: Trouble, warehouse: usize) -> Result<()> {
        let error = match trouble {
            Trouble::Tidegate(error) => return Err(error),
            Trouble::OffsetsMoved if attempts.looks_at_offsets() => {
                self.offsets.doubt();
                return Ok(());
            }
            Trouble::OffsetsMoved => {
                let table = &self.offsets_table;
                return Err(Error::fenced(format_args!("somebody else moves the offsets in {table}")));
            }
            Trouble::Sql(error) | Trouble::Misfit(error) => error,
        };
        self.offsets.doubt();
        if matches!(error.class, Class::Session | Class::Transient | Class::Clock) {
            // The transaction, if it is still open, ends with its session.
            self.pool.discard(warehouse).await;
        }
        self.count(&error);
        let told = error.to_string();
        match attempts.next(error) {
            Next::Again { pause, tables } => {
                warn!("{told}; trying again");
                if tables {
                    self.catalog.forget_all();
                    self.has_offsets_table = false;
                }
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Next::Give(error) => Err(error),
        }
    }

    async fn try_write(
        &mut self,
        batch: &Batch<'_>,
        limits: &Limits,
        report: &mut Report,
    ) -> Result<(), Stopped> {
        let in_doubt = if self.config.dry_run { Vec::new() } else { self.offsets.in_doubt(batch) };
        if !in_doubt.is_empty() {
            self.refresh(&in_doubt).await.map_err(|trouble| Stopped { trouble, warehouse: 0 })?;
        }
        let offsets = &self.offsets;
        let is_dry = self.config.dry_run;
        let moved = self.planner.moved_keys(batch);
        let mut plan =
            self.planner.plan(batch, &moved, |warehouse, record| !is_dry && offsets.holds(warehouse, record));
        if !plan.rejected.is_empty() {
            refuse(report, plan.rejected);
            return Ok(());
        }
        let resent = std::mem::take(&mut plan.resent);
        // A batch of which nothing is left still moves the offsets.
        if plan.works.is_empty() {
            plan.works.insert(0, Work::new());
        }
        let mut along = self.offsets.idle(|warehouse| plan.works.contains_key(&warehouse));
        for warehouse in self.order.clone() {
            let Some(work) = plan.works.get(&warehouse) else { continue };
            let mut moving = std::mem::take(&mut along);
            moving.push(warehouse);
            let stopped = |trouble| Stopped { trouble, warehouse };
            let refused =
                self.flush(batch, warehouse, work, &moving, limits, report).await.map_err(stopped)?;
            if !refused.is_empty() {
                refuse(report, unavailable::explained(refused, &plan.unreadable));
                return Ok(());
            }
        }
        for (table, skipped) in resent {
            self.context.count("snowflake_older_events_total", &[("table", &table)], skipped);
            report.rows(Rows { table, skipped, ..Rows::default() });
        }
        self.notices.add_plan(&self.context, &plan);
        Ok(())
    }

    /// Writes what one warehouse has to. Returns records that cannot be written; then nothing is.
    async fn flush(
        &mut self,
        batch: &Batch<'_>,
        warehouse: usize,
        work: &Work<'_>,
        moving: &[usize],
        limits: &Limits,
        report: &mut Report,
    ) -> Result<Vec<(u32, String)>, Trouble> {
        let tag = self.tag(&told(batch));
        let now = time_text(SystemTime::now());
        let is_dry = self.config.dry_run;
        let session = self.pool.session(warehouse).await?;
        let mut runner = Runner { session, tag: &tag, is_dry };
        let mut statements = Statements::default();
        for plan in work.values() {
            statements.rejected.extend(self.catalog.fit(&mut runner, plan).await?);
        }
        if statements.rejected.is_empty() {
            prepare(&self.config, &self.catalog, work, limits, &now, &mut statements)?;
        }
        if statements.rejected.is_empty() {
            unavailable::ask(&mut runner, &mut statements, self.config.on_unavailable).await?;
        }
        if !statements.rejected.is_empty() {
            return Ok(statements.rejected);
        }
        let moves = if is_dry { Moves::default() } else { self.offsets.moves(batch, moving) };
        if statements.prepared.is_empty() && moves.is_empty() {
            return Ok(Vec::new());
        }
        let text = sql::offsets_move(&self.offsets_table, &self.offset_names);
        let table = self.offsets_table.to_string();
        let offsets = OffsetsMove { table: &table, text: &text, moves: &moves, now: &now };
        match runner.transaction(&statements.prepared, &offsets).await {
            Ok(outcome) => {
                self.offsets.moved(moves);
                self.tell(&outcome, work, report);
                statements.found.iter().for_each(|found| self.notices.add(&self.context, found));
                Ok(Vec::new())
            }
            Err(Failure::Statement(error, Some(prepared)))
                if error.class == Class::Data && prepared.rows.is_some() =>
            {
                if !limits.has_looked {
                    return Err(Trouble::Misfit(error));
                }
                let found = runner.offenders(&prepared, TRIES).await?;
                if found.is_empty() {
                    return Err(error.into());
                }
                let record = |(row, reason)| prepared.record(row).map(|record| (record, reason));
                Ok(found.into_iter().filter_map(record).collect())
            }
            Err(Failure::Statement(error, _)) => Err(error.into()),
            Err(Failure::OffsetsMoved) => Err(Trouble::OffsetsMoved),
        }
    }

    /// Learns what became of a transaction without an answer.
    async fn refresh(&mut self, partitions: &[Partition<'_>]) -> Result<(), Trouble> {
        let tag = self.tag("refresh");
        let session = self.pool.session(0).await?;
        let mut runner = Runner { session, tag: &tag, is_dry: false };
        let read = sql::offsets_read(&self.offsets_table, &self.offset_names);
        let label = self.offsets_table.to_string();
        let answer = runner.run("SELECT", Some(&label), &read, &[Offsets::partitions(partitions)]).await?;
        Ok(self.offsets.refresh(partitions, &answer)?)
    }

    fn tell(&mut self, outcome: &Outcome, work: &Work<'_>, report: &mut Report) {
        for (table, changed) in &outcome.changed {
            let (inserted, updated, deleted) = (changed.inserted, changed.updated, changed.deleted);
            self.context.count("snowflake_unchanged_rows_total", &[("table", table)], changed.unchanged);
            let older = Older::of(table, changed, outcome, work, self.config.update_missing);
            self.older.add(table, &older);
            let skipped = older.rows + older.in_batch;
            self.context.count("snowflake_older_events_total", &[("table", table)], skipped);
            report.rows(Rows { table: (**table).to_owned(), inserted, updated, deleted, skipped });
        }
        for (table, keys) in &outcome.unmatched {
            let total = keys.len() as u64;
            self.context.count("snowflake_unmatched_total", &[("table", table)], total);
            self.unmatched.add(table, keys, self.config.update_missing);
        }
    }

    fn count(&self, error: &SqlError) {
        self.context.count("snowflake_errors_total", &[("class", label(error.class))], 1);
    }

    /// What Snowflake's query history shows of a statement.
    fn tag(&self, what: &str) -> String {
        format!("tidegate connector={} task={} {what}", self.connector, self.task)
    }
}

/// What ended a try, and where.
struct Stopped {
    trouble: Trouble,
    warehouse: usize,
}

/// What a try may do; less after some errors.
struct Limits {
    max_bytes: usize,
    /// Whether tables were looked at again since a value did not fit.
    has_looked: bool,
}

impl Limits {
    fn of(config: &Config) -> Self {
        Self { max_bytes: config.max_statement_bytes, has_looked: false }
    }

    /// Whether the error may go away with smaller statements; the next ones are.
    fn can_shrink(&mut self, error: &SqlError) -> bool {
        if error.class != Class::TooBig && !is_timeout(error) {
            return false;
        }
        self.max_bytes /= 2;
        self.max_bytes >= SMALLEST
    }
}

fn prepare(
    config: &Config,
    catalog: &Catalog,
    work: &Work<'_>,
    limits: &Limits,
    now: &str,
    statements: &mut Statements,
) -> Result<(), Trouble> {
    let preparing = Preparing {
        columns: catalog.columns(),
        delete_mode: config.delete_mode,
        insert_flag: config.update_missing == UpdateMissing::Skip,
        inserts_updates: config.update_missing == UpdateMissing::Insert,
        asks: !config.dry_run,
        find_unmatched: config.unmatched == Unmatched::Warn && !config.dry_run,
        max_bytes: limits.max_bytes,
        now,
    };
    for (target, plan) in work {
        let Some(table) = catalog.get(target) else { continue };
        let prepared = preparing.table(plan, table, &catalog.deleted(target), statements);
        prepared.map_err(|reason| Trouble::Tidegate(Error::fatal(reason)))?;
    }
    Ok(())
}

fn refuse(report: &mut Report, refused: Vec<(u32, String)>) {
    *report = Report::written();
    refused.into_iter().for_each(|(record, reason)| report.reject(record, reason));
}

/// A time, as it is bound.
fn time_text(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_parts(since.as_micros() as i64, 1_000_000, Some(0)).to_string()
}
