//! SQLite's names, columns and statements, as the core asks for them.

use tidegate_cdc::{
    Dialect, HistoryDialect,
    names::NameRules,
    rows::JsonRows,
    session::Answer,
    sql::quoted,
    statement::{
        AddVersions,
        Bind::{Now, Position, Rows, Time},
        Call, Column, Copying, EarlierValues, HistoryTable, Merge, Meta, MissingValues, OffsetNames, Query,
        TableName, Validity,
    },
    table::TableColumn,
};

use crate::{sql, types::ColumnType};

/// Which names SQLite accepts: any characters, if they are quoted. It has no limit for their length, but one for that of a statement.
pub(crate) const NAMES: NameRules =
    NameRules { database: "SQLite", max_characters: 255, max_bytes: usize::MAX, tells_case_apart: false };

/// The statements of a sink that writes to one file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sqlite;

impl Dialect for Sqlite {
    type Type = ColumnType;
    type Rows = JsonRows;

    const NAME: &'static str = "SQLite";
    const METRICS: &'static str = "sqlite";
    const NAMES: NameRules = NAMES;
    const WRITES_CONCURRENTLY: bool = false;

    fn table(&self, name: &str) -> TableName {
        // A temporary table would hide one of the same name in the file.
        TableName::new(name, format!("main.{}", quoted(name)))
    }

    fn list_tables(&self) -> Query {
        Query { kind: "SELECT", text: sql::LIST_TABLES.to_owned(), binds: Vec::new() }
    }

    fn describe(&self, table: &TableName) -> Query {
        let name = || table.table.clone();
        Query { kind: "SELECT", text: sql::DESCRIBE.to_owned(), binds: vec![name(), name()] }
    }

    fn columns(&self, answer: &Answer) -> Result<Vec<TableColumn<ColumnType>>, String> {
        let rows = &answer.rows;
        let key_columns = rows.iter().filter(|row| text(row, 4) != "0").count();
        rows.iter().map(|row| column(row, key_columns)).collect()
    }

    fn create_table(
        &self,
        table: &TableName,
        columns: &[Column<ColumnType>],
        key: &[usize],
        _comment: &str,
    ) -> String {
        sql::create_table(table, columns, key)
    }

    fn create_deleted_keys(&self, deleted_keys: &TableName, meta: &Meta) -> String {
        sql::create_deleted_keys(deleted_keys, meta)
    }

    fn create_offsets(&self, table: &TableName, names: &OffsetNames) -> String {
        sql::create_offsets(table, names)
    }

    fn add_columns(&self, table: &TableName, columns: &[Column<ColumnType>]) -> Vec<String> {
        sql::add_columns(table, columns)
    }

    /// Not called: no value asks for a wider type, see `ColumnType::fit`.
    fn widen(&self, _table: &TableName, _column: &Column<ColumnType>) -> String {
        String::new()
    }

    fn merge(&self, merge: &Merge<'_, ColumnType>) -> Vec<Call> {
        sql::merge(merge)
    }

    fn insert_rows(&self, table: &TableName, columns: &[Column<ColumnType>], meta: &Meta) -> Vec<Call> {
        vec![Call::new("INSERT", sql::insert_rows(table, columns, meta), [Now, Rows])]
    }

    fn unmatched(&self, table: &TableName, key: &[Column<ColumnType>], soft: Option<&Meta>) -> Vec<Call> {
        vec![Call::new("SELECT", sql::unmatched(table, key, soft), [Rows])]
    }

    fn copy_moved(&self, copying: &Copying<'_, ColumnType>) -> Vec<Call> {
        sql::copy_moved(copying)
    }

    fn without_values(&self, missing: &MissingValues<'_, ColumnType>) -> Vec<Call> {
        vec![Call::new("SELECT", sql::without_values(missing), [Rows])]
    }

    fn history(&self) -> Option<&dyn HistoryDialect<ColumnType>> {
        Some(self)
    }

    fn store_deletes(&self, deleted_keys: &TableName, meta: &Meta) -> Vec<Call> {
        vec![Call::new("INSERT", sql::store_deletes(deleted_keys, meta), [Now, Rows])]
    }

    fn purge_deletes(&self, deleted_keys: &TableName, meta: &Meta) -> Call {
        Call::new("DELETE", sql::purge_deletes(deleted_keys, meta), [Time])
    }

    fn truncate_hard(&self, table: &TableName, meta: &Meta) -> Vec<Call> {
        vec![Call::new("DELETE", sql::truncate_hard(table, meta), [Position])]
    }

    fn truncate_soft(&self, table: &TableName, meta: &Meta) -> Vec<Call> {
        vec![Call::new("UPDATE", sql::truncate_soft(table, meta), [Position, Time, Now, Position])]
    }

    fn offsets_add_missing(&self, table: &TableName, names: &OffsetNames) -> Call {
        Call::new("INSERT", sql::offsets_add_missing(table, names), [Rows])
    }

