//! The columns of tables, as their inserts have shown them, for updates that have only some of them.

use tidegate_abi::{Field, Struct, Value};

use super::translate::{Names, Translator};
use crate::formats::{Cause, memory::Memory};

/// An update has fewer columns than its table.
const INCOMPLETE: Cause = Cause("incomplete_updates");

/// The columns of each table in the last insert.
#[derive(Default)]
pub(in crate::formats::change) struct TableColumns(Memory<Box<str>, Vec<Box<str>>>);

impl TableColumns {
    fn of(&mut self, names: Names<'_>) -> &mut Vec<Box<str>> {
        let schema = names.schema;
        self.0.entry(names.table, |known| **known == *schema, || (schema.into(), Vec::new()))
    }
}

impl<'b> Translator<'b, '_, '_> {
    /// Remembers the columns of an inserted row.
    pub(super) fn remember_columns(&mut self, names: Names<'b>, row: Struct<'b>) {
        let known = self.columns.of(names);
        let is_same = known.iter().map(|column| &**column).eq(row.iter().map(|(name, _)| name));
        if !is_same {
            *known = row.iter().map(|(name, _)| name.into()).collect();
        }
    }

    /// The row of an update, with the columns that it leaves out marked as unavailable: they keep their values.
    pub(super) fn complete_row(&mut self, names: Names<'b>, row: Struct<'b>) -> Struct<'b> {
        let known = self.columns.of(names);
        if known.iter().all(|column| row.get(column).is_some()) {
            return row;
        }
        let (arena, scratch) = (self.work.arena, &mut self.work.scratch.fields);
        let base = scratch.len();
        scratch.extend(row.fields());
        let missing = known.iter().filter(|column| row.get(column).is_none());
        scratch.extend(missing.map(|column| Field::new(arena.str(column), Value::UNAVAILABLE)));
        let whole = arena.object(&scratch[base..]);
        scratch.truncate(base);
        let (tool, table) = (self.tool.name(), names.table);
        self.work.notices.note(INCOMPLETE, table, || {
            format!(
                "updates of {table} do not have all columns that its inserts have: the others keep their values. Where {tool} \
                 sends no insert before them, it is not known which are missing, and they become NULL: let it send whole rows"
            )
        });
        whole.as_struct().unwrap_or(row)
    }
}
