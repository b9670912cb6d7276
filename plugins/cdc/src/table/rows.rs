//! Encodes rows as bound text, with the elements in the order of the statement's columns.

use std::{cell::RefCell, collections::BTreeSet, marker::PhantomData};

use tidegate_plugin::{Field, Operation, Struct, Value, ValueRef};

use super::{
    Table, TableColumn,
    about::write_about,
    findings::{Finding, Findings},
    layout::{About, Columns, Layout},
    sizes::Sizes,
};
use crate::{
    plan::{Base, Event, Folded},
    rows::{Elements, EncodedRows, RowFormat},
    statement::Column,
    types::{ColumnType, Fit, has_nested_placeholder, loses_fraction},
};

/// Source of an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cell {
    Field(usize),
    /// The fallback column of a field.
    Fallback(usize),
    Key(usize),
    About(About),
    Absent,
}

/// Encodes rows of one table, for one statement or file.
///
/// All rows must be passed to [`Encoder::prepare_row`] before the first is encoded, because together they determine which columns
/// have elements: [`Encoder::written`] returns them. The time of writing and the end of a version are not among them: the target
/// determines both.
pub struct Encoder<'t, T, R> {
    pub(super) table: &'t Table<T>,
    pub(super) columns: &'t Columns,
    /// Columns that the connector does not write.
    pub(super) unmanaged: &'t [String],
    pub(super) extras: Extras,
    /// Indexes of the columns that the statement writes.
    pub(super) written: Vec<usize>,
    /// Indexes of the key columns.
    pub(super) key: Vec<usize>,
    /// The fallback column of each column.
    fallback: Vec<Option<usize>>,
    /// The written columns whose value some row keeps.
    pub(super) kept: BTreeSet<usize>,
    pub(super) layout: Layout,
    pub(super) cells: Vec<Cell>,
    /// Fields whose columns are unmanaged.
    dropped: Vec<(usize, usize)>,
    /// Columns of the table that the rows do not have.
    absent: Vec<usize>,
    pub(super) findings: RefCell<Findings<'t>>,
    format: PhantomData<R>,
}

/// Additional elements of rows by key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras {
    /// The key's text.
    pub key_text: bool,
    /// Whether the row may be inserted.
    pub inserts: bool,
    /// Whether deleted rows have values.
    pub values: bool,
    /// Whether columns with defaults are always written.
    pub all_columns: bool,
}

/// The columns that a statement writes.
pub struct Written<T> {
    /// The columns, except the time of writing, which is bound separately.
    pub columns: Vec<Column<T>>,
    /// Indexes of the key columns.
    pub key: Vec<usize>,
    /// Indexes of the columns whose value some row keeps.
    pub kept: Vec<usize>,
    /// Indexes of the metadata columns.
    pub about: Vec<usize>,
}

impl<'t, T: ColumnType, R: RowFormat> Encoder<'t, T, R> {
    /// Creates an encoder for rows with these key columns of the source; empty for rows without a key.
    ///
    /// # Errors
    /// If the table has no column for a part of the key.
    pub fn new(
        table: &'t Table<T>,
        columns: &'t Columns,
        key: &[String],
        unmanaged: &'t [String],
        extras: Extras,
    ) -> Result<Self, String> {
        let find = |name: &String| {
            let column = columns.naming.column(name).map_err(|error| error.to_string())?;
            table
                .find(&column)
                .ok_or_else(|| format!("{} has no column for the key column {name:?}", table.name))
        };
        let key = key.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let is_written = |(index, column): &(usize, &TableColumn<T>)| {
            let is_computed = columns.is_computed(&column.name);
            let can_be = column.kind.is_supported() && is_managed(column, unmanaged);
            let is_left = column.is_generated && !extras.all_columns;
            (can_be && !is_left && !is_computed) || key.contains(index)
        };
        let written = table.columns.iter().enumerate().filter(is_written).map(|(index, _)| index).collect();
        let fallback = |column: &TableColumn<T>| table.find(&columns.fallback::<T>(&column.name)?.0);
        let fallback = table.columns.iter().map(fallback).collect();
        Ok(Self {
            table,
            columns,
            unmanaged,
            extras,
            written,
            key,
            fallback,
            kept: BTreeSet::new(),
            layout: Layout::default(),
            cells: Vec::new(),
            dropped: Vec::new(),
            absent: Vec::new(),
            findings: RefCell::default(),
            format: PhantomData,
        })
    }

