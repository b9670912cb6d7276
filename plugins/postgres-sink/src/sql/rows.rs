//! The rows that statements read: a temporary table that they are loaded into, or a bind of each statement if they are few.

use tidegate_cdc::{
    sql::{list, quoted},
    statement::{Bind, Call, TableName},
};

use super::{Column, literal::Literal};
use crate::types::ColumnType;

/// The temporary table. The schema of temporary tables is another one in each session.
pub(super) const LOADED: &str = "pg_temp.\"_tidegate_rows\"";

/// How rows get to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// By COPY into a temporary table, which takes five round trips and several entries in the server's catalog.
    Load,
    /// With every statement that reads them.
    Bind,
}

/// The columns of the rows, in the order of the elements.
#[derive(Debug)]
pub(super) struct Rows {
    columns: Vec<(String, Kind)>,
    transfer: Transfer,
}

#[derive(Debug)]
enum Kind {
    /// A type, as in a definition.
    Of(String),
    /// Texts that are compared in their order, as positions.
    Ordered,
}

impl Rows {
    /// Rows that are transferred like this, as far as the types of the columns allow it.
    pub(super) fn new(transfer: Transfer) -> Self {
        Self { columns: Vec::new(), transfer }
    }

    /// Adds columns of a table. A cast to a type that the sink does not know could cut the value, where COPY would reject it.
    pub(super) fn columns<'c>(mut self, columns: impl IntoIterator<Item = &'c Column>) -> Self {
        for column in columns {
            if is_native(&column.kind) {
                self.transfer = Transfer::Load;
            }
            self.columns.push((column.name.clone(), Kind::Of(column.kind.loaded())));
        }
        self
    }

    /// Adds one of the sink's own columns.
    pub(super) fn own(mut self, name: &str, kind: &str) -> Self {
        self.columns.push((name.to_owned(), Kind::Of(kind.to_owned())));
        self
    }

    /// Adds a column for texts that are compared in their order.
    pub(super) fn text(mut self, name: &str) -> Self {
        self.columns.push((name.to_owned(), Kind::Ordered));
        self
    }

    /// A statement that reads the rows. `text` is given what stands for them after FROM or USING, which needs an alias.
    pub(super) fn call(
        &self,
        kind: &'static str,
        binds: impl Into<Vec<Bind>>,
        text: impl FnOnce(&str) -> String,
    ) -> Call {
        let mut binds = binds.into();
        match self.transfer {
            Transfer::Load => Call::new(kind, text(LOADED), binds),
            Transfer::Bind => {
                binds.push(Bind::Rows);
                Call::new(kind, text(&self.bound(binds.len())), binds)
            }
        }
    }

    /// The rows as a query for a bind with this number, which is a JSON array of arrays of texts and nulls.
    fn bound(&self, place: usize) -> String {
        let items = self.columns.iter().enumerate().map(|(index, (name, kind))| {
            let value = format!("r.value ->> {index}");
            match kind {
                Kind::Of(kind) => format!("CAST({value} AS {kind}) AS {}", quoted(name)),
                Kind::Ordered => format!("({value}) COLLATE \"C\" AS {}", quoted(name)),
            }
        });
        let elements = format!("jsonb_array_elements(CAST(CAST(${place} AS text) AS jsonb))");
        format!("(SELECT {} FROM {elements} r)", list(items))
    }

    /// The statements that load the rows, if necessary, and then `calls`. The temporary table is dropped at the end, because a later
    /// step of the transaction makes another one.
    pub(super) fn then(&self, calls: impl IntoIterator<Item = Call>) -> Vec<Call> {
        if self.transfer == Transfer::Bind {
            return calls.into_iter().collect();
        }
        let columns = self.columns.iter().map(|(name, kind)| match kind {
            Kind::Of(kind) => format!("{} {kind}", quoted(name)),
            Kind::Ordered => format!("{} text COLLATE \"C\"", quoted(name)),
        });
        let create = format!("CREATE TEMPORARY TABLE \"_tidegate_rows\" ({}) ON COMMIT DROP", list(columns));
        let load = Call { loads: true, ..Call::new("COPY", format!("COPY {LOADED} FROM STDIN"), []) };
        let first = [Call::new("CREATE TEMPORARY TABLE", create, []), load];
        let last = Call::new("DROP TABLE", format!("DROP TABLE {LOADED}"), []);
        first.into_iter().chain(calls).chain([last]).collect()
    }
}

/// Whether values are given to the server as texts that it may or may not accept.
fn is_native(kind: &ColumnType) -> bool {
    match kind {
        ColumnType::Native(_) => true,
        ColumnType::Array(element) => is_native(element),
        _ => false,
    }
}

/// Waits until no other task writes the rows of a table: two transactions that do not see each other's rows could otherwise
/// restore a deleted row, or write an older one over a newer one. It is held until the end of the transaction.
pub(super) fn lock(table: &TableName) -> Call {
    let name = Literal(&table.to_string()).to_string();
    Call::new("SELECT", format!("SELECT pg_advisory_xact_lock(hashtextextended({name}, 0))::text"), [])
}
