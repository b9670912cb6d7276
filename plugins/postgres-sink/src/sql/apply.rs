//! Applies rows of the source to a table: deletes, updates and inserts, each with its own statement.
//!
//! MERGE and INSERT .. ON CONFLICT do not tell how many rows they have inserted, and the latter cannot keep values of the existing
//! row that the rows do not have.

use tidegate_cdc::{
    sql::{joined, list, quoted, unused},
    statement::{Bind::Now, Call, EVERY_KEY, Meta, TableName},
};

use super::{
    Column,
    rows::{Rows, Transfer, lock},
};

type Merge<'a> = tidegate_cdc::statement::Merge<'a, crate::types::ColumnType>;

/// Rows are written in the order of their keys, so that two clients that write the same rows lock them in the same order.
pub(crate) fn merge(transfer: Transfer, merge: &Merge<'_>) -> Vec<Call> {
    let names = OwnNames::of(merge);
    let statements = Statements { rows: names.rows(transfer, merge), merge, names };
    let deletes = merge.has_deletes.then(|| match merge.soft_delete {
        true => statements.mark(),
        false => statements.delete(),
    });
    let first = [lock(merge.table)].into_iter().chain(deletes);
    statements.rows.then(first.chain([statements.update(), statements.insert()]))
}

/// Names of the columns of the rows that are not columns of the table.
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

    fn rows(&self, transfer: Transfer, merge: &Merge<'_>) -> Rows {
        let Merge { columns, deleted_keys, insert_flag, soft_delete, .. } = *merge;
        let mut rows = Rows::new(transfer).columns(columns);
        if deleted_keys.is_some() {
            rows = rows.text(&self.key);
        }
        if insert_flag {
            rows = rows.own(&self.insert, "boolean");
        }
        if soft_delete {
            rows = rows.own(&self.values, "boolean");
        }
        self.keep.iter().fold(rows, |rows, name| rows.text(name))
    }
}

struct Statements<'a> {
    rows: Rows,
    merge: &'a Merge<'a>,
    names: OwnNames,
}

impl Statements<'_> {
    fn pick(&self, indexes: &[usize]) -> impl Iterator<Item = &Column> {
        indexes.iter().filter_map(|index| self.merge.columns.get(*index))
    }

    fn same_key(&self) -> String {
        same_key(self.pick(self.merge.key))
    }

    /// Condition that the row `s` is newer than the delete of its key and than the last truncate.
    fn not_deleted(&self) -> String {
        let Merge { deleted_keys, meta, .. } = *self.merge;
        deleted_keys
            .map_or_else(|| "true".to_owned(), |deleted| not_deleted("s", &self.names.key, deleted, meta))
    }

    fn delete(&self) -> Call {
        let Merge { table, meta, .. } = *self.merge;
        let (operation, newer, on) = (quoted(&meta.operation), newer(meta), self.same_key());
        self.rows.call("DELETE", [], |rows| {
            format!("DELETE FROM {table} t USING {rows} s\nWHERE {on} AND s.{operation} = 'd' AND {newer}")
        })
    }

    /// Soft deletes of rows whose values the batch does not have: only the metadata columns change.
    fn mark(&self) -> Call {
        let Merge { table, meta, about, .. } = *self.merge;
        let (operation, newer, on) = (quoted(&meta.operation), newer(meta), self.same_key());
        let set = set(self.pick(about).map(|column| assigned(&column.name)), meta);
        let has_values = quoted(&self.names.values);
        self.rows.call("UPDATE", [Now], |rows| {
            format!(
                "UPDATE {table} t SET {set}\nFROM {rows} s\n\
                 WHERE {on} AND s.{operation} = 'd' AND NOT s.{has_values} AND {newer}"
            )
        })
    }

    fn update(&self) -> Call {
        let Merge { table, meta, key, columns, soft_delete, insert_flag, .. } = *self.merge;
        let (operation, newer, on) = (quoted(&meta.operation), newer(meta), self.same_key());
        let others = columns.iter().enumerate().filter(|(index, _)| !key.contains(index));
        let set = set(others.map(|(index, column)| self.value(index, column)), meta);
        let mut conditions = vec![on, newer, self.not_deleted()];
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
        let conditions = joined(conditions, "\nAND ");
        self.rows.call("UPDATE", [Now], |rows| {
            format!("UPDATE {table} t SET {set}\nFROM {rows} s\nWHERE {conditions}")
        })
    }

    fn insert(&self) -> Call {
        let Merge { table, meta, key, columns, soft_delete, insert_flag, .. } = *self.merge;
        let operation = quoted(&meta.operation);
        let names = columns.iter().map(|column| column.name.as_str());
        let values = list(names.clone().map(|name| format!("s.{}", quoted(name))));
        let names = list(names.map(quoted));
        let mut conditions =
            vec![format!("NOT EXISTS (SELECT FROM {table} t WHERE {})", self.same_key()), self.not_deleted()];
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
        let (processed_at, conditions) = (quoted(&meta.processed_at), joined(conditions, "\nAND "));
        self.rows.call("INSERT", [Now], |rows| {
            format!(
                "INSERT INTO {table} ({names}, {processed_at})\nOVERRIDING SYSTEM VALUE\n\
                 SELECT {values}, {NOW} FROM {rows} s\nWHERE {conditions}\nORDER BY {order}"
            )
        })
    }

    fn value(&self, index: usize, column: &Column) -> String {
        let kept = self.merge.kept.iter().position(|kept| *kept == index);
        let Some(keep) = kept.and_then(|place| self.names.keep.get(place)) else {
            return assigned(&column.name);
        };
        let (name, keep, position) = (quoted(&column.name), quoted(keep), quoted(&self.merge.meta.position));
        format!(
            "{name} = CASE WHEN COALESCE(t.{position}, '') COLLATE \"C\" >= s.{keep} THEN t.{name} ELSE s.{name} END"
        )
    }
}

