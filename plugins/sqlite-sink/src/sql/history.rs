//! Statements for history tables.

use tidegate_cdc::{
    history::{EarlierNames, VersionNames},
    sql::{joined, list, quoted, unused},
    statement::{
        Bind::{Now, Position, Rows, Time},
        Call, EARLY, EarlierValues, HistoryTable, Meta, TableName, Validity,
    },
};

use super::{
    Column,
    ddl::definition,
    merge::assigned,
    rows::{Reader, STAGE, same_key, staged},
};

type AddVersions<'a> = tidegate_cdc::statement::AddVersions<'a, crate::types::ColumnType>;

/// Creates a history table. The second index finds the versions of a key that are still valid; that the position is part of it makes
/// it unique.
pub(crate) fn create_history(history: &HistoryTable<'_, crate::types::ColumnType>) -> String {
    let HistoryTable { table, columns, key, position, valid_to, .. } = *history;
    let definitions = columns.iter().enumerate().map(|(index, column)| {
        let required = if key.contains(&index) || index == position { " NOT NULL" } else { "" };
        format!("{}{required}", definition(column))
    });
    let named = |indexes: &[usize]| {
        list(indexes.iter().filter_map(|index| columns.get(*index)).map(|column| quoted(&column.name)))
    };
    let by_position = format!("PRIMARY KEY ({})", named(&[key, &[position]].concat()));
    let by_end = format!("UNIQUE ({})", named(&[key, &[valid_to, position]].concat()));
    format!("CREATE TABLE {table} ({})", list(definitions.chain([by_position, by_end])))
}

/// Creates the table of truncates unless it exists.
pub(crate) fn create_truncates(truncates: &TableName, meta: &Meta) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {truncates} ({} TEXT NOT NULL PRIMARY KEY, {} TEXT, {} TEXT) WITHOUT ROWID",
        quoted(&meta.position),
        quoted(&meta.timestamp),
        quoted(&meta.processed_at)
    )
}

/// Adds versions that the table does not have, and ends earlier ones.
pub(crate) fn add_versions(versions: &AddVersions<'_>) -> Vec<Call> {
    let end = unused("__end", versions.columns);
    let statements = Statements { versions, names: VersionNames::of(versions), end };
    let ignore = (!versions.compared.is_empty()).then(|| statements.ignore());
    let ends = [statements.end_open(), statements.end_closed()];
    let all = ignore.into_iter().chain(ends).chain([statements.insert()]);
    staged(&statements.source(), all)
}

struct Statements<'a> {
    versions: &'a AddVersions<'a>,
    names: VersionNames,
    /// The column with the end of the row's validity.
    end: String,
}

