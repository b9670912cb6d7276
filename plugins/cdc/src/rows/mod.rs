//! Rows as text, to be bound or loaded: the formats, and the encoded rows of a statement.

mod copy;
mod json;

use std::{fmt::Display, marker::PhantomData, ops::Range};

use tidegate_plugin::Value;

pub use copy::{CopyRows, CopyText};
pub use json::{Escaped, JsonRows, plain, text};

use crate::types::ColumnType;

/// A format of rows, which a statement of the same dialect reads.
///
/// The elements of a row are in the order of the statement's columns. Each is written by the functions here, or by
/// [`ColumnType::write`] of its column.
pub trait RowFormat: 'static {
    /// Name of the format, for messages.
    const NAME: &'static str;
    /// Before the first row.
    const OPEN: &'static str;
    /// After the last row.
    const CLOSE: &'static str;
    /// Between two rows.
    const BETWEEN_ROWS: &'static str;
    /// Before the first element of a row.
    const ROW_OPEN: &'static str;
    /// After the last element of a row.
    const ROW_CLOSE: &'static str;
    /// Between two elements.
    const BETWEEN: &'static str;

    /// Encoded rows as statements bind them that do not load them, if in another format.
    #[must_use]
    fn bound(rows: String) -> String {
        rows
    }

    /// Writes null.
    fn null(out: &mut String);

    /// Writes a boolean.
    fn bool(out: &mut String, value: bool);

    /// Writes any text.
    fn text(out: &mut String, text: &str);

    /// Writes text that needs no escaping: digits, ASCII letters and punctuation without quotes and backslashes.
    fn plain(out: &mut String, text: impl Display);
}

/// Encoded rows.
#[derive(Debug)]
pub struct EncodedRows<R> {
    text: String,
    /// Range of each row in the text.
    places: Vec<Range<usize>>,
    /// Record of each row.
    records: Vec<u32>,
    /// Indexes of the rows that are deletes.
    deletes: Vec<usize>,
    /// Indexes of the rows that should exist in the table, and of those that should not.
    existing: Vec<usize>,
    new: Vec<usize>,
    format: PhantomData<R>,
}

impl<R> Default for EncodedRows<R> {
    fn default() -> Self {
        Self {
            text: String::new(),
            places: Vec::new(),
            records: Vec::new(),
            deletes: Vec::new(),
            existing: Vec::new(),
            new: Vec::new(),
            format: PhantomData,
        }
    }
}

impl<R: RowFormat> EncodedRows<R> {
    /// Marks the last row as a delete.
    pub(crate) fn note_delete(&mut self) {
        self.deletes.extend(self.places.len().checked_sub(1));
    }

    /// Notes what the last row expects: whether it should be in the table, or should be inserted.
    pub(crate) fn note_expected(&mut self, exists: bool) {
        let noted = if exists { &mut self.existing } else { &mut self.new };
        noted.extend(self.places.len().checked_sub(1));
    }

    /// The number of rows in this range that should exist in the table, and of those that should be inserted.
    pub(crate) fn expected(&self, rows: &Range<usize>) -> (u64, u64) {
        let count = |noted: &[usize]| noted.iter().filter(|row| rows.contains(row)).count() as u64;
        (count(&self.existing), count(&self.new))
    }

