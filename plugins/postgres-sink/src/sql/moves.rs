//! Statements for rows whose key changes: copying them to their new key, and finding rows with missing values.

use tidegate_cdc::{
    sql::{joined, list, quoted, unused},
    statement::{Bind::Now, Call, EARLY, Meta},
};

use super::{
    Column,
    apply::{NOW, assigned, newer, not_deleted, not_deleted_at, same_key},
    rows::{LOADED, Rows, Transfer, lock},
};

type Copying<'a> = tidegate_cdc::statement::Copying<'a, crate::types::ColumnType>;
type MissingValues<'a> = tidegate_cdc::statement::MissingValues<'a, crate::types::ColumnType>;

/// Where the copies are collected before any is written, so that two rows can exchange their keys.
const COPIES: &str = "pg_temp.\"_tidegate_copies\"";

/// Copies rows to a new key, if the old row exists and is newer than the row of the new key.
pub(crate) fn copy_moved(copying: &Copying<'_>) -> Vec<Call> {
    let Copying { table, columns, key, position, deleted_keys, meta } = *copying;
    let names = OldNames::of(columns, key.len());
    let from: Vec<String> =
        (0..columns.len()).map(|index| unused(&format!("__from_{index}"), columns)).collect();
    let (key_text, rank) = (unused("__key", columns), unused("__rank", columns));
    let is_own = |index: &usize| key.contains(index) || *index == position;
    let key_columns: Vec<&Column> = key.iter().filter_map(|index| columns.get(*index)).collect();
    let mut rows = Rows::new(Transfer::Load).columns(columns);
    for (_, name) in from.iter().enumerate().filter(|(index, _)| !is_own(index)) {
        rows = rows.own(name, "boolean");
    }
    if deleted_keys.is_some() {
        rows = rows.text(&key_text);
    }
    let rows = names.load(rows.own(&rank, "bigint"), key_columns.iter().copied());
    let items = columns.iter().zip(&from).enumerate().map(|(index, (column, from))| {
        let name = quoted(&column.name);
        match is_own(&index) {
            true => format!("b.{name}"),
            false => format!("CASE WHEN b.{} THEN o.{name} ELSE b.{name} END AS {name}", quoted(from)),
        }
    });
    let filter =
        deleted_keys.map(|deleted| format!("\nWHERE {}", not_deleted("b", &key_text, deleted, meta)));
    let new_key = list(key_columns.iter().map(|column| format!("b.{}", quoted(&column.name))));
    let collect = format!(
        "CREATE TEMPORARY TABLE \"_tidegate_copies\" ON COMMIT DROP AS\n\
         SELECT DISTINCT ON ({new_key}) {} FROM {LOADED} b\nJOIN {table} o ON {}{}\nORDER BY {new_key}, b.{}",
        list(items),
        names.is_old_row("b", &key_columns, meta),
        filter.unwrap_or_default(),
        quoted(&rank)
    );
    let others = columns.iter().enumerate().filter(|(index, _)| !key.contains(index));
    let set = list(
        others
            .map(|(_, column)| assigned(&column.name))
            .chain([format!("{} = {NOW}", quoted(&meta.processed_at))]),
    );
    let on = same_key(key_columns.iter().copied());
    let update = format!("UPDATE {table} t SET {set}\nFROM {COPIES} s\nWHERE {on} AND {}", newer(meta));
    let written = list(columns.iter().map(|column| quoted(&column.name)));
    let values = list(columns.iter().map(|column| format!("s.{}", quoted(&column.name))));
    let insert = format!(
        "INSERT INTO {table} ({written}, {})\nOVERRIDING SYSTEM VALUE\nSELECT {values}, {NOW} FROM {COPIES} s\n\
         WHERE NOT EXISTS (SELECT FROM {table} t WHERE {on})",
        quoted(&meta.processed_at)
    );
    rows.then([
        lock(table),
        Call::new("CREATE TEMPORARY TABLE", collect, []),
        Call::new("UPDATE", update, [Now]),
        Call::new("INSERT", insert, [Now]),
        Call::new("DROP TABLE", format!("DROP TABLE {COPIES}"), []),
    ])
}

/// Finds rows with omitted values for which the table has no value, neither under their own key nor under an old one, and rows
/// for which there is only an old row that may still change.
pub(crate) fn without_values(transfer: Transfer, missing: &MissingValues<'_>) -> Vec<Call> {
    let MissingValues { table, key, deleted_keys, meta } = *missing;
    let names = OldNames::of(key, key.len());
    let [row, text, position, own_since, early] =
        ["__row", "__key", "__position", "__own_since", "__early"].map(|name| unused(name, key));
    let mut rows = Rows::new(transfer).own(&row, "text").columns(key);
    if deleted_keys.is_some() {
        rows = rows.text(&text);
    }
    let rows = names.load(rows.text(&position).text(&own_since), key).own(&early, "boolean");
    let key_columns: Vec<&Column> = key.iter().collect();
    let old = names.is_old_row("s", &key_columns, meta);
    let first = key.first().map(|column| quoted(&column.name).to_string()).unwrap_or_default();
    let stored = quoted(&meta.position);
    let mut conditions = vec![
        format!("(t.{first} IS NULL OR COALESCE(t.{stored}, '') COLLATE \"C\" < s.{})", quoted(&own_since)),
        format!(
            "(o.{first} IS NULL OR (s.{} AND COALESCE(o.{}, '') <> 'd'))",
            quoted(&early),
            quoted(&meta.operation)
        ),
    ];
    conditions.extend(deleted_keys.map(|deleted| not_deleted_at("s", &text, &position, deleted, meta)));
    let (row, on, conditions) = (quoted(&row), same_key(key), joined(conditions, "\nAND "));
    let query = rows.call("SELECT", [], |rows| {
        format!(
            "SELECT s.{row}::text, CASE WHEN o.{first} IS NULL THEN '' ELSE '{EARLY}' END::text\n\
             FROM {rows} s LEFT JOIN {table} t ON {on}\nLEFT JOIN {table} o ON {old}\nWHERE {conditions}"
        )
    });
    rows.then([query])
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

    fn load<'c>(&self, rows: Rows, key: impl IntoIterator<Item = &'c Column>) -> Rows {
        let columns = self.key.iter().zip(key);
        let rows = columns.fold(rows, |rows, (name, column)| rows.own(name, &column.kind.loaded()));
        [&self.after, &self.until, &self.since].into_iter().fold(rows, |rows, name| rows.text(name))
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
            "{} AND COALESCE(o.{position}, '') COLLATE \"C\" >= {rows}.{after} \
             AND COALESCE(o.{position}, '') COLLATE \"C\" <= {rows}.{until} \
             AND (COALESCE(o.{operation}, '') <> 'd' OR o.{position} COLLATE \"C\" >= {rows}.{since})",
            joined(same, " AND ")
        )
    }
}
