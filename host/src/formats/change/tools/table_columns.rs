//! The columns of tables, as their inserts have shown them, for updates that have only some of them.

use tidegate_abi::{Field, Struct, Value};

use super::translate::{Names, Translator};
use crate::formats::{Cause, memory::Memory};

/// An update has fewer columns than its table.
const INCOMPLETE: Cause = Cause("incomplete_updates");

/// The columns of each table in the last insert.
#[derive(Default)]
pub(in crate::formats::change) struct TableColumns(Memory<Namespace, Known>);

/// Database and schema.
type Namespace = [Box<str>; 2];

/// What is known of a table.
#[derive(Default)]
struct Known {
    columns: Vec<Box<str>>,
    /// No definition of the table was sent since.
    is_current: bool,
}

impl TableColumns {
    fn of(&mut self, names: Names<'_>) -> &mut Known {
        let namespace = [names.database, names.schema];
        let is_this = |known: &Namespace| known.iter().map(|name| &**name).eq(namespace);
        self.0.entry(names.table, is_this, || (namespace.map(Box::from), Known::default()))
    }
}

impl<'b> Translator<'b, '_, '_> {
    /// Remembers the columns of an inserted row.
    pub(super) fn remember_columns(&mut self, names: Names<'b>, row: Struct<'b>) {
        let known = self.columns.of(names);
        known.is_current = true;
        let is_same = known.columns.iter().map(|column| &**column).eq(row.iter().map(|(name, _)| name));
        if !is_same {
            known.columns = row.iter().map(|(name, _)| name.into()).collect();
        }
    }

    /// Forgets the columns of a table whose definition has changed.
    pub(super) fn forget_columns(&mut self, names: Names<'b>) {
        self.columns.of(names).is_current = false;
    }

    /// The row of an update, with the columns that it leaves out marked as unavailable: they keep their values.
    pub(super) fn complete_row(&mut self, names: Names<'b>, row: Struct<'b>) -> Struct<'b> {
        let known = self.columns.of(names);
        if !known.is_current || known.columns.iter().all(|column| row.get(column).is_some()) {
            return row;
        }
        let (arena, scratch) = (self.work.arena, &mut self.work.scratch.fields);
        let base = scratch.len();
        scratch.extend(row.fields());
        let missing = known.columns.iter().filter(|column| row.get(column).is_none());
        scratch.extend(missing.map(|column| Field::new(arena.str(column), Value::UNAVAILABLE)));
        let whole = arena.object(&scratch[base..]);
        scratch.truncate(base);
        let (tool, table) = (self.tool.name(), names.table);
        self.work.notices.note(INCOMPLETE, table, || {
            format!(
                "updates of {table} do not have all columns that its inserts have: the others keep their values. Before the \
                 first insert of a table, Tidegate cannot tell which columns are missing and writes NULL; configure {tool} to \
                 send full rows"
            )
        });
        whole.as_struct().unwrap_or(row)
    }
}
