//! The statements that create a table, or add and widen columns.

use crate::{
    dialect::Dialect,
    statement::{HistoryTable, TableName},
    table::{Changes, Columns, Table},
};

/// A statement that changes a table, and its kind.
pub(super) type Statement = (&'static str, String);

/// Writes the statements for the changes of tables.
pub(super) struct Altering<'c, D: Dialect> {
    pub(super) dialect: &'c D,
    /// Naming of columns.
    pub(super) columns: &'c Columns,
    /// Comment of new tables.
    pub(super) comment: &'c str,
}

impl<D: Dialect> Altering<'_, D> {
    /// The statements for the changes of a table.
    ///
    /// # Errors
    /// If the sink has no history tables.
    pub(super) fn statements(
        &self,
        table: &Table<D::Type>,
        changes: &Changes<D::Type>,
    ) -> Result<Vec<Statement>, String> {
        if !table.exists() {
            let texts = self.create(&table.name, changes)?;
            return Ok(texts.into_iter().map(|text| ("CREATE TABLE", text)).collect());
        }
        let added = self.dialect.add_columns(&table.name, &changes.added).into_iter();
        let widened = changes.widened.iter().map(|column| self.dialect.widen(&table.name, column));
        Ok(added.chain(widened).map(|text| ("ALTER TABLE", text)).collect())
    }

    fn create(&self, table: &TableName, changes: &Changes<D::Type>) -> Result<Vec<String>, String> {
        let Changes { added: columns, key, .. } = changes;
        let (Some(validity), false) = (&self.columns.validity, key.is_empty()) else {
            return Ok(vec![self.dialect.create_table(table, columns, key, self.comment)]);
        };
        let place = |name: &str| {
            let place = columns.iter().position(|column| column.name == name);
            place.ok_or_else(|| format!("{table} has no column {name:?}"))
        };
        let (position, valid_to) = (place(&self.columns.meta.position)?, place(&validity.to)?);
        let history = self.dialect.history().ok_or("the sink has no mode = \"history\"")?;
        let comment = self.comment;
        Ok(history.create_history(&HistoryTable { table, columns, key, position, valid_to, comment }))
    }
}