impl Statements<'_> {
    fn source(&self) -> String {
        let AddVersions { columns, kept, compared, meta, .. } = *self.versions;
        let VersionNames { after, ends, until, compared: flag, earlier, .. } = &self.names;
        let mut rows = Reader::with_time(&meta.processed_at).columns(columns).own(after).own(ends).own(until);
        if !compared.is_empty() {
            rows = rows.own(flag);
        }
        if !kept.is_empty() {
            rows = read_earlier(earlier, rows, self.versions.key_columns());
        }
        self.names.keep().fold(rows, |rows, name| rows.own(name)).select()
    }

    fn same_key(&self, table: &str) -> String {
        same_key(table, self.versions.key_columns())
    }

    /// Marks rows that have the same values as the version before them.
    fn ignore(&self) -> Call {
        let AddVersions { table, columns, compared, meta, .. } = *self.versions;
        let VersionNames { after, ends, until, compared: flag, .. } = &self.names;
        let [after, ends, until, flag] = [after, ends, until, flag].map(|name| quoted(name));
        let (position, operation) = (quoted(&meta.position), quoted(&meta.operation));
        let same = compared.iter().filter_map(|index| columns.get(*index));
        let same = same.map(|column| format!(" AND p.{0} IS s.{0}", quoted(&column.name)));
        let text = format!(
            "UPDATE {STAGE} AS s SET {ends} = s.{until}, {flag} = NULL\nWHERE s.{flag} AND EXISTS (SELECT 1 FROM {table} p\n\
             WHERE {} AND p.{position} = (SELECT MAX(q.{position}) FROM {table} q WHERE {} AND q.{position} < s.{position})\n\
             AND p.{position} >= s.{after} AND p.{operation} <> 'd'{})",
            self.same_key("p"),
            self.same_key("q"),
            joined(same, "")
        );
        Call::new("UPDATE TEMP TABLE", text, [])
    }

    /// Ends earlier versions that are still valid.
    fn end_open(&self) -> Call {
        let (to, ends) = (quoted(&self.versions.validity.to), quoted(&self.names.ends));
        self.end(&format!("t.{to} IS NULL AND s.{ends} IS NOT NULL"))
    }

    /// Ends earlier versions sooner: one of these rows is late, or the time of the source went back.
    fn end_closed(&self) -> Call {
        let Validity { from, to } = self.versions.validity;
        let (from, to, ends) = (quoted(from), quoted(to), quoted(&self.names.ends));
        self.end(&format!("t.{to} > s.{ends} AND t.{to} > t.{from}"))
    }

    fn end(&self, condition: &str) -> Call {
        let AddVersions { table, meta, validity, .. } = *self.versions;
        let (after, ends) = (quoted(&self.names.after), quoted(&self.names.ends));
        let (from, to, position) = (quoted(&validity.from), quoted(&validity.to), quoted(&meta.position));
        let text = format!(
            "UPDATE {table} AS t SET {to} = MAX(t.{from}, s.{ends}), {}\nFROM {STAGE} s\n\
             WHERE {} AND t.{position} < s.{position} AND t.{position} >= s.{after} AND {condition}",
            assigned(&meta.processed_at),
            self.same_key("t")
        );
        Call::new("UPDATE", text, [])
    }

    fn insert(&self) -> Call {
        let AddVersions { table, columns, kept, compared, meta, validity, .. } = *self.versions;
        let (position, operation) = (quoted(&meta.position), quoted(&meta.operation));
        let (from, end) = (quoted(&validity.from), quoted(&self.end));
        let names = columns.iter().map(|column| quoted(&column.name).to_string());
        let names =
            list(names.chain([&meta.processed_at, &validity.to].map(|name| quoted(name).to_string())));
        let values = list(columns.iter().enumerate().map(|(index, column)| self.value(index, column)));
        let earlier = if kept.is_empty() {
            String::new()
        } else {
            let found =
                latest_position(&self.names.earlier, table, "s", self.versions.key_columns(), meta, true);
            let on = same_earlier_key(&self.names.earlier, "p", "s", self.versions.key_columns());
            format!("\nLEFT JOIN {table} p ON {on} AND p.{position} = ({found})")
        };
        let ignored = if compared.is_empty() {
            String::new()
        } else {
            format!(" AND s.{} IS NOT NULL", quoted(&self.names.compared))
        };
        let text = format!(
            "INSERT INTO {table} ({names})\nSELECT {values}, s.{},\n\
             CASE WHEN s.{operation} = 'd' OR s.{end} <= s.{from} THEN s.{from} ELSE s.{end} END\n\
             FROM (SELECT s.*, ({}) AS {end} FROM {STAGE} s) s{earlier}\n\
             WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {} AND t.{position} = s.{position}){ignored}",
            quoted(&meta.processed_at),
            self.later(),
            self.same_key("t")
        );
        Call::new("INSERT", text, [])
    }

    /// The earliest time of later versions and truncates, in the rows and in the tables.
    fn later(&self) -> String {
        let AddVersions { table, truncates, meta, validity, .. } = *self.versions;
        let (position, from, until) =
            (quoted(&meta.position), quoted(&validity.from), quoted(&self.names.until));
        let truncated = truncates.map(|truncates| {
            let timestamp = quoted(&meta.timestamp);
            format!("\nUNION ALL SELECT z.{timestamp} FROM {truncates} z WHERE z.{position} >= s.{position}")
        });
        format!(
            "SELECT MIN(\"at\") FROM (SELECT s.{until} AS \"at\"\n\
             UNION ALL SELECT n.{from} FROM {table} n WHERE {} AND n.{position} > s.{position}{})",
            self.same_key("n"),
            truncated.unwrap_or_default()
        )
    }

    fn value(&self, index: usize, column: &Column) -> String {
        let name = quoted(&column.name);
        let Some(keep) = self.names.keep_of(index) else {
            return format!("s.{name}");
        };
        let position = quoted(&self.versions.meta.position);
        format!("CASE WHEN p.{position} >= s.{} THEN p.{name} ELSE s.{name} END", quoted(keep))
    }
}

