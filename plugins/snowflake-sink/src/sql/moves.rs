//! Statements about rows whose key changes: copying them to their new key, and asking which rows lack a value.

use super::{
    Column, Meta, TableName,
    merge::{Own, assigned, newer, not_deleted},
    name::{joined, list, quoted},
    rows::{Reader, same_key, unused},
};

/// Rows that are copied within a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copying<'a> {
    /// The table.
    pub(crate) table: &'a TableName,
    /// All columns that are written, but for the time of writing.
    pub(crate) columns: &'a [Column],
    /// Those of them that make up the key; at least one.
    pub(crate) key: &'a [usize],
    /// The one of them that has the row's position.
    pub(crate) position: usize,
    /// The table of deleted keys. Rows that are not newer than the delete of their new key are left out.
    pub(crate) tombstones: Option<&'a TableName>,
    /// Names of the columns about the event.
    pub(crate) meta: &'a Meta,
}

/// Rows of which it is asked where values come from that their events leave out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought<'a> {
    /// The table.
    pub(crate) table: &'a TableName,
    /// The key's columns; at least one.
    pub(crate) key: &'a [Column],
    /// The table of deleted keys.
    pub(crate) tombstones: Option<&'a TableName>,
    /// Names of the columns about the event.
    pub(crate) meta: &'a Meta,
}

/// Copies rows to a new key, each if an old row is there, and if it is newer than what the table has of the new key. Where
/// several rows have the same new key, the first whose old row is there counts. All old rows are read before any is
/// written, so that keys may be exchanged.
///
/// Binds: the time of writing; rows of `columns`, then for each of `columns` that is neither key nor position whether the
/// old row has its value, then with `tombstones` the new key's text, then a number by which rows of the same new key are
/// ordered, then the old key, the oldest and the newest position that the old row may have, and the position from which on
/// an old row counts that is marked as deleted.
pub(crate) fn copy_moved(copying: &Copying<'_>) -> String {
    let Copying { table, columns, key, position, tombstones, meta } = *copying;
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
    if tombstones.is_some() {
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
    if let Some(tombstones) = tombstones {
        let own = Own { rows: "b", key: &key_text, position: &meta.position };
        let filter = not_deleted(&own, tombstones, meta);
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

/// What [`without_values`] answers of a row whose old row is there, and may still change.
pub(crate) const EARLY: &str = "early";

/// Asks for which rows the table has no value where their events leave one out: neither under their own key nor under an
/// old one; and for which there is only an old row that may still change. Rows that change nothing, since the table has a
/// newer one or remembers a newer delete, are not among them. Answers with their numbers, the latter with [`EARLY`].
///
/// Binds: rows of a number; the key; with `tombstones` the key's text; the position; the
/// position from which on the row under the same key is the one to take values from; then the old key, perhaps null, and
/// the three positions of [`copy_moved`], and whether the old row may still change.
pub(crate) fn without_values(sought: &Sought<'_>) -> String {
    let Sought { table, key, tombstones, meta } = *sought;
    let names = OldNames::of(key, key.len());
    let [row, text, position, own_since, early] =
        ["__row", "__key", "__position", "__own_since", "__early"].map(|name| unused(name, key));
    let mut rows = Reader::new().own(&row, "VARCHAR").columns(key);
    if tombstones.is_some() {
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
    match tombstones {
        Some(tombstones) => {
            let filter = not_deleted(&Own { rows: "s", key: &text, position: &position }, tombstones, meta);
            text_of.push_str(&format!("\n{}\nWHERE {lacking}\nAND {}", filter.join, filter.condition));
        }
        None => text_of.push_str(&format!("\nWHERE {lacking}")),
    }
    text_of
}

/// Names of the columns that tell of a row's old key.
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

    /// That `o` is the row of the old key of `rows`.
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
