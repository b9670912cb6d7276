//! The temporary table that rows are loaded into.

use tidegate_cdc::{
    sql::{list, quoted},
    statement::{Call, TableName},
};

use super::{Column, literal::Literal};

/// Its name. The schema of temporary tables is another one in each session.
pub(super) const ROWS: &str = "pg_temp.\"_tidegate_rows\"";

/// Texts that are compared in their order, as positions.
const ORDERED: &str = "text COLLATE \"C\"";

/// The columns of the temporary table, in the order of the elements.
#[derive(Debug, Default)]
pub(super) struct Loading(Vec<String>);

impl Loading {
    /// Adds columns of a table.
    pub(super) fn columns<'c>(self, columns: impl IntoIterator<Item = &'c Column>) -> Self {
        columns.into_iter().fold(self, |rows, column| rows.own(&column.name, &column.kind.loaded()))
    }

    /// Adds one of the sink's own columns.
    pub(super) fn own(mut self, name: &str, kind: &str) -> Self {
        self.0.push(format!("{} {kind}", quoted(name)));
        self
    }

    /// Adds a column for texts.
    pub(super) fn text(self, name: &str) -> Self {
        self.own(name, ORDERED)
    }

    /// The statements that load the rows. `then` follow, and the temporary table is dropped at the end, because a later step of the
    /// transaction makes another one.
    pub(super) fn then(self, then: impl IntoIterator<Item = Call>) -> Vec<Call> {
        let create = format!("CREATE TEMPORARY TABLE \"_tidegate_rows\" ({}) ON COMMIT DROP", list(self.0));
        let load = Call { loads: true, ..Call::new("COPY", format!("COPY {ROWS} FROM STDIN"), []) };
        let first = [Call::new("CREATE TEMPORARY TABLE", create, []), load];
        let last = Call::new("DROP TABLE", format!("DROP TABLE {ROWS}"), []);
        first.into_iter().chain(then).chain([last]).collect()
    }
}

/// Waits until no other task writes the rows of a table: two transactions that do not see each other's rows could otherwise
/// restore a deleted row, or write an older one over a newer one. It is held until the end of the transaction.
pub(super) fn lock(table: &TableName) -> Call {
    let name = Literal(&table.to_string()).to_string();
    Call::new("SELECT", format!("SELECT pg_advisory_xact_lock(hashtextextended({name}, 0))::text"), [])
}
