//! The MERGE that applies rows of the source to a table.

use tidegate_cdc::{
    sql::{list, quoted, unused},
    statement::{EVERY_KEY, Meta, TableName},
};

use super::{
    Column,
    rows::{Reader, same_key},
};

/// Rows of the source, to be applied to a table.
type Merge<'a> = tidegate_cdc::statement::Merge<'a, crate::types::ColumnType>;

/// Applies rows to a table, each if it is newer than the row in the table. There must be only one row per key.
///
/// Binds: the time of writing; rows of `columns`, then with `deleted_keys` the key's text, then with `insert_flag`
/// whether the row may be inserted, then for each of `kept` a position: the table's value is kept if its row is at
/// least that new; null if the event has the value.
pub(crate) fn merge(merge: &Merge<'_>) -> String {
    Statement { merge, names: OwnNames::of(merge) }.text()
}

/// Names of columns in the SELECT that are not columns of the table.
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

struct Statement<'a> {
    merge: &'a Merge<'a>,
    names: OwnNames,
}

impl Statement<'_> {
    fn text(&self) -> String {
        let table = self.merge.table;
        let source = self.source();
        let on = same_key(self.pick(self.merge.key));
        let clauses = if self.merge.soft_delete { self.soft() } else { self.hard() };
        let insert = self.insert();
        format!("MERGE INTO {table} t\nUSING ({source}) s\nON {on}\n{clauses} THEN {insert}")
    }

    fn pick(&self, indexes: &[usize]) -> impl Iterator<Item = &Column> {
        indexes.iter().filter_map(|index| self.merge.columns.get(*index))
    }

    fn source(&self) -> String {
        let Merge { columns, deleted_keys, insert_flag, soft_delete, meta, .. } = *self.merge;
        let mut rows = Reader::with_time(&meta.processed_at).columns(columns);
        if deleted_keys.is_some() {
            rows = rows.own(&self.names.key, "VARCHAR");
        }
        if insert_flag {
            rows = rows.own(&self.names.insert, "BOOLEAN");
        }
        if soft_delete {
            rows = rows.own(&self.names.values, "BOOLEAN");
        }
        let rows = self.names.keep.iter().fold(rows, |rows, name| rows.own(name, "VARCHAR")).select();
        match deleted_keys {
            Some(deleted_keys) => self.not_deleted(&rows, deleted_keys),
            None => rows,
        }
    }

    /// The rows that are newer than the delete of their key and than the last truncate, and all deletes: they only delete older
    /// rows, and may have been stored before.
    fn not_deleted(&self, rows: &str, deleted_keys: &TableName) -> String {
        let meta = self.merge.meta;
        let own = Own { rows: "b", key: &self.names.key, position: &meta.position };
        let NotDeleted { join, condition } = not_deleted(&own, deleted_keys, meta);
        let operation = quoted(&meta.operation);
        format!("SELECT b.* FROM ({rows}) b\n{join}\nWHERE b.{operation} = 'd' OR ({condition})")
    }

    fn newer(&self) -> String {
        newer(self.merge.meta)
    }

    /// Clauses for hard deletes.
    fn hard(&self) -> String {
        let operation = quoted(&self.merge.meta.operation);
        let newer = self.newer();
        let update = self.update();
        let allowed = self.allowed(" AND ");
        format!(
            "WHEN MATCHED AND {newer} AND s.{operation} = 'd' THEN DELETE\n\
             WHEN MATCHED AND {newer} THEN UPDATE SET {update}\n\
             WHEN NOT MATCHED AND s.{operation} <> 'd'{allowed}"
        )
    }

    /// Clauses for soft deletes. Rows keep their values, including those of an update before the delete. A delete
    /// without a row inserts one, to store the position of the delete.
    fn soft(&self) -> String {
        let operation = quoted(&self.merge.meta.operation);
        let newer = self.newer();
        let about = self.set(self.pick(self.merge.about).map(|column| assigned(&column.name)));
        let update = self.update();
        let values = quoted(&self.names.values);
        let (mut there, mut absent) = (String::new(), String::new());
        if self.merge.insert_flag {
            // A deleted row has no values to keep.
            let allowed = self.allowed("");
            there = format!(" AND ({allowed} OR COALESCE(t.{operation}, '') <> 'd')");
            absent = format!(" AND (s.{operation} = 'd' OR {allowed})");
        }
        format!(
            "WHEN MATCHED AND {newer} AND s.{operation} = 'd' AND NOT s.{values} THEN UPDATE SET {about}\n\
             WHEN MATCHED AND {newer}{there} THEN UPDATE SET {update}\n\
             WHEN NOT MATCHED{absent}"
        )
    }

    /// Condition that the row may be inserted, after `before`; empty if all rows may be.
    fn allowed(&self, before: &str) -> String {
        if !self.merge.insert_flag {
            return String::new();
        }
        format!("{before}s.{}", quoted(&self.names.insert))
    }

    fn update(&self) -> String {
        let is_key = |index: &usize| self.merge.key.contains(index);
        let columns = self.merge.columns.iter().enumerate().filter(|(index, _)| !is_key(index));
        self.set(columns.map(|(index, column)| self.value(index, column)))
    }

    fn set(&self, assignments: impl Iterator<Item = String>) -> String {
        list(assignments.chain([assigned(&self.merge.meta.processed_at)]))
    }

    fn value(&self, index: usize, column: &Column) -> String {
        let kept = self.merge.kept.iter().position(|kept| *kept == index);
        let Some(keep) = kept.and_then(|place| self.names.keep.get(place)) else {
            return assigned(&column.name);
        };
        let (name, keep, position) = (quoted(&column.name), quoted(keep), quoted(&self.merge.meta.position));
        format!("{name} = CASE WHEN COALESCE(t.{position}, '') >= s.{keep} THEN t.{name} ELSE s.{name} END")
    }

    fn insert(&self) -> String {
        let columns = self.merge.columns.iter().map(|column| column.name.as_str());
        let names = columns.chain([self.merge.meta.processed_at.as_str()]);
        let values = list(names.clone().map(|name| format!("s.{}", quoted(name))));
        format!("INSERT ({}) VALUES ({values})", list(names.map(quoted)))
    }
}

