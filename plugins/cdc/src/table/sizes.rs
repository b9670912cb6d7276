//! Rejects rows and values that are larger than the database allows, before they are sent.

use tidegate_plugin::Value;

use super::rows::Encoder;
use crate::{rows::RowFormat, types::ColumnType};

/// Sizes of the elements of a row, in bytes.
pub(super) struct Sizes {
    start: usize,
    end: usize,
    /// The column of the largest element, and its size.
    largest: (usize, usize),
}

impl Sizes {
    /// Of a row that begins at this byte.
    pub(super) fn starting_at(start: usize) -> Self {
        Self { start, end: start, largest: (0, 0) }
    }

    /// Adds the element of a column, which ends at this byte.
    pub(super) fn add(&mut self, column: usize, end: usize) {
        let size = end - self.end;
        if size > self.largest.1 {
            self.largest = (column, size);
        }
        self.end = end;
    }

    /// Bytes of the row until now.
    pub(super) fn row(&self) -> usize {
        self.end - self.start
    }
}

impl<T: ColumnType, R: RowFormat> Encoder<'_, T, R> {
    /// Why a row is not sent that the database would reject, together with the whole statement.
    pub(super) fn too_large(&self, sizes: &Sizes) -> String {
        let (table, max) = (&self.table.name, self.columns.max_value_bytes);
        let (row, (column, bytes)) = (sizes.row(), sizes.largest);
        let column = self.table.columns.get(column).map_or("", |column| &column.name);
        format!(
            "the row takes {row} bytes as {}, {bytes} of them in column {column:?} of {table}, and {} takes at most {max}: if \
             the database and the column allow more, set max_value_bytes",
            R::NAME,
            self.columns.naming.rules().database
        )
    }

    /// Checks the size of a value whose type has a limit of its own.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(super) fn check_size(&self, kind: &T, value: Value<'_>, column: usize) -> Result<(), String> {
        let Some(max) = kind.max_bytes(self.columns.max_value_bytes) else { return Ok(()) };
        let Some(bytes) = value.as_bytes().map(<[u8]>::len).filter(|bytes| *bytes > max) else {
            return Ok(());
        };
        let column = self.table.columns.get(column).map_or("", |column| &column.name);
        Err(format!(
            "column {column:?} of {} cannot hold {bytes} bytes: {kind} has at most {max} with this max_value_bytes",
            self.table.name
        ))
    }
}
