//! Encodes the versions of rows, for history tables.

use super::{about::moment, rows::Encoder};
use crate::{
    plan::{Earlier, Version},
    rows::{Elements, EncodedRows, RowFormat},
    types::ColumnType,
};

/// What the rows of one statement have in addition to their columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VersionExtras {
    /// Whether some rows are compared with the previous version.
    pub(crate) compares: bool,
    /// Whether some rows have values of earlier versions.
    pub(crate) keeps: bool,
}

impl<T: ColumnType, R: RowFormat> Encoder<'_, T, R> {
    /// Indexes, among the written columns, of those with values of the source that are not part of the key.
    pub(crate) fn value_columns(&self) -> Vec<usize> {
        let is_own = |name: &str| self.columns.about().any(|(_, about)| about == name);
        let is_value = |column: &usize| {
            let name = self.table.columns.get(*column).map(|column| column.name.as_str());
            !self.key.contains(column) && !name.is_some_and(is_own)
        };
        let written = self.written.iter().enumerate();
        written.filter(|(_, column)| is_value(column)).map(|(place, _)| place).collect()
    }

    /// Adds a version: its columns, which versions it ends and when, whether it is compared, and where its omitted values are.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn version(
        &mut self,
        rows: &mut EncodedRows<R>,
        version: &Version<'_>,
        extras: VersionExtras,
    ) -> Result<(), String> {
        let row = &version.row;
        self.lay_out(row.row())?;
        self.note_missing(row);
        rows.add(row.last.record.index(), |out| {
            self.elements(out, &row.last, row.row(), Some(row))?;
            out.plain(version.after.as_deref().unwrap_or_default());
            out.plain(moment(version.ends));
            match version.until {
                Some(until) => out.plain(moment(until)),
                None => out.null(),
            }
            if extras.compares {
                out.bool(version.is_compared);
            }
            if extras.keeps {
                self.earlier(out, version.earlier.as_ref())?;
                self.kept.iter().for_each(|column| self.keep_earlier(out, *column, version));
            }
            Ok(())
        })
    }

    /// Adds a lookup of a version that omits values: its number, where they are, and whether they may still change there.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub(crate) fn earlier_lookup(
        &self,
        rows: &mut EncodedRows<R>,
        number: usize,
        version: &Version<'_>,
    ) -> Result<(), String> {
        rows.add(version.row.last.record.index(), |out| {
            out.plain(number);
            self.earlier(out, version.earlier.as_ref())?;
            out.bool(version.earlier.as_ref().is_some_and(|earlier| earlier.is_early));
            Ok(())
        })
    }

    /// Where values are searched for, or nulls.
    fn earlier(&self, out: &mut Elements<'_, R>, earlier: Option<&Earlier<'_>>) -> Result<(), String> {
        let Some(earlier) = earlier else {
            (0..=self.key.len()).for_each(|_| out.null());
            out.bool(false);
            return Ok(());
        };
        for (value, column) in earlier.key.iter().zip(&self.key) {
            self.key_value(out, *value, *column)?;
        }
        out.plain(&earlier.up_to);
        out.bool(earlier.passes_deletes);
        Ok(())
    }

    /// The position from which an earlier version has the value of a column; null if this one has it, or none has.
    fn keep_earlier(&self, out: &mut Elements<'_, R>, column: usize, version: &Version<'_>) {
        let row = &version.row;
        let is_of_column = |field: &Option<usize>| {
            field.is_some_and(|field| field == column || self.fallback(field) == Some(column))
        };
        let place = self.layout.fields().iter().position(is_of_column);
        let field = place.and_then(|place| row.row().fields().get(place).copied());
        match field.filter(|field| field.value().is_unavailable() && self.has_values(row)) {
            Some(field) => match row.carried(field.name()) {
                Some(carried) => out.plain(carried.since),
                None if version.earlier.is_some() => out.plain(""),
                None => out.null(),
            },
            None => out.null(),
        }
    }
}