/// The time of writing, as the first bind.
pub(super) const NOW: &str = "CAST(CAST($1 AS text) AS timestamptz)";

fn set(assignments: impl Iterator<Item = String>, meta: &Meta) -> String {
    list(assignments.chain([format!("{} = {NOW}", quoted(&meta.processed_at))]))
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
    let (position, text, key, at) = (quoted(&meta.position), quoted(&meta.key), quoted(key), quoted(at));
    format!(
        "NOT EXISTS (SELECT FROM {deleted_keys} d WHERE d.{text} = {rows}.{key} AND d.{position} COLLATE \"C\" >= {rows}.{at})\n\
         AND {rows}.{at} COLLATE \"C\" > COALESCE((SELECT MAX(z.{position} COLLATE \"C\") FROM {deleted_keys} z WHERE z.{text} = '{EVERY_KEY}'), '')"
    )
}

/// Condition that the row `s` is newer than the row `t`.
pub(super) fn newer(meta: &Meta) -> String {
    let position = quoted(&meta.position);
    format!("s.{position} COLLATE \"C\" > COALESCE(t.{position}, '')")
}

/// Condition that the rows `t` and `s` have the same key.
pub(super) fn same_key<'c>(key: impl IntoIterator<Item = &'c Column>) -> String {
    joined(key.into_iter().map(|column| format!("t.{0} = s.{0}", quoted(&column.name))), " AND ")
}

/// Assigns the value of `s`.
pub(super) fn assigned(name: &str) -> String {
    format!("{0} = s.{0}", quoted(name))
}

/// Appends rows to a table.
pub(crate) fn insert_rows(
    transfer: Transfer,
    table: &TableName,
    columns: &[Column],
    meta: &Meta,
) -> Vec<Call> {
    let names = list(columns.iter().map(|column| quoted(&column.name)));
    let processed_at = quoted(&meta.processed_at);
    let rows = Rows::new(transfer).columns(columns);
    let insert = rows.call("INSERT", [Now], |rows| {
        format!(
            "INSERT INTO {table} ({names}, {processed_at})\nOVERRIDING SYSTEM VALUE\nSELECT {names}, {NOW} FROM {rows} s"
        )
    });
    rows.then([insert])
}

/// Returns the texts of up to 1,000 keys that have no row, or with `soft` no row that is not deleted.
pub(crate) fn unmatched(
    transfer: Transfer,
    table: &TableName,
    key: &[Column],
    soft: Option<&Meta>,
) -> Vec<Call> {
    let name = unused("__key", key);
    let live = soft.map(|meta| format!(" AND COALESCE(t.{}, '') <> 'd'", quoted(&meta.operation)));
    let (on, live, key_text) = (same_key(key), live.unwrap_or_default(), quoted(&name));
    let rows = Rows::new(transfer).text(&name).columns(key);
    let query = rows.call("SELECT", [], |rows| {
        format!(
            "SELECT s.{key_text}::text FROM {rows} s\nWHERE NOT EXISTS (SELECT FROM {table} t WHERE {on}{live})\nLIMIT 1000"
        )
    });
    rows.then([query])
}