    /// Collects the columns whose value a row keeps, and columns with a default for which it has a value.
    /// Must be called for all rows of a statement before the first is encoded.
    ///
    /// # Errors
    /// As for [`Encoder::folded`].
    pub fn prepare_row(&mut self, row: Struct<'_>) -> Result<(), String> {
        if self.layout.of(row, self.table, self.columns)? {
            self.write_fields();
            self.dropped = self.dropped(row);
        }
        for (field, column) in row.fields().iter().zip(self.layout.fields()) {
            let Some(column) = column.filter(|_| field.value().is_unavailable()) else { continue };
            self.kept.insert(column);
            self.kept.extend(self.fallback(column));
        }
        for (field, unmanaged) in &self.dropped {
            let value = row.fields().get(*field).map(Field::value).unwrap_or_default();
            if let Some(column) = self.unmanaged.get(*unmanaged)
                && !value.is_null()
                && !value.is_unavailable()
            {
                self.findings.borrow_mut().add(Finding::Unmanaged, column);
            }
        }
        Ok(())
    }

    /// The fields with unmanaged columns, and their indexes in the list of these.
    fn dropped(&self, row: Struct<'_>) -> Vec<(usize, usize)> {
        if self.unmanaged.is_empty() {
            return Vec::new();
        }
        let place = |(field, (name, _)): (usize, (&str, Value<'_>))| {
            let column = self.columns.naming.column(name).ok()?;
            Some((field, self.unmanaged.iter().position(|unmanaged| *unmanaged == column)?))
        };
        row.iter().enumerate().filter_map(place).collect()
    }

    fn note(&self, finding: Finding, column: usize) {
        if let Some(column) = self.table.columns.get(column) {
            self.findings.borrow_mut().add(finding, &column.name);
        }
    }

    /// What users should know about the rows that were encoded: what, in which column, and how often. Starts again at 0.
    pub fn findings(&self) -> impl Iterator<Item = (Finding, &'t str, u64)> + use<'t, T, R> {
        self.findings.take().counts()
    }

    /// Adds all fields of the layout to the written columns.
    fn write_fields(&mut self) {
        let is_missing = |column: &usize| {
            let may_be =
                self.table.columns.get(*column).is_some_and(|column| is_managed(column, self.unmanaged));
            may_be && !self.written.contains(column)
        };
        let missing: Vec<usize> = self.layout.fields().iter().flatten().copied().filter(is_missing).collect();
        if !missing.is_empty() {
            self.written.extend(missing);
            self.written.sort_unstable();
            self.cells.clear();
        }
    }

    /// The columns that the rows need.
    pub fn written(&self) -> Written<T> {
        let place = |column: &usize| self.written.iter().position(|written| written == column);
        let about = self.columns.about().filter_map(|(_, name)| self.table.find_exact(name));
        Written {
            about: about.filter_map(|column| place(&column)).collect(),
            columns: self.written.iter().filter_map(|index| self.table.column(*index)).collect(),
            key: self.key.iter().filter_map(place).collect(),
            kept: self.kept.iter().filter_map(place).collect(),
        }
    }

    /// Adds the row of a key: its columns, the extras, and for each kept column the position of its value.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub fn folded(&mut self, rows: &mut EncodedRows<R>, row: &Folded<'_>) -> Result<(), String> {
        self.lay_out(row.row())?;
        let Extras { key_text, inserts, values, .. } = self.extras;
        self.note_missing(row);
        rows.add(row.last.record.index(), |out| {
            self.elements(out, &row.metadata_event(), row.row(), Some(row))?;
            if key_text {
                out.text(&row.key_text);
            }
            if inserts {
                out.bool(row.inserts);
            }
            if values {
                out.bool(row.values.is_some());
            }
            self.kept.iter().for_each(|column| self.keep(out, *column, row));
            Ok(())
        })
    }

    /// Counts values that a row loses: those of columns that an update does not have, and those that it omits after
    /// a delete.
    pub(super) fn note_missing(&self, row: &Folded<'_>) {
        // In documents, a missing field has no value in the source either.
        let is_document = row.last.change.connector() == "mongodb";
        if !self.absent.is_empty() && row.last.operation() == Operation::Update && !is_document {
            self.absent.iter().for_each(|column| self.note(Finding::Absent, *column));
        }
        for lost in row.carried.iter().filter(|carried| carried.is_lost && !row.is_delete()) {
            let field =
                row.row().iter().position(|(name, value)| name == lost.name && value.is_unavailable());
            let column = field.and_then(|field| self.layout.fields().get(field).copied().flatten());
            column.into_iter().for_each(|column| self.note(Finding::Unavailable, column));
        }
    }

    /// Adds the row of an event to a table without a key.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub fn event(&mut self, rows: &mut EncodedRows<R>, event: &Event<'_>) -> Result<(), String> {
        self.lay_out(event.row())?;
        for (field, column) in event.row().fields().iter().zip(self.layout.fields()) {
            if let Some(column) = column.filter(|_| field.value().is_unavailable()) {
                self.note(Finding::Unavailable, column);
            }
        }
        rows.add(event.record.index(), |out| self.elements(out, event, event.row(), None))
    }

