//! The bound text: a JSON array with an array for each row.

use std::{
    fmt::{Display, Write},
    ops::Range,
};

use tidegate_plugin::{Value, write_json_string};

use crate::types::ColumnType;

/// Encoded rows.
#[derive(Debug, Default)]
pub(crate) struct EncodedRows {
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
}

impl EncodedRows {
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

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The record of a row.
    pub(crate) fn record(&self, row: usize) -> Option<u32> {
        self.records.get(row).copied()
    }

    /// Rows as one JSON array.
    pub(crate) fn payload(&self, rows: Range<usize>) -> String {
        let places = self.places.get(rows).unwrap_or_default();
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return "[]".to_owned() };
        let text = self.text.get(first.start..last.end).unwrap_or_default();
        let mut payload = String::with_capacity(text.len() + 2);
        payload.push('[');
        payload.push_str(text);
        payload.push(']');
        payload
    }

    /// Splits the rows into ranges of at most `max_bytes`; a larger row is a range of its own.
    pub(crate) fn runs(&self, max_bytes: usize) -> Vec<Range<usize>> {
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
    pub(super) fn add(
        &mut self,
        record: u32,
        write: impl FnOnce(&mut Elements<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let end = self.text.len();
        if !self.is_empty() {
            self.text.push(',');
        }
        let start = self.text.len();
        let written = write(&mut Elements { out: &mut self.text, is_first: true });
        if let Err(reason) = written {
            self.text.truncate(end);
            return Err(reason);
        }
        self.text.push(']');
        self.places.push(start..self.text.len());
        self.records.push(record);
        Ok(())
    }
}

/// The elements of one row.
pub(super) struct Elements<'o> {
    out: &'o mut String,
    is_first: bool,
}

impl Elements<'_> {
    fn next(&mut self) -> &mut String {
        self.out.push(if self.is_first { '[' } else { ',' });
        self.is_first = false;
        self.out
    }

    /// Bytes of all rows until now.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    pub(super) fn null(&mut self) {
        self.next().push_str("null");
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.next().push_str(if value { "true" } else { "false" });
    }

    pub(super) fn value(&mut self, kind: &ColumnType, value: Value<'_>) {
        kind.encode(value, self.next());
    }

    pub(super) fn text(&mut self, text: &str) {
        // Writing to a String cannot fail.
        let _written = write_json_string(self.next(), text).is_ok();
    }

    /// Text, or null if it is empty.
    pub(super) fn text_or_null(&mut self, text: &str) {
        if text.is_empty() { self.null() } else { self.text(text) }
    }

    /// Text that needs no escaping.
    pub(super) fn plain(&mut self, text: impl Display) {
        let out = self.next();
        let _written = write!(out, "\"{text}\"").is_ok();
    }
}