    /// Number of deletes among these rows.
    pub(crate) fn delete_count(&self, rows: &Range<usize>) -> usize {
        self.deletes.iter().filter(|row| rows.contains(row)).count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The record of a row.
    pub fn record(&self, row: usize) -> Option<u32> {
        self.records.get(row).copied()
    }

    /// Rows as one text.
    pub fn payload(&self, rows: Range<usize>) -> String {
        let places = self.places.get(rows).unwrap_or_default();
        let (Some(first), Some(last)) = (places.first(), places.last()) else {
            return [R::OPEN, R::CLOSE].concat();
        };
        let text = self.text.get(first.start..last.end).unwrap_or_default();
        let mut payload = String::with_capacity(text.len() + R::OPEN.len() + R::CLOSE.len());
        payload.push_str(R::OPEN);
        payload.push_str(text);
        payload.push_str(R::CLOSE);
        payload
    }

    /// Rows, each on a line of its own.
    pub fn lines(&self, rows: Range<usize>) -> String {
        let mut lines = String::with_capacity(self.bytes(&rows));
        for place in self.places.get(rows).unwrap_or_default() {
            lines.push_str(self.text.get(place.clone()).unwrap_or_default());
            lines.push('\n');
        }
        lines
    }

    /// Size of rows as text.
    pub fn bytes(&self, rows: &Range<usize>) -> usize {
        let places = self.places.get(rows.clone()).unwrap_or_default();
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return 0 };
        last.end + 1 - first.start
    }

    /// Splits the rows into ranges of at most `max_bytes`; a larger row is a range of its own.
    pub fn runs(&self, max_bytes: usize) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut began = 0;
        for (row, place) in self.places.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if place.end - began <= max_bytes => run.end = row + 1,
                _ => {
                    runs.push(row..row + 1);
                    began = place.start;
                }
            }
        }
        runs
    }

    /// Adds a row that `write` encodes. If it fails, nothing is added.
    pub(crate) fn add(
        &mut self,
        record: u32,
        write: impl FnOnce(&mut Elements<'_, R>) -> Result<(), String>,
    ) -> Result<(), String> {
        let end = self.text.len();
        if !self.is_empty() {
            self.text.push_str(R::BETWEEN_ROWS);
        }
        let start = self.text.len();
        self.text.push_str(R::ROW_OPEN);
        let written = write(&mut Elements { out: &mut self.text, is_first: true, format: PhantomData });
        if let Err(reason) = written {
            self.text.truncate(end);
            return Err(reason);
        }
        self.text.push_str(R::ROW_CLOSE);
        self.places.push(start..self.text.len());
        self.records.push(record);
        Ok(())
    }
}

/// The elements of one row.
pub(crate) struct Elements<'o, R> {
    out: &'o mut String,
    is_first: bool,
    format: PhantomData<R>,
}

impl<R: RowFormat> Elements<'_, R> {
    fn next(&mut self) -> &mut String {
        if !self.is_first {
            self.out.push_str(R::BETWEEN);
        }
        self.is_first = false;
        self.out
    }

    /// Bytes of all rows until now.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn null(&mut self) {
        R::null(self.next());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        R::bool(self.next(), value);
    }

    pub(crate) fn value(&mut self, kind: &impl ColumnType, value: Value<'_>) {
        kind.write(value, self.next());
    }

    pub(crate) fn text(&mut self, text: &str) {
        R::text(self.next(), text);
    }

    /// Text, or null if it is empty.
    pub(crate) fn text_or_null(&mut self, text: &str) {
        if text.is_empty() { self.null() } else { self.text(text) }
    }

    /// Text that needs no escaping.
    pub(crate) fn plain(&mut self, text: impl Display) {
        R::plain(self.next(), text);
    }
}

/// Rows of texts and nulls as a JSON array of arrays.
pub(crate) fn json_rows<'r>(rows: impl IntoIterator<Item = &'r [Option<String>]>) -> String {
    let encoded = texts::<JsonRows>(rows);
    encoded.payload(0..encoded.len())
}

/// Rows of texts and nulls.
fn texts<'r, R: RowFormat>(rows: impl IntoIterator<Item = &'r [Option<String>]>) -> EncodedRows<R> {
    let mut encoded = EncodedRows::default();
    for row in rows {
        let written = encoded.add(0, |out| {
            row.iter().for_each(|element| match element {
                Some(text) => out.text(text),
                None => out.null(),
            });
            Ok(())
        });
        debug_assert!(written.is_ok(), "a row of texts can always be written");
    }
    encoded
}
