//! The statements that apply rows of the source to a table.

use tidegate_cdc::{
    sql::{joined, list, quoted, unused},
    statement::{Call, EVERY_KEY, Meta, TableName},
};

use super::{
    Column,
    rows::{Reader, STAGE, same_key, staged},
};

/// Rows of the source, to be applied to a table.
type Merge<'a> = tidegate_cdc::statement::Merge<'a, crate::types::ColumnType>;

/// Applies rows to a table, each if it is newer than the row in the table. There must be only one row per key.
///
/// Binds of the first statement: the time of writing; rows of `columns`, then with `deleted_keys` the key's text, then with
/// `insert_flag` whether the row may be inserted, then with `soft_delete` whether a deleted row has values, then for each of `kept` a
/// position: the table's value is kept if its row is at least that new; null if the event has the value.
pub(crate) fn merge(merge: &Merge<'_>) -> Vec<Call> {
    let statement = Statement { merge, names: OwnNames::of(merge) };
    let parts = if merge.soft_delete { statement.soft() } else { statement.hard() };
    staged(&statement.source(), parts)
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
    fn pick(&self, indexes: &[usize]) -> impl Iterator<Item = &Column> {
        indexes.iter().filter_map(|index| self.merge.columns.get(*index))
    }

    fn source(&self) -> String {
        let Merge { columns, deleted_keys, insert_flag, soft_delete, meta, .. } = *self.merge;
        let mut rows = Reader::with_time(&meta.processed_at).columns(columns);
        if deleted_keys.is_some() {
            rows = rows.own(&self.names.key);
        }
        if insert_flag {
            rows = rows.own(&self.names.insert);
        }
        if soft_delete {
            rows = rows.own(&self.names.values);
        }
        let rows = self.names.keep.iter().fold(rows, |rows, name| rows.own(name)).select();
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

    /// Statements for hard deletes.
    fn hard(&self) -> Vec<Call> {
        let operation = quoted(&self.merge.meta.operation);
        let allowed = self.allowed(" AND ");
        let delete = self.merge.has_deletes.then(|| self.delete());
        let update = self.update(&format!("s.{operation} <> 'd'"), self.values());
        let insert = self.insert(&format!("AND s.{operation} <> 'd'{allowed}"));
        delete.into_iter().chain([update, insert]).collect()
    }

    /// Statements for soft deletes. Rows keep their values, including those of an update before the delete. A delete
    /// without a row inserts one, to store the position of the delete.
    fn soft(&self) -> Vec<Call> {
        let operation = quoted(&self.merge.meta.operation);
        let about = self.set(self.pick(self.merge.about).map(|column| assigned(&column.name)));
        let only_deletes = format!("s.{operation} = 'd' AND NOT s.{}", quoted(&self.names.values));
        let (mut there, mut absent) = (String::new(), String::new());
        if self.merge.insert_flag {
            // A deleted row has no values to keep.
            let allowed = self.allowed("");
            there = format!(" AND ({allowed} OR COALESCE(t.{operation}, '') <> 'd')");
            absent = format!("AND (s.{operation} = 'd' OR {allowed})");
        }
        let mark = self.merge.has_deletes.then(|| self.update(&only_deletes, about));
        let update = self.update(&format!("NOT ({only_deletes}){there}"), self.values());
        mark.into_iter().chain([update, self.insert(&absent)]).collect()
    }

    /// Condition that the row may be inserted, after `before`; empty if all rows may be.
    fn allowed(&self, before: &str) -> String {
        if !self.merge.insert_flag {
            return String::new();
        }
        format!("{before}s.{}", quoted(&self.names.insert))
    }

    /// Deletes the rows that are older than a delete of their key.
    fn delete(&self) -> Call {
        let (table, operation) = (self.merge.table, quoted(&self.merge.meta.operation));
        let on = same_key("o", self.pick(self.merge.key));
        let names = || self.pick(self.merge.key).map(|column| quoted(&column.name));
        let older = format!(
            "SELECT {} FROM {STAGE} s JOIN {table} o ON {on}\nWHERE s.{operation} = 'd' AND {}",
            list(names().map(|name| format!("o.{name}"))),
            newer("o", self.merge.meta)
        );
        let exact = list(names().map(|name| format!("t.{name} COLLATE BINARY")));
        let condition = match self.merge.key {
            [_] => format!("{exact} IN ({older})"),
            // An index is only used without COLLATE, which then compares with the collation of the columns.
            _ => format!(
                "({}) IN ({older})\nAND ({exact}) IN ({older})",
                list(names().map(|name| format!("t.{name}")))
            ),
        };
        Call::new("DELETE", format!("DELETE FROM {table} AS t WHERE {condition}"), [])
    }

    fn update(&self, condition: &str, assignments: String) -> Call {
        let table = self.merge.table;
        let on = same_key("t", self.pick(self.merge.key));
        let newer = newer("t", self.merge.meta);
        let text = format!(
            "UPDATE {table} AS t SET {assignments}\nFROM {STAGE} s\nWHERE {on} AND {newer}\nAND {condition}"
        );
        Call::new("UPDATE", text, [])
    }

    /// Assignments of all values of a row.
    fn values(&self) -> String {
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

    fn insert(&self, condition: &str) -> Call {
        let columns = self.merge.columns.iter().map(|column| column.name.as_str());
        let names: Vec<&str> = columns.chain([self.merge.meta.processed_at.as_str()]).collect();
        let key: Vec<&Column> = self.pick(self.merge.key).collect();
        insert_missing(self.merge.table, &names, &key, condition)
    }
}

/// Inserts the staged rows whose key is not in the table. `condition` is empty, or begins with AND.
pub(super) fn insert_missing(table: &TableName, names: &[&str], key: &[&Column], condition: &str) -> Call {
    let values = list(names.iter().map(|name| format!("s.{}", quoted(name))));
    let on = same_key("t", key.iter().copied());
    let missing = joined(key.iter().take(1).map(|column| format!("t.{} IS NULL", quoted(&column.name))), "");
    let text = format!(
        "INSERT INTO {table} ({})\nSELECT {values}\nFROM {STAGE} s LEFT JOIN {table} t ON {on}\nWHERE {missing} {condition}",
        list(names.iter().map(|name| quoted(name)))
    );
    Call::new("INSERT", text.trim_end(), [])
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

/// Condition that the row `s` is newer than the row `table`.
pub(super) fn newer(table: &str, meta: &Meta) -> String {
    let position = quoted(&meta.position);
    format!("s.{position} > COALESCE({table}.{position}, '')")
}

/// Assigns the value of `s`.
pub(super) fn assigned(name: &str) -> String {
    format!("{0} = s.{0}", quoted(name))
}
