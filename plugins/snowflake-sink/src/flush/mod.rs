//! Writes plans: one transaction per warehouse, with the rows of all its tables and their offsets.
//!
//! ```text
//! plan ── create and alter tables (DDL, before the transaction) ── statements ── BEGIN, rows, offsets, COMMIT
//! ```
//!
//! After any failure, the transaction is rolled back, and the batch is planned again without the records that Snowflake
//! already contains. So a COMMIT whose response was lost is neither repeated nor missed.

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
    failure::{Attempts, FlushError, Next, into_plugin_error, is_timeout, label},
    notices::Notices,
    offsets::{Moves, Offsets},
    older::{Older, OlderLog},
    pool::Pool,
    statements::{Preparing, Statements},
    tag::batch_tag,
    transaction::{Failure, OffsetsMove, Outcome, Runner},
    unmatched::UnmatchedLog,
};
use crate::{
    config::{Config, Unmatched, UpdateMissing},
    names::{Naming, offsets_table},
    plan::{Planner, Router, Rules, TablePlans, Warehouses},
    session::{Class, Login, SqlError},
    sql::{self, OffsetNames, TableName},
    table::Columns,
};

/// Maximum number of statements for finding bad rows, before the host is asked to split the batch.
const MAX_ATTEMPTS: usize = 100;
/// Minimum size limit of statements.
const MIN_STATEMENT_BYTES: usize = 4_096;

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
    /// Warehouses in the order of writing.
    order: Vec<usize>,
}

impl Flusher {
    /// Creates a flusher without connecting.
    ///
    /// # Errors
    /// If the configuration is invalid.
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
            deleted_retention: *config.deleted_retention,
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

