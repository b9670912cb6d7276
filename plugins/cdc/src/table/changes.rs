//! What the rows of a batch require of their table: columns to add, columns to widen, or the table itself.

use std::collections::BTreeMap;

use super::{Table, desired::DesiredTable, layout::Columns};
use crate::{
    names::Naming,
    options::{Mode, Settings},
    plan::{Event, Folded, Step, TablePlan},
    statement::{Column, Validity},
    types::ColumnType,
};

/// The column that only history tables have.
const VALID_TO: &str = "_cdc_valid_to";

/// Changes of a table that the rows of a batch require.
#[derive(Debug)]
pub struct Changes<T> {
    /// Columns that are missing, in the order in which they are added; all columns if the table does not exist.
    pub added: Vec<Column<T>>,
    /// Columns whose type is widened, with their new types.
    pub widened: Vec<Column<T>>,
    /// For a table that does not exist, the indexes of the source's key in `added`; empty if it has no key.
    pub key: Vec<usize>,
    /// The table after the changes; of no use if records are rejected.
    pub table: Table<T>,
    /// Records that cannot be written whatever is changed: index and reason. If there are some, nothing else is to be changed.
    pub rejected: Vec<(u32, String)>,
}

impl<T> Changes<T> {
    /// Whether the table can be written as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.widened.is_empty()
    }
}

/// Determines which columns and types the rows of batches require. Pure: it neither knows the database nor remembers anything.
#[derive(Clone, Debug)]
pub struct Requirements<T> {
    columns: Columns,
    mode: Mode,
    /// Declared types of columns, by the key of the table's options.
    declared: BTreeMap<String, BTreeMap<String, T>>,
}

impl<T: ColumnType> Requirements<T> {
    /// For a configuration.
    #[must_use]
    pub fn new(settings: &Settings<T>, naming: Naming) -> Self {
        let declared = settings.tables.iter();
        let declared = declared.map(|(key, table)| (key.clone(), table.options.columns.clone())).collect();
        Self { columns: Columns::of(settings, naming), mode: settings.options.mode, declared }
    }

    /// Names of the metadata columns, and how columns are named.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The changes of `table` that the rows of `plan` require.
    ///
    /// New columns have the declared type, that of the record's schema, or one that holds all values of the batch. A value
    /// that does not fit its column widens it, or goes to a fallback column, or its record is rejected.
    ///
    /// # Errors
    /// Why nothing can be written to the table, whatever the records are: one of the sink's own columns has another type than it
    /// must have, or the table was made for another mode.
    pub fn changes(&self, table: &Table<T>, plan: &TablePlan<'_>) -> Result<Changes<T>, String> {
        let none = BTreeMap::new();
        let declared = plan.route.options.as_ref().and_then(|key| self.declared.get(key)).unwrap_or(&none);
        let mut wanted = DesiredTable::new(table, &self.columns, &plan.route, declared);
        let mut rejected = Vec::new();
        loop {
            rejected.clear();
            for step in &plan.steps {
                self.require(&mut wanted, step, table, &mut rejected);
            }
            if !wanted.take_grown() {
                break;
            }
        }
        if !rejected.is_empty() {
            let (added, widened, key) = (Vec::new(), Vec::new(), Vec::new());
            return Ok(Changes { added, widened, key, table: wanted.into_table(), rejected });
        }
        self.check_mode(table)?;
        wanted.require_about()?;
        let (added, widened) = (wanted.added(), wanted.widened());
        if table.exists() {
            return Ok(Changes { added, widened, key: Vec::new(), table: wanted.into_table(), rejected });
        }
        let key = self.key_places(key_names(&plan.steps), &added, table)?;
        let mut created = wanted.into_table();
        // In a history table, the position is a part of the key.
        let is_versioned = self.columns.validity.is_some() && !key.is_empty();
        for (place, column) in created.columns.iter_mut().enumerate() {
            let is_position = is_versioned && column.name == self.columns.meta.position;
            column.is_required = key.contains(&place) || is_position;
        }
        Ok(Changes { added, widened, key, table: created, rejected })
    }

