//! PostgreSQL's names, columns and statements, as the core asks for them.

use std::borrow::Cow;

use tidegate_cdc::{
    Dialect, HistoryDialect,
    names::NameRules,
    rows::CopyRows,
    session::Answer,
    sql::quoted,
    statement::{
        AddVersions, Call, Column, Copying, EarlierValues, HistoryTable, Merge, Meta, MissingValues,
        OffsetNames, Query, TableName, Validity,
    },
    table::TableColumn,
};

use crate::{
    sql::{self, Transfer},
    types::{ColumnType, kept_fraction},
};

/// Which names PostgreSQL accepts. It cuts longer ones, with no more than a notice.
pub(crate) const NAMES: NameRules =
    NameRules { database: "PostgreSQL", max_characters: usize::MAX, max_bytes: 63, tells_case_apart: true };

/// Rows of up to this size are bound, which is faster: each of up to four statements parses them, but no temporary table is made.
const BOUND_BYTES: usize = 16 << 10;

/// The statements of a sink that writes to one schema.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    /// The schema.
    pub(crate) schema: String,
    /// How rows get to the server.
    pub(crate) transfer: Transfer,
}

impl Postgres {
    /// The statements for any number of rows.
    pub(crate) fn new(schema: String) -> Self {
        Self { schema, transfer: Transfer::Load }
    }
}

impl Dialect for Postgres {
    type Type = ColumnType;
    type Rows = CopyRows;

    const NAME: &'static str = "PostgreSQL";
    const METRICS: &'static str = "postgres";
    const NAMES: NameRules = NAMES;
    // Behind a pooler with few connections, a transaction would wait for the second session, and that one for a connection.
    const STORES_DELETES_APART: bool = false;

    fn for_rows(&self, bytes: usize) -> Cow<'_, Self> {
        if bytes > BOUND_BYTES {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self { schema: self.schema.clone(), transfer: Transfer::Bind })
    }

    fn table(&self, name: &str) -> TableName {
        TableName::new(name, format!("{}.{}", quoted(&self.schema), quoted(name)))
    }

    fn list_tables(&self) -> Query {
        sql::list_tables(&self.schema)
    }

    fn describe(&self, table: &TableName) -> Query {
        sql::describe(&self.schema, &table.table)
    }

    fn columns(&self, answer: &Answer) -> Result<Vec<TableColumn<ColumnType>>, String> {
        let mut columns = Vec::with_capacity(answer.rows.len());
        for row in &answer.rows {
            let text = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
            let is_true = |index: usize| text(index) == "true";
            if !matches!(text(7), "r" | "p") {
                return Err("it is a view or a foreign table, which the sink does not write".to_owned());
            }
            // The values of a domain are those of its base type.
            let kind = if text(5) == "d" { text(6) } else { text(1) };
            let mut column = TableColumn::new(text(0).to_owned(), ColumnType::parse(kind));
            column.is_required = is_true(2);
            column.is_generated = is_true(3);
            column.is_virtual = is_true(4);
            column.kept_fraction = kept_fraction(kind);
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
        sql::merge(self.transfer, merge)
    }

    fn insert_rows(&self, table: &TableName, columns: &[Column<ColumnType>], meta: &Meta) -> Vec<Call> {
        sql::insert_rows(self.transfer, table, columns, meta)
    }

    fn unmatched(&self, table: &TableName, key: &[Column<ColumnType>], soft: Option<&Meta>) -> Vec<Call> {
        sql::unmatched(self.transfer, table, key, soft)
    }

    fn copy_moved(&self, copying: &Copying<'_, ColumnType>) -> Vec<Call> {
        sql::copy_moved(copying)
    }

    fn without_values(&self, missing: &MissingValues<'_, ColumnType>) -> Vec<Call> {
        sql::without_values(self.transfer, missing)
    }

    fn history(&self) -> Option<&dyn HistoryDialect<ColumnType>> {
        Some(self)
    }

    fn store_deletes(&self, deleted_keys: &TableName, meta: &Meta) -> Vec<Call> {
        sql::store_deletes(self.transfer, deleted_keys, meta)
    }

    fn purge_deletes(&self, deleted_keys: &TableName, meta: &Meta) -> Call {
        sql::purge_deletes(deleted_keys, meta)
    }

    fn truncate_hard(&self, table: &TableName, meta: &Meta) -> Vec<Call> {
        sql::truncate_hard(table, meta)
    }

    fn truncate_soft(&self, table: &TableName, meta: &Meta) -> Vec<Call> {
        sql::truncate_soft(table, meta)
    }

    fn offsets_add_missing(&self, table: &TableName, names: &OffsetNames) -> Call {
        sql::offsets_add_missing(table, names)
    }

    fn offsets_claim(&self, table: &TableName, names: &OffsetNames) -> Call {
        sql::offsets_claim(table, names)
    }

    fn offsets_read(&self, tables: &[TableName], names: &OffsetNames) -> Call {
        sql::offsets_read(tables, names)
    }

    fn offsets_move(&self, table: &TableName, names: &OffsetNames) -> Call {
        sql::offsets_move(table, names)
    }
}

impl HistoryDialect<ColumnType> for Postgres {
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
        sql::earlier_values(values)
    }

    fn end_all(&self, table: &TableName, meta: &Meta, validity: &Validity) -> Vec<Call> {
        sql::end_all(table, meta, validity)
    }

    fn store_truncate(&self, truncates: &TableName, meta: &Meta) -> Vec<Call> {
        sql::store_truncate(truncates, meta)
    }
}
