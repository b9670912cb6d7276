//! Statements that write versions to a history table.

use std::rc::Rc;

use super::statements::{LookupRow, Names, Preparing, Purpose, Statements, ValueLookup, note};
use crate::{
    dialect::Dialect,
    history::HistoryDialect,
    plan::{Version, Versions},
    rows::EncodedRows,
    statement::{AddVersions, EarlierValues, Validity},
    table::{Encoder, Extras, VersionExtras},
};

impl<D: Dialect> Preparing<'_, D> {
    /// The dialect's statements for history tables.
    pub(super) fn history(&self) -> Result<&dyn HistoryDialect<D::Type>, String> {
        self.dialect.history().ok_or_else(|| format!("mode = \"history\" is not available for {}", D::NAME))
    }

    fn validity(&self) -> Result<&Validity, String> {
        self.columns.validity.as_ref().ok_or_else(|| "a plan of versions needs mode = \"history\"".to_owned())
    }

    /// Prepares one step with versions. With `is_early`, earlier steps of the batch change what a lookup finds.
    ///
    /// # Errors
    /// If the table has no column for a part of the key.
    pub(super) fn versions(
        &self,
        versions: &Versions<'_>,
        is_early: bool,
        names: &Names<'_, D::Type>,
        out: &mut Statements<D::Rows>,
    ) -> Result<(), String> {
        let (history, validity) = (self.history()?, self.validity()?);
        let none = Extras::default();
        let mut encoder = Encoder::new(names.table, self.columns, versions.key(), names.unmanaged, none)?;
        for version in versions.rows() {
            note(encoder.prepare_row(version.row.row()), version.row.last, out);
        }
        self.look_up_earlier(history, versions, &encoder, is_early, names, out);
        let written = encoder.written();
        let compares = versions.rows().iter().any(|version| version.is_compared);
        let extras = VersionExtras { compares, keeps: !written.kept.is_empty() };
        let rounds = versions.rows().iter().map(|version| version.round).max().unwrap_or_default();
        let mut rows: Vec<EncodedRows<D::Rows>> = (0..=rounds).map(|_| EncodedRows::default()).collect();
        for version in versions.rows() {
            if let Some(rows) = rows.get_mut(version.round) {
                note(encoder.version(rows, version, extras), version.row.last, out);
            }
        }
        out.found(&encoder, names, self.columns);
        let compared = if compares { encoder.value_columns() } else { Vec::new() };
        let calls = history.add_versions(&AddVersions {
            table: &names.table.name,
            columns: &written.columns,
            key: &written.key,
            kept: &written.kept,
            compared: &compared,
            truncates: names.deleted,
            meta: &self.columns.meta,
            validity,
        });
        for rows in rows {
            self.runs(calls.clone(), rows, Purpose::AddVersions, names, out);
        }
        Ok(())
    }

    /// Prepares the lookup of values that neither the batch nor the table may have.
    fn look_up_earlier(
        &self,
        history: &dyn HistoryDialect<D::Type>,
        versions: &Versions<'_>,
        encoder: &Encoder<'_, D::Type, D::Rows>,
        is_early: bool,
        names: &Names<'_, D::Type>,
        out: &mut Statements<D::Rows>,
    ) {
        if !self.looks_up_values {
            return;
        }
        let (mut rows, mut lookup_rows) = (EncodedRows::<D::Rows>::default(), Vec::new());
        let key: Rc<str> = versions.key().join(", ").into();
        // Those of later rounds lack what the versions before them lack.
        let may_lack = |version: &&Version<'_>| {
            version.round == 0 && !version.row.is_delete() && version.row.unknown().next().is_some()
        };
        for version in versions.rows().iter().filter(may_lack) {
            let columns = encoder.left_out(&version.row);
            let number = rows.len();
            // A row that cannot be encoded is rejected when it is written.
            if columns.is_empty() || encoder.earlier_lookup(&mut rows, number, version).is_err() {
                continue;
            }
            let record = version.row.last.record.index();
            let is_insert = version.row.last.operation().is_insert();
            let numbers = number..number + 1;
            lookup_rows.push(LookupRow { record, is_insert, columns, key: Rc::clone(&key), numbers });
        }
        if lookup_rows.is_empty() {
            return;
        }
        let calls = history.earlier_values(&EarlierValues {
            table: &names.table.name,
            key: &encoder.key_columns(),
            meta: &self.columns.meta,
        });
        let mut lookups = Statements::default();
        self.runs(calls, rows, Purpose::Bookkeeping, names, &mut lookups);
        out.lookups.push(ValueLookup { statements: lookups.prepared, rows: lookup_rows, is_early });
    }
}