    fn require(
        &self,
        wanted: &mut DesiredTable<'_, T>,
        step: &Step<'_>,
        table: &Table<T>,
        rejected: &mut Vec<(u32, String)>,
    ) {
        match step {
            Step::Upsert(rows) => {
                let refused =
                    rows.rows().iter().filter_map(|row| require_folded(wanted, rows.key(), row).err());
                rejected.extend(refused);
            }
            Step::Append(events) => {
                let required = table.columns.iter().find(|column| column.is_required && !column.is_generated);
                for event in events {
                    let seen = match required.filter(|_| self.mode != Mode::Append) {
                        Some(column) => Err(format!(
                            "{} refuses NULL in {:?}, as tables with a primary key do, and the record has no key: name the \
                             table's key_columns in [sink.config.tables], or let the column be NULL",
                            table.name, column.name
                        )),
                        None => require_event(wanted, event),
                    };
                    if let Err(reason) = seen {
                        rejected.push((event.record.index(), reason));
                    }
                }
            }
            Step::Versions(versions) => {
                let rows = versions.rows().iter();
                let refused =
                    rows.filter_map(|version| require_folded(wanted, versions.key(), &version.row).err());
                rejected.extend(refused);
            }
            Step::Truncate(_) => {}
        }
    }

    /// Checks that a table that exists was made for this mode: a history table has another key than others.
    fn check_mode(&self, table: &Table<T>) -> Result<(), String> {
        let has = |name: &str| table.find_exact(name).is_some();
        match &self.columns.validity {
            _ if !table.exists() => Ok(()),
            Some(Validity { from, to }) if !(has(from) && has(to)) => Err(format!(
                "{} has no columns {from:?} and {to:?}, so it is not a history table: set another name in [sink.config.tables], or \
                 drop it and have its events read again",
                table.name
            )),
            None if has(&self.columns.naming.cased(VALID_TO)) => Err(format!(
                "{} is a history table: set mode = \"history\", or another name in [sink.config.tables]",
                table.name
            )),
            _ => Ok(()),
        }
    }

    /// The indexes of the key's columns among those of a new table.
    fn key_places(
        &self,
        key: Option<&[String]>,
        columns: &[Column<T>],
        table: &Table<T>,
    ) -> Result<Vec<usize>, String> {
        let place = |name: &String| {
            let name = self.columns.naming.column(name).map_err(|error| error.to_string())?;
            let place = columns.iter().position(|column| column.name == name);
            place.ok_or_else(|| format!("key column {name:?} of {} is missing in all rows", table.name))
        };
        key.into_iter().flatten().map(place).collect()
    }
}

/// The key of a new table: that of the first rows with a key.
fn key_names<'s>(steps: &'s [Step<'_>]) -> Option<&'s [String]> {
    steps.iter().find_map(|step| match step {
        Step::Upsert(rows) => Some(&**rows.key()),
        Step::Versions(rows) => Some(&**rows.key()),
        _ => None,
    })
}

/// Requires columns for all values of a row. Returns the record that cannot be written.
fn require_folded<T: ColumnType>(
    wanted: &mut DesiredTable<'_, T>,
    key: &[String],
    row: &Folded<'_>,
) -> Result<(), (u32, String)> {
    let last = |reason| (row.last.record.index(), reason);
    if !row.is_moved_row() {
        require_event(wanted, &row.last).map_err(last)?;
    }
    for (name, value) in key.iter().zip(&row.key) {
        wanted.require_key(name, *value).map_err(last)?;
    }
    if let Some(values) = row.values.filter(|_| row.is_delete() || row.is_moved_row()) {
        require_event(wanted, &values).map_err(|reason| (values.record.index(), reason))?;
    }
    for carried in &row.carried {
        wanted.require_value(carried.name, carried.value).map_err(|reason| (carried.record, reason))?;
    }
    Ok(())
}

fn require_event<T: ColumnType>(wanted: &mut DesiredTable<'_, T>, event: &Event<'_>) -> Result<(), String> {
    let (key, row) = (event.change.key(), event.row());
    if !key.iter().all(|(name, _)| row.get(name).is_some()) {
        wanted.require_row(key, event.record.key_schema())?;
    }
    wanted.require_row(row, event.change.row_schema())
}