    /// Logs in, so that errors of the account are detected at once.
    ///
    /// # Errors
    /// If the login fails.
    pub(crate) async fn connect(&mut self) -> Result<()> {
        if self.config.dry_run {
            info!(
                "dry run: nothing is changed in Snowflake, but the offsets of the consumer group are committed"
            );
        }
        self.pool.session(0).await.map(|_| ()).map_err(into_plugin_error)
    }

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
                Ok(claims) => return Ok(claims),
                Err(cause) => self.recover(&mut attempts, cause, 0).await?,
            }
        }
    }

    async fn try_claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>, FlushError> {
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
        let moves = self.offsets.resets(partitions);
        if moves.is_empty() {
            return Ok(());
        }
        let (tag, now) = (self.tag("reset offsets"), time_text(SystemTime::now()));
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
            Err(Failure::OffsetsMoved) => Err(FlushError::OffsetsMoved),
        }
    }

    /// Releases partitions.
    pub(crate) fn release(&mut self, partitions: &[Partition<'_>]) {
        self.offsets.release(partitions);
    }

    /// Closes the sessions.
    pub(crate) async fn close(&mut self) {
        self.unmatched.close();
        self.older.close();
        self.notices.close();
        self.pool.close().await;
    }

    /// Writes all of a batch, or nothing and returns the rejected records in the report.
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
                Err(FailedFlush { cause: FlushError::Sql(error), .. }) if limits.can_shrink(&error) => {
                    self.count(&error);
                    warn!("{error}; retrying with smaller statements");
                    self.offsets.doubt();
                }
                // The table may have been changed: reload it before rejecting records.
                Err(FailedFlush { cause: FlushError::Mismatch(_), .. }) if !limits.has_looked => {
                    limits.has_looked = true;
                    self.catalog.forget();
                }
                Err(FailedFlush { cause, warehouse }) => {
                    self.recover(&mut attempts, cause, warehouse).await?
                }
            }
        }
    }

    /// Prepares a retry, or returns the error.
    async fn recover(&mut self, attempts: &mut Attempts, cause: FlushError, warehouse: usize) -> Result<()> {
        let error = match cause {
            FlushError::Plugin(error) => return Err(error),
            FlushError::OffsetsMoved if attempts.may_refresh_offsets() => {
                self.offsets.doubt();
                return Ok(());
            }
            FlushError::OffsetsMoved => {
                let table = &self.offsets_table;
                return Err(Error::fenced(format_args!("another client updates the offsets in {table}")));
            }
            FlushError::Sql(error) | FlushError::Mismatch(error) => error,
        };
        self.offsets.doubt();
        if matches!(error.class, Class::Session | Class::Transient | Class::Clock) {
            // Closing the session ends a transaction that is still open.
            self.pool.discard(warehouse).await;
        }
        self.count(&error);
        let message = error.to_string();
        match attempts.next(error) {
            Next::Retry { pause, tables } => {
                warn!("{message}; retrying");
                if tables {
                    self.catalog.forget_all();
                    self.has_offsets_table = false;
                }
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Next::Fail(error) => Err(error),
        }
    }

    async fn try_write(
        &mut self,
        batch: &Batch<'_>,
        limits: &Limits,
        report: &mut Report,
    ) -> Result<(), FailedFlush> {
        let in_doubt = if self.config.dry_run { Vec::new() } else { self.offsets.in_doubt(batch) };
        if !in_doubt.is_empty() {
            self.refresh(&in_doubt).await.map_err(|cause| FailedFlush { cause, warehouse: 0 })?;
        }
        let offsets = &self.offsets;
        let is_dry = self.config.dry_run;
        let moved = self.planner.moved_keys(batch);
        let mut plan =
            self.planner.plan(batch, &moved, |warehouse, record| !is_dry && offsets.holds(warehouse, record));
        if !plan.rejected.is_empty() {
            reject(report, plan.rejected);
            return Ok(());
        }
        let resent = std::mem::take(&mut plan.resent);
        // A batch without remaining records still advances the offsets.
        if plan.by_warehouse.is_empty() {
            plan.by_warehouse.insert(0, TablePlans::new());
        }
        let mut along = self.offsets.idle(|warehouse| plan.by_warehouse.contains_key(&warehouse));
        for warehouse in self.order.clone() {
            let Some(work) = plan.by_warehouse.get(&warehouse) else { continue };
            let mut moving = std::mem::take(&mut along);
            moving.push(warehouse);
            let stopped = |cause| FailedFlush { cause, warehouse };
            let rejected =
                self.flush(batch, warehouse, work, &moving, limits, report).await.map_err(stopped)?;
            if !rejected.is_empty() {
                reject(report, unavailable::explained(rejected, &plan.unreadable));
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

    /// Writes the changes of one warehouse. If it returns rejected records, nothing was written.
    async fn flush(
        &mut self,
        batch: &Batch<'_>,
        warehouse: usize,
        work: &TablePlans<'_>,
        moving: &[usize],
        limits: &Limits,
        report: &mut Report,
    ) -> Result<Vec<(u32, String)>, FlushError> {
        let tag = self.tag(&batch_tag(batch));
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
            unavailable::run(&mut runner, &mut statements, self.config.on_unavailable).await?;
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
                self.report_outcome(&outcome, work, report);
                statements.found.iter().for_each(|found| self.notices.add(&self.context, found));
                Ok(Vec::new())
            }
            Err(Failure::Statement(error, Some(prepared)))
                if error.class == Class::Data && prepared.rows.is_some() =>
            {
                if !limits.has_looked {
                    return Err(FlushError::Mismatch(error));
                }
                let found = runner.bad_rows(&prepared, MAX_ATTEMPTS).await?;
                if found.is_empty() {
                    return Err(error.into());
                }
                let record = |(row, reason)| prepared.record(row).map(|record| (record, reason));
                Ok(found.into_iter().filter_map(record).collect())
            }
            Err(Failure::Statement(error, _)) => Err(error.into()),
            Err(Failure::OffsetsMoved) => Err(FlushError::OffsetsMoved),
        }
    }

    /// Determines the outcome of a transaction without a response.
    async fn refresh(&mut self, partitions: &[Partition<'_>]) -> Result<(), FlushError> {
        let tag = self.tag("refresh");
        let session = self.pool.session(0).await?;
        let mut runner = Runner { session, tag: &tag, is_dry: false };
        let read = sql::offsets_read(&self.offsets_table, &self.offset_names);
        let label = self.offsets_table.to_string();
        let answer = runner.run("SELECT", Some(&label), &read, &[Offsets::partitions(partitions)]).await?;
        Ok(self.offsets.refresh(partitions, &answer)?)
    }

    fn report_outcome(&mut self, outcome: &Outcome, work: &TablePlans<'_>, report: &mut Report) {
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

    /// The query tag of a statement.
    fn tag(&self, what: &str) -> String {
        format!("tidegate connector={} task={} {what}", self.connector, self.task)
    }
}

/// Why and in which warehouse an attempt failed.
struct FailedFlush {
    cause: FlushError,
    warehouse: usize,
}

/// Limits of an attempt, reduced after some errors.
struct Limits {
    max_bytes: usize,
    /// Whether table definitions were reloaded after a value did not fit.
    has_looked: bool,
}

impl Limits {
    fn of(config: &Config) -> Self {
        let max_bytes = usize::try_from(config.max_statement_bytes.bytes()).unwrap_or(usize::MAX);
        Self { max_bytes, has_looked: false }
    }

    /// Whether smaller statements may avoid the error. Reduces the limit.
    fn can_shrink(&mut self, error: &SqlError) -> bool {
        if error.class != Class::TooBig && !is_timeout(error) {
            return false;
        }
        self.max_bytes /= 2;
        self.max_bytes >= MIN_STATEMENT_BYTES
    }
}

fn prepare(
    config: &Config,
    catalog: &Catalog,
    work: &TablePlans<'_>,
    limits: &Limits,
    now: &str,
    statements: &mut Statements,
) -> Result<(), FlushError> {
    let preparing = Preparing {
        columns: catalog.columns(),
        delete_mode: config.delete_mode,
        insert_flag: config.update_missing == UpdateMissing::Skip,
        inserts_updates: config.update_missing == UpdateMissing::Insert,
        looks_up_values: !config.dry_run,
        find_unmatched: config.unmatched == Unmatched::Warn && !config.dry_run,
        max_bytes: limits.max_bytes,
        now,
    };
    for (target, plan) in work {
        let Some(table) = catalog.get(target) else { continue };
        let prepared = preparing.table(plan, table, &catalog.deleted(target), statements);
        prepared.map_err(|reason| FlushError::Plugin(Error::fatal(reason)))?;
    }
    Ok(())
}

fn reject(report: &mut Report, rejected: Vec<(u32, String)>) {
    *report = Report::written();
    rejected.into_iter().for_each(|(record, reason)| report.reject(record, reason));
}

/// A time, to be bound.
fn time_text(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_parts(since.as_micros() as i64, 1_000_000, Some(0)).to_string()
}
