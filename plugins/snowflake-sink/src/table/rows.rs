//! Rows as the text that is bound, each element in the order of the statement's columns.

use std::{cell::RefCell, collections::BTreeSet};

use tidegate_plugin::{Field, Operation, Struct, Value, ValueRef};

use super::{
    Table, TableColumn,
    about::write_about,
    findings::{Finding, Findings},
    layout::{About, Columns, Layout},
    payload::{Elements, EncodedRows},
};
use crate::{
    plan::{Base, Event, Folded, moved_since},
    sql::Column,
    types::{ColumnType, Fit, has_nested_placeholder, loses_fraction, loses_offset},
};

/// Where an element comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cell {
    Field(usize),
    /// What does not fit the column of a field.
    Beside(usize),
    Key(usize),
    About(About),
    Absent,
}

/// Writes rows of one table for one statement.
pub(crate) struct Encoder<'t> {
    pub(super) table: &'t Table,
    pub(super) columns: &'t Columns,
    /// Columns that are never written.
    pub(super) unmanaged: &'t [String],
    pub(super) extras: Extras,
    /// The columns that the statement writes, by their place in the table.
    pub(super) written: Vec<usize>,
    /// The key's columns, by their place in the table.
    pub(super) key: Vec<usize>,
    /// For each column of the table the one that takes what does not fit it.
    beside: Vec<Option<usize>>,
    /// Those of the written columns that some row leaves as they are.
    kept: BTreeSet<usize>,
    pub(super) layout: Layout,
    pub(super) cells: Vec<Cell>,
    /// Fields of the layout whose columns are somebody else's.
    dropped: Vec<(usize, usize)>,
    /// Columns that rows of the layout do not have, though the table does.
    absent: Vec<usize>,
    pub(super) findings: RefCell<Findings<'t>>,
}

/// What a row by key has beside its columns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    /// The key's text.
    pub(crate) key_text: bool,
    /// Whether the row may be inserted.
    pub(crate) inserts: bool,
    /// Whether the row has values, though it is deleted. Otherwise deleted rows have none.
    pub(crate) values: bool,
    /// Whether columns that Snowflake fills by itself are written, too.
    pub(crate) all_columns: bool,
}

/// Which columns a statement over some rows writes.
pub(crate) struct Written {
    /// The columns, but for the time of writing, which has a bind of its own.
    pub(crate) columns: Vec<Column>,
    /// Those of them that make up the key.
    pub(crate) key: Vec<usize>,
    /// Those of them that some row leaves as they are.
    pub(crate) kept: Vec<usize>,
    /// Those of them that tell about the event.
    pub(crate) about: Vec<usize>,
}

impl<'t> Encoder<'t> {
    /// An encoder for rows whose key has these columns of the source; none for rows without a key.
    ///
    /// # Errors
    /// When the table has no column for a part of the key.
    pub(crate) fn new(
        table: &'t Table,
        columns: &'t Columns,
        key: &[String],
        unmanaged: &'t [String],
        extras: Extras,
    ) -> Result<Self, String> {
        let find = |name: &String| {
            let column = columns.naming.column(name).map_err(|error| error.to_string())?;
            table.find(&column).ok_or_else(|| format!("{} has no column for the key's {name:?}", table.name))
        };
        let key = key.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let is_written = |(index, column): &(usize, &TableColumn)| {
            let is_time = column.name == columns.meta.processed_at;
            let can_be = !matches!(column.kind, ColumnType::Other(_)) && is_ours(column, unmanaged);
            let is_left = column.fills_itself && !extras.all_columns;
            (can_be && !is_left && !is_time) || key.contains(index)
        };
        let written = table.columns.iter().enumerate().filter(is_written).map(|(index, _)| index).collect();
        let beside = |column: &TableColumn| table.find(&columns.beside(&column.name)?.0);
        let beside = table.columns.iter().map(beside).collect();
        Ok(Self {
            table,
            columns,
            unmanaged,
            extras,
            written,
            key,
            beside,
            kept: BTreeSet::new(),
            layout: Layout::default(),
            cells: Vec::new(),
            dropped: Vec::new(),
            absent: Vec::new(),
            findings: RefCell::default(),
        })
    }

