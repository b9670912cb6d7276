//! Statements for history tables.

use tidegate_cdc::{
    history::{EarlierNames, VersionNames},
    sql::{joined, list, quoted, unused},
    statement::{
        Bind::{Now, Position, Time},
        Call, EARLY, EarlierValues, HistoryTable, Meta, TableName, Validity,
    },
};

use super::{
    Column,
    apply::NOW,
    ddl::definition,
    literal::Literal,
    rows::{LOADED, Rows, Transfer, lock},
};
use crate::types::ColumnType;

type AddVersions<'a> = tidegate_cdc::statement::AddVersions<'a, ColumnType>;

/// Creates a history table. The second index finds the versions of a key that are still valid, however many there are: the position is
/// part of it because the planner would otherwise take the primary key, and read all of them.
pub(crate) fn create_history(history: &HistoryTable<'_, ColumnType>) -> String {
    let HistoryTable { table, columns, key, position, valid_to, comment } = *history;
    let definitions = columns.iter().enumerate().map(|(index, column)| {
        let definition = definition(column);
        match index {
            // As positions are compared, so that the index has their order.
            _ if index == position => format!("{definition} COLLATE \"C\" NOT NULL"),
            _ if key.contains(&index) => format!("{definition} NOT NULL"),
            _ => definition,
        }
    });
    let named = |indexes: &[usize]| {
        list(indexes.iter().filter_map(|index| columns.get(*index)).map(|column| quoted(&column.name)))
    };
    let primary_key = format!("PRIMARY KEY ({})", named(&[key, &[position]].concat()));
    format!(
        "CREATE TABLE {table} ({}); CREATE INDEX ON {table} ({}); COMMENT ON TABLE {table} IS {}",
        list(definitions.chain([primary_key])),
        named(&[key, &[valid_to, position]].concat()),
        Literal(comment)
    )
}

/// Creates the table of truncates unless it exists.
pub(crate) fn create_truncates(truncates: &TableName, meta: &Meta) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {truncates} ({} text COLLATE \"C\" NOT NULL PRIMARY KEY, {} timestamptz, {} timestamptz); \
         COMMENT ON TABLE {truncates} IS 'Truncates, so that late versions end with them'",
        quoted(&meta.position),
        quoted(&meta.timestamp),
        quoted(&meta.processed_at)
    )
}

/// Adds versions that the table does not have, and ends earlier ones.
pub(crate) fn add_versions(versions: &AddVersions<'_>) -> Vec<Call> {
    let statements = Statements { versions, names: VersionNames::of(versions) };
    let ignore = (!versions.compared.is_empty()).then(|| statements.ignore());
    let ends = [statements.end_open(), statements.end_closed()];
    let all = [lock(versions.table)].into_iter().chain(ignore).chain(ends).chain([statements.insert()]);
    statements.rows().then(all)
}

struct Statements<'a> {
    versions: &'a AddVersions<'a>,
    names: VersionNames,
}