    /// Adds the key of a row: its text, then its columns.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn key(&self, rows: &mut EncodedRows<R>, row: &Folded<'_>) -> Result<(), String> {
        rows.add(row.last.record.index(), |out| {
            out.text(&row.key_text);
            self.key
                .iter()
                .enumerate()
                .try_for_each(|(part, column)| self.key_element(out, row, part, *column))
        })
    }

    /// The key columns.
    pub(crate) fn key_columns(&self) -> Vec<Column<T>> {
        self.key.iter().filter_map(|column| self.table.column(*column)).collect()
    }

    pub(super) fn fallback(&self, column: usize) -> Option<usize> {
        self.fallback.get(column).copied().flatten()
    }

    /// Determines the source of each element of a row.
    pub(super) fn lay_out(&mut self, row: Struct<'_>) -> Result<(), String> {
        let is_new = self.layout.of(row, self.table, self.columns)?;
        if !is_new && self.cells.len() == self.written.len() {
            return Ok(());
        }
        self.cells = self.written.iter().map(|column| self.cell(*column)).collect();
        let cells = self.written.iter().zip(&self.cells);
        let absent = cells.filter(|(_, cell)| **cell == Cell::Absent).map(|(column, _)| *column);
        // Fallback columns of missing columns, and new columns, are not counted.
        let is_new = |column: &usize| self.table.columns.get(*column).is_some_and(|column| column.is_new);
        let is_fallback = |column: &usize| self.fallback.contains(&Some(*column));
        self.absent = absent.filter(|column| !is_fallback(column) && !is_new(column)).collect();
        Ok(())
    }

    fn cell(&self, column: usize) -> Cell {
        if let Some(part) = self.key.iter().position(|key| *key == column) {
            return Cell::Key(part);
        }
        let name = self.table.columns.get(column).map(|column| column.name.as_str());
        if let Some((about, _)) = self.columns.about().find(|(_, about)| Some(*about) == name) {
            return Cell::About(about);
        }
        let fields = self.layout.fields();
        if let Some(field) = fields.iter().position(|field| *field == Some(column)) {
            return Cell::Field(field);
        }
        let fallback =
            fields.iter().position(|field| field.is_some_and(|field| self.fallback(field) == Some(column)));
        fallback.map_or(Cell::Absent, Cell::Fallback)
    }

    pub(super) fn elements(
        &self,
        out: &mut Elements<'_, R>,
        event: &Event<'_>,
        row: Struct<'_>,
        folded: Option<&Folded<'_>>,
    ) -> Result<(), String> {
        let has_values = folded.is_none_or(|folded| self.has_values(folded));
        let key = event.change.key();
        let lacks_key = folded.is_none() && key.iter().any(|(name, _)| row.get(name).is_none());
        let mut sizes = Sizes::starting_at(out.len());
        for (column, cell) in self.written.iter().zip(&self.cells) {
            match (*cell, folded) {
                (Cell::About(About::Position), Some(folded)) => out.plain(folded.last.stamp()),
                (Cell::About(about), _) => write_about(out, about, event),
                (Cell::Key(part), Some(folded)) => self.key_element(out, folded, part, *column)?,
                (Cell::Field(_) | Cell::Fallback(_), _) if !has_values => out.null(),
                (Cell::Field(field), _) => {
                    let value = row.fields().get(field).map_or(Value::NULL, |field| resolved(field, folded));
                    self.field_element(out, value, field, *column)?;
                }
                (Cell::Fallback(field), _) => {
                    let value = row.fields().get(field).map_or(Value::NULL, |field| resolved(field, folded));
                    self.fallback_element(out, value, field, *column);
                }
                (Cell::Absent, None) if lacks_key => self.key_only(out, event, *column)?,
                (Cell::Absent | Cell::Key(_), _) => out.null(),
            }
            sizes.add(*column, out.len());
        }
        if sizes.row() > self.columns.max_value_bytes { Err(self.too_large(&sizes)) } else { Ok(()) }
    }

    /// A column that the row does not have is taken from the record key if possible: a delete may contain nothing else.
    fn key_only(&self, out: &mut Elements<'_, R>, event: &Event<'_>, column: usize) -> Result<(), String> {
        let Some(known) = self.table.columns.get(column) else { return Ok(()) };
        let means = |name: &str| self.columns.naming.column(name).is_ok_and(|name| name == known.name);
        let value = event.change.key().iter().find(|(name, _)| means(name)).map(|(_, value)| value);
        let value = value.unwrap_or_default();
        if !matches!(known.kind.fit(value), Fit::Fits) {
            return Err(self.mismatch(column, value));
        }
        out.value(&known.kind, value);
        Ok(())
    }

    /// Whether the values of a row are written. A deleted row needs none.
    pub(super) fn has_values(&self, row: &Folded<'_>) -> bool {
        row.values.is_some() && (self.extras.values || !row.is_delete())
    }

    fn kind(&self, column: usize) -> Option<&T> {
        self.table.columns.get(column).map(|column| &column.kind)
    }

    pub(super) fn key_element(
        &self,
        out: &mut Elements<'_, R>,
        row: &Folded<'_>,
        part: usize,
        column: usize,
    ) -> Result<(), String> {
        self.key_value(out, row.key.get(part).copied().unwrap_or_default(), column)
    }

    /// A value of the key.
    pub(super) fn key_value(
        &self,
        out: &mut Elements<'_, R>,
        value: Value<'_>,
        column: usize,
    ) -> Result<(), String> {
        let Some(kind) = self.kind(column) else { return Ok(()) };
        if !matches!(kind.fit(value), Fit::Fits) {
            return Err(self.mismatch(column, value));
        }
        out.value(kind, value);
        Ok(())
    }

    fn field_element(
        &self,
        out: &mut Elements<'_, R>,
        value: Value<'_>,
        field: usize,
        column: usize,
    ) -> Result<(), String> {
        let Some(kind) = self.kind(column) else { return Ok(()) };
        self.check_size(kind, value, column)?;
        if matches!(kind.fit(value), Fit::Fits) {
            self.note_changed(kind, value, column);
            out.value(kind, value);
            return Ok(());
        }
        // The fallback column may belong to another field of the source.
        let fallback = self.cells.iter().position(|cell| *cell == Cell::Fallback(field));
        let fallback =
            fallback.and_then(|place| self.written.get(place)).and_then(|fallback| self.kind(*fallback));
        if !fallback.is_some_and(|kind| matches!(kind.fit(value), Fit::Fits)) {
            return Err(self.mismatch(column, value));
        }
        self.note(Finding::Fallback, column);
        out.null();
        Ok(())
    }

    /// Counts values that are not in their column as in the source.
    fn note_changed(&self, kind: &T, value: Value<'_>, column: usize) {
        match value.view() {
            ValueRef::List(_) | ValueRef::Struct(_) if has_nested_placeholder(value) => {
                self.note(Finding::Nested, column);
            }
            ValueRef::Timestamp(timestamp) if kind.loses_offset(timestamp) => {
                self.note(Finding::Offset, column);
            }
            _ => {}
        }
        let kept = self.table.columns.get(column).and_then(|column| column.kept_fraction);
        if kept.is_some_and(|kept| loses_fraction(kept, value.view())) {
            self.note(Finding::Fraction, column);
        }
    }

    fn fallback_element(&self, out: &mut Elements<'_, R>, value: Value<'_>, field: usize, column: usize) {
        let main = self.layout.fields().get(field).copied().flatten().and_then(|main| self.kind(main));
        match self.kind(column) {
            Some(kind) if main.is_some_and(|main| !matches!(main.fit(value), Fit::Fits)) => {
                out.value(kind, value)
            }
            _ => out.null(),
        }
    }

    pub(super) fn mismatch(&self, column: usize, value: Value<'_>) -> String {
        let shown = super::desired::shown(value);
        self.table.columns.get(column).map_or_else(String::new, |column| {
            format!(
                "column {:?} of {} is {} and cannot hold {shown}",
                column.name, self.table.name, column.kind
            )
        })
    }

    /// The position of the value of a kept column; null if the event has the value.
    fn keep(&self, out: &mut Elements<'_, R>, column: usize, row: &Folded<'_>) {
        let fields = self.layout.fields();
        let of_column = |field: &Option<usize>| {
            field.is_some_and(|field| field == column || self.fallback(field) == Some(column))
        };
        let field =
            fields.iter().position(of_column).and_then(|index| row.row().fields().get(index).copied());
        match field {
            Some(field) if field.value().is_unavailable() && self.has_values(row) => {
                match (row.carried(field.name()), &row.base) {
                    (Some(carried), _) => out.plain(carried.since),
                    (None, Base::Row) => out.plain(""),
                    // Only a row that was moved from the old key has the right values.
                    (None, Base::Inserted(inserted)) => out.plain(inserted.min_position()),
                }
            }
            _ => out.null(),
        }
    }
}

/// Whether the connector writes a column.
pub(super) fn is_managed<T>(column: &TableColumn<T>, unmanaged: &[String]) -> bool {
    !column.is_virtual && !unmanaged.contains(&column.name)
}

/// The value of a field, or the one of an earlier event.
fn resolved<'b>(field: &Field<'b>, folded: Option<&Folded<'b>>) -> Value<'b> {
    let value = field.value();
    if !value.is_unavailable() {
        return value;
    }
    folded.and_then(|folded| folded.carried(field.name())).map_or(value, |carried| carried.value)
}
