//! Statements for rows whose key changes: copying them to their new key, and finding rows with missing values.

use tidegate_cdc::{
    sql::{joined, list, quoted, unused},
    statement::{EARLY, Meta},
};

use super::{
    Column,
    merge::{Own, assigned, newer, not_deleted},
    rows::{Reader, same_key},
};

type Copying<'a> = tidegate_cdc::statement::Copying<'a, crate::types::ColumnType>;
type MissingValues<'a> = tidegate_cdc::statement::MissingValues<'a, crate::types::ColumnType>;

/// Copies rows to a new key, if the old row exists and is newer than the row of the new key. If
/// several rows have the same new key, the first one with an existing old row is used. All old rows are read before any is
/// written, so that two rows can exchange their keys.
///
/// Binds: the time of writing; rows of `columns`, then for each of `columns` that is neither key nor position whether the
/// value comes from the old row, then with `deleted_keys` the new key's text, then a number that orders rows with the
/// same new key, then the old key, the oldest and the newest position that the old row can have, and the oldest
/// position of a soft-deleted old row.
pub(crate) fn copy_moved(copying: &Copying<'_>) -> String {
    let Copying { table, columns, key, position, deleted_keys, meta } = *copying;
    let names = OldNames::of(columns, key.len());
    let from: Vec<String> =
        (0..columns.len()).map(|index| unused(&format!("__from_{index}"), columns)).collect();
    let (key_text, rank) = (unused("__key", columns), unused("__rank", columns));
    let is_own = |index: &usize| key.contains(index) || *index == position;
    let key_columns: Vec<&Column> = key.iter().filter_map(|index| columns.get(*index)).collect();
    let mut rows = Reader::with_time(&meta.processed_at).columns(columns);
    for (_, name) in from.iter().enumerate().filter(|(index, _)| !is_own(index)) {
        rows = rows.own(name, "BOOLEAN");
    }
    if deleted_keys.is_some() {
        rows = rows.own(&key_text, "VARCHAR");
    }
    let rows = names.read(rows.own(&rank, "NUMBER(10,0)"), key_columns.iter().copied()).select();
    let items = columns.iter().zip(&from).enumerate().map(|(index, (column, from))| {
        let name = quoted(&column.name);
        match is_own(&index) {
            true => format!("b.{name} AS {name}"),
            false => format!("CASE WHEN b.{} THEN o.{name} ELSE b.{name} END AS {name}", quoted(from)),
        }
    });
    let items = list([format!("b.{0} AS {0}", quoted(&meta.processed_at))].into_iter().chain(items));
    let on = names.is_old_row("b", &key_columns, meta);
    let mut source = format!("SELECT {items} FROM ({rows}) b\nJOIN {table} o ON {on}");
    if let Some(deleted_keys) = deleted_keys {
        let own = Own { rows: "b", key: &key_text, position: &meta.position };
        let filter = not_deleted(&own, deleted_keys, meta);
        source.push_str(&format!("\n{}\nWHERE {}", filter.join, filter.condition));
    }
    let new_key = list(key_columns.iter().map(|column| format!("b.{}", quoted(&column.name))));
    source.push_str(&format!(
        "\nQUALIFY ROW_NUMBER() OVER (PARTITION BY {new_key} ORDER BY b.{}) = 1",
        quoted(&rank)
    ));
    let others = columns.iter().enumerate().filter(|(index, _)| !key.contains(index));
    let update = others.map(|(_, column)| assigned(&column.name)).chain([assigned(&meta.processed_at)]);
    let written: Vec<&str> =
        columns.iter().map(|column| column.name.as_str()).chain([meta.processed_at.as_str()]).collect();
    let values = list(written.iter().map(|name| format!("s.{}", quoted(name))));
    format!(
        "MERGE INTO {table} t\nUSING ({source}) s\nON {same}\n\
         WHEN MATCHED AND {newer} THEN UPDATE SET {update}\n\
         WHEN NOT MATCHED THEN INSERT ({written}) VALUES ({values})",
        same = same_key(key_columns),
        newer = newer(meta),
        update = list(update),
        written = list(written.iter().map(|name| quoted(name))),
    )
}

