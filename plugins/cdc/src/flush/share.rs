//! Writes the changes of one warehouse: each lane its share of the tables, at the same time.

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

use futures_util::future::join_all;
use tidegate_plugin::{Batch, Error, NextOffset, Report, Result};

use super::{
    FailedFlush, Limits, MAX_ATTEMPTS, TableSink,
    catalog::Catalog,
    failure::FlushError,
    lanes::{MAX_LANES, Share},
    statements::{Preparing, Statements},
    tag::batch_tag,
    time_text,
    transaction::{Failure, OffsetsMove, Outcome, Runner, Work},
    unavailable,
};
use crate::{
    dialect::Dialect,
    options::{DeleteMode, Mode, Options, Unmatched, UpdateMissing},
    plan::{TablePlan, TablePlans},
    session::{Class, Database, Session},
};

/// The format of the rows of a database.
type Rows<B> = <<B as Database>::Dialect as Dialect>::Rows;

/// What a flush of a warehouse needs in all lanes.
struct Flush<'f, D: Dialect> {
    options: &'f Options,
    catalog: &'f Catalog<D>,
    context: &'f tidegate_plugin::Context,
    searched: &'f HashSet<String>,
    limits: &'f Limits,
    tag: &'f str,
    now: &'f str,
}

/// The work of a lane in a flush.
struct Job<'w, R> {
    share: Share,
    plans: Vec<&'w TablePlan<'w>>,
    statements: Statements<R>,
    offsets: Vec<OffsetsMove<'w>>,
    unguarded: Vec<(String, String)>,
}

impl<B: Database> TableSink<B> {
    /// Writes the changes of one warehouse. If it returns rejected records, the lanes that have failed have written nothing.
    pub(super) async fn flush(
        &mut self,
        batch: &Batch<'_>,
        warehouse: usize,
        work: &TablePlans<'_>,
        moving: &[usize],
        limits: &Limits,
        report: &mut Report,
    ) -> Result<Vec<(u32, String)>, FailedFlush> {
        let (tag, now) = (self.tag(&batch_tag(batch)), time_text(SystemTime::now()));
        let positions: Vec<NextOffset<'_>> = batch.positions().collect();
        let mut jobs = self.jobs(&positions, work, moving, &now);
        let lanes: Vec<usize> = jobs.iter().map(|job| job.share.lane).collect();
        let with_side = jobs.iter().filter(|job| self.needs_side(job));
        let sides: Vec<usize> = with_side.map(|job| side_of(job.share.lane)).collect();
        let opened = self.pool.opened();
        let lent = self.pool.lend(warehouse, lanes.iter().chain(&sides).copied()).await;
        let mut sessions = lent.map_err(|error| FailedFlush { cause: error.into(), warehouse })?;
        if self.pool.opened() != opened && !self.settings.options.dry_run {
            let lent = lanes.iter().chain(&sides).copied().zip(sessions);
            lent.for_each(|(lane, session)| self.pool.give_back(warehouse, lane, session));
            return Err(FailedFlush { cause: FlushError::NewSessions, warehouse });
        }
        let mut side_sessions = sessions.split_off(lanes.len());
        let flush = Flush {
            options: &self.settings.options,
            catalog: &self.catalog,
            context: &self.context,
            searched: &self.searched,
            limits,
            tag: &tag,
            now: &now,
        };
        let mut prepared = flush.list(&mut sessions, work).await;
        if prepared.is_ok() {
            prepared = flush.prepare_all(&mut jobs, &mut sessions).await;
        }
        let rejected: Vec<(u32, String)> =
            jobs.iter_mut().flat_map(|job| std::mem::take(&mut job.statements.rejected)).collect();
        let outcomes = match &prepared {
            Ok(()) if rejected.is_empty() => {
                let sides = sides.iter().copied().zip(&mut side_sessions).collect();
                flush.write_all(&jobs, &mut sessions, sides).await
            }
            _ => Vec::new(),
        };
        let written =
            self.note_outcomes(&mut jobs, outcomes, &mut sessions, work, limits, report, &tag).await;
        let lent = lanes.into_iter().zip(sessions).chain(sides.into_iter().zip(side_sessions));
        lent.for_each(|(lane, session)| self.pool.give_back(warehouse, lane, session));
        let stopped = |cause| FailedFlush { cause, warehouse };
        prepared.map_err(stopped)?;
        if !rejected.is_empty() {
            return Ok(rejected);
        }
        written.map_err(stopped)
    }

