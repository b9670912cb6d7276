//! Determines the columns and types that rows need.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_plugin::{Schema, SchemaField, Struct, Value};

use super::{
    Table, TableColumn,
    layout::{Columns, Layout},
    rows::is_managed,
};
use crate::{
    plan::Route,
    statement::Column,
    types::{ColumnType, Fit},
};

/// The table with all columns and types that the rows so far need.
#[derive(Debug)]
pub(super) struct DesiredTable<'c, T> {
    columns: &'c Columns,
    /// Columns that the connector does not write.
    unmanaged: &'c [String],
    /// Declared types, by column of the source.
    declared: &'c BTreeMap<String, T>,
    /// The source's table.
    source: &'c str,
    /// Columns that fields of the source are mapped to.
    claimed: BTreeSet<usize>,
    /// The table, with new columns at the end, and widened columns with their new types.
    table: Table<T>,
    /// Number of existing columns in the database.
    existing: usize,
    widened: BTreeSet<usize>,
    /// New columns whose type is inferred from values. The type can be widened until the column is created.
    inferred: BTreeSet<usize>,
    /// The fallback column of each column.
    fallback: BTreeMap<usize, usize>,
    layout: Layout,
    /// Whether an inferred type was widened, so that earlier values must be checked again.
    has_grown: bool,
}

impl<'c, T: ColumnType> DesiredTable<'c, T> {
    pub(super) fn new(
        table: &Table<T>,
        columns: &'c Columns,
        route: &'c Route,
        declared: &'c BTreeMap<String, T>,
    ) -> Self {
        let existing = table.columns.len();
        Self {
            columns,
            unmanaged: &route.unmanaged,
            declared,
            source: &route.table,
            claimed: BTreeSet::new(),
            table: table.clone(),
            existing,
            widened: BTreeSet::new(),
            inferred: BTreeSet::new(),
            fallback: BTreeMap::new(),
            layout: Layout::default(),
            has_grown: false,
        }
    }

    /// Whether the rows must be checked again. Resets the flag.
    pub(super) fn take_grown(&mut self) -> bool {
        std::mem::take(&mut self.has_grown)
    }

    /// Columns to add.
    pub(super) fn added(&self) -> Vec<Column<T>> {
        self.table.columns.iter().skip(self.existing).map(TableColumn::to_column).collect()
    }

    /// Columns to widen.
    pub(super) fn widened(&self) -> Vec<Column<T>> {
        self.widened.iter().filter_map(|index| self.table.column(*index)).collect()
    }

    /// The resulting table.
    pub(super) fn into_table(self) -> Table<T> {
        self.table
    }

    /// Requires the metadata columns.
    ///
    /// # Errors
    /// If one exists with an incompatible type.
    pub(super) fn require_about(&mut self) -> Result<(), String> {
        for (about, name) in self.columns.about() {
            let kind = T::of_metadata(about.kind());
            let Some(index) = self.table.find_exact(name) else {
                self.add(name.to_owned(), kind);
                continue;
            };
            let found = self.table.columns.get(index).map(|column| &column.kind);
            if !found.is_some_and(|found| found.can_be(about.kind())) {
                let found = found.map(ToString::to_string).unwrap_or_default();
                return Err(format!(
                    "column {name:?} of {} is {found}, but must be {kind}: rename it, or let the sink create the table",
                    self.table.name
                ));
            }
        }
        Ok(())
    }

