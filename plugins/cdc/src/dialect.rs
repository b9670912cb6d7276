//! How the statements of a database are written.

use std::{borrow::Cow, fmt::Debug};

use crate::{
    history::HistoryDialect,
    names::NameRules,
    rows::RowFormat,
    session::Answer,
    statement::{Call, Column, Copying, Merge, Meta, MissingValues, OffsetNames, Query, TableName},
    table::TableColumn,
    types::ColumnType,
};

/// How statements, rows and types of a database are written. Pure: nothing here is sent, and nothing is remembered.
///
/// Statements that write rows may be several, which run one after the other in one transaction. Their counts are added up:
/// [`Answer::inserted`], [`Answer::updated`] and [`Answer::deleted`] of all of them together are what the rows have changed.
pub trait Dialect: Clone + Debug + 'static {
    /// Types of columns.
    type Type: ColumnType;
    /// How rows are written that are bound or loaded.
    type Rows: RowFormat;

    /// Name of the database, for messages.
    const NAME: &'static str;
    /// Beginning of the names of the sink's metrics, without the `_`.
    const METRICS: &'static str;
    /// Which names of tables and columns the database accepts.
    const NAMES: NameRules;
    /// Whether transactions can write different tables at the same time. If not, each task has one lane.
    const WRITES_CONCURRENTLY: bool = true;
    /// Whether deletes are stored by a second session of each lane while the first one writes the rows. If not, they are stored in the
    /// transaction of the rows, which then has a statement more, but needs no second session.
    const STORES_DELETES_APART: bool = Self::WRITES_CONCURRENTLY;

    /// How the statements for rows of this size in total are written, if it makes a difference: where rows are loaded, it may be
    /// faster to bind few of them.
    fn for_rows(&self, _bytes: usize) -> Cow<'_, Self> {
        Cow::Borrowed(self)
    }

    /// The full name of a table of the sink's schema.
    fn table(&self, name: &str) -> TableName;

    /// Lists the names of the tables of the sink's schema that the user can use, in the first column.
    fn list_tables(&self) -> Query;

    /// A form of the name of a table that all its spellings have in common, as [`Dialect::list_tables`] returns them and as the sink uses
    /// them. Most databases have only one.
    fn same_table(&self, name: &str) -> String {
        name.to_owned()
    }

    /// Describes the columns of a table, for [`Dialect::columns`]. For a table that does not exist, it returns no rows or fails with
    /// [`Cause::UnknownObject`](crate::session::Cause::UnknownObject).
    fn describe(&self, table: &TableName) -> Query;

    /// Reads the result of [`Dialect::describe`].
    ///
    /// # Errors
    /// Why it cannot be read.
    fn columns(&self, answer: &Answer) -> Result<Vec<TableColumn<Self::Type>>, String>;

    /// Creates a table, and fails if it exists: then another client has created it, possibly with other columns. `key` are the
    /// indexes of the primary key columns, if any.
    fn create_table(
        &self,
        table: &TableName,
        columns: &[Column<Self::Type>],
        key: &[usize],
        comment: &str,
    ) -> String;

    /// Creates the table of deleted keys unless it exists: key (text, required), position (text) and time of writing.
    fn create_deleted_keys(&self, deleted_keys: &TableName, meta: &Meta) -> String;

    /// Creates an offsets table unless it exists: topic, partition, warehouse, epoch (all required), next offset, state and the
    /// time of the last update.
    fn create_offsets(&self, table: &TableName, names: &OffsetNames) -> String;

    /// Adds columns unless they exist; no statements if there are no columns to add.
    fn add_columns(&self, table: &TableName, columns: &[Column<Self::Type>]) -> Vec<String>;

    /// Widens the type of a column to that of `column`.
    fn widen(&self, table: &TableName, column: &Column<Self::Type>) -> String;

    /// Applies rows to a table, each if it is newer than the row in the table. There is only one row per key.
    ///
    /// Rows: `columns`, then with `deleted_keys` the key's text, then with `insert_flag` whether the row may be inserted, then with
    /// `soft_delete` whether a deleted row has values, then for each of `kept` a position: the table's value is kept if its row is
    /// at least that new; null if the event has the value.
    fn merge(&self, merge: &Merge<'_, Self::Type>) -> Vec<Call>;

    /// Appends rows to a table. `columns` are all columns except the time of writing.
    ///
    /// Rows: `columns`.
    fn insert_rows(&self, table: &TableName, columns: &[Column<Self::Type>], meta: &Meta) -> Vec<Call>;

    /// Returns the texts of up to 1,000 keys that have no row, or with `soft` no row that is not deleted. `key` has at least one
    /// column.
    ///
    /// Rows: the key's text and its columns.
    fn unmatched(&self, table: &TableName, key: &[Column<Self::Type>], soft: Option<&Meta>) -> Vec<Call>;

    /// Copies rows to a new key, if the old row exists and is newer than the row of the new key. If several rows have the same new
    /// key, the first one with an existing old row is used. All old rows are read before any is written, so that two rows can
    /// exchange their keys.
    ///
    /// Rows: `columns`, then for each of `columns` that is neither key nor position whether the value comes from the old row, then
    /// with `deleted_keys` the new key's text, then a number that orders rows with the same new key, then the old key, the oldest
    /// and the newest position that the old row can have, and the oldest position of a soft-deleted old row.
    fn copy_moved(&self, copying: &Copying<'_, Self::Type>) -> Vec<Call>;

    /// Finds rows with omitted values for which the table has no value, neither under their own key nor under an old one, and
    /// rows for which there is only an old row that may still change. Rows that have no effect, because the table has a newer row or
    /// a newer delete, are not included. Returns their numbers, the latter with [`EARLY`](crate::statement::EARLY).
    ///
    /// Rows: a number; the key; with `deleted_keys` the key's text; the position; the oldest position of a row with the same key
    /// from which values are taken; then the old key or nulls, and the three positions of [`Dialect::copy_moved`], and whether the
    /// old row may still change.
    fn without_values(&self, missing: &MissingValues<'_, Self::Type>) -> Vec<Call>;

    /// The statements for history tables; `None` if the sink has no `mode = "history"`.
    fn history(&self) -> Option<&dyn HistoryDialect<Self::Type>> {
        None
    }

    /// Stores deletes of keys, the newer one of two deletes of a key. A truncate is the delete of
    /// [`EVERY_KEY`](crate::statement::EVERY_KEY).
    ///
    /// Rows: the key's text and the delete's position.
    fn store_deletes(&self, deleted_keys: &TableName, meta: &Meta) -> Vec<Call>;

    /// Removes deletes that were written before [`Bind::Time`](crate::statement::Bind::Time), but not the truncate.
    fn purge_deletes(&self, deleted_keys: &TableName, meta: &Meta) -> Call;

    /// Deletes the rows that are not newer than [`Bind::Position`](crate::statement::Bind::Position).
    fn truncate_hard(&self, table: &TableName, meta: &Meta) -> Vec<Call>;

    /// Marks rows that are older than [`Bind::Position`](crate::statement::Bind::Position) as deleted at
    /// [`Bind::Time`](crate::statement::Bind::Time). A repeated truncate finds none.
    fn truncate_soft(&self, table: &TableName, meta: &Meta) -> Vec<Call>;

    /// Adds missing rows to an offsets table, with epoch 0.
    ///
    /// Rows: topic, partition, warehouse, and the initial offset and state, or nulls.
    fn offsets_add_missing(&self, table: &TableName, names: &OffsetNames) -> Call;

    /// Claims partitions for all warehouses with a new epoch, which invalidates earlier claims, unless there is a newer claim.
    /// Copies of a row, which concurrent first claims can create where keys are not enforced, become equal, so that a claim is valid
    /// for all or none of them.
    ///
    /// Rows: topic, partition and epoch.
    fn offsets_claim(&self, table: &TableName, names: &OffsetNames) -> Call;

    /// Reads the rows of partitions in the offsets tables of all lanes: topic, partition, warehouse, epoch, next offset, state
    /// and index of the table, all as text.
    ///
    /// Rows, for each table: topic and partition.
    fn offsets_read(&self, tables: &[TableName], names: &OffsetNames) -> Call;

    /// Updates offsets, each if the claim is still valid and the offset has the expected value. If fewer rows are updated than
    /// expected, another task writes to the table.
    ///
    /// Rows: topic, partition, warehouse, epoch, the current offset (or null), and the new offset and state.
    fn offsets_move(&self, table: &TableName, names: &OffsetNames) -> Call;
}
