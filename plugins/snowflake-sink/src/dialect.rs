//! Snowflake's names, columns and statements, as the core asks for them.

use tidegate_cdc::{
    Dialect, HistoryDialect,
    names::NameRules,
    rows::JsonRows,
    session::Answer,
    sql::quoted,
    statement::{
        AddVersions, Bind,
        Bind::{Now, Position, Rows, Time},
        Call, Column, Copying, EarlierValues, HistoryTable, Merge, Meta, MissingValues, OffsetNames, Query,
        TableName, Validity,
    },
    table::TableColumn,
};

use crate::{
    sql,
    types::{ColumnType, kept_fraction},
};

/// Which names Snowflake accepts: any characters, if they are quoted.
pub(crate) const NAMES: NameRules =
    NameRules { database: "Snowflake", max_characters: 255, max_bytes: usize::MAX, tells_case_apart: true };

/// The statements of a sink that writes to one schema.
#[derive(Clone, Debug)]
pub(crate) struct Snowflake {
    /// The database, exact name.
    pub(crate) database: String,
    /// The schema, exact name.
    pub(crate) schema: String,
    /// Whether rows may be in files of a stage.
    pub(crate) reads_files: bool,
}

impl Snowflake {
    /// A statement with rows. `text` has a mark in place of their FROM clause.
    fn with_rows(&self, kind: &'static str, text: &str, binds: &[Bind]) -> Call {
        let mut call = Call::new(kind, sql::bound(text), binds);
        call.from_file = self.reads_files.then(|| sql::from_file(text));
        call
    }
}

/// A statement whose rows are always bound, because they are few. `text` has a mark in place of their FROM clause.
fn with_few_rows(kind: &'static str, text: &str, binds: impl Into<Vec<Bind>>) -> Call {
    Call::new(kind, sql::bound(text), binds)
}

impl Dialect for Snowflake {
    type Type = ColumnType;
    type Rows = JsonRows;

    const NAME: &'static str = "Snowflake";
    const METRICS: &'static str = "snowflake";
    const NAMES: NameRules = NAMES;

    fn table(&self, name: &str) -> TableName {
        let [database, schema, table] = [&self.database, &self.schema, name].map(|name| quoted(name));
        TableName::new(name, format!("{database}.{schema}.{table}"))
    }

    fn list_tables(&self) -> Query {
        let text = sql::list_tables(&self.database);
        Query { kind: "SELECT", text, binds: vec![self.schema.clone()] }
    }

    fn describe(&self, table: &TableName) -> Query {
        Query { kind: "SHOW COLUMNS", text: sql::show_columns(table), binds: Vec::new() }
    }

    /// Parses the result of SHOW COLUMNS: `table_name, schema_name, column_name, data_type, null?, default, kind,
    /// expression, comment, database_name, autoincrement`, and possibly more.
    fn columns(&self, answer: &Answer) -> Result<Vec<TableColumn<ColumnType>>, String> {
        let mut columns = Vec::with_capacity(answer.rows.len());
        for row in &answer.rows {
            let text = |index: usize| row.get(index).and_then(Option::as_deref);
            let (Some(name), Some(data_type)) = (text(2), text(3)) else {
                return Err(format!("a row with {} fields", row.len()));
            };
            let kind = ColumnType::from_show(data_type).map_err(|error| error.to_string())?;
            let filled = |index: usize| text(index).is_some_and(|text| !text.is_empty());
            let mut column = TableColumn::new(name.to_owned(), kind);
            column.is_required = text(4) == Some("false");
            column.is_generated = filled(5) || filled(10);
            column.is_virtual = text(6).is_some_and(|kind| kind != "COLUMN");
            column.kept_fraction = kept_fraction(data_type);
            columns.push(column);
        }
        Ok(columns)
    }

    fn create_table(
        &self,
        table: &TableName,
        columns: &[Column<ColumnType>],
        key: &[usize],
        comment: &str,
    ) -> String {
        sql::create_table(table, columns, key, comment)
    }

