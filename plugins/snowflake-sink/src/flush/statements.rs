//! The statements that write one table's part of a batch.

use std::{ops::Range, rc::Rc};

use super::{moves::Moves, notices::Found};
use crate::{
    config::DeleteMode,
    plan::{Event, Step, TablePlan, Upserts},
    sql::{self, TableName},
    table::{Columns, EncodedRows, Encoder, Extras, Table, bury},
};

/// A statement that is ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// What it does, for logs and errors.
    pub(crate) kind: &'static str,
    /// The table that it is about.
    pub(crate) table: Rc<str>,
    /// The source's table, by which operators know the batch.
    pub(crate) source: Rc<str>,
    /// Its text.
    pub(crate) text: Rc<str>,
    /// What is bound before the rows.
    pub(crate) binds: Vec<String>,
    /// The rows, and which of them.
    pub(crate) rows: Option<(Rc<EncodedRows>, Range<usize>)>,
    /// What its answer is for.
    pub(crate) purpose: Purpose,
}

/// What a statement's answer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// It changes the table: its counts are reported.
    Write,
    /// It finds keys without a row.
    FindUnmatched,
    /// It keeps the sink's own books.
    Books,
}

impl Prepared {
    /// All binds, the rows last.
    pub(crate) fn all_binds(&self, rows: Option<Range<usize>>) -> Vec<String> {
        let mut binds = self.binds.clone();
        if let Some((encoded, all)) = &self.rows {
            binds.push(encoded.payload(rows.unwrap_or_else(|| all.clone())));
        }
        binds
    }

    /// How many of its rows delete.
    pub(crate) fn delete_count(&self) -> usize {
        self.rows.as_ref().map_or(0, |(encoded, rows)| encoded.delete_count(rows))
    }

    /// How many rows it has, if it has rows.
    pub(crate) fn row_count(&self) -> Option<usize> {
        self.rows.as_ref().map(|(_, rows)| rows.len())
    }

    /// The record that a row is there for.
    pub(crate) fn record(&self, row: usize) -> Option<u32> {
        self.rows.as_ref()?.0.record(row)
    }
}

/// How statements are made.
#[derive(Debug)]
pub(crate) struct Preparing<'a> {
    /// The rules for columns.
    pub(crate) columns: &'a Columns,
    /// Whether deleted rows go or stay.
    pub(crate) delete_mode: DeleteMode,
    /// Whether rows carry a flag that says if they may be inserted.
    pub(crate) insert_flag: bool,
    /// Whether updates without a row are inserted, so that what they leave out becomes NULL.
    pub(crate) inserts_updates: bool,
    /// Whether it is asked for values that nothing has: not where the tables may not be there.
    pub(crate) asks: bool,
    /// Whether keys without a row are looked for.
    pub(crate) find_unmatched: bool,
    /// The largest statement.
    pub(crate) max_bytes: usize,
    /// The time of writing, to be bound.
    pub(crate) now: &'a str,
}

/// Statements, and records that cannot be written.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    /// The statements, in order.
    pub(crate) prepared: Vec<Prepared>,
    /// Records by index, each with its reason.
    pub(crate) rejected: Vec<(u32, String)>,
    /// What is asked before any of it runs.
    pub(crate) questions: Vec<Question>,
    /// What columns hold otherwise than the source does.
    pub(crate) found: Vec<Found>,
}

/// A question for rows that leave out values which nothing has.
#[derive(Debug)]
pub(crate) struct Question {
    /// The statements; each answers with the numbers of what was not found.
    pub(crate) asked: Vec<Prepared>,
    /// The rows that it is about.
    pub(crate) rows: Vec<Sought>,
    /// Whether statements of the batch that come before may change the answer.
    pub(crate) is_early: bool,
}

/// A row that leaves values out.
#[derive(Debug)]
pub(crate) struct Sought {
    /// Its last record.
    pub(crate) record: u32,
    /// Whether it was inserted: then the values are somewhere, or it cannot be written as it should be.
    pub(crate) is_insert: bool,
    /// Its columns without a value.
    pub(crate) columns: Vec<String>,
    /// The names of its key's columns.
    pub(crate) key: Rc<str>,
    /// The numbers under which it is asked for, one for each place where its values may be.
    pub(crate) numbers: Range<usize>,
}

