//! Encodes rows whose key changes: copies to the new key, and lookups of omitted values.

use tidegate_plugin::Struct;

use super::rows::{Cell, Encoder};
use crate::{
    plan::{Base, Folded, Origin},
    rows::{Elements, EncodedRows, RowFormat},
    types::ColumnType,
};

impl<T: ColumnType, R: RowFormat> Encoder<'_, T, R> {
    /// Adds a row with a new key whose values come from the row of the old key: its columns, for each that is neither key
    /// nor position whether the value comes from the old row, the key's text, and the location of the old row.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub fn copied(&mut self, rows: &mut EncodedRows<R>, row: &Folded<'_>) -> Result<(), String> {
        let Base::Inserted(inserted) = &row.base else { return Ok(()) };
        // Values of later events of the batch are written by a separate statement.
        self.lay_out(if row.is_moved_row() { row.row() } else { Struct::EMPTY })?;
        let place = inserted.moved_row_position();
        for (rank, origin) in row.needed_origins().iter().enumerate() {
            rows.add(row.last.record.index(), |out| {
                self.copied_columns(out, row, &place)?;
                for (column, cell) in self.written.iter().zip(&self.cells) {
                    if !self.is_own(*column, *cell) {
                        out.bool(!self.has_own(*cell, row));
                    }
                }
                if self.extras.key_text {
                    out.text(&row.key_text);
                }
                out.plain(rank);
                self.origin(out, Some(origin))
            })?;
        }
        Ok(())
    }

    /// Adds a lookup for a row that omits values, once for each row that may have them: a number, the key, its
    /// text, its position, and the old row. The first number is `first`; returns the count.
    ///
    /// # Errors
    /// If the row cannot be encoded.
    pub(crate) fn lookup_rows(
        &self,
        rows: &mut EncodedRows<R>,
        first: usize,
        row: &Folded<'_>,
    ) -> Result<usize, String> {
        let origins = row.needed_origins();
        let places = origins.len().max(1);
        for place in 0..places {
            rows.add(row.last.record.index(), |out| {
                out.plain(first + place);
                for (part, column) in self.key.iter().enumerate() {
                    self.key_element(out, row, part, *column)?;
                }
                if self.extras.key_text {
                    out.text(&row.key_text);
                }
                out.plain(row.last.stamp());
                match &row.base {
                    Base::Row => out.plain(""),
                    Base::Inserted(inserted) => out.plain(inserted.min_position()),
                }
                self.origin(out, origins.get(place))?;
                out.bool(origins.get(place).is_some_and(|origin| origin.is_early));
                Ok(())
            })?;
        }
        Ok(places)
    }

    fn origin(&self, out: &mut Elements<'_, R>, origin: Option<&Origin<'_>>) -> Result<(), String> {
        let Some(origin) = origin else {
            (0..self.key.len() + 3).for_each(|_| out.null());
            return Ok(());
        };
        for (value, column) in origin.key.iter().zip(&self.key) {
            self.key_value(out, *value, *column)?;
        }
        [origin.after(), origin.until(), origin.since()].into_iter().for_each(|place| out.plain(place));
        Ok(())
    }

    /// Names of the columns whose values a row omits, including columns that the table does not have yet.
    pub(crate) fn left_out(&self, row: &Folded<'_>) -> Vec<String> {
        let column = |name: &str| {
            let column = self.columns.naming.column(name).ok()?;
            let found = self.table.find(&column).and_then(|index| self.table.columns.get(index));
            let name = found.map_or(column, |found| found.name.clone());
            let is_managed = !self.unmanaged.contains(&name) && found.is_none_or(|found| !found.is_virtual);
            is_managed.then_some(name)
        };
        row.unknown().filter_map(column).collect()
    }

    fn copied_columns(&self, out: &mut Elements<'_, R>, row: &Folded<'_>, place: &str) -> Result<(), String> {
        if row.is_moved_row() && row.values.is_some() {
            return self.elements(out, &row.metadata_event(), row.row(), Some(row));
        }
        for (column, cell) in self.written.iter().zip(&self.cells) {
            match cell {
                Cell::Key(part) => self.key_element(out, row, *part, *column)?,
                cell if self.is_own(*column, *cell) => out.plain(place),
                _ => out.null(),
            }
        }
        Ok(())
    }

    /// Whether a column belongs to the key or is the position, which never come from the old row.
    fn is_own(&self, column: usize, cell: Cell) -> bool {
        let is_position =
            || self.table.columns.get(column).is_some_and(|column| column.name == self.columns.meta.position);
        matches!(cell, Cell::Key(_)) || is_position()
    }

    /// Whether the batch has the value of a column of a moved row.
    fn has_own(&self, cell: Cell, row: &Folded<'_>) -> bool {
        if !row.is_moved_row() || row.values.is_none() {
            return false;
        }
        match cell {
            Cell::Field(field) | Cell::Fallback(field) => {
                let field = row.row().fields().get(field).copied();
                field.is_some_and(|field| {
                    !field.value().is_unavailable() || row.carried(field.name()).is_some()
                })
            }
            Cell::About(_) | Cell::Key(_) => true,
            Cell::Absent => false,
        }
    }
}