fn read_earlier<'c>(names: &EarlierNames, rows: Reader, key: impl IntoIterator<Item = &'c Column>) -> Reader {
    rows.own_columns(&names.key, key).own(&names.up_to).own(&names.passes)
}

/// Condition that `table` is a version with the key that is searched for.
fn same_earlier_key<'c>(
    names: &EarlierNames,
    table: &str,
    rows: &str,
    key: impl IntoIterator<Item = &'c Column>,
) -> String {
    let same = names.key.iter().zip(key).map(|(old, column)| {
        format!("{table}.{} = {rows}.{} COLLATE BINARY", quoted(&column.name), quoted(old))
    });
    joined(same, " AND ")
}

/// The position of the latest version: of any, if deletes are not passed over and `may_be_delete`; otherwise of one that is no
/// delete.
fn latest_position<'c>(
    names: &EarlierNames,
    table: &TableName,
    rows: &str,
    key: impl IntoIterator<Item = &'c Column>,
    meta: &Meta,
    may_be_delete: bool,
) -> String {
    let (position, operation) = (quoted(&meta.position), quoted(&meta.operation));
    let any = if may_be_delete { format!("NOT {rows}.{} OR ", quoted(&names.passes)) } else { String::new() };
    format!(
        "SELECT MAX(q.{position}) FROM {table} q WHERE {} AND q.{position} <= {rows}.{} AND ({any}q.{operation} <> 'd')",
        same_earlier_key(names, "q", rows, key),
        quoted(&names.up_to)
    )
}

/// Finds versions with omitted values that no earlier version has.
pub(crate) fn earlier_values(values: &EarlierValues<'_, crate::types::ColumnType>) -> Call {
    let EarlierValues { table, key, meta } = *values;
    let names = EarlierNames::of(key, key.len());
    let [row, early, found, latest] =
        ["__row", "__early", "__found", "__latest"].map(|name| unused(name, key));
    let rows = read_earlier(&names, Reader::new().own(&row), key).own(&early).select();
    let position = quoted(&meta.position);
    let [row, early, found, latest, passes, up_to] =
        [&row, &early, &found, &latest, &names.passes, &names.up_to].map(|name| quoted(name));
    let lacking = format!("(s.{found} IS NULL OR (NOT s.{passes} AND s.{latest} > s.{found}))");
    let text = format!(
        "SELECT s.{row}, CASE WHEN {lacking} THEN '' ELSE '{EARLY}' END\nFROM (SELECT b.*, ({}) AS {found},\n\
         (SELECT MAX(q.{position}) FROM {table} q WHERE {} AND q.{position} <= b.{up_to}) AS {latest}\nFROM ({rows}) b) s\n\
         WHERE {lacking} OR (s.{early} AND s.{latest} = s.{found})",
        latest_position(&names, table, "b", key, meta, false),
        same_earlier_key(&names, "q", "b", key)
    );
    Call::new("SELECT", text, [Rows])
}

/// Ends all versions up to and including a truncate.
pub(crate) fn end_all(table: &TableName, meta: &Meta, validity: &Validity) -> Call {
    let (from, to) = (quoted(&validity.from), quoted(&validity.to));
    let (position, processed_at) = (quoted(&meta.position), quoted(&meta.processed_at));
    let text = format!(
        "UPDATE {table} AS t SET {to} = MAX(t.{from}, ?), {processed_at} = ?\n\
         WHERE COALESCE(t.{position}, '') <= ? AND (t.{to} IS NULL OR (t.{to} > ? AND t.{to} > t.{from}))"
    );
    Call::new("UPDATE", text, [Time, Now, Position, Time])
}

/// Stores a truncate unless it is stored.
pub(crate) fn store_truncate(truncates: &TableName, meta: &Meta) -> Call {
    let names = list([&meta.position, &meta.timestamp, &meta.processed_at].map(|name| quoted(name)));
    let text = format!("INSERT INTO {truncates} ({names}) VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
    Call::new("INSERT", text, [Position, Time, Now])
}
