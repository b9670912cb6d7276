//! Statements that write the changes of one table.

use std::{borrow::Cow, collections::HashSet, ops::Range, rc::Rc};

use super::{moves::Moves, notices::Notice};
use crate::{
    dialect::Dialect,
    options::{DeleteMode, StoredRows},
    plan::{Event, Step, TablePlan, Upserts},
    rows::{EncodedRows, RowFormat},
    session::Answer,
    statement::{Bind, Call, EVERY_KEY, Merge, TableName},
    table::{Columns, Encoder, Extras, Table, add_deleted_key, moment},
    types::ColumnType,
};

/// Prepared statements for the same rows, which run one after the other.
#[derive(Debug)]
pub(crate) struct Prepared<R> {
    pub(crate) calls: Rc<[Call]>,
    /// Target table.
    pub(crate) table: Rc<str>,
    /// Table of the source.
    pub(crate) source: Rc<str>,
    /// What the statements bind besides the rows.
    pub(crate) values: Values,
    /// The rows, and the range of them to send.
    pub(crate) rows: Option<(Rc<EncodedRows<R>>, Range<usize>)>,
    /// Use of the result.
    pub(crate) purpose: Purpose,
    /// For a MERGE whose counts show whether rows are missing.
    pub(crate) counted: Option<Counted>,
    /// Bytes of rows from which they are stored in a file instead of being bound, if they may be.
    pub(crate) stored_from: Option<usize>,
}

// Derived, it would ask that a format can be cloned.
impl<R> Clone for Prepared<R> {
    fn clone(&self) -> Self {
        Self {
            calls: Rc::clone(&self.calls),
            table: Rc::clone(&self.table),
            source: Rc::clone(&self.source),
            values: self.values.clone(),
            rows: self.rows.clone(),
            purpose: self.purpose,
            counted: self.counted.clone(),
            stored_from: self.stored_from,
        }
    }
}

/// What statements bind besides rows; empty if they do not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// The time of writing.
    pub(crate) now: Rc<str>,
    /// The time that the statement is about.
    pub(crate) time: Rc<str>,
    /// The position of a truncate.
    pub(crate) position: Rc<str>,
}

impl Values {
    /// Only the time of writing.
    pub(crate) fn at(now: &str) -> Self {
        Self { now: now.into(), ..Self::default() }
    }

    /// The binds of a call, in order.
    pub(crate) fn binds<'v>(&'v self, call: &Call, rows: &'v str) -> Vec<&'v str> {
        let bind = |bind: &Bind| match bind {
            Bind::Now => &*self.now,
            Bind::Time => &*self.time,
            Bind::Position => &*self.position,
            Bind::Rows => rows,
        };
        call.binds.iter().map(bind).collect()
    }
}

/// What the counts of a MERGE are used for.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    /// The table in the database.
    pub(crate) target: Rc<str>,
    /// Whether the transaction also searches for missing rows with a query. Otherwise unexpected counts end it, and it is
    /// repeated with the query.
    pub(crate) is_searched: bool,
}

/// Use of a statement's result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// It changes the table, and its counts are reported.
    Write,
    /// It adds versions to a history table, and their number is reported.
    AddVersions,
    /// It returns keys without a row.
    FindUnmatched,
    /// It maintains the sink's own data.
    Bookkeeping,
}

impl<R: RowFormat> Prepared<R> {
    /// All rows, or these, as one text.
    pub(crate) fn payload(&self, rows: Option<Range<usize>>) -> String {
        let Some((encoded, all)) = &self.rows else { return String::new() };
        let rows = encoded.payload(rows.unwrap_or_else(|| all.clone()));
        if self.calls.iter().any(|call| call.loads) { rows } else { R::bound(rows) }
    }

