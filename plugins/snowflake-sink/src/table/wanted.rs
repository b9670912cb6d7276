//! Which columns rows need, and of which types.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_plugin::{Schema, SchemaField, Struct, Value};

use super::{
    Table, TableColumn,
    alter::Evolving,
    layout::{Columns, Layout},
    rows::is_ours,
};
use crate::{
    names::checked,
    sql::Column,
    types::{ColumnType, Fit},
};

/// A table as it should be for the rows seen so far.
#[derive(Debug)]
pub(super) struct Wanted<'c> {
    columns: &'c Columns,
    /// Columns that are never written.
    unmanaged: &'c [String],
    /// Types that the connector file declares, by the source's column.
    declared: &'c BTreeMap<String, ColumnType>,
    /// The source's table.
    source: &'c str,
    /// Columns that fields of the source have.
    claimed: BTreeSet<usize>,
    /// The table, new columns at its end, widened ones with their new types.
    table: Table,
    /// How many columns there are in Snowflake.
    existing: usize,
    widened: BTreeSet<usize>,
    /// New columns whose type comes from values: it may grow until the column is there.
    inferred: BTreeSet<usize>,
    /// For a column, the one that takes what does not fit it.
    beside: BTreeMap<usize, usize>,
    layout: Layout,
    /// Whether an inferred type has grown: earlier values have to be looked at again.
    has_grown: bool,
}

impl<'c> Wanted<'c> {
    pub(super) fn new(table: &Table, evolving: &Evolving<'c>) -> Self {
        let existing = table.columns.len();
        Self {
            columns: evolving.columns,
            unmanaged: evolving.unmanaged,
            declared: evolving.declared,
            source: evolving.source,
            claimed: BTreeSet::new(),
            table: table.clone(),
            existing,
            widened: BTreeSet::new(),
            inferred: BTreeSet::new(),
            beside: BTreeMap::new(),
            layout: Layout::default(),
            has_grown: false,
        }
    }

    /// Whether the rows have to be seen again; asks once.
    pub(super) fn take_grown(&mut self) -> bool {
        std::mem::take(&mut self.has_grown)
    }

    /// Columns that Snowflake does not have.
    pub(super) fn added(&self) -> Vec<Column> {
        self.table.columns.iter().skip(self.existing).map(TableColumn::to_column).collect()
    }

    /// Columns that need a wider type.
    pub(super) fn widened(&self) -> Vec<Column> {
        self.widened.iter().filter_map(|index| self.table.column(*index)).collect()
    }

    /// The table as it will be.
    pub(super) fn into_table(self) -> Table {
        self.table
    }

    /// Wants the columns about the event.
    ///
    /// # Errors
    /// When one exists with a type that cannot hold what belongs there.
    pub(super) fn see_about(&mut self) -> Result<(), String> {
        for (about, name) in self.columns.about() {
            let kind = about.kind();
            let Some(index) = self.table.find_exact(name) else {
                self.add(name.to_owned(), kind);
                continue;
            };
            let found = self.table.columns.get(index).map(|column| &column.kind);
            if !found.is_some_and(|found| holds(found, &kind)) {
                let found = found.map(ToString::to_string).unwrap_or_default();
                return Err(format!(
                    "column {name:?} of {} is {found}, and has to be {kind}: rename it, or let the sink create the table",
                    self.table.name
                ));
            }
        }
        Ok(())
    }