impl Statements<'_> {
    fn rows(&self) -> Rows {
        let AddVersions { columns, kept, compared, .. } = *self.versions;
        let VersionNames { after, ends, until, compared: flag, earlier, .. } = &self.names;
        let mut rows = Rows::new(Transfer::Load).columns(columns).text(after);
        rows = rows.own(ends, "timestamptz").own(until, "timestamptz");
        if !compared.is_empty() {
            rows = rows.own(flag, "boolean");
        }
        if !kept.is_empty() {
            rows = load_earlier(earlier, rows, self.versions.key_columns());
        }
        self.names.keep().fold(rows, |rows, name| rows.text(name))
    }

    fn same_key(&self, table: &str) -> String {
        same_key_of(table, self.versions.key_columns())
    }

    /// Marks rows that have the same values as the version before them.
    fn ignore(&self) -> Call {
        let AddVersions { table, columns, compared, meta, .. } = *self.versions;
        let VersionNames { after, ends, until, compared: flag, .. } = &self.names;
        let [after, ends, until, flag] = [after, ends, until, flag].map(|name| quoted(name));
        let (position, operation) = (quoted(&meta.position), quoted(&meta.operation));
        let same = compared.iter().filter_map(|index| columns.get(*index)).map(is_same);
        let text = format!(
            "UPDATE {LOADED} s SET {ends} = s.{until}, {flag} = NULL\nWHERE s.{flag} AND EXISTS (SELECT FROM {table} p\n\
             WHERE {} AND p.{position} = (SELECT MAX(q.{position} COLLATE \"C\") FROM {table} q WHERE {} \
             AND q.{position} COLLATE \"C\" < s.{position})\n\
             AND p.{position} COLLATE \"C\" >= s.{after} AND p.{operation} <> 'd'{})",
            self.same_key("p"),
            self.same_key("q"),
            joined(same, "")
        );
        Call::new("UPDATE TEMPORARY TABLE", text, [])
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
            "UPDATE {table} t SET {to} = GREATEST(t.{from}, s.{ends}), {} = {NOW}\nFROM {LOADED} s\n\
             WHERE {} AND t.{position} COLLATE \"C\" < s.{position} AND t.{position} COLLATE \"C\" >= s.{after}\nAND {condition}",
            quoted(&meta.processed_at),
            self.same_key("t")
        );
        Call::new("UPDATE", text, [Now])
    }

    fn insert(&self) -> Call {
        let AddVersions { table, columns, key, kept, compared, meta, validity, .. } = *self.versions;
        let (position, operation) = (quoted(&meta.position), quoted(&meta.operation));
        let from = quoted(&validity.from);
        let names = columns.iter().map(|column| quoted(&column.name).to_string());
        let names =
            list(names.chain([&meta.processed_at, &validity.to].map(|name| quoted(name).to_string())));
        let values = list(columns.iter().enumerate().map(|(index, column)| self.value(index, column)));
        let earlier = if kept.is_empty() {
            String::new()
        } else {
            let found =
                latest_position(&self.names.earlier, table, "s", self.versions.key_columns(), meta, true);
            let on = self.names.earlier.same_key("p", "s", self.versions.key_columns());
            format!("\nLEFT JOIN {table} p ON {on} AND p.{position} = ({found})")
        };
        let ignored = if compared.is_empty() {
            String::new()
        } else {
            format!(" AND s.{} IS NOT NULL", quoted(&self.names.compared))
        };
        let order = key.iter().filter_map(|index| columns.get(*index));
        let order = list(order.map(|column| format!("s.{}", quoted(&column.name))));
        let text = format!(
            "INSERT INTO {table} ({names})\nOVERRIDING SYSTEM VALUE\nSELECT {values}, {NOW},\n\
             CASE WHEN s.{operation} = 'd' OR later.at <= s.{from} THEN s.{from} ELSE later.at END\n\
             FROM {LOADED} s\nCROSS JOIN LATERAL ({}) later{earlier}\n\
             WHERE NOT EXISTS (SELECT FROM {table} t WHERE {} AND t.{position} = s.{position}){ignored}\nORDER BY {order}, s.{position}",
            self.later(),
            self.same_key("t")
        );
        Call::new("INSERT", text, [Now])
    }

    /// The earliest time of later versions and truncates, in the rows and in the tables.
    fn later(&self) -> String {
        let AddVersions { table, truncates, meta, validity, .. } = *self.versions;
        let (position, from, until) =
            (quoted(&meta.position), quoted(&validity.from), quoted(&self.names.until));
        let truncated = truncates.map_or(String::new(), |truncates| {
            let timestamp = quoted(&meta.timestamp);
            format!(
                ",\n(SELECT MIN(z.{timestamp}) FROM {truncates} z WHERE z.{position} COLLATE \"C\" >= s.{position})"
            )
        });
        format!(
            "SELECT LEAST(s.{until},\n\
             (SELECT MIN(n.{from}) FROM {table} n WHERE {} AND n.{position} COLLATE \"C\" > s.{position}){truncated}) AS at",
            self.same_key("n")
        )
    }

    fn value(&self, index: usize, column: &Column) -> String {
        let name = quoted(&column.name);
        let Some(keep) = self.names.keep_of(index) else {
            return format!("s.{name}");
        };
        let position = quoted(&self.versions.meta.position);
        format!("CASE WHEN p.{position} COLLATE \"C\" >= s.{} THEN p.{name} ELSE s.{name} END", quoted(keep))
    }
}

