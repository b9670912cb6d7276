//! Statements for rows whose key changes, and lookups of values that events omit.
//!
//! Rows are copied to their new keys before anything else of a step is written, in one statement that reads every old
//! row before it writes one. Later statements find the values under the new key.

use std::rc::Rc;

use super::statements::{
    LookupRow, Names, Prepared, Preparing, Purpose, Statements, ValueLookup, Values, note,
};
use crate::{
    dialect::Dialect,
    plan::{Base, Folded, Upserts},
    rows::EncodedRows,
    statement::{Column, Copying, MissingValues},
    table::{Encoder, Extras},
};

/// Prepares statements for rows of one step whose key changes.
pub(super) struct Moves<'m, 'p, D: Dialect> {
    pub(super) preparing: &'m Preparing<'p, D>,
    pub(super) names: &'m Names<'m, D::Type>,
    pub(super) is_soft: bool,
}

impl<D: Dialect> Moves<'_, '_, D> {
    /// Prepares the copies.
    ///
    /// # Errors
    /// If the table has no column for a part of the key.
    pub(super) fn copy(&self, upserts: &Upserts<'_>, out: &mut Statements<D::Rows>) -> Result<(), String> {
        if !upserts.rows().iter().any(|row| !row.needed_origins().is_empty()) {
            return Ok(());
        }
        let Self { preparing, names, is_soft } = self;
        let deleted = names.deleted.filter(|_| !is_soft);
        let extras = Extras { key_text: deleted.is_some(), all_columns: true, ..Extras::default() };
        let mut encoder =
            Encoder::new(names.table, preparing.columns, upserts.key(), names.unmanaged, extras)?;
        let moving = || upserts.rows().iter().filter(|row| !row.needed_origins().is_empty());
        for row in moving().filter(|row| row.is_moved_row()) {
            note(encoder.prepare_row(row.row()), row.last, out);
        }
        let mut rows = EncodedRows::<D::Rows>::default();
        for row in moving() {
            note(encoder.copied(&mut rows, row), row.last, out);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let written = encoder.written();
        let position = |column: &Column<D::Type>| column.name == preparing.columns.meta.position;
        let calls = preparing.dialect_for(&rows).copy_moved(&Copying {
            table: &names.table.name,
            columns: &written.columns,
            key: &written.key,
            position: written.columns.iter().position(position).unwrap_or_default(),
            deleted_keys: deleted,
            meta: &preparing.columns.meta,
        });
        let all = 0..rows.len();
        let stored = preparing.stored(&calls, rows.bytes(&all));
        out.prepared.push(Prepared {
            calls: calls.into(),
            table: Rc::clone(&names.label),
            source: Rc::clone(&names.source),
            values: Values::at(preparing.now),
            // Not bisected on errors: a row may depend on the old row of another one.
            rows: Some((Rc::new(rows), all)),
            purpose: Purpose::Bookkeeping,
            counted: None,
            stored_from: stored.map(|stored| stored.from_bytes),
        });
        Ok(())
    }

    /// Prepares the lookup of values that neither the batch nor the table may have.
    pub(super) fn look_up(
        &self,
        upserts: &Upserts<'_>,
        encoder: &Encoder<'_, D::Type, D::Rows>,
        is_early: bool,
        out: &mut Statements<D::Rows>,
    ) {
        let Self { preparing, names, is_soft } = self;
        if !preparing.looks_up_values {
            return;
        }
        let (mut rows, mut lookup_rows) = (EncodedRows::<D::Rows>::default(), Vec::new());
        let key: Rc<str> = upserts.key().join(", ").into();
        let may_lack =
            |row: &&Folded<'_>| !row.is_delete() && !row.is_only_copied() && row.unknown().next().is_some();
        for row in upserts.rows().iter().filter(may_lack) {
            let is_insert = match &row.base {
                Base::Inserted(inserted) => inserted.is_insert(),
                Base::Row => false,
            };
            if !is_insert && !preparing.inserts_updates {
                continue;
            }
            let columns = encoder.left_out(row);
            if columns.is_empty() {
                continue;
            }
            // A row that cannot be encoded is rejected when it is written.
            let first = rows.len();
            let Ok(places) = encoder.lookup_rows(&mut rows, first, row) else { continue };
            let (record, numbers) = (row.last.record.index(), first..first + places);
            lookup_rows.push(LookupRow { record, is_insert, columns, key: Rc::clone(&key), numbers });
        }
        if lookup_rows.is_empty() {
            return;
        }
        let calls = preparing.dialect_for(&rows).without_values(&MissingValues {
            table: &names.table.name,
            key: &encoder.key_columns(),
            deleted_keys: names.deleted.filter(|_| !is_soft),
            meta: &preparing.columns.meta,
        });
        let mut lookups = Statements::default();
        preparing.runs(calls, rows, Purpose::Bookkeeping, names, &mut lookups);
        out.lookups.push(ValueLookup { statements: lookups.prepared, rows: lookup_rows, is_early });
    }
}