    /// Whether a job needs a second session, to store deletes at the same time.
    fn needs_side(&self, job: &Job<'_, Rows<B>>) -> bool {
        let options = &self.settings.options;
        let is_used = options.mode == Mode::Upsert && options.delete_mode == DeleteMode::Hard;
        let is_used = is_used && B::Dialect::STORES_DELETES_APART;
        is_used && !options.dry_run && job.plans.iter().any(|plan| plan.stores_deletes_early())
    }

    fn jobs<'w>(
        &self,
        positions: &[NextOffset<'_>],
        work: &'w TablePlans<'w>,
        moving: &[usize],
        now: &'w str,
    ) -> Vec<Job<'w, Rows<B>>> {
        let is_dry = self.settings.options.dry_run;
        let tables: Vec<(&str, usize)> =
            work.iter().map(|(target, plan)| (target.as_str(), plan.weight())).collect();
        let shares = self.lanes.shares(positions, &tables, moving);
        let names = self.lane_tables();
        let job = |share: Share| {
            let offset = |(lane, buckets): &(usize, _)| {
                let table = names.get(*lane)?;
                let moves = self.lanes.moves(positions, moving, (*lane, *buckets));
                let call = self.catalog.dialect().offsets_move(table, &self.offset_names);
                Some(OffsetsMove { table: table.to_string(), call, moves, now })
            };
            let offsets: Vec<OffsetsMove<'w>> = share.moved.iter().filter_map(offset).collect();
            let plans = share.tables.iter().filter_map(|table| work.get(table)).collect();
            Job { share, plans, statements: Statements::default(), offsets, unguarded: Vec::new() }
        };
        let has_work = |job: &Job<'_, Rows<B>>| {
            !job.plans.is_empty() || (!is_dry && job.offsets.iter().any(|offsets| !offsets.moves.is_empty()))
        };
        shares.into_iter().map(job).filter(has_work).collect()
    }

    /// Stores what the transactions have done. Returns the records that the database rejects, or the first error.
    #[expect(clippy::too_many_arguments, reason = "the parts of one flush, which a struct would only repeat")]
    async fn note_outcomes(
        &mut self,
        jobs: &mut [Job<'_, Rows<B>>],
        outcomes: Vec<Result<Outcome, Failure<Rows<B>>>>,
        sessions: &mut [B::Session],
        work: &TablePlans<'_>,
        limits: &Limits,
        report: &mut Report,
        tag: &str,
    ) -> Result<Vec<(u32, String)>, FlushError> {
        let mut failed = None;
        for ((job, outcome), session) in jobs.iter_mut().zip(outcomes).zip(sessions) {
            match outcome {
                Ok(outcome) => {
                    let lanes = job.share.moved.iter().map(|(lane, _)| *lane);
                    for (lane, offsets) in lanes.zip(std::mem::take(&mut job.offsets)) {
                        self.lanes.moved(lane, offsets.moves);
                    }
                    self.report_outcome(&outcome, work, report);
                    let found = &job.statements.found;
                    found.iter().for_each(|found| self.notices.add(&self.metrics, found));
                }
                // Of several errors, the first is handled: what the others concern is written again anyway.
                Err(failure) => {
                    if failure.leaves_doubt() {
                        job.share.moved.iter().for_each(|(lane, _)| self.lanes.unsettle(*lane));
                    }
                    failed = failed.or(Some((failure, session)));
                }
            }
        }
        let Some((failure, session)) = failed else { return Ok(Vec::new()) };
        let (error, prepared) = match failure {
            Failure::Statement(error, Some(prepared))
                if error.class == Class::Data && prepared.rows.is_some() =>
            {
                (error, prepared)
            }
            Failure::Guarded(targets) => {
                self.catalog.forget_listed(&targets);
                return Err(FlushError::Guarded);
            }
            failure => return Err(failure.into()),
        };
        if !limits.has_looked {
            return Err(FlushError::Mismatch(error));
        }
        let mut runner = Runner { session, tag, context: &self.context, is_dry: false };
        let found = runner.bad_rows(&prepared, MAX_ATTEMPTS).await?;
        if found.is_empty() {
            return Err(error.into());
        }
        let record = |(row, reason)| prepared.record(row).map(|record| (record, reason));
        Ok(found.into_iter().filter_map(record).collect())
    }
}