/// Condition that the rows `p` and `s` have the same value, after AND. Some types have no comparison, but all have a text.
fn is_same(column: &Column) -> String {
    let text = match column.kind {
        ColumnType::Json | ColumnType::Native(_) => "::text",
        _ => "",
    };
    format!(" AND p.{0}{text} IS NOT DISTINCT FROM s.{0}{text}", quoted(&column.name))
}

fn same_key_of<'c>(table: &str, key: impl IntoIterator<Item = &'c Column>) -> String {
    joined(key.into_iter().map(|column| format!("{table}.{0} = s.{0}", quoted(&column.name))), " AND ")
}

fn load_earlier<'c>(names: &EarlierNames, rows: Rows, key: impl IntoIterator<Item = &'c Column>) -> Rows {
    let columns = names.key.iter().zip(key);
    let rows = columns.fold(rows, |rows, (name, column)| rows.own(name, &column.kind.loaded()));
    rows.text(&names.up_to).own(&names.passes, "boolean")
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
        "SELECT MAX(q.{position} COLLATE \"C\") FROM {table} q WHERE {} \
         AND q.{position} COLLATE \"C\" <= {rows}.{} AND ({any}q.{operation} <> 'd')",
        names.same_key("q", rows, key),
        quoted(&names.up_to)
    )
}

/// Finds versions with omitted values that no earlier version has.
pub(crate) fn earlier_values(values: &EarlierValues<'_, ColumnType>) -> Vec<Call> {
    let EarlierValues { table, key, meta } = *values;
    let names = EarlierNames::of(key, key.len());
    let [row, early] = ["__row", "__early"].map(|name| unused(name, key));
    let rows = load_earlier(&names, Rows::new(Transfer::Load).own(&row, "text"), key).own(&early, "boolean");
    let position = quoted(&meta.position);
    let [row, early, passes, up_to] = [&row, &early, &names.passes, &names.up_to].map(|name| quoted(name));
    let lacking = format!("(found.at IS NULL OR (NOT s.{passes} AND latest.at > found.at))");
    let text = format!(
        "SELECT s.{row}::text, CASE WHEN {lacking} THEN '' ELSE '{EARLY}' END::text\nFROM {LOADED} s\n\
         CROSS JOIN LATERAL (SELECT ({}) AS at) found\n\
         CROSS JOIN LATERAL (SELECT MAX(q.{position} COLLATE \"C\") AS at FROM {table} q WHERE {} \
         AND q.{position} COLLATE \"C\" <= s.{up_to}) latest\n\
         WHERE {lacking} OR (s.{early} AND latest.at = found.at)",
        latest_position(&names, table, "s", key, meta, false),
        names.same_key("q", "s", key)
    );
    rows.then([Call::new("SELECT", text, [])])
}

/// Ends all versions up to and including a truncate.
pub(crate) fn end_all(table: &TableName, meta: &Meta, validity: &Validity) -> Vec<Call> {
    const TIME: &str = "CAST(CAST($2 AS text) AS timestamptz)";
    let (from, to) = (quoted(&validity.from), quoted(&validity.to));
    let text = format!(
        "UPDATE {table} SET {to} = GREATEST({from}, {TIME}), {} = {NOW}\n\
         WHERE COALESCE({}, '') COLLATE \"C\" <= CAST($3 AS text) AND ({to} IS NULL OR ({to} > {TIME} AND {to} > {from}))",
        quoted(&meta.processed_at),
        quoted(&meta.position)
    );
    vec![lock(table), Call::new("UPDATE", text, [Now, Time, Position])]
}

/// Stores a truncate unless it is stored.
pub(crate) fn store_truncate(truncates: &TableName, meta: &Meta) -> Vec<Call> {
    let names = list([&meta.processed_at, &meta.timestamp, &meta.position].map(|name| quoted(name)));
    let text = format!(
        "INSERT INTO {truncates} ({names}) VALUES ({NOW}, CAST(CAST($2 AS text) AS timestamptz), CAST($3 AS text))\n\
         ON CONFLICT DO NOTHING"
    );
    vec![Call::new("INSERT", text, [Now, Time, Position])]
}
