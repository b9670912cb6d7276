//! Statements for history tables.
//!
//! MySQL finds the rows of a key by an index, but reads all of them for a comparison with a value of another table. So what is last is
//! found first, by reading the index from its end, and more is read only for rows that are late.

use tidegate_cdc::{
    history::{EarlierNames, VersionNames},
    sql::{joined, list, unused},
    statement::{
        Bind::{Now, Position, Time},
        Call, EARLY, EarlierValues, HistoryTable, Meta, TableName, Validity,
    },
};

use super::{
    Column,
    ddl::{check, created},
    load::{Loading, Own, lock, moment, rows},
    name::quoted,
};
use crate::{
    dialect::MySql,
    types::{ColumnType, POSITION},
};

type AddVersions<'a> = tidegate_cdc::statement::AddVersions<'a, ColumnType>;

/// Creates a history table. The second index finds the end of a key's versions that is the latest.
pub(crate) fn create_history(dialect: &MySql, history: &HistoryTable<'_, ColumnType>) -> String {
    let HistoryTable { table, columns, key, position, valid_to, comment } = *history;
    let definitions = columns.iter().enumerate().map(|(index, column)| {
        let name = quoted(&column.name);
        match index {
            _ if index == position => format!("{name} {POSITION} NOT NULL"),
            _ if key.contains(&index) => format!("{name} {} NOT NULL", column.kind.of_version_key(key.len())),
            _ => format!("{name} {}{}", column.kind, check(column)),
        }
    });
    let named = |indexes: &[usize]| {
        list(indexes.iter().filter_map(|index| columns.get(*index)).map(|column| quoted(&column.name)))
    };
    let by_position = format!("PRIMARY KEY ({})", named(&[key, &[position]].concat()));
    let by_end = format!("INDEX ({})", named(&[key, &[valid_to, position]].concat()));
    let definitions: Vec<String> = definitions.chain([by_position, by_end]).collect();
    created(dialect, &format!("CREATE TABLE {table}"), &definitions, comment)
}

/// Creates the table of truncates unless it exists.
pub(crate) fn create_truncates(dialect: &MySql, truncates: &TableName, meta: &Meta) -> String {
    let definitions = [
        format!("{} {POSITION} NOT NULL PRIMARY KEY", quoted(&meta.position)),
        format!("{} datetime(6)", quoted(&meta.timestamp)),
        format!("{} datetime(6)", quoted(&meta.processed_at)),
    ];
    let comment = "Truncates, so that late versions end with them";
    created(dialect, &format!("CREATE TABLE IF NOT EXISTS {truncates}"), &definitions, comment)
}

/// Adds versions that the table does not have, and ends earlier ones.
pub(crate) fn add_versions(dialect: &MySql, versions: &AddVersions<'_>) -> Vec<Call> {
    let (names, found) = (VersionNames::of(versions), Found::of(versions));
    let statements = Statements { dialect, rows: rows(dialect), versions, names, found };
    let ignore = (!versions.compared.is_empty()).then(|| statements.ignore());
    let first = [lock(dialect, versions.table), statements.find()];
    let ends = [statements.end_open(), statements.end_closed()];
    let all = first.into_iter().chain(ignore).chain(ends).chain([statements.insert()]);
    statements.loading().then(all)
}

/// Names of the columns that [`Statements::find`] fills.
struct Found {
    last: String,
    last_end: String,
    next: String,
    previous: String,
    version: String,
}

impl Found {
    fn of(versions: &AddVersions<'_>) -> Self {
        let own = |name: &str| unused(name, versions.columns);
        Self {
            last: own("__last"),
            last_end: own("__last_end"),
            next: own("__next"),
            previous: own("__previous"),
            version: own("__found"),
        }
    }
}

struct Statements<'a> {
    dialect: &'a MySql,
    rows: String,
    versions: &'a AddVersions<'a>,
    names: VersionNames,
    found: Found,
}

