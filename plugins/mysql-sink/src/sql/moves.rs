//! Statements for rows whose key changes: copying them to their new key, and finding rows with missing values.

use tidegate_cdc::{
    sql::{joined, list, unused},
    statement::{Bind::Now, Call, EARLY, Meta},
};

use super::{
    Column,
    apply::{NotDeleted, insert_from, is_missing, newer, same_key, set},
    load::{Loading, Own, create, drop_table, lock, rows, temporary},
    name::quoted,
};
use crate::dialect::MySql;

type Copying<'a> = tidegate_cdc::statement::Copying<'a, crate::types::ColumnType>;
type MissingValues<'a> = tidegate_cdc::statement::MissingValues<'a, crate::types::ColumnType>;

/// Where the copies are collected before any is written, so that two rows can exchange their keys.
const COPIES: &str = "_tidegate_copies";

/// Copies rows to a new key, if the old row exists and is newer than the row of the new key.
pub(crate) fn copy_moved(dialect: &MySql, copying: &Copying<'_>) -> Vec<Call> {
    let Copying { table, columns, key, position, meta, deleted_keys } = *copying;
    let copies = temporary(dialect, COPIES);
    let moved = Moved::of(copying);
    let key_columns: Vec<&Column> = key.iter().filter_map(|index| columns.get(*index)).collect();
    let mut loaded = Loading::new(dialect).columns(columns, key, &[&meta.timestamp]);
    for (_, name) in moved.from.iter().enumerate().filter(|(index, _)| !moved.is_own(*index, position)) {
        loaded = loaded.own(name, Own::Flag);
    }
    if deleted_keys.is_some() {
        loaded = loaded.text(&moved.key_text);
    }
    let loaded = moved.names.load(loaded.own(&moved.rank, Own::Number), &key_columns);
    let on = same_key(key_columns.iter().copied());
    let others = columns.iter().enumerate().filter(|(index, _)| !key.contains(index));
    let update = format!(
        "UPDATE {table} t JOIN {copies} s ON {on}\nSET {}\nWHERE {}",
        set(others.map(|(_, column)| column), meta),
        newer(meta)
    );
    let insert = format!(
        "{}\nLEFT JOIN {table} t ON {on}\nWHERE {}",
        insert_from(table, columns, meta, &copies),
        is_missing(key_columns.iter().copied())
    );
    let definitions: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let parts = key.contains(&index).then_some(key.len());
            format!("{} {}", quoted(&column.name), column.kind.loaded(parts, dialect.collation))
        })
        .collect();
    loaded.then([
        lock(dialect, table),
        create(dialect, COPIES, &definitions),
        Call::new("COPY", moved.collect(dialect, copying, &key_columns), []),
        Call::new("UPDATE", update, [Now]),
        Call::new("INSERT", insert, [Now]),
        drop_table(dialect, COPIES),
    ])
}

/// Names for the rows that are copied.
struct Moved<'a> {
    key: &'a [usize],
    names: OldNames,
    /// Whether a value comes from the old row, by column.
    from: Vec<String>,
    key_text: String,
    rank: String,
    first: String,
}

impl<'a> Moved<'a> {
    fn of(copying: &Copying<'a>) -> Self {
        let Copying { columns, key, .. } = *copying;
        let unused = |name: &str| unused(name, columns);
        Self {
            key,
            names: OldNames::of(columns, key.len()),
            from: (0..columns.len()).map(|index| unused(&format!("__from_{index}"))).collect(),
            key_text: unused("__key"),
            rank: unused("__rank"),
            first: unused("__first"),
        }
    }

    /// Whether the value of a column is always that of the row.
    fn is_own(&self, index: usize, position: usize) -> bool {
        self.key.contains(&index) || index == position
    }

