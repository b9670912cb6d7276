//! MySQL's names, columns and statements, as the core asks for them.

use tidegate_cdc::{
    Dialect, HistoryDialect,
    names::NameRules,
    session::Answer,
    statement::{
        AddVersions, Call, Column, Copying, EarlierValues, HistoryTable, Merge, Meta, MissingValues,
        OffsetNames, Query, TableName, Validity,
    },
    table::TableColumn,
};

use crate::{
    sql::{self, quoted},
    types::{ColumnType, Described, LoadRows},
};

/// Which names MySQL accepts. Columns that differ only in case are the same, and on some systems tables, too.
pub(crate) const NAMES: NameRules =
    NameRules { database: "MySQL", max_characters: 64, max_bytes: usize::MAX, tells_case_apart: false };

/// Storage engines with transactions.
const ENGINES: [&str; 4] = ["InnoDB", "ROCKSDB", "TokuDB", "ndbcluster"];

/// The statements of a sink that writes to one database.
#[derive(Clone, Debug)]
pub(crate) struct MySql {
    /// The database.
    pub(crate) database: String,
    /// The collation of the sink's own texts.
    pub(crate) collation: &'static str,
    /// Whether the server is MariaDB.
    pub(crate) is_mariadb: bool,
    /// Whether the server lets clients load files.
    pub(crate) loads: bool,
    /// Whether names of tables that differ in case are the same table, which the server lists in lower case.
    pub(crate) folds_tables: bool,
    /// How long to wait for the lock of a table, in seconds.
    pub(crate) lock_seconds: u64,
}

impl Dialect for MySql {
    type Type = ColumnType;
    type Rows = LoadRows;

    const NAME: &'static str = "MySQL";
    const METRICS: &'static str = "mysql";
    const NAMES: NameRules = NAMES;

    fn table(&self, name: &str) -> TableName {
        TableName::new(name, format!("{}.{}", quoted(&self.database), quoted(name)))
    }

    fn list_tables(&self) -> Query {
        sql::list_tables(&self.database)
    }

    fn same_table(&self, name: &str) -> String {
        if self.folds_tables { name.to_lowercase() } else { name.to_owned() }
    }

    fn describe(&self, table: &TableName) -> Query {
        sql::describe(self, &table.table)
    }

    fn columns(&self, answer: &Answer) -> Result<Vec<TableColumn<ColumnType>>, String> {
        answer.rows.iter().map(|row| self.column(row)).collect()
    }

    fn create_table(
        &self,
        table: &TableName,
        columns: &[Column<ColumnType>],
        key: &[usize],
        comment: &str,
    ) -> String {
        sql::create_table(self, table, columns, key, comment)
    }

    fn create_deleted_keys(&self, deleted_keys: &TableName, meta: &Meta) -> String {
        sql::create_deleted_keys(self, deleted_keys, meta)
    }

    fn create_offsets(&self, table: &TableName, names: &OffsetNames) -> String {
        sql::create_offsets(self, table, names)
    }

    fn add_columns(&self, table: &TableName, columns: &[Column<ColumnType>]) -> Vec<String> {
        sql::add_columns(self, table, columns).into_iter().collect()
    }

    fn widen(&self, table: &TableName, column: &Column<ColumnType>) -> String {
        sql::widen(self, table, column)
    }

    fn merge(&self, merge: &Merge<'_, ColumnType>) -> Vec<Call> {
        sql::merge(self, merge)
    }

    fn insert_rows(&self, table: &TableName, columns: &[Column<ColumnType>], meta: &Meta) -> Vec<Call> {
        sql::insert_rows(self, table, columns, meta)
    }

    fn unmatched(&self, table: &TableName, key: &[Column<ColumnType>], soft: Option<&Meta>) -> Vec<Call> {
        sql::unmatched(self, table, key, soft)
    }

    fn copy_moved(&self, copying: &Copying<'_, ColumnType>) -> Vec<Call> {
        sql::copy_moved(self, copying)
    }

    fn without_values(&self, missing: &MissingValues<'_, ColumnType>) -> Vec<Call> {
        sql::without_values(self, missing)
    }

    fn history(&self) -> Option<&dyn HistoryDialect<ColumnType>> {
        Some(self)
    }

    fn store_deletes(&self, deleted_keys: &TableName, meta: &Meta) -> Vec<Call> {
        sql::store_deletes(self, deleted_keys, meta)
    }