    /// Notes which columns a row leaves as they are, and that its fields are written even where Snowflake has a default.
    /// All rows of a statement are looked at before the first is encoded.
    ///
    /// # Errors
    /// As [`Encoder::folded`].
    pub(crate) fn look_at(&mut self, row: Struct<'_>) -> Result<(), String> {
        if self.layout.of(row, self.table, self.columns)? {
            self.write_fields();
            self.dropped = self.dropped(row);
        }
        for (field, column) in row.fields().iter().zip(self.layout.fields()) {
            let Some(column) = column.filter(|_| field.value().is_unavailable()) else { continue };
            self.kept.insert(column);
            self.kept.extend(self.beside(column));
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

    /// The fields whose columns are somebody else's, each with its place in their list.
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

    /// What was found while rows were encoded.
    pub(crate) fn findings(&self) -> Findings<'t> {
        self.findings.take()
    }

    /// Has the statement write all fields of the layout.
    fn write_fields(&mut self) {
        let is_missing = |column: &usize| {
            let may_be =
                self.table.columns.get(*column).is_some_and(|column| is_ours(column, self.unmanaged));
            may_be && !self.written.contains(column)
        };
        let missing: Vec<usize> = self.layout.fields().iter().flatten().copied().filter(is_missing).collect();
        if !missing.is_empty() {
            self.written.extend(missing);
            self.written.sort_unstable();
            self.cells.clear();
        }
    }

    /// The columns that the rows looked at need.
    pub(crate) fn written(&self) -> Written {
        let place = |column: &usize| self.written.iter().position(|written| written == column);
        let about = self.columns.about().filter_map(|(_, name)| self.table.find_exact(name));
        Written {
            about: about.filter_map(|column| place(&column)).collect(),
            columns: self.written.iter().filter_map(|index| self.table.column(*index)).collect(),
            key: self.key.iter().filter_map(place).collect(),
            kept: self.kept.iter().filter_map(place).collect(),
        }
    }

    /// Adds the row of a key: its columns, the extras, and for each kept column from when its value is.
    ///
    /// # Errors
    /// Why the row cannot be written.
    pub(crate) fn folded(&mut self, rows: &mut EncodedRows, row: &Folded<'_>) -> Result<(), String> {
        self.lay_out(row.row())?;
        let Extras { key_text, inserts, values, .. } = self.extras;
        self.note_missing(row);
        rows.add(row.last.record.index(), |out| {
            self.elements(out, &row.told(), row.row(), Some(row))?;
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

    /// Notes which values a row loses: those of columns that an update does not have, and those that it leaves out after
    /// a delete.
    fn note_missing(&self, row: &Folded<'_>) {
        // Documents have the fields that they have: one that is not there has no value in the source either.
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

    /// Adds the row of an event in a table without a key.
    ///
    /// # Errors
    /// Why the row cannot be written.
    pub(crate) fn event(&mut self, rows: &mut EncodedRows, event: &Event<'_>) -> Result<(), String> {
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
    /// Why it cannot be written.
    pub(crate) fn key(&self, rows: &mut EncodedRows, row: &Folded<'_>) -> Result<(), String> {
        rows.add(row.last.record.index(), |out| {
            out.text(&row.key_text);
            self.key
                .iter()
                .enumerate()
                .try_for_each(|(part, column)| self.key_element(out, row, part, *column))
        })
    }

    /// The key's columns.
    pub(crate) fn key_columns(&self) -> Vec<Column> {
        self.key.iter().filter_map(|column| self.table.column(*column)).collect()
    }

    fn beside(&self, column: usize) -> Option<usize> {
        self.beside.get(column).copied().flatten()
    }

    /// Finds out where each element of a row comes from.
    pub(super) fn lay_out(&mut self, row: Struct<'_>) -> Result<(), String> {
        let is_new = self.layout.of(row, self.table, self.columns)?;
        if !is_new && self.cells.len() == self.written.len() {
            return Ok(());
        }
        self.cells = self.written.iter().map(|column| self.cell(*column)).collect();
        let cells = self.written.iter().zip(&self.cells);
        let absent = cells.filter(|(_, cell)| **cell == Cell::Absent).map(|(column, _)| *column);
        // Neither is the column beside one that is absent a loss of its own, nor one that no event had before.
        let is_new = |column: &usize| self.table.columns.get(*column).is_some_and(|column| column.is_new);
        let is_beside = |column: &usize| self.beside.contains(&Some(*column));
        self.absent = absent.filter(|column| !is_beside(column) && !is_new(column)).collect();
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
        let beside =
            fields.iter().position(|field| field.is_some_and(|field| self.beside(field) == Some(column)));
        beside.map_or(Cell::Absent, Cell::Beside)
    }

    pub(super) fn elements(
        &self,
        out: &mut Elements<'_>,
        event: &Event<'_>,
        row: Struct<'_>,
        folded: Option<&Folded<'_>>,
    ) -> Result<(), String> {
        let has_values = folded.is_none_or(|folded| self.has_values(folded));
        let key = event.change.key();
        let lacks_key = folded.is_none() && key.iter().any(|(name, _)| row.get(name).is_none());
        for (column, cell) in self.written.iter().zip(&self.cells) {
            match (*cell, folded) {
                (Cell::About(About::Position), Some(folded)) => out.plain(folded.last.stamp()),
                (Cell::About(about), _) => write_about(out, about, event),
                (Cell::Key(part), Some(folded)) => self.key_element(out, folded, part, *column)?,
                (Cell::Field(_) | Cell::Beside(_), _) if !has_values => out.null(),
                (Cell::Field(field), _) => {
                    let value = row.fields().get(field).map_or(Value::NULL, |field| resolved(field, folded));
                    self.field_element(out, value, field, *column)?;
                }
                (Cell::Beside(field), _) => {
                    let value = row.fields().get(field).map_or(Value::NULL, |field| resolved(field, folded));
                    self.beside_element(out, value, field, *column);
                }
                (Cell::Absent, None) if lacks_key => self.key_only(out, event, *column)?,
                (Cell::Absent | Cell::Key(_), _) => out.null(),
            }
        }
        Ok(())
    }

    /// A column that the row does not have, from the message's key if that has it: a delete may bring no more.
    fn key_only(&self, out: &mut Elements<'_>, event: &Event<'_>, column: usize) -> Result<(), String> {
        let Some(known) = self.table.columns.get(column) else { return Ok(()) };
        let means = |name: &str| self.columns.naming.column(name).is_ok_and(|name| name == known.name);
        let value = event.change.key().iter().find(|(name, _)| means(name)).map(|(_, value)| value);
        let value = value.unwrap_or_default();
        if !matches!(known.kind.fit(value), Fit::Fits) {
            return Err(self.misfit(column, value));
        }
        out.value(&known.kind, value);
        Ok(())
    }

    /// Whether the values of a row are written; a row that goes needs none.
    fn has_values(&self, row: &Folded<'_>) -> bool {
        row.values.is_some() && (self.extras.values || !row.is_delete())
    }

    fn kind(&self, column: usize) -> Option<&ColumnType> {
        self.table.columns.get(column).map(|column| &column.kind)
    }

    pub(super) fn key_element(
        &self,
        out: &mut Elements<'_>,
        row: &Folded<'_>,
        part: usize,
        column: usize,
    ) -> Result<(), String> {
        self.key_value(out, row.key.get(part).copied().unwrap_or_default(), column)
    }

    /// A value of a key.
    pub(super) fn key_value(
        &self,
        out: &mut Elements<'_>,
        value: Value<'_>,
        column: usize,
    ) -> Result<(), String> {
        let Some(kind) = self.kind(column) else { return Ok(()) };
        if !matches!(kind.fit(value), Fit::Fits) {
            return Err(self.misfit(column, value));
        }
        out.value(kind, value);
        Ok(())
    }

    fn field_element(
        &self,
        out: &mut Elements<'_>,
        value: Value<'_>,
        field: usize,
        column: usize,
    ) -> Result<(), String> {
        let Some(kind) = self.kind(column) else { return Ok(()) };
        if matches!(kind.fit(value), Fit::Fits) {
            self.note_changed(kind, value, column);
            out.value(kind, value);
            return Ok(());
        }
        // The column beside may belong to another field of the source.
        let beside = self.cells.iter().position(|cell| *cell == Cell::Beside(field));
        let beside = beside.and_then(|place| self.written.get(place)).and_then(|beside| self.kind(*beside));
        if !beside.is_some_and(|kind| matches!(kind.fit(value), Fit::Fits)) {
            return Err(self.misfit(column, value));
        }
        self.note(Finding::Beside, column);
        out.null();
        Ok(())
    }

    /// Notes what a column holds otherwise than the source does.
    fn note_changed(&self, kind: &ColumnType, value: Value<'_>, column: usize) {
        match value.view() {
            ValueRef::List(_) | ValueRef::Struct(_) if has_nested_placeholder(value) => {
                self.note(Finding::Nested, column);
            }
            ValueRef::Timestamp(timestamp) if loses_offset(kind, timestamp) => {
                self.note(Finding::Offset, column);
            }
            _ => {}
        }
        let kept = self.table.columns.get(column).and_then(|column| column.kept_fraction);
        if kept.is_some_and(|kept| loses_fraction(kept, value.view())) {
            self.note(Finding::Fraction, column);
        }
    }

    fn beside_element(&self, out: &mut Elements<'_>, value: Value<'_>, field: usize, column: usize) {
        let main = self.layout.fields().get(field).copied().flatten().and_then(|main| self.kind(main));
        match self.kind(column) {
            Some(kind) if main.is_some_and(|main| !matches!(main.fit(value), Fit::Fits)) => {
                out.value(kind, value)
            }
            _ => out.null(),
        }
    }

    pub(super) fn misfit(&self, column: usize, value: Value<'_>) -> String {
        let shown = super::wanted::shown(value);
        self.table.columns.get(column).map_or_else(String::new, |column| {
            format!(
                "column {:?} of {} is {} and cannot hold {shown}",
                column.name, self.table.name, column.kind
            )
        })
    }

    /// From when the value of a kept column is: null if the event has it; nothing, if what is there stays.
    fn keep(&self, out: &mut Elements<'_>, column: usize, row: &Folded<'_>) {
        let fields = self.layout.fields();
        let of_column = |field: &Option<usize>| {
            field.is_some_and(|field| field == column || self.beside(field) == Some(column))
        };
        let field =
            fields.iter().position(of_column).and_then(|index| row.row().fields().get(index).copied());
        match field {
            Some(field) if field.value().is_unavailable() && self.has_values(row) => {
                match (row.carried(field.name()), &row.base) {
                    (Some(carried), _) => out.plain(carried.since),
                    (None, Base::Row) => out.plain(""),
                    // Only a row that has come along from the old key is the one whose values are meant.
                    (None, Base::Inserted(inserted)) => out.plain(moved_since(inserted.by.position)),
                }
            }
            _ => out.null(),
        }
    }
}

/// Whether the connector may write a column.
pub(super) fn is_ours(column: &TableColumn, unmanaged: &[String]) -> bool {
    !column.is_virtual && !unmanaged.contains(&column.name)
}

/// A field's value, or the one that an earlier event had for it.
fn resolved<'b>(field: &Field<'b>, folded: Option<&Folded<'b>>) -> Value<'b> {
    let value = field.value();
    if !value.is_unavailable() {
        return value;
    }
    folded.and_then(|folded| folded.carried(field.name())).map_or(value, |carried| carried.value)
}