    /// All rows, or these, each on a line of its own, if they are to be stored in a file.
    pub(crate) fn lines_to_store(&self, rows: Option<Range<usize>>) -> Option<String> {
        let (from, (encoded, all)) = (self.stored_from?, self.rows.as_ref()?);
        let rows = rows.unwrap_or_else(|| all.clone());
        (encoded.bytes(&rows) >= from).then(|| encoded.lines(rows))
    }

    /// The same statements, reading their rows from a file.
    pub(crate) fn reading(&self, location: &str) -> Option<Rc<[Call]>> {
        self.calls.iter().map(|call| call.reading(location)).collect()
    }

    /// Number of rows that are deletes.
    pub(crate) fn delete_count(&self) -> usize {
        self.rows.as_ref().map_or(0, |(encoded, rows)| encoded.delete_count(rows))
    }

    /// Number of rows, if it has rows.
    pub(crate) fn row_count(&self) -> Option<usize> {
        self.rows.as_ref().map(|(_, rows)| rows.len())
    }

    /// Whether a MERGE has changed other numbers of rows than it does if every row that should exist does. Then a row may be
    /// missing, or may be newer in the table.
    pub(crate) fn is_unexpected(&self, answer: &Answer) -> bool {
        let Some((encoded, rows)) = self.rows.as_ref().filter(|_| self.counted.is_some()) else {
            return false;
        };
        let (existing, new) = encoded.expected(rows);
        answer.updated + answer.deleted != existing || answer.inserted != new
    }

    /// The record of a row.
    pub(crate) fn record(&self, row: usize) -> Option<u32> {
        self.rows.as_ref()?.0.record(row)
    }
}

/// Settings for preparing statements.
#[derive(Debug)]
pub(crate) struct Preparing<'a, D> {
    /// How statements are written.
    pub(crate) dialect: &'a D,
    /// Naming of columns.
    pub(crate) columns: &'a Columns,
    /// Hard or soft deletes.
    pub(crate) delete_mode: DeleteMode,
    /// Whether rows have a flag that allows inserting them.
    pub(crate) insert_flag: bool,
    /// Whether updates without a row are inserted, so that omitted values become NULL.
    pub(crate) inserts_updates: bool,
    /// Whether to look up omitted values. Not in a dry run, where tables may not exist.
    pub(crate) looks_up_values: bool,
    /// Whether to find keys without a row.
    pub(crate) find_unmatched: bool,
    /// Tables in the database for which that takes a query, because the counts of an earlier MERGE were not as expected.
    pub(crate) searched: &'a HashSet<String>,
    /// Maximum size of a statement.
    pub(crate) max_bytes: usize,
    /// Which rows are stored in files.
    pub(crate) stored_rows: Option<StoredRows>,
    /// The time of writing, to be bound.
    pub(crate) now: &'a str,
}

/// Prepared statements, lookups and rejected records.
#[derive(Debug)]
pub(crate) struct Statements<R> {
    /// Statements of the transaction, in order.
    pub(crate) prepared: Vec<Prepared<R>>,
    /// Statements that another session runs at the same time, each as a transaction of its own, before this one is committed.
    pub(crate) early: Vec<Prepared<R>>,
    /// Rejected records: index and reason.
    pub(crate) rejected: Vec<(u32, String)>,
    /// Lookups to run before the statements.
    pub(crate) lookups: Vec<ValueLookup<R>>,
    /// Warnings about values that are not in their column as in the source.
    pub(crate) found: Vec<Notice>,
}

impl<R> Default for Statements<R> {
    fn default() -> Self {
        Self {
            prepared: Vec::new(),
            early: Vec::new(),
            rejected: Vec::new(),
            lookups: Vec::new(),
            found: Vec::new(),
        }
    }
}

/// A lookup of omitted values.
#[derive(Debug)]
pub(crate) struct ValueLookup<R> {
    /// Statements that return the numbers of missing values.
    pub(crate) statements: Vec<Prepared<R>>,
    /// The rows to look up.
    pub(crate) rows: Vec<LookupRow>,
    /// Whether earlier statements of the batch may change the result.
    pub(crate) is_early: bool,
}

