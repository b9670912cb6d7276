//! Applies rows of the source to a table: deletes, updates and inserts, each with its own statement.
//!
//! INSERT .. ON DUPLICATE KEY UPDATE would write over a row with another primary key if it has the same value in another unique index,
//! and does not tell how many rows it has inserted.

use tidegate_cdc::{
    sql::{joined, list, unused},
    statement::{Bind::Now, Call, EVERY_KEY, Meta, TableName},
};

use super::{
    Column,
    load::{Loading, Own, create, drop_table, lock, moment, rows, temporary},
    name::quoted,
};
use crate::dialect::MySql;

/// Digests of the keys of loaded rows that are older than a delete.
const STALE: &str = "_tidegate_stale";

type Merge<'a> = tidegate_cdc::statement::Merge<'a, crate::types::ColumnType>;

/// Rows are inserted in the order of their keys, so that two clients that write the same rows lock them in the same order.
pub(crate) fn merge(dialect: &MySql, merge: &Merge<'_>) -> Vec<Call> {
    let statements = Statements { dialect, rows: rows(dialect), merge, names: OwnNames::of(merge) };
    let deletes = merge.has_deletes;
    let delete = (deletes && !merge.soft_delete).then(|| statements.delete());
    let mark = (deletes && merge.soft_delete).then(|| statements.mark());
    let keep = (!merge.kept.is_empty()).then(|| statements.keep());
    let stale = merge.deleted_keys.map(|deleted| statements.drop_stale(deleted)).unwrap_or_default();
    let first = [Some(lock(dialect, merge.table)), delete, mark].into_iter().flatten().chain(stale);
    let last = [keep, Some(statements.update()), Some(statements.insert())].into_iter().flatten();
    statements.loading().then(first.chain(last))
}

/// Names of the columns of the temporary table that are not columns of the table.
struct OwnNames {
    key: String,
    insert: String,
    values: String,
    keep: Vec<String>,
}

impl OwnNames {
    fn of(merge: &Merge<'_>) -> Self {
        let unused = |name: &str| unused(name, merge.columns);
        let keep = (0..merge.kept.len()).map(|index| unused(&format!("__keep_{index}"))).collect();
        Self { key: unused("__key"), insert: unused("__insert"), values: unused("__values"), keep }
    }
}

struct Statements<'a> {
    dialect: &'a MySql,
    rows: String,
    merge: &'a Merge<'a>,
    names: OwnNames,
}

