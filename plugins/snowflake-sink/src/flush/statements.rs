//! Statements that write the changes of one table.

use std::{collections::HashSet, ops::Range, rc::Rc};

use super::{moves::Moves, notices::Notice};
use crate::{
    config::DeleteMode,
    plan::{Event, Step, TablePlan, Upserts},
    session::Answer,
    sql::{self, TableName},
    table::{Columns, EncodedRows, Encoder, Extras, Table, add_deleted_key},
};

/// A prepared statement.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// Kind of statement, for logs and errors.
    pub(crate) kind: &'static str,
    /// Target table.
    pub(crate) table: Rc<str>,
    /// Table of the source.
    pub(crate) source: Rc<str>,
    pub(crate) text: Rc<str>,
    /// Binds before the rows.
    pub(crate) binds: Vec<String>,
    /// The rows, and the range of them to send.
    pub(crate) rows: Option<(Rc<EncodedRows>, Range<usize>)>,
    /// Use of the result.
    pub(crate) purpose: Purpose,
    /// For a MERGE whose counts show whether rows are missing.
    pub(crate) counted: Option<Counted>,
}

/// What the counts of a MERGE are used for.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    /// The table in Snowflake.
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
    /// It returns keys without a row.
    FindUnmatched,
    /// It maintains the sink's own data.
    Bookkeeping,
}

impl Prepared {
    /// All binds, with the rows last.
    pub(crate) fn all_binds(&self, rows: Option<Range<usize>>) -> Vec<String> {
        let mut binds = self.binds.clone();
        if let Some((encoded, all)) = &self.rows {
            binds.push(encoded.payload(rows.unwrap_or_else(|| all.clone())));
        }
        binds
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
pub(crate) struct Preparing<'a> {
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
    /// Tables in Snowflake for which that takes a query, because the counts of an earlier MERGE were not as expected.
    pub(crate) searched: &'a HashSet<String>,
    /// Maximum size of a statement.
    pub(crate) max_bytes: usize,
    /// The time of writing, to be bound.
    pub(crate) now: &'a str,
}

/// Prepared statements, lookups and rejected records.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    /// Statements of the transaction, in order.
    pub(crate) prepared: Vec<Prepared>,
    /// Statements that another session runs at the same time, each as a transaction of its own, before this one is committed.
    pub(crate) early: Vec<Prepared>,
    /// Rejected records: index and reason.
    pub(crate) rejected: Vec<(u32, String)>,
    /// Lookups to run before the statements.
    pub(crate) lookups: Vec<ValueLookup>,
    /// Warnings about values that are not in their column as in the source.
    pub(crate) found: Vec<Notice>,
}