    fn create_deleted_keys(&self, deleted_keys: &TableName, meta: &Meta) -> String {
        sql::create_deleted_keys(deleted_keys, meta)
    }

    fn create_offsets(&self, table: &TableName, names: &OffsetNames) -> String {
        sql::create_offsets(table, names)
    }

    fn add_columns(&self, table: &TableName, columns: &[Column<ColumnType>]) -> Vec<String> {
        sql::add_columns(table, columns).into_iter().collect()
    }

    fn widen(&self, table: &TableName, column: &Column<ColumnType>) -> String {
        sql::widen(table, column)
    }

    fn merge(&self, merge: &Merge<'_, ColumnType>) -> Vec<Call> {
        vec![self.with_rows("MERGE", &sql::merge(merge), &[Now, Rows])]
    }

    fn insert_rows(&self, table: &TableName, columns: &[Column<ColumnType>], meta: &Meta) -> Vec<Call> {
        vec![self.with_rows("INSERT", &sql::insert_rows(table, columns, meta), &[Now, Rows])]
    }

    fn unmatched(&self, table: &TableName, key: &[Column<ColumnType>], soft: Option<&Meta>) -> Vec<Call> {
        vec![self.with_rows("SELECT", &sql::unmatched(table, key, soft), &[Rows])]
    }

    fn copy_moved(&self, copying: &Copying<'_, ColumnType>) -> Vec<Call> {
        vec![self.with_rows("MERGE", &sql::copy_moved(copying), &[Now, Rows])]
    }

    fn without_values(&self, missing: &MissingValues<'_, ColumnType>) -> Vec<Call> {
        vec![self.with_rows("SELECT", &sql::without_values(missing), &[Rows])]
    }

    fn history(&self) -> Option<&dyn HistoryDialect<ColumnType>> {
        Some(self)
    }

    fn store_deletes(&self, deleted_keys: &TableName, meta: &Meta) -> Vec<Call> {
        vec![self.with_rows("MERGE", &sql::store_deletes(deleted_keys, meta), &[Now, Rows])]
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
        with_few_rows("INSERT", &sql::offsets_add_missing(table, names), [Rows])
    }

    fn offsets_claim(&self, table: &TableName, names: &OffsetNames) -> Call {
        with_few_rows("MERGE", &sql::offsets_claim(table, names), [Rows])
    }

    fn offsets_read(&self, tables: &[TableName], names: &OffsetNames) -> Call {
        with_few_rows("SELECT", &sql::offsets_read(tables, names), vec![Rows; tables.len()])
    }

    fn offsets_move(&self, table: &TableName, names: &OffsetNames) -> Call {
        with_few_rows("MERGE", &sql::offsets_move(table, names), [Now, Rows])
    }
}

impl HistoryDialect<ColumnType> for Snowflake {
    fn create_history(&self, history: &HistoryTable<'_, ColumnType>) -> Vec<String> {
        vec![sql::create_history(history)]
    }

    fn create_truncates(&self, truncates: &TableName, meta: &Meta) -> String {
        sql::create_truncates(truncates, meta)
    }

    fn add_versions(&self, versions: &AddVersions<'_, ColumnType>) -> Vec<Call> {
        sql::add_versions(versions).map(|text| self.with_rows("MERGE", &text, &[Now, Rows])).into()
    }

    fn earlier_values(&self, values: &EarlierValues<'_, ColumnType>) -> Vec<Call> {
        vec![self.with_rows("SELECT", &sql::earlier_values(values), &[Rows])]
    }

    fn end_all(&self, table: &TableName, meta: &Meta, validity: &Validity) -> Vec<Call> {
        vec![sql::end_all(table, meta, validity)]
    }

    fn store_truncate(&self, truncates: &TableName, meta: &Meta) -> Vec<Call> {
        vec![sql::store_truncate(truncates, meta)]
    }
}