/// Compares rows with the stored deletes.
pub(super) struct NotDeleted {
    /// The join.
    pub(super) join: String,
    /// The condition of newer rows.
    pub(super) condition: String,
}

/// Alias of the rows, and their columns for key text and position.
pub(super) struct Own<'o> {
    pub(super) rows: &'o str,
    pub(super) key: &'o str,
    pub(super) position: &'o str,
}

/// Condition that rows are newer than the delete of their key and than the last truncate.
pub(super) fn not_deleted(own: &Own<'_>, deleted_keys: &TableName, meta: &Meta) -> NotDeleted {
    let (position, text) = (quoted(&meta.position), quoted(&meta.key));
    let (rows, key, place) = (own.rows, quoted(own.key), quoted(own.position));
    NotDeleted {
        join: format!("LEFT JOIN {deleted_keys} d ON d.{text} = {rows}.{key}"),
        condition: format!(
            "(d.{position} IS NULL OR {rows}.{place} > d.{position})\n\
             AND {rows}.{place} > COALESCE((SELECT MAX(z.{position}) FROM {deleted_keys} z WHERE z.{text} = '{EVERY_KEY}'), '')"
        ),
    }
}

/// Condition that the row `s` is newer than the row `t`.
pub(super) fn newer(meta: &Meta) -> String {
    let position = quoted(&meta.position);
    format!("s.{position} > COALESCE(t.{position}, '')")
}

/// Assigns the value of `s`.
pub(super) fn assigned(name: &str) -> String {
    format!("{0} = s.{0}", quoted(name))
}
