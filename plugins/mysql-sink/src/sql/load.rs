//! The temporary table that rows are loaded into.

use sha2::{Digest as _, Sha256};
use tidegate_cdc::{
    sql::list,
    statement::{Call, TableName},
};

use super::{Column, name::quoted};
use crate::{dialect::MySql, session::LOCK};

/// Name of the temporary table.
const ROWS: &str = "_tidegate_rows";

/// Columns of the temporary table that are not columns of a table.
#[derive(Clone, Copy)]
pub(super) enum Own {
    /// Text that is compared in its order, as positions are.
    Text,
    /// True or false.
    Flag,
    /// A whole number.
    Number,
    /// A point in time, as the core writes it.
    Moment,
}

/// The columns of the temporary table, in the order of the elements.
#[derive(Debug)]
pub(super) struct Loading<'d> {
    dialect: &'d MySql,
    definitions: Vec<String>,
    /// Names, and what reads their elements, with a `?` for the element.
    elements: Vec<(String, String)>,
}

impl<'d> Loading<'d> {
    pub(super) fn new(dialect: &'d MySql) -> Self {
        Self { dialect, definitions: Vec::new(), elements: Vec::new() }
    }

    /// Adds columns of a table, of which some may be key columns, and some are `moments` of the core.
    pub(super) fn columns(self, columns: &[Column], key: &[usize], moments: &[&String]) -> Self {
        columns.iter().enumerate().fold(self, |rows, (index, column)| {
            let key_parts = key.contains(&index).then_some(key.len());
            // The core writes it in ISO 8601.
            let read = moments.contains(&&column.name).then(|| moment("?"));
            rows.column(&column.name, column, key_parts, read)
        })
    }

    /// Adds key columns.
    pub(super) fn key<'c>(self, columns: impl ExactSizeIterator<Item = &'c Column>) -> Self {
        let parts = columns.len();
        columns.fold(self, |rows, column| rows.column(&column.name, column, Some(parts), None))
    }

    /// Adds a column with the type of a key column, and another name.
    pub(super) fn old_key(self, name: &str, column: &Column, parts: usize) -> Self {
        self.column(name, column, Some(parts), None)
    }

    fn column(mut self, name: &str, column: &Column, key_parts: Option<usize>, read: Option<String>) -> Self {
        let kind = column.kind.loaded(key_parts, self.dialect.collation);
        self.definitions.push(format!("{} {kind}", quoted(name)));
        let read = read.unwrap_or_else(|| column.kind.read().to_owned());
        self.elements.push((name.to_owned(), read));
        self
    }

    /// Adds one of the sink's own columns.
    pub(super) fn own(mut self, name: &str, own: Own) -> Self {
        let read = if matches!(own, Own::Moment) { moment("?") } else { "?".to_owned() };
        self.elements.push((name.to_owned(), read));
        self.found(name, own)
    }

    /// Adds one of the sink's own columns that is not loaded, but set by a later statement.
    pub(super) fn found(mut self, name: &str, own: Own) -> Self {
        let kind = match own {
            Own::Text => format!("longtext COLLATE {}", self.dialect.collation),
            Own::Flag => "tinyint(1)".to_owned(),
            Own::Number => "bigint".to_owned(),
            Own::Moment => "datetime(6)".to_owned(),
        };
        self.definitions.push(format!("{} {kind}", quoted(name)));
        self
    }

    /// Adds a column for texts.
    pub(super) fn text(self, name: &str) -> Self {
        self.own(name, Own::Text)
    }

    /// The statements that load the rows. `then` follow, and the temporary table is dropped at the end.
    pub(super) fn then(self, then: impl IntoIterator<Item = Call>) -> Vec<Call> {
        let create = create(self.dialect, ROWS, &self.definitions);
        let load = Call { loads: true, ..Call::new("LOAD", self.load(), []) };
        let last = drop_table(self.dialect, ROWS);
        [create, load].into_iter().chain(then).chain([last]).collect()
    }

    /// Reads a file whose content the client sends, or inserts the rows where the server does not ask for files.
    fn load(&self) -> String {
        let table = rows(self.dialect);
        if !self.dialect.loads {
            let names = list(self.elements.iter().map(|(name, _)| quoted(name)));
            return format!(
                "INSERT INTO {table} ({names}) VALUES ({})",
                list(self.elements.iter().map(|(_, read)| read))
            );
        }
        let is_plain = |read: &str| read == "?";
        let targets = self.elements.iter().enumerate().map(|(index, (name, read))| match is_plain(read) {
            true => quoted(name).to_string(),
            false => format!("@v{index}"),
        });
        let read = self.elements.iter().enumerate().filter(|(_, (_, read))| !is_plain(read));
        let set = read.map(|(index, (name, read))| {
            format!("{} = {}", quoted(name), read.replace('?', &format!("@v{index}")))
        });
        let set = list(set);
        format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {table} CHARACTER SET utf8mb4\n\
             FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'\n({}){}",
            list(targets),
            if set.is_empty() { set } else { format!("\nSET {set}") }
        )
    }
}

/// The temporary table.
pub(super) fn rows(dialect: &MySql) -> String {
    temporary(dialect, ROWS)
}

/// The full name of a temporary table.
pub(super) fn temporary(dialect: &MySql, name: &str) -> String {
    format!("{}.{}", quoted(&dialect.database), quoted(name))
}

/// Creates a temporary table. It is not dropped with a transaction, so one of a failed transaction may be left. Neither statement
/// commits.
pub(super) fn create(dialect: &MySql, name: &str, definitions: &[String]) -> Call {
    let table = temporary(dialect, name);
    let text = format!(
        "DROP TEMPORARY TABLE IF EXISTS {table};\nCREATE TEMPORARY TABLE {table} ({}) ENGINE = InnoDB",
        list(definitions)
    );
    Call::new("CREATE TEMPORARY TABLE", text, [])
}

/// Drops a temporary table.
pub(super) fn drop_table(dialect: &MySql, name: &str) -> Call {
    Call::new("DROP TEMPORARY TABLE", format!("DROP TEMPORARY TABLE {}", temporary(dialect, name)), [])
}

/// A point in time of the core, in UTC and ISO 8601, which may have nanoseconds and ends with `Z`.
pub(super) fn moment(text: &str) -> String {
    format!("CAST(LEFT(REPLACE({text}, 'Z', ''), 26) AS DATETIME(6))")
}

/// Waits until no other task writes the rows of a table: two transactions that do not see each other's rows could otherwise restore
/// a deleted row, or write an older one over a newer one. The session releases it at the end of the transaction.
///
/// Names of locks are short and belong to the whole server, so it is a digest. On some systems, names that differ in case are the
/// same table.
pub(super) fn lock(dialect: &MySql, table: &TableName) -> Call {
    let digest = Sha256::digest(table.to_string().to_lowercase());
    let name: String = digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect();
    Call::new(LOCK, format!("SELECT GET_LOCK('tidegate_{name}', {})", dialect.lock_seconds), [])
}
