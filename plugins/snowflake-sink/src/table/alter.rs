//! The statements that give a table the columns that rows need.

use std::collections::BTreeMap;

use super::{Table, layout::Columns, wanted::Wanted};
use crate::{
    plan::{Event, Folded, Step},
    sql,
    types::ColumnType,
};

/// What rows need of a table.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Statements that change the table, each with its kind.
    pub(crate) statements: Vec<(&'static str, String)>,
    /// The table behind them.
    pub(crate) table: Option<Table>,
    /// Records that no change of the table makes writable, by index, each with its reason.
    pub(crate) rejected: Vec<(u32, String)>,
}

/// Finds out what rows need.
#[derive(Debug)]
pub(crate) struct Evolving<'c> {
    /// The rules for columns.
    pub(crate) columns: &'c Columns,
    /// Columns that are never written.
    pub(crate) unmanaged: &'c [String],
    /// Types that the connector file declares, by the source's column.
    pub(crate) declared: &'c BTreeMap<String, ColumnType>,
    /// The source's table, as the connector file names it.
    pub(crate) source: &'c str,
    /// Text for the comment of a new table.
    pub(crate) comment: &'c str,
}

impl Evolving<'_> {
    /// What `steps` need of `table`.
    ///
    /// # Errors
    /// Why nothing can be written to the table.
    pub(crate) fn changes(
        &self,
        table: &Table,
        steps: &[Step<'_>],
        keyless_is_fine: bool,
    ) -> Result<Changes, String> {
        let mut changes = Changes::default();
        let mut wanted = Wanted::new(table, self);
        loop {
            changes.rejected.clear();
            for step in steps {
                self.see(&mut wanted, step, table, keyless_is_fine, &mut changes.rejected);
            }
            if !wanted.take_grown() {
                break;
            }
        }
        if !changes.rejected.is_empty() {
            return Ok(changes);
        }
        wanted.see_about()?;
        let key = key_names(steps);
        if table.exists() {
            self.alter(table, &wanted, &mut changes);
        } else {
            self.create(table, &wanted, key, &mut changes)?;
        }
        changes.table = Some(wanted.into_table());
        Ok(changes)
    }

    fn see(
        &self,
        wanted: &mut Wanted<'_>,
        step: &Step<'_>,
        table: &Table,
        keyless_is_fine: bool,
        rejected: &mut Vec<(u32, String)>,
    ) {
        match step {
            Step::Upsert(rows) => {
                for row in rows.rows() {
                    if let Err(refused) = see_folded(wanted, rows.key(), row) {
                        rejected.push(refused);
                    }
                }
            }
            Step::Append(events) => {
                let required = table.columns.iter().find(|column| column.is_required && !column.fills_itself);
                for event in events {
                    let seen = match required.filter(|_| !keyless_is_fine) {
                        Some(column) => Err(format!(
                            "{} refuses NULL in {:?}, as tables with a primary key do, and the record has no key: name the \
                             table's key_columns in [sink.config.tables], or let the column be NULL",
                            table.name, column.name
                        )),
                        None => see_event(wanted, event),
                    };
                    if let Err(reason) = seen {
                        rejected.push((event.record.index(), reason));
                    }
                }
            }
            Step::Truncate(_) => {}
        }
    }

    fn alter(&self, table: &Table, wanted: &Wanted<'_>, changes: &mut Changes) {
        let added = wanted.added();
        changes.statements.extend(sql::add_columns(&table.name, &added).map(|text| ("ALTER TABLE", text)));
        for column in wanted.widened() {
            changes.statements.push(("ALTER TABLE", sql::widen(&table.name, &column)));
        }
    }

    fn create(
        &self,
        table: &Table,
        wanted: &Wanted<'_>,
        key: Option<&[String]>,
        changes: &mut Changes,
    ) -> Result<(), String> {
        let columns = wanted.added();
        let mut places = Vec::new();
        for name in key.into_iter().flatten() {
            let name = self.columns.naming.column(name).map_err(|error| error.to_string())?;
            let place = columns.iter().position(|column| column.name == name);
            places.push(place.ok_or_else(|| format!("key column {name:?} of {} is in no row", table.name))?);
        }
        changes
            .statements
            .push(("CREATE TABLE", sql::create_table(&table.name, &columns, &places, self.comment)));
        Ok(())
    }
}

/// The key of a table that is about to be created: that of its first rows with one.
fn key_names<'s>(steps: &'s [Step<'_>]) -> Option<&'s [String]> {
    steps.iter().find_map(|step| match step {
        Step::Upsert(rows) => Some(&**rows.key()),
        _ => None,
    })
}

/// Sees all that a row brings; if it cannot be written, says which record is at fault.
fn see_folded(wanted: &mut Wanted<'_>, key: &[String], row: &Folded<'_>) -> Result<(), (u32, String)> {
    let last = |reason| (row.last.record.index(), reason);
    if !row.is_arrival() {
        see_event(wanted, &row.last).map_err(last)?;
    }
    for (name, value) in key.iter().zip(&row.key) {
        wanted.see_key(name, *value).map_err(last)?;
    }
    if let Some(values) = row.values.filter(|_| row.is_delete() || row.is_arrival()) {
        see_event(wanted, &values).map_err(|reason| (values.record.index(), reason))?;
    }
    for carried in &row.carried {
        wanted.see_value(carried.name, carried.value).map_err(|reason| (carried.record, reason))?;
    }
    Ok(())
}

fn see_event(wanted: &mut Wanted<'_>, event: &Event<'_>) -> Result<(), String> {
    let (key, row) = (event.change.key(), event.row());
    if !key.iter().all(|(name, _)| row.get(name).is_some()) {
        wanted.see_row(key, event.record.key_schema())?;
    }
    wanted.see_row(row, event.change.row_schema())
}
