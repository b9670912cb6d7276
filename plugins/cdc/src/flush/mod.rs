//! Writes plans: one transaction per warehouse and lane, with the rows of its tables and their offsets.
//!
//! ```text
//! plan ── create and alter tables (DDL, before the transaction) ── statements ── BEGIN, rows, offsets, COMMIT
//! ```
//!
//! After any failure, the transaction is rolled back, and the batch is planned again without the records that the
//! database already contains. So a COMMIT whose response was lost is neither repeated nor missed.

mod alter;
mod buckets;
mod catalog;
mod claims;
mod dry_run;
mod failure;
mod files;
mod history;
mod lanes;
mod metrics;
mod moves;
mod notices;
mod offsets;
mod older;
mod pool;
mod share;
mod statements;
mod tag;
mod transaction;
mod unavailable;
mod unmatched;

use std::{cell::Cell, collections::HashSet, time::SystemTime};

use tidegate_plugin::{
    Batch, Context, Error, Partition, Report, Result, Rows, Timestamp,
    prelude::{info, warn},
};

pub use self::failure::into_plugin_error;
use self::{
    catalog::Catalog,
    failure::{Attempts, FlushError, Next, label},
    lanes::{Lanes, MAX_LANES},
    metrics::Metrics,
    notices::Notices,
    older::{Older, OlderLog},
    pool::Pool,
    transaction::Outcome,
    unmatched::UnmatchedLog,
};
use crate::{
    dialect::Dialect,
    names::{Naming, lane_offsets_table, offsets_table},
    options::{Mode, Settings, StoredRows},
    plan::{Planner, TablePlans, Warehouses},
    session::{Cause, Class, Database, SqlError},
    statement::{OffsetNames, TableName},
};

/// Maximum number of statements for finding bad rows, before the host is asked to split the batch.
const MAX_ATTEMPTS: usize = 100;
/// Minimum size limit of statements.
const MIN_STATEMENT_BYTES: usize = 4_096;

/// Writes the batches of a task to the tables of a database.
pub struct TableSink<B: Database> {
    connector: String,
    task: u32,
    settings: Settings<Type<B>>,
    context: Context,
    metrics: Metrics,
    planner: Planner,
    pool: Pool<B>,
    catalog: Catalog<B::Dialect>,
    lanes: Lanes,
    /// The offsets table of the first lane.
    offsets_table: TableName,
    offset_names: OffsetNames,
    /// Tables in the database whose rows without a match are searched with a query.
    searched: HashSet<String>,
    unmatched: UnmatchedLog,
    older: OlderLog,
    notices: Notices,
    /// Warehouses in the order of writing.
    order: Vec<usize>,
    /// Which rows are stored in files; `None` once it has turned out that they cannot be.
    stored_rows: Option<StoredRows>,
}

/// The column types of a database.
type Type<B> = <<B as Database>::Dialect as Dialect>::Type;