/// A lookup of omitted values.
#[derive(Debug)]
pub(crate) struct ValueLookup {
    /// Statements that return the numbers of missing values.
    pub(crate) statements: Vec<Prepared>,
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

impl Preparing<'_> {
    /// Prepares the changes of one table, and adds them to `out`.
    ///
    /// # Errors
    /// If nothing can be written to the table.
    pub(crate) fn table(
        &self,
        plan: &TablePlan<'_>,
        table: &Table,
        deleted: Option<&TableName>,
        out: &mut Statements,
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
                    self.store_deletes(deleted, plan.stores_deletes_early(), &names, out);
                }
                Step::Append(events) => self.append(events, &names, out)?,
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
        names: &Names<'_>,
        out: &mut Statements,
    ) -> Result<EncodedRows, String> {
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
        let (mut rows, mut keys, mut deleted_keys) = <(EncodedRows, EncodedRows, EncodedRows)>::default();
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
            let text = sql::unmatched(&names.table.name, &encoder.key_columns(), is_soft.then_some(meta));
            self.runs("SELECT", text, &[], keys, Purpose::FindUnmatched, names, out);
        }
        let written = encoder.written();
        let merge = sql::Merge {
            table: &names.table.name,
            columns: &written.columns,
            key: &written.key,
            kept: &written.kept,
            about: &written.about,
            deleted_keys: deleted,
            soft_delete: is_soft,
            insert_flag: self.insert_flag,
            meta,
        };
        let first = out.prepared.len();
        self.runs("MERGE", sql::merge(&merge), &[self.now], rows, Purpose::Write, names, out);
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
    fn store_deletes(&self, keys: EncodedRows, is_early: bool, names: &Names<'_>, out: &mut Statements) {
        let Some(deleted) = names.deleted.filter(|_| !keys.is_empty()) else { return };
        let text = sql::store_deletes(deleted, &self.columns.meta);
        let first = out.prepared.len();
        self.runs("MERGE", text, &[self.now], keys, Purpose::Bookkeeping, names, out);
        if is_early {
            out.early.extend(out.prepared.drain(first..));
        }
    }

    fn append(&self, events: &[Event<'_>], names: &Names<'_>, out: &mut Statements) -> Result<(), String> {
        let mut encoder = Encoder::new(names.table, self.columns, &[], names.unmanaged, Extras::default())?;
        for event in events {
            note(encoder.prepare_row(event.row()), *event, out);
        }
        let mut rows = EncodedRows::default();
        for event in events {
            note(encoder.event(&mut rows, event), *event, out);
        }
        out.found(&encoder, names, self.columns);
        let text = sql::insert_rows(&names.table.name, &encoder.written().columns, &self.columns.meta);
        self.runs("INSERT", text, &[self.now], rows, Purpose::Write, names, out);
        Ok(())
    }

    fn truncate(&self, event: &Event<'_>, names: &Names<'_>, out: &mut Statements) -> Result<(), String> {
        let position = event.position.to_string();
        let (table, meta) = (&names.table.name, &self.columns.meta);
        let plain = |kind, text: String, binds: &[&str]| Prepared {
            kind,
            table: Rc::clone(&names.label),
            source: Rc::clone(&names.source),
            text: text.into(),
            binds: binds.iter().map(|bind| (*bind).to_owned()).collect(),
            rows: None,
            purpose: Purpose::Write,
            counted: None,
        };
        if self.delete_mode == DeleteMode::Soft {
            let at = event.time().map_or_else(|| self.now.to_owned(), |at| at.to_string());
            let text = sql::truncate_soft(table, meta);
            out.prepared.push(plain("UPDATE", text, &[&position, &at, self.now, &position]));
            return Ok(());
        }
        out.prepared.push(plain("DELETE", sql::truncate_hard(table, meta), &[&position]));
        let mut deleted_keys = EncodedRows::default();
        add_deleted_key(&mut deleted_keys, event.record.index(), sql::EVERY_KEY, event.position)?;
        self.store_deletes(deleted_keys, false, names, out);
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a statement is made of; a struct would only repeat Prepared"
    )]
    pub(super) fn runs(
        &self,
        kind: &'static str,
        text: String,
        binds: &[&str],
        rows: EncodedRows,
        purpose: Purpose,
        names: &Names<'_>,
        out: &mut Statements,
    ) {
        let (text, rows): (Rc<str>, _) = (text.into(), Rc::new(rows));
        for run in rows.runs(self.max_bytes) {
            out.prepared.push(Prepared {
                kind,
                table: Rc::clone(&names.label),
                source: Rc::clone(&names.source),
                text: Rc::clone(&text),
                binds: binds.iter().map(|bind| (*bind).to_owned()).collect(),
                rows: Some((Rc::clone(&rows), run)),
                purpose,
                counted: None,
            });
        }
    }
}

/// Names for the statements of a table.
pub(super) struct Names<'n> {
    pub(super) table: &'n Table,
    pub(super) label: Rc<str>,
    pub(super) source: Rc<str>,
    /// The table of deleted keys, if it exists.
    pub(super) deleted: Option<&'n TableName>,
    pub(super) unmanaged: &'n [String],
}

impl Statements {
    fn found(&mut self, encoder: &Encoder<'_>, names: &Names<'_>, columns: &Columns) {
        let found = encoder.findings().into_iter();
        self.found.extend(found.map(|found| Notice::of(found, names.table, &names.source, columns)));
    }
}

pub(super) fn note(written: Result<(), String>, event: Event<'_>, out: &mut Statements) {
    if let Err(reason) = written {
        out.rejected.push((event.record.index(), reason));
    }
}