    fn purge_deletes(&self, deleted_keys: &TableName, meta: &Meta) -> Call {
        sql::purge_deletes(deleted_keys, meta)
    }

    fn truncate_hard(&self, table: &TableName, meta: &Meta) -> Vec<Call> {
        sql::truncate_hard(self, table, meta)
    }

    fn truncate_soft(&self, table: &TableName, meta: &Meta) -> Vec<Call> {
        sql::truncate_soft(self, table, meta)
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

impl HistoryDialect<ColumnType> for MySql {
    fn create_history(&self, history: &HistoryTable<'_, ColumnType>) -> Vec<String> {
        vec![sql::create_history(self, history)]
    }

    fn create_truncates(&self, truncates: &TableName, meta: &Meta) -> String {
        sql::create_truncates(self, truncates, meta)
    }

    fn add_versions(&self, versions: &AddVersions<'_, ColumnType>) -> Vec<Call> {
        sql::add_versions(self, versions)
    }

    fn earlier_values(&self, values: &EarlierValues<'_, ColumnType>) -> Vec<Call> {
        sql::earlier_values(self, values)
    }

    fn end_all(&self, table: &TableName, meta: &Meta, validity: &Validity) -> Vec<Call> {
        sql::end_all(self, table, meta, validity)
    }

    fn store_truncate(&self, truncates: &TableName, meta: &Meta) -> Vec<Call> {
        sql::store_truncate(truncates, meta)
    }
}

impl MySql {
    /// A column, from a row of [`sql::describe`].
    fn column(&self, row: &[Option<String>]) -> Result<TableColumn<ColumnType>, String> {
        let text = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
        let is_true = |index: usize| text(index) == "1";
        if !matches!(text(9), "BASE TABLE" | "SYSTEM VERSIONED") {
            return Err("it is a view, and the sink writes tables: set another name in [sink.config.tables]"
                .to_owned());
        }
        if !ENGINES.iter().any(|engine| engine.eq_ignore_ascii_case(text(10))) {
            return Err(format!(
                "its engine {} has no transactions: run ALTER TABLE .. ENGINE = InnoDB, or set another name in \
                 [sink.config.tables]",
                text(10)
            ));
        }
        let (is_required, has_default, is_numbered) =
            (is_true(2), is_true(3), text(5).contains("auto_increment"));
        let kind = ColumnType::described(&Described {
            declared: text(1),
            charset: text(6),
            collation: text(7),
            own_collation: self.collation,
            is_document: is_true(11),
            // A new definition would lose what is not part of the type.
            is_fixed: is_required || has_default || !text(5).is_empty() || !text(8).is_empty(),
        });
        let mut column = TableColumn::new(text(0).to_owned(), kind);
        column.is_required = is_required;
        column.is_generated = has_default || is_numbered;
        column.is_virtual = is_true(4);
        column.kept_fraction = column.kind.kept_fraction();
        Ok(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(declared: &str, kind_of_table: &str, engine: &str) -> Result<TableColumn<ColumnType>, String> {
        let dialect = crate::sql::tests::dialect();
        let texts = ["c", declared, "0", "1", "0", "auto_increment", "", "", "", kind_of_table, engine, "0"];
        dialect.column(&texts.map(|text| Some(text.to_owned())))
    }

    #[test]
    fn views_and_engines_without_transactions_are_refused() {
        let found = column("bigint(20) unsigned", "BASE TABLE", "InnoDB").unwrap();
        assert!(found.is_generated && !found.is_virtual);
        assert_eq!(found.kind.to_string(), "bigint unsigned");
        assert!(column("int", "VIEW", "").unwrap_err().contains("it is a view"));
        let error = column("int", "BASE TABLE", "MyISAM").unwrap_err();
        assert!(error.contains("MyISAM has no transactions: run ALTER TABLE"), "{error}");
    }

    #[test]
    fn times_keep_their_declared_digits() {
        assert_eq!(column("datetime(3)", "BASE TABLE", "InnoDB").unwrap().kept_fraction, Some(3));
        assert_eq!(column("time", "BASE TABLE", "InnoDB").unwrap().kept_fraction, Some(0));
        assert_eq!(column("date", "BASE TABLE", "InnoDB").unwrap().kept_fraction, None);
    }
}