impl<D: Dialect> Flush<'_, D> {
    fn runner<'s, S>(&'s self, session: &'s mut S) -> Runner<'s, S> {
        Runner { session, tag: self.tag, context: self.context, is_dry: self.options.dry_run }
    }

    /// Lists the tables of the schema if a table of the flush is not known yet.
    async fn list<S: Session>(&self, sessions: &mut [S], work: &TablePlans<'_>) -> Result<(), FlushError> {
        let Some(session) = sessions.first_mut().filter(|_| self.catalog.should_list(work.keys())) else {
            return Ok(());
        };
        self.catalog.list(&mut self.runner(session)).await.map(drop)
    }

    /// Creates and alters the tables of all lanes, and prepares their statements, before any lane writes.
    async fn prepare_all<S: Session>(
        &self,
        jobs: &mut [Job<'_, D::Rows>],
        sessions: &mut [S],
    ) -> Result<(), FlushError> {
        let preparing = jobs.iter_mut().zip(sessions).map(|(job, session)| self.prepare(job, session));
        join_all(preparing).await.into_iter().collect()
    }

    async fn prepare<S: Session>(
        &self,
        job: &mut Job<'_, D::Rows>,
        session: &mut S,
    ) -> Result<(), FlushError> {
        let mut runner = self.runner(session);
        let statements = &mut job.statements;
        for plan in &job.plans {
            statements.rejected.extend(self.catalog.fit(&mut runner, plan).await?);
        }
        if statements.rejected.is_empty() {
            self.prepare_statements(&job.plans, statements)?;
        }
        if statements.rejected.is_empty() {
            unavailable::run::<D>(&mut runner, statements, self.options.on_unavailable).await?;
        }
        let unguarded = job.plans.iter().filter(|plan| self.catalog.is_unguarded(plan));
        let names = |plan: &&TablePlan<'_>| {
            let target = plan.route.target.clone();
            let deleted = self.catalog.deleted(&target).table;
            (target, deleted)
        };
        job.unguarded = unguarded.map(names).collect();
        Ok(())
    }

    fn prepare_statements(
        &self,
        plans: &[&TablePlan<'_>],
        statements: &mut Statements<D::Rows>,
    ) -> Result<(), FlushError> {
        let options = self.options;
        let preparing = Preparing {
            dialect: self.catalog.dialect(),
            columns: self.catalog.columns(),
            delete_mode: options.delete_mode,
            insert_flag: options.update_missing == UpdateMissing::Skip,
            inserts_updates: options.update_missing == UpdateMissing::Insert,
            looks_up_values: !options.dry_run,
            find_unmatched: options.unmatched == Unmatched::Warn && !options.dry_run,
            searched: self.searched,
            max_bytes: self.limits.max_bytes,
            stored_rows: self.limits.stored_rows,
            now: self.now,
        };
        for plan in plans {
            let target = &plan.route.target;
            let Some(table) = self.catalog.get(target) else { continue };
            let deleted = self.catalog.deleted_if_exists(target);
            let prepared = preparing.table(plan, &table, deleted.as_ref(), statements);
            prepared.map_err(|reason| FlushError::Plugin(Error::fatal(reason)))?;
        }
        if statements.has_stored() {
            self.limits.has_stored.set(true);
        }
        Ok(())
    }

    /// Writes the shares of all lanes at the same time. `sides` are the sessions that store deletes.
    async fn write_all<S: Session>(
        &self,
        jobs: &[Job<'_, D::Rows>],
        sessions: &mut [S],
        mut sides: HashMap<usize, &mut S>,
    ) -> Vec<Result<Outcome, Failure<D::Rows>>> {
        let list = self.catalog.listing();
        let with_side = jobs.iter().zip(sessions).map(|(job, session)| {
            let side = sides.remove(&side_of(job.share.lane));
            (job, session, side)
        });
        let writing = with_side.map(async |(job, session, side)| {
            let Statements { prepared, early, .. } = &job.statements;
            let (offsets, unguarded) = (&job.offsets, &job.unguarded);
            let same_table = &|name: &str| self.catalog.dialect().same_table(name);
            let work = Work { prepared, early, offsets, unguarded, list: &list, same_table };
            self.runner(session).transaction(&work, side.map(|session| self.runner(session))).await
        });
        join_all(writing).await
    }
}

/// The place in the pool of the session that stores the deletes of a lane.
fn side_of(lane: usize) -> usize {
    MAX_LANES + lane
}