impl<'a> Statements<'a> {
    fn loading(&self) -> Loading<'a> {
        let Merge { columns, key, deleted_keys, insert_flag, soft_delete, meta, .. } = *self.merge;
        let mut rows = Loading::new(self.dialect).columns(columns, key, &[&meta.timestamp]);
        if deleted_keys.is_some() {
            rows = rows.text(&self.names.key);
        }
        if insert_flag {
            rows = rows.own(&self.names.insert, Own::Flag);
        }
        if soft_delete {
            rows = rows.own(&self.names.values, Own::Flag);
        }
        self.names.keep.iter().fold(rows, |rows, name| rows.text(name))
    }

    fn pick(&self, indexes: &[usize]) -> impl Iterator<Item = &Column> {
        indexes.iter().filter_map(|index| self.merge.columns.get(*index))
    }

    fn same_key(&self) -> String {
        same_key(self.pick(self.merge.key))
    }

    /// Drops the rows that are not newer than the delete of their key or than the last truncate.
    fn drop_stale(&self, deleted_keys: &TableName) -> Vec<Call> {
        let (key, meta) = (&self.names.key, self.merge.meta);
        let filter = NotDeleted::of("s", key, &meta.position, deleted_keys, meta);
        let stale = temporary(self.dialect, STALE);
        let of_key = digest(&format!("s.{}", quoted(key)));
        let collect = format!(
            "INSERT INTO {stale}\nSELECT {of_key} FROM {} s\n{}\nWHERE NOT ({})",
            self.rows, filter.join, filter.condition
        );
        let drop_rows = format!("DELETE s FROM {} s JOIN {stale} x ON x.`digest` = {of_key}", self.rows);
        vec![
            create(self.dialect, STALE, &["`digest` binary(32) PRIMARY KEY".to_owned()]),
            Call::new("COPY", collect, []),
            Call::new("DROP ROWS", drop_rows, []),
            drop_table(self.dialect, STALE),
        ]
    }

    /// The target `t`, joined with the rows `s` of the same keys.
    fn joined(&self) -> String {
        let Merge { table, .. } = self.merge;
        format!("{table} t JOIN {} s ON {}", self.rows, self.same_key())
    }

    fn delete(&self) -> Call {
        let meta = self.merge.meta;
        let (operation, newer) = (quoted(&meta.operation), newer(meta));
        let text = format!("DELETE t FROM {}\nWHERE s.{operation} = 'd' AND {newer}", self.joined());
        Call::new("DELETE", text, [])
    }

    /// Soft deletes of rows whose values the batch does not have: only the metadata columns change.
    fn mark(&self) -> Call {
        let Merge { meta, about, .. } = *self.merge;
        let (operation, newer) = (quoted(&meta.operation), newer(meta));
        let text = format!(
            "UPDATE {}\nSET {}\nWHERE s.{operation} = 'd' AND NOT s.{} AND {newer}",
            self.joined(),
            set(self.pick(about), meta),
            quoted(&self.names.values)
        );
        Call::new("UPDATE", text, [Now])
    }

    /// Takes values from the table that its rows keep. In one UPDATE with the position, MySQL would compare some of them with the new
    /// position: it does not say in which order it assigns the columns of joined tables.
    fn keep(&self) -> Call {
        let Merge { meta, kept, .. } = *self.merge;
        let position = quoted(&meta.position);
        let items = self.pick(kept).zip(&self.names.keep).map(|(column, keep)| {
            let (name, keep) = (quoted(&column.name), quoted(keep));
            format!(
                "s.{name} = CASE WHEN COALESCE(t.{position}, '') >= s.{keep} THEN t.{name} ELSE s.{name} END"
            )
        });
        Call::new("KEEP", format!("UPDATE {}\nSET {}", self.joined(), list(items)), [])
    }

    fn update(&self) -> Call {
        let Merge { meta, key, columns, soft_delete, insert_flag, .. } = *self.merge;
        let operation = quoted(&meta.operation);
        let others = columns.iter().enumerate().filter(|(index, _)| !key.contains(index));
        let mut conditions = vec![newer(meta)];
        if soft_delete {
            conditions.push(format!("(s.{operation} <> 'd' OR s.{})", quoted(&self.names.values)));
        } else {
            conditions.push(format!("s.{operation} <> 'd'"));
        }
        if soft_delete && insert_flag {
            // A deleted row has no values to keep.
            conditions
                .push(format!("(s.{} OR COALESCE(t.{operation}, '') <> 'd')", quoted(&self.names.insert)));
        }
        let text = format!(
            "UPDATE {}\nSET {}\nWHERE {}",
            self.joined(),
            set(others.map(|(_, column)| column), meta),
            joined(conditions, "\nAND ")
        );
        Call::new("UPDATE", text, [Now])
    }

    fn insert(&self) -> Call {
        let Merge { table, meta, key, columns, soft_delete, insert_flag, .. } = *self.merge;
        let operation = quoted(&meta.operation);
        let mut conditions = vec![is_missing(self.pick(key))];
        if !soft_delete {
            conditions.push(format!("s.{operation} <> 'd'"));
        }
        let allowed = || format!("s.{}", quoted(&self.names.insert));
        match (insert_flag, soft_delete) {
            (true, true) => conditions.push(format!("(s.{operation} = 'd' OR {})", allowed())),
            (true, false) => conditions.push(allowed()),
            (false, _) => {}
        }
        let order = list(self.pick(key).map(|column| format!("s.{}", quoted(&column.name))));
        let text = format!(
            "{}\nLEFT JOIN {table} t ON {}\nWHERE {}\nORDER BY {order}",
            insert_from(table, columns, meta, &self.rows),
            self.same_key(),
            joined(conditions, "\nAND ")
        );
        Call::new("INSERT", text, [Now])
    }
}

/// Assigns the values of `s`, and the time of writing.
pub(super) fn set<'c>(columns: impl Iterator<Item = &'c Column>, meta: &Meta) -> String {
    let assigned = |column: &Column| format!("t.{0} = s.{0}", quoted(&column.name));
    list(columns.map(assigned).chain([format!("t.{} = {}", quoted(&meta.processed_at), moment("?"))]))
}