/// Finds rows with omitted values for which the table has no value, neither under their own key nor under an
/// old one, and rows for which there is only an old row that may still change. Rows that have no effect, because the table has a
/// newer row or a newer delete, are not included. Returns their numbers, the latter with [`EARLY`].
///
/// Binds: rows of a number; the key; with `deleted_keys` the key's text; the position; the
/// oldest position of a row with the same key from which values are taken; then the old key or nulls, and
/// the three positions of [`copy_moved`], and whether the old row may still change.
pub(crate) fn without_values(missing: &MissingValues<'_>) -> String {
    let MissingValues { table, key, deleted_keys, meta } = *missing;
    let names = OldNames::of(key, key.len());
    let [row, text, position, own_since, early] =
        ["__row", "__key", "__position", "__own_since", "__early"].map(|name| unused(name, key));
    let mut rows = Reader::new().own(&row, "VARCHAR").columns(key);
    if deleted_keys.is_some() {
        rows = rows.own(&text, "VARCHAR");
    }
    let rows = rows.own(&position, "VARCHAR").own(&own_since, "VARCHAR");
    let rows = names.read(rows, key).own(&early, "BOOLEAN").select();
    let key_columns: Vec<&Column> = key.iter().collect();
    let on = same_key(key);
    let old = names.is_old_row("s", &key_columns, meta);
    let first = key.first().map(|column| quoted(&column.name).to_string()).unwrap_or_default();
    let stored = quoted(&meta.position);
    let mut text_of = format!(
        "SELECT s.{}, CASE WHEN o.{first} IS NULL THEN '' ELSE '{EARLY}' END\nFROM ({rows}) s LEFT JOIN {table} t ON {on}\n\
         LEFT JOIN {table} o ON {old}",
        quoted(&row)
    );
    let lacking = format!(
        "(t.{first} IS NULL OR COALESCE(t.{stored}, '') < s.{})\n\
         AND (o.{first} IS NULL OR (s.{} AND COALESCE(o.{}, '') <> 'd'))",
        quoted(&own_since),
        quoted(&early),
        quoted(&meta.operation)
    );
    match deleted_keys {
        Some(deleted_keys) => {
            let filter = not_deleted(&Own { rows: "s", key: &text, position: &position }, deleted_keys, meta);
            text_of.push_str(&format!("\n{}\nWHERE {lacking}\nAND {}", filter.join, filter.condition));
        }
        None => text_of.push_str(&format!("\nWHERE {lacking}")),
    }
    text_of
}

/// Names of the columns for a row's old key.
struct OldNames {
    key: Vec<String>,
    after: String,
    until: String,
    since: String,
}

impl OldNames {
    fn of(columns: &[Column], parts: usize) -> Self {
        let key = (0..parts).map(|part| unused(&format!("__old_{part}"), columns)).collect();
        let [after, until, since] = ["__after", "__until", "__since"].map(|name| unused(name, columns));
        Self { key, after, until, since }
    }

    fn read<'c>(&self, rows: Reader, key: impl IntoIterator<Item = &'c Column>) -> Reader {
        let places = [&self.after, &self.until, &self.since];
        places.into_iter().fold(rows.own_columns(&self.key, key), |rows, name| rows.own(name, "VARCHAR"))
    }

    /// Condition that `o` is the row of the old key of `rows`.
    fn is_old_row(&self, rows: &str, key: &[&Column], meta: &Meta) -> String {
        let (operation, position) = (quoted(&meta.operation), quoted(&meta.position));
        let [after, until, since] = [&self.after, &self.until, &self.since].map(|name| quoted(name));
        let same = self
            .key
            .iter()
            .zip(key)
            .map(|(old, column)| format!("o.{} = {rows}.{}", quoted(&column.name), quoted(old)));
        format!(
            "{} AND COALESCE(o.{position}, '') >= {rows}.{after} AND COALESCE(o.{position}, '') <= {rows}.{until} \
             AND (COALESCE(o.{operation}, '') <> 'd' OR o.{position} >= {rows}.{since})",
            joined(same, " AND ")
        )
    }
}