/// A row that omits values.
#[derive(Debug)]
pub(crate) struct LookupRow {
    /// Its last record.
    pub(crate) record: u32,
    /// Whether it is an insert, which requires the values.
    pub(crate) is_insert: bool,
    /// Columns without a value.
    pub(crate) columns: Vec<String>,
    /// Names of the key columns.
    pub(crate) key: Rc<str>,
    /// Numbers of its lookups, one for each row that may have its values.
    pub(crate) numbers: Range<usize>,
}

impl<D: Dialect> Preparing<'_, D> {
    /// Prepares the changes of one table, and adds them to `out`.
    ///
    /// # Errors
    /// If nothing can be written to the table.
    pub(crate) fn table(
        &self,
        plan: &TablePlan<'_>,
        table: &Table<D::Type>,
        deleted: Option<&TableName>,
        out: &mut Statements<D::Rows>,
    ) -> Result<(), String> {
        let names = Names {
            table,
            label: table.name.to_string().into(),
            source: plan.route.table.as_str().into(),
            deleted,
            unmanaged: &plan.route.unmanaged,
        };
        for (number, step) in plan.steps.iter().enumerate() {
            match step {
                Step::Upsert(rows) => {
                    let deleted = self.upsert(rows, number > 0, &names, out)?;
                    let is_early = D::STORES_DELETES_APART && plan.stores_deletes_early();
                    self.store_deletes(deleted, is_early, &names, out);
                }
                Step::Append(events) => self.append(events, &names, out)?,
                Step::Versions(versions) => self.versions(versions, number > 0, &names, out)?,
                Step::Truncate(event) => self.truncate(event, &names, out)?,
            }
        }
        Ok(())
    }

    /// Prepares one step, and returns the deletes to be stored.
    fn upsert(
        &self,
        upserts: &Upserts<'_>,
        is_early: bool,
        names: &Names<'_, D::Type>,
        out: &mut Statements<D::Rows>,
    ) -> Result<EncodedRows<D::Rows>, String> {
        let is_soft = self.delete_mode == DeleteMode::Soft;
        let deleted = names.deleted.filter(|_| !is_soft);
        let extras = Extras {
            key_text: deleted.is_some(),
            inserts: self.insert_flag,
            values: is_soft,
            all_columns: false,
        };
        let mut encoder = Encoder::new(names.table, self.columns, upserts.key(), names.unmanaged, extras)?;
        let moves = Moves { preparing: self, names, is_soft };
        moves.copy(upserts, out)?;
        let written_rows = || upserts.rows().iter().filter(|row| !row.is_only_copied());
        for row in written_rows() {
            note(encoder.prepare_row(row.row()), row.last, out);
        }
        moves.look_up(upserts, &encoder, is_early, out);
        // Copied rows and earlier steps change what is in the table.
        let has_copies = upserts.rows().iter().any(|row| !row.needed_origins().is_empty());
        let is_counted = self.find_unmatched && !is_early && !has_copies;
        let is_searched = !is_counted || self.searched.contains(&names.table.name.table);
        let (mut rows, mut keys, mut deleted_keys) =
            <(EncodedRows<D::Rows>, EncodedRows<D::Rows>, EncodedRows<D::Rows>)>::default();
        for row in written_rows() {
            let written = encoder.folded(&mut rows, row);
            if written.is_err() {
                note(written, row.last, out);
                continue;
            }
            if self.find_unmatched && row.expects_row && is_searched {
                note(encoder.key(&mut keys, row), row.last, out);
            }
            // A row that is inserted and deleted in one batch changes nothing.
            if row.expects_row || is_soft || !row.is_delete() {
                rows.note_expected(row.expects_row);
            }
            if row.is_delete() {
                rows.note_delete();
            }
            if !is_soft && row.is_delete() {
                let record = row.last.record.index();
                note(
                    add_deleted_key(&mut deleted_keys, record, &row.key_text, row.last.position),
                    row.last,
                    out,
                );
            }
        }
        out.found(&encoder, names, self.columns);
        let meta = &self.columns.meta;
        if !keys.is_empty() {
            let soft = is_soft.then_some(meta);
            let calls = self.dialect_for(&keys).unmatched(&names.table.name, &encoder.key_columns(), soft);
            self.runs(calls, keys, Purpose::FindUnmatched, names, out);
        }
        let written = encoder.written();
        let merge = Merge {
            table: &names.table.name,
            columns: &written.columns,
            key: &written.key,
            kept: &written.kept,
            about: &written.about,
            deleted_keys: deleted,
            soft_delete: is_soft,
            insert_flag: self.insert_flag,
            has_deletes: rows.delete_count(&(0..rows.len())) > 0,
            meta,
        };
        let first = out.prepared.len();
        self.runs(self.dialect_for(&rows).merge(&merge), rows, Purpose::Write, names, out);
        if is_counted {
            let target: Rc<str> = names.table.name.table.as_str().into();
            let merges = out.prepared.iter_mut().skip(first);
            merges
                .for_each(|merge| merge.counted = Some(Counted { target: Rc::clone(&target), is_searched }));
        }
        Ok(deleted_keys)
    }

    /// Stores deletes, so that older events that arrive later do not restore rows. A stored delete is a fact of the source: with
    /// `is_early`, it is stored whether or not the transaction of the rows is committed.
    fn store_deletes(
        &self,
        keys: EncodedRows<D::Rows>,
        is_early: bool,
        names: &Names<'_, D::Type>,
        out: &mut Statements<D::Rows>,
    ) {
        let Some(deleted) = names.deleted.filter(|_| !keys.is_empty()) else { return };
        let calls = self.dialect_for(&keys).store_deletes(deleted, &self.columns.meta);
        let first = out.prepared.len();
        self.runs(calls, keys, Purpose::Bookkeeping, names, out);
        if is_early {
            out.early.extend(out.prepared.drain(first..));
        }
    }

    fn append(
        &self,
        events: &[Event<'_>],
        names: &Names<'_, D::Type>,
        out: &mut Statements<D::Rows>,
    ) -> Result<(), String> {
        let mut encoder = Encoder::new(names.table, self.columns, &[], names.unmanaged, Extras::default())?;
        for event in events {
            note(encoder.prepare_row(event.row()), *event, out);
        }
        let mut rows = EncodedRows::<D::Rows>::default();
        for event in events {
            note(encoder.event(&mut rows, event), *event, out);
        }
        out.found(&encoder, names, self.columns);
        let columns = encoder.written().columns;
        let calls = self.dialect_for(&rows).insert_rows(&names.table.name, &columns, &self.columns.meta);
        self.runs(calls, rows, Purpose::Write, names, out);
        Ok(())
    }

    fn truncate(
        &self,
        event: &Event<'_>,
        names: &Names<'_, D::Type>,
        out: &mut Statements<D::Rows>,
    ) -> Result<(), String> {
        let (table, meta) = (&names.table.name, &self.columns.meta);
        let time = match (event.time_ms(), &self.columns.validity) {
            (Some(time), Some(_)) => moment(time),
            _ => event.time().map_or_else(|| self.now.to_owned(), |at| at.to_string()),
        };
        let values =
            Values { now: self.now.into(), time: time.into(), position: event.position.to_string().into() };
        let plain = |calls: Vec<Call>| Prepared {
            calls: calls.into(),
            table: Rc::clone(&names.label),
            source: Rc::clone(&names.source),
            values: values.clone(),
            rows: None,
            purpose: Purpose::Write,
            counted: None,
            stored_from: None,
        };
        if let Some(validity) = &self.columns.validity {
            let history = self.history()?;
            let truncates = names.deleted.map(|truncates| history.store_truncate(truncates, meta));
            let end = names.table.exists().then(|| history.end_all(table, meta, validity));
            let calls = end.into_iter().chain(truncates);
            out.prepared
                .extend(calls.map(|calls| Prepared { purpose: Purpose::Bookkeeping, ..plain(calls) }));
            return Ok(());
        }
        if self.delete_mode == DeleteMode::Soft {
            out.prepared.push(plain(self.dialect.truncate_soft(table, meta)));
            return Ok(());
        }
        out.prepared.push(plain(self.dialect.truncate_hard(table, meta)));
        let mut deleted_keys = EncodedRows::default();
        add_deleted_key(&mut deleted_keys, event.record.index(), EVERY_KEY, event.position)?;
        self.store_deletes(deleted_keys, false, names, out);
        Ok(())
    }

    /// How the statements for these rows are written.
    pub(super) fn dialect_for(&self, rows: &EncodedRows<D::Rows>) -> Cow<'_, D> {
        self.dialect.for_rows(rows.bytes(&(0..rows.len())))
    }

    /// Whether rows of this size are stored in files, for these statements.
    pub(super) fn stored(&self, calls: &[Call], bytes: usize) -> Option<StoredRows> {
        let can_read = || calls.iter().all(|call| call.from_file.is_some());
        self.stored_rows.filter(|stored| bytes >= stored.from_bytes && can_read())
    }

    pub(super) fn runs(
        &self,
        calls: Vec<Call>,
        rows: EncodedRows<D::Rows>,
        purpose: Purpose,
        names: &Names<'_, D::Type>,
        out: &mut Statements<D::Rows>,
    ) {
        let (calls, rows): (Rc<[Call]>, _) = (calls.into(), Rc::new(rows));
        let values = Values::at(self.now);
        let stored = self.stored(&calls, rows.bytes(&(0..rows.len())));
        let max_bytes = stored.map_or(self.max_bytes, |stored| stored.max_bytes);
        // What remains after the last full file, and what is left of a file while bad rows are searched, is bound if it fits.
        let stored_from = stored.map(|stored| stored.from_bytes.min(self.max_bytes));
        for run in rows.runs(max_bytes) {
            out.prepared.push(Prepared {
                calls: Rc::clone(&calls),
                table: Rc::clone(&names.label),
                source: Rc::clone(&names.source),
                values: values.clone(),
                rows: Some((Rc::clone(&rows), run)),
                purpose,
                counted: None,
                stored_from,
            });
        }
    }
}

