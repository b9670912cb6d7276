//! How the statements for history tables are written.
//!
//! A history table has a row for every version of a row of the source. Its key is that of the source and the position. A delete is a
//! row, too: it has no values, and ends when it begins. The position alone says which of two versions of a row is the later one; times
//! only say from when to when a version was valid:
//!
//! - A version is valid from the time of its event.
//! - It is valid until the earliest time of all later versions of its row, and of all later truncates; or not at all, if that is before
//!   it began: then both times are the same.
//!
//! So at any time, at most one version of a row is valid: the latest one of those that had begun. And the end of a version can only
//! become earlier with each version that is added, so the result is the same in whatever order they are added, and however often.

use crate::{
    sql::{joined, quoted, unused},
    statement::{AddVersions, Call, Column, EarlierValues, HistoryTable, Meta, TableName, Validity},
};

/// How the statements for history tables are written, for databases that have them: see
/// [`Dialect::history`](crate::dialect::Dialect::history). Pure, as [`Dialect`](crate::dialect::Dialect).
pub trait HistoryDialect<T> {
    /// Creates a history table, and fails if it exists. Its key are the key columns and the position. Versions are searched for by key
    /// and position, and by key and end of the validity, for which the database needs indexes, if it has some.
    fn create_history(&self, history: &HistoryTable<'_, T>) -> Vec<String>;

    /// Creates the table of truncates unless it exists: position (text, required), commit time in the source, time of writing.
    fn create_truncates(&self, truncates: &TableName, meta: &Meta) -> String;

    /// Adds versions that the table does not have, and ends earlier versions where these begin.
    ///
    /// The counts of inserted rows are those of added versions; updates are not counted.
    ///
    /// Rows: `columns`. Then, to end earlier versions, the position of the previous version of the same key in the batch, or an empty
    /// text: this row ends all versions in the table from there up to its own position; the time at which it ends them, which is the
    /// earliest one of it and of all later versions in the batch; and that of only the later ones, or null.
    ///
    /// Then with `compared` whether the row is compared: it is ignored if the latest earlier version in the table is not a delete,
    /// has the same values, and is not older than the previous version in the batch. If it is ignored, it ends earlier versions at the time of the later ones only.
    ///
    /// Then with `kept`, where to search for values, or nulls: a key, a position, and whether deletes are passed over. Values are those
    /// of the latest version with this key up to and including this position. If it is a delete that is not passed over, they are null. Last, for
    /// each of `kept` a position: the value of that version is used if it is at least that new; null if the event has the value.
    fn add_versions(&self, versions: &AddVersions<'_, T>) -> Vec<Call>;

    /// Finds versions with omitted values that no earlier version has, and those whose values are of a version of another key that may
    /// still change. Returns their numbers, the latter with [`EARLY`](crate::statement::EARLY).
    ///
    /// Rows: a number; a key, a position, and whether deletes are passed over, as in [`HistoryDialect::add_versions`]; and whether the
    /// version found may still change, unless the latest one up to that position is a delete.
    fn earlier_values(&self, values: &EarlierValues<'_, T>) -> Vec<Call>;

    /// Ends all versions up to and including [`Bind::Position`](crate::statement::Bind::Position) at
    /// [`Bind::Time`](crate::statement::Bind::Time). A repeated truncate ends none.
    fn end_all(&self, table: &TableName, meta: &Meta, validity: &Validity) -> Vec<Call>;

    /// Stores a truncate with [`Bind::Position`](crate::statement::Bind::Position) and [`Bind::Time`](crate::statement::Bind::Time),
    /// unless it is stored.
    fn store_truncate(&self, truncates: &TableName, meta: &Meta) -> Vec<Call>;
}

/// Names for what the rows of [`HistoryDialect::add_versions`] have beside the columns of the table. None is the name of a column.
#[derive(Clone, Debug)]
pub struct VersionNames {
    /// Position of the previous version of the same key in the batch.
    pub after: String,
    /// When the row ends earlier versions.
    pub ends: String,
    /// The earliest time of only the later versions in the batch.
    pub until: String,
    /// Whether the row is compared.
    pub compared: String,
    /// Where to search for values.
    pub earlier: EarlierNames,
    keep: Vec<(usize, String)>,
}

impl VersionNames {
    /// The names for the rows of this table.
    #[must_use]
    pub fn of<T>(versions: &AddVersions<'_, T>) -> Self {
        let own = |name: &str| unused(name, versions.columns);
        let keep = versions.kept.iter().enumerate();
        Self {
            after: own("__after"),
            ends: own("__ends"),
            until: own("__until"),
            compared: own("__compared"),
            earlier: EarlierNames::of(versions.columns, versions.key.len()),
            keep: keep.map(|(index, column)| (*column, own(&format!("__keep_{index}")))).collect(),
        }
    }

    /// For each column that may have the value of an earlier version, in order: how new that version must be.
    pub fn keep(&self) -> impl Iterator<Item = &str> {
        self.keep.iter().map(|(_, name)| name.as_str())
    }

    /// As [`VersionNames::keep`], for the column with this index; `None` if it has no value of an earlier version.
    #[must_use]
    pub fn keep_of(&self, column: usize) -> Option<&str> {
        self.keep.iter().find_map(|(kept, name)| (*kept == column).then_some(name.as_str()))
    }
}

/// Names for what says where the values of a row are searched for. None is the name of a column.
#[derive(Clone, Debug)]
pub struct EarlierNames {
    /// Parts of the key.
    pub key: Vec<String>,
    /// The position.
    pub up_to: String,
    /// Whether deletes are passed over.
    pub passes: String,
}

impl EarlierNames {
    /// The names for a key with this number of parts.
    #[must_use]
    pub fn of<T>(columns: &[Column<T>], parts: usize) -> Self {
        let key = (0..parts).map(|part| unused(&format!("__old_{part}"), columns)).collect();
        Self { key, up_to: unused("__up_to", columns), passes: unused("__passes", columns) }
    }

    /// Condition that `table` is a version with the key that `rows` search for, where values are compared by `=`. Both are aliases.
    pub fn same_key<'c, T: 'c>(
        &self,
        table: &str,
        rows: &str,
        key: impl IntoIterator<Item = &'c Column<T>>,
    ) -> String {
        let same = self.key.iter().zip(key);
        let same =
            same.map(|(old, column)| format!("{table}.{} = {rows}.{}", quoted(&column.name), quoted(old)));
        joined(same, " AND ")
    }
}