impl<'a> Statements<'a> {
    fn loading(&self) -> Loading<'a> {
        let AddVersions { columns, key, kept, compared, meta, validity, .. } = *self.versions;
        let VersionNames { after, ends, until, compared: flag, earlier, .. } = &self.names;
        let mut rows = Loading::new(self.dialect).columns(columns, key, &[&meta.timestamp, &validity.from]);
        rows = rows.text(after).own(ends, Own::Moment).own(until, Own::Moment);
        if !compared.is_empty() {
            rows = rows.own(flag, Own::Flag);
        }
        if !kept.is_empty() {
            rows = load_earlier(earlier, rows, self.versions.key_columns(), key.len());
        }
        rows = self.names.keep().fold(rows, |rows, name| rows.text(name));
        rows = rows
            .found(&self.found.last, Own::Text)
            .found(&self.found.last_end, Own::Moment)
            .found(&self.found.next, Own::Moment);
        if !compared.is_empty() {
            rows = rows.found(&self.found.previous, Own::Text);
        }
        if !kept.is_empty() {
            rows = rows.found(&self.found.version, Own::Text);
        }
        rows
    }

    fn same_key(&self, table: &str) -> String {
        same_key(table, self.versions.key_columns())
    }

    /// Finds what the table has of the keys: the position of the last version, and the end that is the latest; for a late row, the
    /// earliest time of what follows it; for a row that is compared, the position before it; and the version that has omitted values.
    ///
    /// In an UPDATE of one table, MySQL assigns from left to right.
    fn find(&self) -> Call {
        let AddVersions { table, kept, compared, meta, validity, .. } = *self.versions;
        let VersionNames { compared: flag, earlier, .. } = &self.names;
        let Found { last, last_end, next, previous, version: found } = &self.found;
        let (position, from, to) = (quoted(&meta.position), quoted(&validity.from), quoted(&validity.to));
        let [last, last_end, next, previous, found, flag] =
            [last, last_end, next, previous, found, flag].map(|name| quoted(name));
        let of_key = format!("FROM {table} q WHERE {}", self.same_key("q"));
        let mut set = vec![
            format!("s.{last} = (SELECT q.{position} {of_key} ORDER BY q.{position} DESC LIMIT 1)"),
            format!("s.{last_end} = (SELECT q.{to} {of_key} ORDER BY q.{to} DESC LIMIT 1)"),
            format!(
                "s.{next} = CASE WHEN s.{position} < s.{last}\n\
                 THEN (SELECT MIN(q.{from}) {of_key} AND q.{position} > s.{position}) END"
            ),
        ];
        if !compared.is_empty() {
            set.push(format!(
                "s.{previous} = CASE WHEN s.{flag}\nTHEN (SELECT q.{position} {of_key} AND q.{position} < s.{position} \
                 ORDER BY q.{position} DESC LIMIT 1) END"
            ));
        }
        if !kept.is_empty() {
            let latest = latest_position(earlier, table, self.versions.key_columns(), meta, true);
            set.push(format!("s.{found} = ({latest})"));
        }
        Call::new("UPDATE TEMPORARY TABLE", format!("UPDATE {} s SET {}", self.rows, joined(set, ",\n")), [])
    }

    /// Marks rows that have the same values as the version before them.
    fn ignore(&self) -> Call {
        let AddVersions { table, columns, compared, meta, .. } = *self.versions;
        let VersionNames { after, ends, until, compared: flag, .. } = &self.names;
        let previous = &self.found.previous;
        let [after, ends, until, flag] = [after, ends, until, flag].map(|name| quoted(name));
        let (position, operation, previous) =
            (quoted(&meta.position), quoted(&meta.operation), quoted(previous));
        let same = compared.iter().filter_map(|index| columns.get(*index)).map(|column| {
            let name = quoted(&column.name);
            format!(" AND {}", column.kind.is_unchanged(&format!("p.{name}"), &format!("s.{name}")))
        });
        let text = format!(
            "UPDATE {} s STRAIGHT_JOIN {table} p ON {} AND p.{position} = s.{previous}\nSET s.{ends} = s.{until}, s.{flag} = NULL\n\
             WHERE s.{flag} AND s.{previous} >= s.{after} AND p.{operation} <> 'd'{}",
            self.rows,
            self.same_key("p"),
            joined(same, "")
        );
        Call::new("UPDATE TEMPORARY TABLE", text, [])
    }

    /// Ends the last version if it is still valid: all others have ended.
    fn end_open(&self) -> Call {
        let AddVersions { meta, validity, .. } = *self.versions;
        let (to, position) = (quoted(&validity.to), quoted(&meta.position));
        let [last, ends] = [&self.found.last, &self.names.ends].map(|name| quoted(name));
        self.end(&format!("t.{position} = s.{last} AND s.{ends} IS NOT NULL AND t.{to} IS NULL"))
    }

    /// Ends earlier versions sooner: one of these rows is late, or the time of the source went back. No other row is joined.
    fn end_closed(&self) -> Call {
        let Validity { from, to } = self.versions.validity;
        let (from, to, ends) = (quoted(from), quoted(to), quoted(&self.names.ends));
        let last_end = quoted(&self.found.last_end);
        self.end(&format!("s.{last_end} > s.{ends} AND t.{to} > s.{ends} AND t.{to} > t.{from}"))
    }

    fn end(&self, condition: &str) -> Call {
        let AddVersions { table, meta, validity, .. } = *self.versions;
        let (after, ends) = (quoted(&self.names.after), quoted(&self.names.ends));
        let (from, to, position) = (quoted(&validity.from), quoted(&validity.to), quoted(&meta.position));
        let text = format!(
            "UPDATE {} s STRAIGHT_JOIN {table} t ON {} AND t.{position} < s.{position} AND t.{position} >= s.{after}\n\
             SET t.{to} = GREATEST(t.{from}, s.{ends}), t.{} = {}\nWHERE {condition}",
            self.rows,
            self.same_key("t"),
            quoted(&meta.processed_at),
            moment("?")
        );
        Call::new("UPDATE", text, [Now])
    }

    /// Rows are inserted in the order of their keys, as in a merge.
    fn insert(&self) -> Call {
        let AddVersions { table, columns, kept, compared, meta, validity, .. } = *self.versions;
        let (position, operation) = (quoted(&meta.position), quoted(&meta.operation));
        let from = quoted(&validity.from);
        let names = columns.iter().map(|column| &column.name).chain([&meta.processed_at, &validity.to]);
        let names = list(names.map(|name| quoted(name)));
        let values = list(columns.iter().enumerate().map(|(index, column)| self.value(index, column)));
        let mut conditions = vec![format!("t.{position} IS NULL")];
        if !compared.is_empty() {
            conditions.push(format!("s.{} IS NOT NULL", quoted(&self.names.compared)));
        }
        let mut earlier = String::new();
        if !kept.is_empty() {
            let (same_key, found) = (
                same_earlier_key(&self.names.earlier, "p", self.versions.key_columns()),
                quoted(&self.found.version),
            );
            earlier = format!("\nLEFT JOIN {table} p ON {same_key} AND p.{position} = s.{found}");
        }
        let key = self.versions.key_columns().map(|column| &column.name).chain([&meta.position]);
        let order = list(key.map(|name| format!("s.{}", quoted(name))));
        let text = format!(
            "INSERT INTO {table} ({names})\nSELECT {values}, {},\n\
             CASE WHEN s.{operation} = 'd' THEN s.{from} ELSE GREATEST(s.{from}, {}) END\n\
             FROM {} s\nLEFT JOIN {table} t ON {} AND t.{position} = s.{position}{earlier}\nWHERE {}\nORDER BY {order}",
            moment("?"),
            self.later(),
            self.rows,
            self.same_key("t"),
            joined(conditions, " AND ")
        );
        Call::new("INSERT", text, [Now])
    }

    /// The earliest time of later versions and truncates, in the rows and in the tables. LEAST is null if one of them is.
    ///
    /// Truncates are read here and not before: unlike UPDATE, INSERT .. SELECT does not wait for a task that stores one.
    fn later(&self) -> String {
        let AddVersions { truncates, meta, .. } = *self.versions;
        let [until, next] = [&self.names.until, &self.found.next].map(|name| format!("s.{}", quoted(name)));
        let Some(truncates) = truncates else {
            return format!("LEAST(COALESCE({until}, {next}), COALESCE({next}, {until}))");
        };
        let (position, timestamp) = (quoted(&meta.position), quoted(&meta.timestamp));
        let truncated = format!(
            "CASE WHEN s.{position} <= (SELECT MAX(z.{position}) FROM {truncates} z)\n\
             THEN (SELECT MIN(z.{timestamp}) FROM {truncates} z WHERE z.{position} >= s.{position}) END"
        );
        format!(
            "LEAST(COALESCE({until}, {next}, {truncated}),\nCOALESCE({next}, {until}, {truncated}),\n\
             COALESCE({truncated}, {until}, {next}))"
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

/// Condition that `table` is a version of the key of the row `s`.
fn same_key<'c>(table: &str, key: impl IntoIterator<Item = &'c Column>) -> String {
    let same = key.into_iter().map(|column| {
        let name = quoted(&column.name);
        column.kind.same(&format!("{table}.{name}"), &format!("s.{name}"))
    });
    joined(same, " AND ")
}

fn load_earlier<'d, 'c>(
    names: &EarlierNames,
    rows: Loading<'d>,
    key: impl IntoIterator<Item = &'c Column>,
    parts: usize,
) -> Loading<'d> {
    let columns = names.key.iter().zip(key);
    let rows = columns.fold(rows, |rows, (name, column)| rows.old_key(name, column, parts));
    rows.text(&names.up_to).own(&names.passes, Own::Flag)
}