    /// Wants columns for the fields of a row.
    ///
    /// # Errors
    /// Why the row cannot be written.
    pub(super) fn see_row(&mut self, row: Struct<'_>, schema: Option<Schema>) -> Result<(), String> {
        let mut layout = std::mem::take(&mut self.layout);
        let seen = layout.of(row, &self.table, self.columns).and_then(|is_other| {
            let mut has_new = false;
            if is_other {
                self.claimed.extend(layout.fields().iter().flatten());
            }
            for ((name, value), column) in row.iter().zip(layout.fields()) {
                match column {
                    Some(column) => self.see(*column, value)?,
                    None => {
                        has_new |= self.see_new(name, value, schema.and_then(|schema| schema.get(name)))?
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

    /// Wants the column of a single value to hold it.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(super) fn see_value(&mut self, name: &str, value: Value<'_>) -> Result<(), String> {
        let column = self.columns.naming.column(name).map_err(|error| error.to_string())?;
        match self.table.find(&column) {
            Some(column) => self.see(column, value),
            None => {
                self.layout.forget();
                self.see_new(name, value, None).map(|_| ())
            }
        }
    }

    /// Checks that a column of the key can hold its value: what does not fit a key cannot go elsewhere.
    ///
    /// # Errors
    /// When it cannot.
    pub(super) fn see_key(&mut self, name: &str, value: Value<'_>) -> Result<(), String> {
        let column = self.columns.naming.column(name).map_err(|error| error.to_string())?;
        let found = self.table.find(&column).filter(|index| !self.inferred.contains(index));
        let Some(column) = found.and_then(|index| self.table.columns.get(index)) else { return Ok(()) };
        match column.kind.fit(value) {
            Fit::Misfit => Err(self.key_misfit(name, column, value)),
            _ => Ok(()),
        }
    }

    fn key_misfit(&self, name: &str, column: &TableColumn, value: Value<'_>) -> String {
        let (table, kind) = (&self.table.name, &column.kind);
        let misfit =
            format!("key column {:?} of {table} is {kind} and cannot hold {}", column.name, shown(value));
        let exists = self.table.columns.iter().take(self.existing).any(|known| known.name == column.name);
        let option = format!("[sink.config.tables.{:?}] columns = {{ {name:?} = \"text\" }}", self.source);
        match (exists, self.declared.contains_key(name)) {
            (false, false) => format!("{misfit}: declare a type that holds all its values, such as {option}"),
            (false, true) => format!("{misfit}, as its type is declared in {option}: declare a wider one"),
            (true, _) => format!(
                "{misfit}: declare a type that holds all its values, such as {option}, and have the table made again, \
                 or change the column yourself: the sink does not change the type of a key in a table that exists"
            ),
        }
    }

    /// A field that has no column yet. A null without a schema does not say what it would be: it needs none.
    fn see_new(&mut self, name: &str, value: Value<'_>, field: Option<SchemaField>) -> Result<bool, String> {
        let typed = self.declared.get(name).cloned().or_else(|| field.map(ColumnType::of_field));
        let is_inferred = typed.is_none();
        let Some(kind) = typed.or_else(|| ColumnType::of_value(value)) else { return Ok(false) };
        let name = self.columns.naming.column(name).map_err(|error| error.to_string())?;
        if self.unmanaged.contains(&name) {
            return Ok(false);
        }
        let column = self.add(name, kind);
        if is_inferred {
            self.inferred.insert(column);
        }
        self.see(column, value)?;
        Ok(true)
    }

    fn see(&mut self, index: usize, value: Value<'_>) -> Result<(), String> {
        let Some(column) = self.table.columns.get_mut(index) else { return Ok(()) };
        if !is_ours(column, self.unmanaged) {
            return Ok(());
        }
        if let Some(kind) = ColumnType::of_kind(value)
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
            Fit::Misfit if self.inferred.contains(&index) => {
                let other = ColumnType::of_value(value);
                let Some(kind) =
                    other.map(|other| column.kind.join(&other)).filter(|kind| *kind != column.kind)
                else {
                    return self.see_beside(index, value);
                };
                column.kind = kind;
                self.has_grown = true;
                Ok(())
            }
            Fit::Misfit => self.see_beside(index, value),
        }
    }

    fn see_beside(&mut self, index: usize, value: Value<'_>) -> Result<(), String> {
        let Some(column) = self.table.columns.get(index) else { return Ok(()) };
        if let Some(beside) = self.beside.get(&index).and_then(|beside| self.table.columns.get(*beside))
            && matches!(beside.kind.fit(value), Fit::Fits)
        {
            return Ok(());
        }
        let misfit = format!("column {:?} is {} and cannot hold {}", column.name, column.kind, shown(value));
        let Some((name, kind)) = self.columns.beside(&column.name) else { return Err(misfit) };
        let beside = match self.table.find(&name) {
            // The source has a column of that name itself.
            Some(beside) if self.claimed.contains(&beside) => return Err(misfit),
            Some(beside) => beside,
            None => self.add(checked(name).map_err(|error| error.to_string())?, kind),
        };
        let fits =
            self.table.columns.get(beside).is_some_and(|column| matches!(column.kind.fit(value), Fit::Fits));
        if !fits {
            return Err(misfit);
        }
        self.beside.insert(index, beside);
        Ok(())
    }

    fn add(&mut self, name: String, kind: ColumnType) -> usize {
        self.table.columns.push(TableColumn {
            name,
            kind,
            is_required: false,
            fills_itself: false,
            is_virtual: false,
            is_new: true,
            kept_fraction: None,
        });
        self.table.columns.len() - 1
    }
}

/// Whether a column of one type holds what belongs into one of another.
fn holds(found: &ColumnType, needed: &ColumnType) -> bool {
    match (found, needed) {
        (ColumnType::Text { .. }, ColumnType::Text { .. }) => true,
        (ColumnType::TimestampTz | ColumnType::TimestampLtz, ColumnType::TimestampTz) => true,
        (ColumnType::Number { scale: 0, precision }, ColumnType::Number { .. }) => *precision >= 19,
        _ => false,
    }
}

/// A value for a message: cut, for it may be long.
pub(super) fn shown(value: Value<'_>) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
