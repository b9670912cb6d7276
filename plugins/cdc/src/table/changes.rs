//! Statements that add and widen columns as needed.

use std::collections::BTreeMap;

use super::{Table, desired::DesiredTable, layout::Columns};
use crate::{
    dialect::Dialect,
    plan::{Event, Folded, Step},
    statement::{Column, HistoryTable, Validity},
    types::ColumnType,
};

/// The column that only history tables have.
const VALID_TO: &str = "_cdc_valid_to";

/// Required changes of a table.
#[derive(Debug)]
pub(crate) struct Changes<T> {
    /// Statements and their kinds.
    pub(crate) statements: Vec<(&'static str, String)>,
    /// The table after the statements.
    pub(crate) table: Option<Table<T>>,
    /// Whether the statements create the table.
    pub(crate) is_created: bool,
    /// Records that cannot be written even after changing the table: index and reason.
    pub(crate) rejected: Vec<(u32, String)>,
}

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Self { statements: Vec::new(), table: None, is_created: false, rejected: Vec::new() }
    }
}

/// Determines the changes that rows require.
#[derive(Debug)]
pub(crate) struct Evolving<'c, D: Dialect> {
    /// How the statements are written.
    pub(crate) dialect: &'c D,
    /// Naming of columns.
    pub(crate) columns: &'c Columns,
    /// Columns that the connector does not write.
    pub(crate) unmanaged: &'c [String],
    /// Declared types, by column of the source.
    pub(crate) declared: &'c BTreeMap<String, D::Type>,
    /// The table of the source, as named in the connector file.
    pub(crate) source: &'c str,
    /// Comment of new tables.
    pub(crate) comment: &'c str,
}

impl<D: Dialect> Evolving<'_, D> {
    /// The changes of `table` that `steps` require.
    ///
    /// # Errors
    /// If nothing can be written to the table.
    pub(crate) fn changes(
        &self,
        table: &Table<D::Type>,
        steps: &[Step<'_>],
        keyless_is_fine: bool,
    ) -> Result<Changes<D::Type>, String> {
        let mut changes = Changes::default();
        let mut wanted = DesiredTable::new(table, self);
        loop {
            changes.rejected.clear();
            for step in steps {
                self.require(&mut wanted, step, table, keyless_is_fine, &mut changes.rejected);
            }
            if !wanted.take_grown() {
                break;
            }
        }
        if !changes.rejected.is_empty() {
            return Ok(changes);
        }
        self.check_mode(table)?;
        wanted.require_about()?;
        let key = key_names(steps);
        if table.exists() {
            self.alter(table, &wanted, &mut changes);
            changes.table = Some(wanted.into_table());
            return Ok(changes);
        }
        let required = self.create(table, &wanted, key, &mut changes)?;
        let mut created = wanted.into_table();
        for column in created.columns.iter_mut().filter(|column| required.contains(&column.name)) {
            column.is_required = true;
        }
        (changes.is_created, changes.table) = (true, Some(created));
        Ok(changes)
    }

    fn require(
        &self,
        wanted: &mut DesiredTable<'_, D::Type>,
        step: &Step<'_>,
        table: &Table<D::Type>,
        keyless_is_fine: bool,
        rejected: &mut Vec<(u32, String)>,
    ) {
        match step {
            Step::Upsert(rows) => {
                for row in rows.rows() {
                    if let Err(refused) = require_folded(wanted, rows.key(), row) {
                        rejected.push(refused);
                    }
                }
            }
            Step::Append(events) => {
                let required = table.columns.iter().find(|column| column.is_required && !column.is_generated);
                for event in events {
                    let seen = match required.filter(|_| !keyless_is_fine) {
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
                for version in versions.rows() {
                    if let Err(refused) = require_folded(wanted, versions.key(), &version.row) {
                        rejected.push(refused);
                    }
                }
            }
            Step::Truncate(_) => {}
        }
    }

    /// Checks that a table that exists was made for this mode: a history table has another key than others.
    fn check_mode(&self, table: &Table<D::Type>) -> Result<(), String> {
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

    fn alter(
        &self,
        table: &Table<D::Type>,
        wanted: &DesiredTable<'_, D::Type>,
        changes: &mut Changes<D::Type>,
    ) {
        let added = wanted.added();
        let adding = self.dialect.add_columns(&table.name, &added).into_iter();
        changes.statements.extend(adding.map(|text| ("ALTER TABLE", text)));
        for column in wanted.widened() {
            changes.statements.push(("ALTER TABLE", self.dialect.widen(&table.name, &column)));
        }
    }

    /// The statements that create a table. `key` are the places of the key columns; a history table has one more.
    fn creating(
        &self,
        table: &Table<D::Type>,
        columns: &[Column<D::Type>],
        key: &mut Vec<usize>,
    ) -> Result<Vec<String>, String> {
        let (Some(validity), false) = (&self.columns.validity, key.is_empty()) else {
            return Ok(vec![self.dialect.create_table(&table.name, columns, key, self.comment)]);
        };
        let place = |name: &str| {
            let place = columns.iter().position(|column| column.name == name);
            place.ok_or_else(|| format!("{} has no column {name:?}", table.name))
        };
        let (position, valid_to) = (place(&self.columns.meta.position)?, place(&validity.to)?);
        let history = self.dialect.history().ok_or("the sink has no mode = \"history\"")?;
        let creates = history.create_history(&HistoryTable {
            table: &table.name,
            columns,
            key,
            position,
            valid_to,
            comment: self.comment,
        });
        key.push(position);
        Ok(creates)
    }

    /// Adds the statement that creates the table, and returns the names of the key columns.
    fn create(
        &self,
        table: &Table<D::Type>,
        wanted: &DesiredTable<'_, D::Type>,
        key: Option<&[String]>,
        changes: &mut Changes<D::Type>,
    ) -> Result<Vec<String>, String> {
        let columns = wanted.added();
        let mut places = Vec::new();
        for name in key.into_iter().flatten() {
            let name = self.columns.naming.column(name).map_err(|error| error.to_string())?;
            let place = columns.iter().position(|column| column.name == name);
            places
                .push(place.ok_or_else(|| {
                    format!("key column {name:?} of {} is missing in all rows", table.name)
                })?);
        }
        let creates = self.creating(table, &columns, &mut places)?;
        changes.statements.extend(creates.into_iter().map(|text| ("CREATE TABLE", text)));
        Ok(places.into_iter().filter_map(|place| Some(columns.get(place)?.name.clone())).collect())
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
