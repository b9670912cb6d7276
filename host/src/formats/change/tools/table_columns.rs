//! The columns of tables, as their inserts have shown them, for updates that have only some of them.

use tidegate_abi::{Field, Struct, Value};

use super::translate::{Names, Translator};
use crate::formats::{
    Cause,
    memory::{MAX_NAME, Memory},
};

/// An update has fewer columns than its table.
const INCOMPLETE: Cause = Cause("incomplete_updates");

/// The columns of tables were forgotten, or not remembered.
const FORGOTTEN: Cause = Cause("forgotten_columns");

/// Bytes that may be remembered.
const MAX_BYTES: usize = 8 << 20;
/// What a table takes beside the names of its columns.
const TABLE_BYTES: usize = 2 << 10;

/// The columns of each table in the last insert.
#[derive(Default)]
pub(in crate::formats::change) struct TableColumns {
    tables: Memory<Namespace, Known>,
    /// Bytes of the columns' names.
    bytes: usize,
}

/// Database and schema.
type Namespace = [Box<str>; 2];

/// What is known of a table.
#[derive(Default)]
struct Known {
    columns: Vec<Box<str>>,
    /// No definition of the table was sent since.
    is_current: bool,
}

impl Known {
    fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.len() + size_of_val(column)).sum()
    }
}

impl TableColumns {
    /// What is known of a table.
    fn get(&mut self, names: Names<'_>) -> Option<&mut Known> {
        let namespace = [names.database, names.schema];
        self.tables.get(names.table, |known| is_namespace(known, namespace))
    }

    /// Remembers the columns of an inserted row. Returns whether others were forgotten for it, or the names are too long.
    fn remember(&mut self, names: Names<'_>, row: Struct<'_>) -> bool {
        if !is_short(names) {
            return true;
        }
        let namespace = [names.database, names.schema];
        let make = || (namespace.map(Box::from), Known::default());
        let known = self.tables.entry(names.table, |known| is_namespace(known, namespace), make);
        known.is_current = true;
        if known.columns.iter().map(|column| &**column).eq(row.iter().map(|(name, _)| name)) {
            return false;
        }
        let before = known.bytes();
        known.columns = row.iter().map(|(name, _)| name.into()).collect();
        let now = known.bytes();
        self.bytes = self.bytes - before + now;
        let is_full = self.bytes + self.tables.len() * TABLE_BYTES > MAX_BYTES;
        if is_full {
            self.tables.clear();
            self.bytes = 0;
        }
        is_full
    }
}

fn is_namespace(known: &Namespace, names: [&str; 2]) -> bool {
    known.iter().map(|name| &**name).eq(names)
}

/// Whether the names of a table are as short as those of any database.
fn is_short(names: Names<'_>) -> bool {
    [names.database, names.schema, names.table].iter().all(|name| name.len() <= MAX_NAME)
}

impl<'b> Translator<'b, '_, '_> {
    /// Remembers the columns of an inserted row.
    pub(super) fn remember_columns(&mut self, names: Names<'b>, row: Struct<'b>) {
        if self.columns.remember(names, row) {
            self.work.notices.note(FORGOTTEN, names.table, || {
                "the columns of too many tables would have to be remembered: those known so far are forgotten, and updates that do not \
                 have all columns write NULL into the others until the next insert into their table; configure the source to send \
                 full rows"
                    .to_owned()
            });
        }
    }

    /// Forgets the columns of a table whose definition has changed.
    pub(super) fn forget_columns(&mut self, names: Names<'b>) {
        if let Some(known) = self.columns.get(names) {
            known.is_current = false;
        }
    }

    /// The row of an update, with the columns that it leaves out marked as unavailable: they keep their values.
    pub(super) fn complete_row(&mut self, names: Names<'b>, row: Struct<'b>) -> Struct<'b> {
        let Some(known) = self.columns.get(names) else { return row };
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