    /// Requires columns for the fields of a row.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub(super) fn require_row(&mut self, row: Struct<'_>, schema: Option<Schema<'_>>) -> Result<(), String> {
        let mut layout = std::mem::take(&mut self.layout);
        let seen = layout.of(row, &self.table, self.columns).and_then(|is_other| {
            let mut has_new = false;
            if is_other {
                self.claimed.extend(layout.fields().iter().flatten());
            }
            for ((name, value), column) in row.iter().zip(layout.fields()) {
                match column {
                    Some(column) => self.require(*column, value)?,
                    None => {
                        has_new |=
                            self.require_new(name, value, schema.and_then(|schema| schema.get(name)))?
                    }
                }
            }
            Ok(has_new)
        });
        self.layout = layout;
        if seen? {
            self.layout.forget();
        }
        Ok(())
    }

    /// Requires a column for a single value.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn require_value(&mut self, name: &str, value: Value<'_>) -> Result<(), String> {
        let column = self.columns.naming.column(name).map_err(|error| error.to_string())?;
        match self.table.find(&column) {
            Some(column) => self.require(column, value),
            None => {
                self.layout.forget();
                self.require_new(name, value, None).map(|_| ())
            }
        }
    }

    /// Checks that a key column can hold its value. Key values cannot be written to a fallback column.
    ///
    /// # Errors
    /// If it cannot.
    pub(super) fn require_key(&mut self, name: &str, value: Value<'_>) -> Result<(), String> {
        let column = self.columns.naming.column(name).map_err(|error| error.to_string())?;
        let found = self.table.find(&column).filter(|index| !self.inferred.contains(index));
        let Some(column) = found.and_then(|index| self.table.columns.get(index)) else { return Ok(()) };
        match column.kind.fit(value) {
            Fit::Mismatch => Err(self.key_mismatch(name, column, value)),
            _ => Ok(()),
        }
    }

    fn key_mismatch(&self, name: &str, column: &TableColumn<T>, value: Value<'_>) -> String {
        let (table, kind) = (&self.table.name, &column.kind);
        let mismatch =
            format!("key column {:?} of {table} is {kind} and cannot hold {}", column.name, shown(value));
        let exists = self.table.columns.iter().take(self.existing).any(|known| known.name == column.name);
        let option = format!("[sink.config.tables.{:?}] columns = {{ {name:?} = \"text\" }}", self.source);
        match (exists, self.declared.contains_key(name)) {
            (false, false) => {
                format!("{mismatch}: declare a type that holds all its values, such as {option}")
            }
            (false, true) => format!("{mismatch}, as its type is declared in {option}: declare a wider one"),
            (true, _) => format!(
                "{mismatch}: declare a type that holds all its values, such as {option}, and have the table created again, \
                 or change the column yourself: the sink does not change the type of a key in a table that exists"
            ),
        }
    }

    /// Requires a column for a field without one. A null without a schema has no type, so it needs no column.
    fn require_new(
        &mut self,
        name: &str,
        value: Value<'_>,
        field: Option<SchemaField<'_>>,
    ) -> Result<bool, String> {
        let typed = self.declared.get(name).cloned().or_else(|| field.map(T::of_field));
        let is_inferred = typed.is_none();
        let Some(kind) = typed.or_else(|| T::of_value(value)) else { return Ok(false) };
        let name = self.columns.naming.column(name).map_err(|error| error.to_string())?;
        if self.unmanaged.contains(&name) {
            return Ok(false);
        }
        let column = self.add(name, kind);
        if is_inferred {
            self.inferred.insert(column);
        }
        self.require(column, value)?;
        Ok(true)
    }

    fn require(&mut self, index: usize, value: Value<'_>) -> Result<(), String> {
        let Some(column) = self.table.columns.get_mut(index) else { return Ok(()) };
        if !is_managed(column, self.unmanaged) {
            return Ok(());
        }
        if let Some(kind) = T::of_kind(value)
            && self.inferred.remove(&index)
            && column.kind != kind
        {
            column.kind = kind;
            self.has_grown = true;
        }
        match column.kind.fit(value) {
            Fit::Fits => Ok(()),
            Fit::Widens(kind) => {
                column.kind = kind;
                if index < self.existing {
                    self.widened.insert(index);
                }
                Ok(())
            }
            Fit::Mismatch if self.inferred.contains(&index) => {
                let other = T::of_value(value);
                let Some(kind) =
                    other.map(|other| column.kind.join(&other)).filter(|kind| *kind != column.kind)
                else {
                    return self.require_fallback(index, value);
                };
                column.kind = kind;
                self.has_grown = true;
                Ok(())
            }
            Fit::Mismatch => self.require_fallback(index, value),
        }
    }

    fn require_fallback(&mut self, index: usize, value: Value<'_>) -> Result<(), String> {
        let Some(column) = self.table.columns.get(index) else { return Ok(()) };
        if let Some(fallback) =
            self.fallback.get(&index).and_then(|fallback| self.table.columns.get(*fallback))
            && matches!(fallback.kind.fit(value), Fit::Fits)
        {
            return Ok(());
        }
        let (name, kind, table) = (&column.name, &column.kind, &self.table.name);
        let mismatch = format!("column {name:?} of {table} is {kind} and cannot hold {}", shown(value));
        let Some((name, kind)) = self.columns.fallback::<T>(&column.name) else { return Err(mismatch) };
        let fallback = match self.table.find(&name) {
            // The source has a column with that name.
            Some(fallback) if self.claimed.contains(&fallback) => return Err(mismatch),
            Some(fallback) => fallback,
            None => {
                self.add(self.columns.naming.rules().checked(name).map_err(|error| error.to_string())?, kind)
            }
        };
        let fits = self
            .table
            .columns
            .get(fallback)
            .is_some_and(|column| matches!(column.kind.fit(value), Fit::Fits));
        if !fits {
            return Err(mismatch);
        }
        self.fallback.insert(index, fallback);
        Ok(())
    }

    fn add(&mut self, name: String, kind: T) -> usize {
        self.table.columns.push(TableColumn { is_new: true, ..TableColumn::new(name, kind) });
        self.table.columns.len() - 1
    }
}

/// A value for a message, truncated.
pub(super) fn shown(value: Value<'_>) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