/// Inserts the columns of the rows `s`, and the time of writing.
pub(super) fn insert_from(table: &TableName, columns: &[Column], meta: &Meta, rows: &str) -> String {
    let names = list(columns.iter().map(|column| quoted(&column.name)));
    let values = list(columns.iter().map(|column| format!("s.{}", quoted(&column.name))));
    format!(
        "INSERT INTO {table} ({names}, {})\nSELECT {values}, {} FROM {rows} s",
        quoted(&meta.processed_at),
        moment("?")
    )
}

/// Name of the column of deleted keys with the digest of the key, which may be longer than an index allows.
pub(super) fn digest_column(meta: &Meta) -> String {
    format!("{}_digest", meta.key)
}

/// The digest of a text.
pub(super) fn digest(text: &str) -> String {
    format!("UNHEX(SHA2({text}, 256))")
}

/// Joins that find the delete of a row's key and the last truncate, and the condition that the row is newer than both.
///
/// They are no subqueries: MariaDB may read the whole table for one. In an UPDATE, InnoDB locks what it reads, for which the session that
/// stores deletes would wait, while this one waits for it. INSERT .. SELECT and SELECT lock nothing.
pub(super) struct NotDeleted {
    pub(super) join: String,
    pub(super) condition: String,
}

impl NotDeleted {
    /// For the rows with this alias. `key` is the column with the text of the key, `at` the one with the position.
    pub(super) fn of(rows: &str, key: &str, at: &str, deleted_keys: &TableName, meta: &Meta) -> Self {
        let (column, position, at) = (digest_column(meta), quoted(&meta.position), quoted(at));
        let column = quoted(&column);
        let (key, every) = (digest(&format!("{rows}.{}", quoted(key))), digest(&format!("'{EVERY_KEY}'")));
        Self {
            join: format!(
                "LEFT JOIN {deleted_keys} d ON d.{column} = {key}\nLEFT JOIN {deleted_keys} z ON z.{column} = {every}"
            ),
            condition: format!(
                "COALESCE(d.{position}, '') < {rows}.{at} AND COALESCE(z.{position}, '') < {rows}.{at}"
            ),
        }
    }
}

/// Condition that the row `s` is newer than the row `t`.
pub(super) fn newer(meta: &Meta) -> String {
    let position = quoted(&meta.position);
    format!("s.{position} > COALESCE(t.{position}, '')")
}

/// Condition that the rows `t` and `s` have the same key.
pub(super) fn same_key<'c>(key: impl IntoIterator<Item = &'c Column>) -> String {
    let same = |column: &Column| {
        column.kind.same(&format!("t.{}", quoted(&column.name)), &format!("s.{}", quoted(&column.name)))
    };
    joined(key.into_iter().map(same), " AND ")
}

/// Condition that there is no row `t` that is joined.
pub(super) fn is_missing<'c>(key: impl IntoIterator<Item = &'c Column>) -> String {
    let first = key.into_iter().next().map(|column| quoted(&column.name).to_string());
    format!("t.{} IS NULL", first.unwrap_or_default())
}

/// Appends rows to a table.
pub(crate) fn insert_rows(dialect: &MySql, table: &TableName, columns: &[Column], meta: &Meta) -> Vec<Call> {
    let text = insert_from(table, columns, meta, &rows(dialect));
    Loading::new(dialect).columns(columns, &[], &[&meta.timestamp]).then([Call::new("INSERT", text, [Now])])
}

/// Returns the texts of up to 1,000 keys that have no row, or with `soft` no row that is not deleted.
pub(crate) fn unmatched(
    dialect: &MySql,
    table: &TableName,
    key: &[Column],
    soft: Option<&Meta>,
) -> Vec<Call> {
    let name = unused("__key", key);
    let deleted = soft.map(|meta| format!(" OR t.{} = 'd'", quoted(&meta.operation)));
    let text = format!(
        "SELECT s.{} FROM {} s LEFT JOIN {table} t ON {}\nWHERE {}{}\nLIMIT 1000",
        quoted(&name),
        rows(dialect),
        same_key(key),
        is_missing(key),
        deleted.unwrap_or_default()
    );
    Loading::new(dialect).text(&name).key(key.iter()).then([Call::new("SELECT", text, [])])
}