    /// Collects the rows, with the values of their old rows: the first one of each new key.
    fn collect(&self, dialect: &MySql, copying: &Copying<'_>, key: &[&Column]) -> String {
        let Copying { table, columns, position, deleted_keys, meta, .. } = *copying;
        let items = columns.iter().zip(&self.from).enumerate().map(|(index, (column, from))| {
            let name = quoted(&column.name);
            match self.is_own(index, position) {
                true => format!("b.{name}"),
                false => format!("CASE WHEN b.{} THEN o.{name} ELSE b.{name} END AS {name}", quoted(from)),
            }
        });
        let new_key = list(key.iter().map(|column| format!("b.{}", quoted(&column.name))));
        let first = quoted(&self.first);
        let order = format!(
            "ROW_NUMBER() OVER (PARTITION BY {new_key} ORDER BY b.{}) AS {first}",
            quoted(&self.rank)
        );
        let filter = deleted_keys.map(|deleted| {
            let filter = NotDeleted::of("b", &self.key_text, &meta.position, deleted, meta);
            format!("\n{}\nWHERE {}", filter.join, filter.condition)
        });
        let written = list(columns.iter().map(|column| quoted(&column.name)));
        format!(
            "INSERT INTO {} ({written})\nSELECT {written} FROM (\nSELECT {} FROM {} b\nJOIN {table} o ON {}{}) f WHERE {first} = 1",
            temporary(dialect, COPIES),
            list(items.chain([order])),
            rows(dialect),
            self.names.is_old_row("b", key, meta),
            filter.unwrap_or_default(),
        )
    }
}

/// Finds rows with omitted values for which the table has no value, neither under their own key nor under an old one, and rows
/// for which there is only an old row that may still change.
pub(crate) fn without_values(dialect: &MySql, missing: &MissingValues<'_>) -> Vec<Call> {
    let MissingValues { table, key, deleted_keys, meta } = *missing;
    let names = OldNames::of(key, key.len());
    let [row, text, position, own_since, early] =
        ["__row", "__key", "__position", "__own_since", "__early"].map(|name| unused(name, key));
    let mut loaded = Loading::new(dialect).text(&row).key(key.iter());
    if deleted_keys.is_some() {
        loaded = loaded.text(&text);
    }
    let key_columns: Vec<&Column> = key.iter().collect();
    let loaded = names.load(loaded.text(&position).text(&own_since), &key_columns).own(&early, Own::Flag);
    let old = names.is_old_row("s", &key_columns, meta);
    let first = key.first().map(|column| quoted(&column.name).to_string()).unwrap_or_default();
    let stored = quoted(&meta.position);
    let mut conditions = vec![
        format!("(t.{first} IS NULL OR COALESCE(t.{stored}, '') < s.{})", quoted(&own_since)),
        format!(
            "(o.{first} IS NULL OR (s.{} AND COALESCE(o.{}, '') <> 'd'))",
            quoted(&early),
            quoted(&meta.operation)
        ),
    ];
    let filter = deleted_keys.map(|deleted| NotDeleted::of("s", &text, &position, deleted, meta));
    let join = filter.as_ref().map(|filter| format!("\n{}", filter.join)).unwrap_or_default();
    conditions.extend(filter.map(|filter| filter.condition));
    let query = format!(
        "SELECT s.{}, CASE WHEN o.{first} IS NULL THEN '' ELSE '{EARLY}' END\n\
         FROM {} s LEFT JOIN {table} t ON {}\nLEFT JOIN {table} o ON {old}{join}\nWHERE {}",
        quoted(&row),
        rows(dialect),
        same_key(key),
        joined(conditions, "\nAND ")
    );
    loaded.then([Call::new("SELECT", query, [])])
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

    fn load<'d>(&self, rows: Loading<'d>, key: &[&Column]) -> Loading<'d> {
        let columns = self.key.iter().zip(key);
        let rows = columns.fold(rows, |rows, (name, column)| rows.old_key(name, column, key.len()));
        [&self.after, &self.until, &self.since].into_iter().fold(rows, |rows, name| rows.text(name))
    }

    /// Condition that `o` is the row of the old key of `rows`.
    fn is_old_row(&self, rows: &str, key: &[&Column], meta: &Meta) -> String {
        let (operation, position) = (quoted(&meta.operation), quoted(&meta.position));
        let [after, until, since] = [&self.after, &self.until, &self.since].map(|name| quoted(name));
        let same = self.key.iter().zip(key).map(|(old, column)| {
            column.kind.same(&format!("o.{}", quoted(&column.name)), &format!("{rows}.{}", quoted(old)))
        });
        format!(
            "{} AND COALESCE(o.{position}, '') >= {rows}.{after} AND COALESCE(o.{position}, '') <= {rows}.{until} \
             AND (COALESCE(o.{operation}, '') <> 'd' OR o.{position} >= {rows}.{since})",
            joined(same, " AND ")
        )
    }
}
