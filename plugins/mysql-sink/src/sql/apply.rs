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
    load::{Loading, Own, lock, moment, rows},
    name::quoted,
};
use crate::dialect::MySql;

type Merge<'a> = tidegate_cdc::statement::Merge<'a, crate::types::ColumnType>;

/// Rows are inserted in the order of their keys, so that two clients that write the same rows lock them in the same order.
pub(crate) fn merge(dialect: &MySql, merge: &Merge<'_>) -> Vec<Call> {
    let statements = Statements { dialect, rows: rows(dialect), merge, names: OwnNames::of(merge) };
    let delete = (!merge.soft_delete).then(|| statements.delete());
    let mark = merge.soft_delete.then(|| statements.mark());
    let keep = (!merge.kept.is_empty()).then(|| statements.keep());
    let steps = [
        Some(lock(dialect, merge.table)),
        delete,
        mark,
        keep,
        Some(statements.update()),
        Some(statements.insert()),
    ];
    statements.loading().then(steps.into_iter().flatten())
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
        let mut rows = Loading::new(self.dialect).columns(columns, key, meta);
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

    /// Conditions that the row `s` is newer than the delete of its key and than the last truncate.
    fn not_deleted(&self) -> Option<String> {
        let Merge { deleted_keys, meta, .. } = *self.merge;
        deleted_keys.map(|deleted| not_deleted("s", &self.names.key, deleted, meta))
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
        conditions.extend(self.not_deleted());
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
        let mut conditions = vec![format!("NOT EXISTS (SELECT 1 FROM {table} t WHERE {})", self.same_key())];
        conditions.extend(self.not_deleted());
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
            "{}\nWHERE {}\nORDER BY {order}",
            insert_from(table, columns, meta, &self.rows),
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

/// Condition that the row of the rows with this alias is newer than the delete of its key and than the last truncate. `key` is the
/// column with the text of the key.
pub(super) fn not_deleted(rows: &str, key: &str, deleted_keys: &TableName, meta: &Meta) -> String {
    not_deleted_at(rows, key, &meta.position, deleted_keys, meta)
}

/// As [`not_deleted`], with another column for the position.
pub(super) fn not_deleted_at(
    rows: &str,
    key: &str,
    at: &str,
    deleted_keys: &TableName,
    meta: &Meta,
) -> String {
    let column = digest_column(meta);
    let (position, column, at) = (quoted(&meta.position), quoted(&column), quoted(at));
    let (key, every) = (digest(&format!("{rows}.{}", quoted(key))), digest(&format!("'{EVERY_KEY}'")));
    format!(
        "NOT EXISTS (SELECT 1 FROM {deleted_keys} d WHERE d.{column} = {key} AND d.{position} >= {rows}.{at})\n\
         AND {rows}.{at} > COALESCE((SELECT z.{position} FROM {deleted_keys} z WHERE z.{column} = {every}), '')"
    )
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

/// Appends rows to a table.
pub(crate) fn insert_rows(dialect: &MySql, table: &TableName, columns: &[Column], meta: &Meta) -> Vec<Call> {
    let text = insert_from(table, columns, meta, &rows(dialect));
    Loading::new(dialect).columns(columns, &[], meta).then([Call::new("INSERT", text, [Now])])
}

/// Returns the texts of up to 1,000 keys that have no row, or with `soft` no row that is not deleted.
pub(crate) fn unmatched(
    dialect: &MySql,
    table: &TableName,
    key: &[Column],
    soft: Option<&Meta>,
) -> Vec<Call> {
    let name = unused("__key", key);
    let live = soft.map(|meta| format!(" AND COALESCE(t.{}, '') <> 'd'", quoted(&meta.operation)));
    let text = format!(
        "SELECT s.{} FROM {} s\nWHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {}{})\nLIMIT 1000",
        quoted(&name),
        rows(dialect),
        same_key(key),
        live.unwrap_or_default()
    );
    Loading::new(dialect).text(&name).key(key.iter()).then([Call::new("SELECT", text, [])])
}