/// Names for the statements of a table.
pub(super) struct Names<'n, T> {
    pub(super) table: &'n Table<T>,
    pub(super) label: Rc<str>,
    pub(super) source: Rc<str>,
    /// The table of deleted keys, if it exists.
    pub(super) deleted: Option<&'n TableName>,
    pub(super) unmanaged: &'n [String],
}

impl<R> Statements<R> {
    /// Whether the rows of a statement are stored in a file.
    pub(super) fn has_stored(&self) -> bool {
        let looked_up = self.lookups.iter().flat_map(|lookup| &lookup.statements);
        let all = self.prepared.iter().chain(&self.early).chain(looked_up);
        all.into_iter().any(|statement| statement.stored_from.is_some())
    }
}

impl<R: RowFormat> Statements<R> {
    pub(super) fn found<T: ColumnType>(
        &mut self,
        encoder: &Encoder<'_, T, R>,
        names: &Names<'_, T>,
        columns: &Columns,
    ) {
        let found = encoder.findings();
        self.found.extend(found.map(|found| Notice::of(found, names.table, &names.source, columns)));
    }
}

pub(super) fn note<R>(written: Result<(), String>, event: Event<'_>, out: &mut Statements<R>) {
    if let Err(reason) = written {
        out.rejected.push((event.record.index(), reason));
    }
}