/// Condition that `table` is a version of the key that is searched for.
fn same_earlier_key<'c>(
    names: &EarlierNames,
    table: &str,
    key: impl IntoIterator<Item = &'c Column>,
) -> String {
    let same = names.key.iter().zip(key).map(|(old, column)| {
        column.kind.same(&format!("{table}.{}", quoted(&column.name)), &format!("s.{}", quoted(old)))
    });
    joined(same, " AND ")
}

/// The position of the latest version: of any, if deletes are not passed over and `may_be_delete`; otherwise of one that is no
/// delete.
fn latest_position<'c>(
    names: &EarlierNames,
    table: &TableName,
    key: impl IntoIterator<Item = &'c Column>,
    meta: &Meta,
    may_be_delete: bool,
) -> String {
    let operation = quoted(&meta.operation);
    let any = if may_be_delete { format!("NOT s.{} OR ", quoted(&names.passes)) } else { String::new() };
    last_position(names, table, key, meta, &format!(" AND ({any}q.{operation} <> 'd')"))
}

/// The position of the latest version with this condition, up to the position to which it is searched for.
fn last_position<'c>(
    names: &EarlierNames,
    table: &TableName,
    key: impl IntoIterator<Item = &'c Column>,
    meta: &Meta,
    condition: &str,
) -> String {
    let position = quoted(&meta.position);
    format!(
        "SELECT q.{position} FROM {table} q WHERE {} AND q.{position} <= s.{}{condition} ORDER BY q.{position} DESC LIMIT 1",
        same_earlier_key(names, "q", key),
        quoted(&names.up_to)
    )
}