impl<B: Database> TableSink<B> {
    /// Creates a sink without connecting.
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn new(settings: Settings<Type<B>>, database: B, context: &Context) -> Result<Self> {
        let options = &settings.options;
        if options.mode == Mode::History && database.dialect().history().is_none() {
            let message = format!("\"history\" is not available for {}", B::Dialect::NAME);
            return Err(Error::invalid_option("mode", message));
        }
        let naming = Naming::new(&options.table, options.identifiers, B::Dialect::NAMES)?;
        let warehouses = Warehouses::of(&settings);
        let dialect = database.dialect().clone();
        let pool = Pool::new(database, warehouses.names());
        let lanes = if B::Dialect::WRITES_CONCURRENTLY { options.lanes } else { 1 };
        let lanes = Lanes::new(warehouses.names(), context.task() as usize, usize::from(lanes));
        let order = warehouses.order(&settings);
        let planner = Planner::new(&settings, naming.clone());
        let offset_names = OffsetNames::cased(&naming);
        let table = options
            .offsets_table
            .clone()
            .unwrap_or_else(|| naming.cased(&offsets_table(context.connector())));
        // The longest of the lanes' names: a database that cut it would mix the offsets of connectors.
        let longest = lane_offsets_table(&table, MAX_LANES - 1, &naming);
        B::Dialect::NAMES.offsets_table(longest).map_err(|error| {
            Error::fatal(format_args!("{error}: set offsets_table to a shorter name")).at("offsets_table")
        })?;
        let comment = format!("Written by Tidegate, connector {}", context.connector());
        let catalog = Catalog::new(dialect, &settings, naming, comment);
        Ok(Self {
            connector: context.connector().to_owned(),
            task: context.task(),
            offsets_table: catalog.name(&table),
            metrics: Metrics::new(context, B::Dialect::METRICS),
            context: context.clone(),
            stored_rows: settings.stored_rows,
            settings,
            planner,
            pool,
            catalog,
            lanes,
            offset_names,
            searched: HashSet::new(),
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
    pub async fn connect(&mut self) -> Result<()> {
        if self.settings.options.dry_run {
            info!(
                "dry run: nothing is changed in {}, but the offsets of the consumer group are committed",
                B::Dialect::NAME
            );
        }
        let session = self.pool.lend_first().await.map_err(into_plugin_error)?;
        self.pool.give_back(0, 0, session);
        Ok(())
    }

    /// Releases partitions.
    pub fn release(&mut self, partitions: &[Partition<'_>]) {
        self.lanes.release(partitions);
    }

    /// Closes the sessions.
    pub async fn close(&mut self) {
        self.unmatched.close();
        self.older.close();
        self.notices.close();
        self.pool.close().await;
    }

    /// Writes all of a batch, or nothing and returns the rejected records in the report.
    ///
    /// # Errors
    /// Retriable, fenced or fatal.
    pub async fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        if !self.settings.options.dry_run {
            self.lanes.check(batch)?;
        }
        self.catalog.begin_batch();
        let mut attempts = Attempts::default();
        let mut limits = Limits {
            max_bytes: self.settings.max_statement_bytes,
            stored_rows: self.stored_rows,
            has_stored: Cell::new(false),
            has_looked: false,
        };
        let mut report = Report::written();
        loop {
            match self.try_write(batch, &limits, &mut report).await {
                Ok(()) => return Ok(report),
                Err(FailedFlush { cause: FlushError::Sql(error), .. }) if limits.has_to_bind(&error) => {
                    self.count(&error);
                    self.metrics.count("storing_failures_total", &[], 1);
                    warn!("{error}; rows are bound to statements instead, until the task is started again");
                    self.stored_rows = None;
                    self.lanes.doubt();
                }
                Err(FailedFlush { cause: FlushError::Sql(error), .. }) if limits.can_shrink(&error) => {
                    self.count(&error);
                    warn!("{error}; retrying with smaller statements");
                    self.lanes.doubt();
                }
                // The table may have been changed: reload it before rejecting records.
                Err(FailedFlush { cause: FlushError::Mismatch(_), .. }) if !limits.has_looked => {
                    limits.has_looked = true;
                    self.catalog.forget();
                }
                // Written again at once: nothing was committed by the lanes concerned.
                Err(FailedFlush { cause: FlushError::Unexpected(tables), .. }) => {
                    self.searched.extend(tables);
                }
                Err(FailedFlush { cause: FlushError::Guarded, .. }) => {}
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
            FlushError::Unexpected(_) | FlushError::Guarded => return Ok(()),
            FlushError::NewSessions if attempts.may_open_sessions() => {
                self.lanes.doubt();
                return Ok(());
            }
            FlushError::NewSessions => {
                return Err(Error::retriable(
                    "the sessions with the database end as soon as they are opened",
                ));
            }
            FlushError::OffsetsMoved if attempts.may_refresh_offsets() => {
                self.lanes.doubt();
                return Ok(());
            }
            FlushError::OffsetsMoved => {
                let table = &self.offsets_table;
                return Err(Error::fenced(format_args!("another client updates the offsets in {table}")));
            }
            FlushError::Sql(error) | FlushError::Mismatch(error) => error,
        };
        self.lanes.doubt();
        if matches!(error.class, Class::Session | Class::Transient | Class::Clock) {
            // Closing the session ends a transaction that is still open.
            self.discard_sessions(warehouse).await;
        }
        self.count(&error);
        let message = error.to_string();
        match attempts.next(error) {
            Next::Retry { pause, tables } => {
                warn!("{message}; retrying");
                if tables {
                    self.catalog.forget_all();
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
        if !self.settings.options.dry_run {
            self.refresh(batch).await.map_err(|cause| FailedFlush { cause, warehouse: 0 })?;
        }
        let lanes = &self.lanes;
        let is_dry = self.settings.options.dry_run;
        let moved = self.planner.moved_keys(batch);
        let mut plan = self.planner.plan(batch, &moved, |warehouse, table, record| {
            let (topic, partition) = (record.source_topic(), record.source_partition());
            !is_dry && lanes.holds(warehouse, table, &Partition { topic, partition }, record.offset())
        });
        if !plan.rejected.is_empty() {
            reject(report, plan.rejected);
            return Ok(());
        }
        let resent = std::mem::take(&mut plan.resent);
        // A batch without remaining records still advances the offsets.
        if plan.by_warehouse.is_empty() {
            plan.by_warehouse.insert(0, TablePlans::new());
        }
        let mut along = self.lanes.idle(|warehouse| plan.by_warehouse.contains_key(&warehouse));
        for warehouse in self.order.clone() {
            let Some(work) = plan.by_warehouse.get(&warehouse) else { continue };
            let mut moving = std::mem::take(&mut along);
            moving.push(warehouse);
            let rejected = self.flush(batch, warehouse, work, &moving, limits, report).await?;
            if !rejected.is_empty() {
                reject(report, unavailable::explained(rejected, &plan.unreadable));
                return Ok(());
            }
        }
        for (table, skipped) in resent {
            self.metrics.count("older_events_total", &[("table", &table)], skipped);
            report.rows(Rows { table, skipped, ..Rows::default() });
        }
        self.notices.add_plan(&self.metrics, &plan);
        Ok(())
    }

    fn report_outcome(&mut self, outcome: &Outcome, work: &TablePlans<'_>, report: &mut Report) {
        for table in &outcome.as_expected {
            // If rows are missing again, the counts of the MERGE show it.
            self.searched.remove(table);
        }
        for (table, changed) in &outcome.changed {
            let (inserted, updated, deleted) = (changed.inserted, changed.updated, changed.deleted);
            self.metrics.count("unchanged_rows_total", &[("table", table)], changed.unchanged);
            let older = match self.settings.options.mode {
                // Every version has its place, however late it is.
                Mode::History => Older::of_versions(table, changed, work),
                _ => Older::of(table, changed, outcome, work, self.settings.options.update_missing),
            };
            self.older.add(table, &older);
            let skipped = older.rows + older.in_batch;
            self.metrics.count("older_events_total", &[("table", table)], skipped);
            report.rows(Rows { table: (**table).to_owned(), inserted, updated, deleted, skipped });
        }
        for (table, keys) in &outcome.unmatched {
            let total = keys.len() as u64;
            self.metrics.count("unmatched_total", &[("table", table)], total);
            self.unmatched.add(table, keys, self.settings.options.update_missing);
        }
    }

    fn count(&self, error: &SqlError) {
        self.metrics.count("errors_total", &[("class", label(error.class))], 1);
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
    /// Which rows are stored in files.
    stored_rows: Option<StoredRows>,
    /// Whether the rows of a statement were to be stored in a file.
    has_stored: Cell<bool>,
    /// Whether table definitions were reloaded after a value did not fit.
    has_looked: bool,
}

impl Limits {
    /// Whether the rows have to be bound because they cannot be stored, or because the database does not accept the statement that
    /// reads a file.
    fn has_to_bind(&mut self, error: &SqlError) -> bool {
        let is_refused = error.cause == Cause::NotStored || error.class == Class::Bug;
        let may_bind = self.stored_rows.is_some_and(|stored| !stored.is_required);
        may_bind && is_refused && self.stops_storing()
    }

    /// Binds the rows from now on. Returns whether some were stored until now.
    fn stops_storing(&mut self) -> bool {
        self.stored_rows = None;
        self.has_stored.take()
    }

    /// Whether smaller statements may avoid the error. Reduces the limit.
    fn can_shrink(&mut self, error: &SqlError) -> bool {
        if error.class != Class::TooBig && error.cause != Cause::Timeout {
            return false;
        }
        // Rows that are bound are already in smaller statements.
        if self.stops_storing() {
            return true;
        }
        self.max_bytes /= 2;
        self.max_bytes >= MIN_STATEMENT_BYTES
    }
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