impl Preparing<'_> {
    /// Prepares what happens to one table, and adds it to `out`.
    ///
    /// # Errors
    /// Why nothing can be written to the table.
    pub(crate) fn table(
        &self,
        plan: &TablePlan<'_>,
        table: &Table,
        deleted: &TableName,
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
                Step::Upsert(rows) => self.upsert(rows, number > 0, &names, out)?,
                Step::Append(events) => self.append(events, &names, out)?,
                Step::Truncate(event) => self.truncate(event, &names, out)?,
            }
        }
        Ok(())
    }

    fn upsert(
        &self,
        upserts: &Upserts<'_>,
        is_early: bool,
        names: &Names<'_>,
        out: &mut Statements,
    ) -> Result<(), String> {
        let is_soft = self.delete_mode == DeleteMode::Soft;
        let extras =
            Extras { key_text: !is_soft, inserts: self.insert_flag, values: is_soft, all_columns: false };
        let mut encoder = Encoder::new(names.table, self.columns, upserts.key(), names.unmanaged, extras)?;
        let moves = Moves { preparing: self, names, is_soft };
        moves.copy(upserts, out)?;
        let written_rows = || upserts.rows().iter().filter(|row| !row.is_only_copied());
        for row in written_rows() {
            note(encoder.look_at(row.row()), row.last, out);
        }
        moves.ask(upserts, &encoder, is_early, out);
        let (mut rows, mut keys, mut buried) = <(EncodedRows, EncodedRows, EncodedRows)>::default();
        for row in written_rows() {
            let written = encoder.folded(&mut rows, row);
            if written.is_err() {
                note(written, row.last, out);
                continue;
            }
            if self.find_unmatched && row.expects_row {
                note(encoder.key(&mut keys, row), row.last, out);
            }
            if row.is_delete() {
                rows.note_delete();
            }
            if !is_soft && row.is_delete() {
                let record = row.last.record.index();
                note(bury(&mut buried, record, &row.key_text, row.last.position), row.last, out);
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
            tombstones: (!is_soft).then_some(names.deleted),
            soft_delete: is_soft,
            insert_flag: self.insert_flag,
            meta,
        };
        self.runs("MERGE", sql::merge(&merge), &[self.now], rows, Purpose::Write, names, out);
        let text = sql::bury(names.deleted, meta);
        self.runs("MERGE", text, &[self.now], buried, Purpose::Books, names, out);
        Ok(())
    }

    fn append(&self, events: &[Event<'_>], names: &Names<'_>, out: &mut Statements) -> Result<(), String> {
        let mut encoder = Encoder::new(names.table, self.columns, &[], names.unmanaged, Extras::default())?;
        for event in events {
            note(encoder.look_at(event.row()), *event, out);
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
        };
        if self.delete_mode == DeleteMode::Soft {
            let at = event.time().map_or_else(|| self.now.to_owned(), |at| at.to_string());
            let text = sql::truncate_soft(table, meta);
            out.prepared.push(plain("UPDATE", text, &[&position, &at, self.now, &position]));
            return Ok(());
        }
        out.prepared.push(plain("DELETE", sql::truncate_hard(table, meta), &[&position]));
        let mut buried = EncodedRows::default();
        bury(&mut buried, event.record.index(), sql::EVERY_KEY, event.position)?;
        let text = sql::bury(names.deleted, meta);
        self.runs("MERGE", text, &[self.now], buried, Purpose::Books, names, out);
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
            });
        }
    }
}

/// The table and what goes with it.
pub(super) struct Names<'n> {
    pub(super) table: &'n Table,
    pub(super) label: Rc<str>,
    pub(super) source: Rc<str>,
    pub(super) deleted: &'n TableName,
    pub(super) unmanaged: &'n [String],
}

impl Statements {
    fn found(&mut self, encoder: &Encoder<'_>, names: &Names<'_>, columns: &Columns) {
        let found = encoder.findings().into_iter();
        self.found.extend(found.map(|found| Found::of(found, names.table, &names.source, columns)));
    }
}

pub(super) fn note(written: Result<(), String>, event: Event<'_>, out: &mut Statements) {
    if let Err(reason) = written {
        out.rejected.push((event.record.index(), reason));
    }
}