/// Finds versions with omitted values that no earlier version has. It locks nothing, as SELECT alone.
pub(crate) fn earlier_values(dialect: &MySql, values: &EarlierValues<'_, ColumnType>) -> Vec<Call> {
    let EarlierValues { table, key, meta } = *values;
    let names = EarlierNames::of(key, key.len());
    let [row, early] = ["__row", "__early"].map(|name| unused(name, key));
    let loading =
        load_earlier(&names, Loading::new(dialect).text(&row), key, key.len()).own(&early, Own::Flag);
    let [row, early, passes] = [&row, &early, &names.passes].map(|name| quoted(name));
    let lacking = format!("(f.`found` IS NULL OR (NOT f.{passes} AND f.`latest` > f.`found`))");
    let text = format!(
        "SELECT f.{row}, CASE WHEN {lacking} THEN '' ELSE '{EARLY}' END\n\
         FROM (SELECT s.{row}, s.{early}, s.{passes},\n({}) AS `found`,\n({}) AS `latest`\nFROM {} s) f\n\
         WHERE {lacking} OR (f.{early} AND f.`latest` = f.`found`)",
        latest_position(&names, table, key, meta, false),
        last_position(&names, table, key, meta, ""),
        rows(dialect)
    );
    loading.then([Call::new("SELECT", text, [])])
}

/// Ends all versions up to and including a truncate.
pub(crate) fn end_all(dialect: &MySql, table: &TableName, meta: &Meta, validity: &Validity) -> Vec<Call> {
    let (from, to) = (quoted(&validity.from), quoted(&validity.to));
    let text = format!(
        "UPDATE {table} SET {to} = GREATEST({from}, {}), {} = {}\n\
         WHERE COALESCE({}, '') <= ? AND ({to} IS NULL OR ({to} > {} AND {to} > {from}))",
        moment("?"),
        quoted(&meta.processed_at),
        moment("?"),
        quoted(&meta.position),
        moment("?")
    );
    vec![lock(dialect, table), Call::new("UPDATE", text, [Time, Now, Position, Time])]
}

/// Stores a truncate unless it is stored.
pub(crate) fn store_truncate(truncates: &TableName, meta: &Meta) -> Vec<Call> {
    let position = quoted(&meta.position);
    let names = list([position, quoted(&meta.timestamp), quoted(&meta.processed_at)]);
    let text = format!(
        "INSERT INTO {truncates} ({names}) VALUES (?, {}, {})\nON DUPLICATE KEY UPDATE {position} = {position}",
        moment("?"),
        moment("?")
    );
    vec![Call::new("INSERT", text, [Position, Time, Now])]
}