    fn offsets_claim(&self, table: &TableName, names: &OffsetNames) -> Call {
        Call::new("UPDATE", sql::offsets_claim(table, names), [Rows])
    }

    fn offsets_read(&self, tables: &[TableName], names: &OffsetNames) -> Call {
        Call::new("SELECT", sql::offsets_read(tables, names), vec![Rows; tables.len()])
    }

    fn offsets_move(&self, table: &TableName, names: &OffsetNames) -> Call {
        Call::new("UPDATE", sql::offsets_move(table, names), [Now, Rows])
    }
}

impl HistoryDialect<ColumnType> for Sqlite {
    fn create_history(&self, history: &HistoryTable<'_, ColumnType>) -> Vec<String> {
        vec![sql::create_history(history)]
    }

    fn create_truncates(&self, truncates: &TableName, meta: &Meta) -> String {
        sql::create_truncates(truncates, meta)
    }

    fn add_versions(&self, versions: &AddVersions<'_, ColumnType>) -> Vec<Call> {
        sql::add_versions(versions)
    }

    fn earlier_values(&self, values: &EarlierValues<'_, ColumnType>) -> Vec<Call> {
        vec![sql::earlier_values(values)]
    }

    fn end_all(&self, table: &TableName, meta: &Meta, validity: &Validity) -> Vec<Call> {
        vec![sql::end_all(table, meta, validity)]
    }

    fn store_truncate(&self, truncates: &TableName, meta: &Meta) -> Vec<Call> {
        vec![sql::store_truncate(truncates, meta)]
    }
}

/// A column, from a row of [`sql::DESCRIBE`].
fn column(row: &[Option<String>], key_columns: usize) -> Result<TableColumn<ColumnType>, String> {
    if text(row, 6) == "view" {
        return Err(
            "it is a view, and the sink writes tables: set another name in [sink.config.tables]".to_owned()
        );
    }
    let is = |index: usize| text(row, index) != "0";
    let declared = text(row, 1);
    let mut column = TableColumn::new(text(row, 0).to_owned(), ColumnType::of_column(declared, is(8)));
    let (is_not_null, is_in_key) = (is(2), is(4));
    // Such a column is the rowid, and gets a number by itself.
    let is_rowid = is_in_key && key_columns == 1 && declared.eq_ignore_ascii_case("INTEGER") && !is(7);
    column.is_generated = is(3) || (is_rowid && !is_not_null);
    column.is_required = is_not_null || is_in_key;
    column.is_virtual = is(5);
    Ok(column)
}

fn text(row: &[Option<String>], index: usize) -> &str {
    row.get(index).and_then(Option::as_deref).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Session;

    fn described(create: &str) -> Result<Vec<TableColumn<ColumnType>>, String> {
        let session = Session::in_memory();
        session.execute(create);
        let query = Sqlite.describe(&Sqlite.table("t"));
        Sqlite.columns(&session.query(&query.text, &query.binds))
    }

    #[test]
    fn columns_are_described_by_affinity() {
        let columns = described(
            "CREATE TABLE t (a BIGINT PRIMARY KEY, b VARCHAR(10) NOT NULL, c DECIMAL(10,2) DEFAULT 0, d DOUBLE PRECISION, \
             e bool, f, g JSON TEXT, h BLOB, i DATETIME, j INT AS (a + 1))",
        )
        .unwrap();
        use ColumnType::{Any, Blob, Boolean, Integer, Json, Numeric, Real, Text};
        let kinds: Vec<ColumnType> = columns.iter().map(|column| column.kind).collect();
        assert_eq!(kinds, [Integer, Text, Numeric, Real, Boolean, Any, Json, Blob, Numeric, Integer]);
        let named = |is: fn(&TableColumn<ColumnType>) -> bool| {
            columns.iter().filter(|column| is(column)).map(|column| column.name.as_str()).collect::<String>()
        };
        assert_eq!(named(|column| column.is_required), "ab");
        assert_eq!(named(|column| column.is_generated), "c");
        assert_eq!(named(|column| column.is_virtual), "j");
    }

    #[test]
    fn a_rowid_gets_a_number_by_itself_unless_the_sink_has_created_it() {
        let is_generated = |create| described(create).unwrap()[0].is_generated;
        assert!(is_generated("CREATE TABLE t (id INTEGER PRIMARY KEY, v)"));
        assert!(!is_generated("CREATE TABLE t (id INTEGER NOT NULL, v, PRIMARY KEY (id))"));
        assert!(!is_generated("CREATE TABLE t (id INTEGER PRIMARY KEY, v) WITHOUT ROWID"));
        assert!(!is_generated("CREATE TABLE t (id INTEGER, v, PRIMARY KEY (id, v))"));
    }

    #[test]
    fn views_are_refused_and_missing_tables_have_no_columns() {
        assert!(described("CREATE VIEW t AS SELECT 1 AS a").unwrap_err().contains("it is a view"));
        assert_eq!(described("CREATE TABLE another (a)"), Ok(Vec::new()));
    }
}
