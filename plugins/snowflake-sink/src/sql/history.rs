//! Statements for history tables.
//!
//! Snowflake has no subquery that depends on a comparison such as `<` with its outer query. So rows are joined with the versions they
//! are compared with, and QUALIFY leaves one row of each.

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
    ddl::{created, definition},
    rows::{Reader, same_key},
};
use crate::types::ColumnType;

type AddVersions<'a> = tidegate_cdc::statement::AddVersions<'a, ColumnType>;

/// A time after that of every version.
const NEVER: &str = "'9999-12-31T23:59:59.9999Z'::TIMESTAMP_TZ";

/// Creates a history table.
pub(crate) fn create_history(history: &HistoryTable<'_, ColumnType>) -> String {
    let HistoryTable { table, columns, key, position, comment, .. } = *history;
    let key = [key, &[position]].concat();
    let definitions = columns.iter().enumerate().map(|(index, column)| {
        let required = if key.contains(&index) { " NOT NULL" } else { "" };
        format!("{}{required}", definition(column))
    });
    let names = list(key.iter().filter_map(|index| columns.get(*index)).map(|column| quoted(&column.name)));
    created("", table, definitions.chain([format!("PRIMARY KEY ({names})")]), comment)
}

/// Creates the table of truncates unless it exists.
pub(crate) fn create_truncates(truncates: &TableName, meta: &Meta) -> String {
    let definitions = [
        format!("{} VARCHAR NOT NULL", quoted(&meta.position)),
        format!("{} TIMESTAMP_TZ", quoted(&meta.timestamp)),
        format!("{} TIMESTAMP_TZ", quoted(&meta.processed_at)),
    ];
    created("IF NOT EXISTS ", truncates, definitions, "Truncates, so that late versions end with them")
}

/// Adds versions that the table does not have, and ends earlier ones: the first statement waits until no other task writes the table.
pub(crate) fn add_versions(versions: &AddVersions<'_>) -> [String; 2] {
    let own = |name: &str| unused(name, versions.columns);
    let (ignored, end) = (own("__ignored"), own("__end"));
    let statements = Statements { versions, names: VersionNames::of(versions), ignored, end };
    [statements.add(), statements.end()]
}

struct Statements<'a> {
    versions: &'a AddVersions<'a>,
    names: VersionNames,
    /// Whether the row is ignored.
    ignored: String,
    /// The end of the row's validity.
    end: String,
}

impl Statements<'_> {
    /// The rows, with whether each is ignored.
    fn rows(&self) -> String {
        let AddVersions { columns, kept, compared, meta, .. } = *self.versions;
        let VersionNames { after, ends, until, compared: flag, earlier, .. } = &self.names;
        let mut rows = Reader::with_time(&meta.processed_at).columns(columns).own(after, "VARCHAR");
        rows = rows.own(ends, "TIMESTAMP_TZ").own(until, "TIMESTAMP_TZ");
        if !compared.is_empty() {
            rows = rows.own(flag, "BOOLEAN");
        }
        if !kept.is_empty() {
            rows = read_earlier(earlier, rows, self.versions.key_columns());
        }
        let rows = self.names.keep().fold(rows, |rows, name| rows.own(name, "VARCHAR")).select();
        if compared.is_empty() { rows } else { self.with_ignored(&rows) }
    }

    /// Marks rows that have the same values as the version before them.
    fn with_ignored(&self, rows: &str) -> String {
        let AddVersions { table, columns, compared, meta, .. } = *self.versions;
        let VersionNames { after, compared: flag, .. } = &self.names;
        let [after, flag, ignored] = [after, flag, &self.ignored].map(|name| quoted(name));
        let (position, operation) = (quoted(&meta.position), quoted(&meta.operation));
        let same = compared.iter().filter_map(|index| columns.get(*index)).map(is_same);
        format!(
            "SELECT b.*, (p.{position} IS NOT NULL AND p.{position} >= b.{after} AND COALESCE(p.{operation}, '') <> 'd'{}) AS {ignored}\n\
             FROM ({rows}) b LEFT JOIN {table} p ON b.{flag} AND {} AND p.{position} < b.{position}\n{}",
            joined(same, ""),
            self.same_key("p"),
            self.one_of_each(&format!("p.{position} DESC NULLS LAST"))
        )
    }

    /// Condition that a version of the table has the key of the row `b`.
    fn same_key(&self, table: &str) -> String {
        let same = |column: &Column| format!("{table}.{0} = b.{0}", quoted(&column.name));
        joined(self.versions.key_columns().map(same), " AND ")
    }

    /// Leaves the first one of the rows that a join has made of each row `b`.
    fn one_of_each(&self, order: &str) -> String {
        format!("QUALIFY ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {order}) = 1", self.identity())
    }

    /// Tells rows apart.
    fn identity(&self) -> String {
        let names = self.versions.key_columns().map(|column| column.name.as_str());
        list(names.chain([self.versions.meta.position.as_str()]).map(|name| format!("b.{}", quoted(name))))
    }

    /// The rows, with the earliest time of later versions and truncates.
    fn with_end(&self, rows: &str) -> String {
        let AddVersions { table, truncates, meta, validity, .. } = *self.versions;
        let (position, from) = (quoted(&meta.position), quoted(&validity.from));
        let (end, until) = (quoted(&self.end), quoted(&self.names.until));
        let of_each = format!("OVER (PARTITION BY {})", self.identity());
        let (mut times, mut join, mut order) = (Vec::new(), String::new(), format!("n.{position}"));
        times.push(format!("COALESCE(b.{until}, {NEVER})"));
        times.push(format!("COALESCE(MIN(n.{from}) {of_each}, {NEVER})"));
        if let Some(truncates) = truncates {
            times.push(format!("COALESCE(MIN(z.{}) {of_each}, {NEVER})", quoted(&meta.timestamp)));
            join = format!("\nLEFT JOIN {truncates} z ON z.{position} >= b.{position}");
            order.push_str(&format!(", z.{position}"));
        }
        format!(
            "SELECT b.*, NULLIF(LEAST({}), {NEVER}) AS {end}\nFROM ({rows}) b LEFT JOIN {table} n ON {} AND n.{position} > b.{position}{join}\n{}",
            list(times),
            self.same_key("n"),
            self.one_of_each(&order)
        )
    }

    fn add(&self) -> String {
        let AddVersions { table, columns, kept, compared, meta, validity, .. } = *self.versions;
        let (position, operation) = (quoted(&meta.position), quoted(&meta.operation));
        let (from, to, end) = (quoted(&validity.from), quoted(&validity.to), quoted(&self.end));
        let items = columns.iter().enumerate().map(|(index, column)| self.value(index, column));
        let to_item = format!(
            "CASE WHEN b.{operation} = 'd' OR b.{end} <= b.{from} THEN b.{from} ELSE b.{end} END AS {to}"
        );
        let time = format!("b.{0} AS {0}", quoted(&meta.processed_at));
        let items = list([time].into_iter().chain(items).chain([to_item]));
        let mut source = format!("SELECT {items} FROM ({}) b", self.with_end(&self.rows()));
        if !kept.is_empty() {
            let earlier = &self.names.earlier;
            source.push_str(&format!(
                "\nLEFT JOIN {table} p ON {} AND p.{position} <= b.{} AND (NOT b.{} OR p.{operation} <> 'd')",
                earlier.same_key("p", "b", self.versions.key_columns()),
                quoted(&earlier.up_to),
                quoted(&earlier.passes)
            ));
        }
        if !compared.is_empty() {
            source.push_str(&format!("\nWHERE NOT b.{}", quoted(&self.ignored)));
        }
        if !kept.is_empty() {
            source.push_str(&format!("\n{}", self.one_of_each(&format!("p.{position} DESC NULLS LAST"))));
        }
        let names = columns.iter().map(|column| column.name.as_str());
        let names: Vec<&str> = names.chain([meta.processed_at.as_str(), validity.to.as_str()]).collect();
        format!(
            "MERGE INTO {table} t\nUSING ({source}) s\nON {} AND t.{position} = s.{position}\n\
             WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
            same_key(self.versions.key_columns()),
            list(names.iter().map(|name| quoted(name))),
            list(names.iter().map(|name| format!("s.{}", quoted(name))))
        )
    }

    fn value(&self, index: usize, column: &Column) -> String {
        let name = quoted(&column.name);
        let Some(keep) = self.names.keep_of(index) else {
            return format!("b.{name} AS {name}");
        };
        let (position, keep) = (quoted(&self.versions.meta.position), quoted(keep));
        format!("CASE WHEN p.{position} >= b.{keep} THEN p.{name} ELSE b.{name} END AS {name}")
    }

    /// Ends earlier versions that are still valid, and others sooner, if one of these rows is late or the time of the source went back.
    fn end(&self) -> String {
        let AddVersions { table, compared, meta, validity, .. } = *self.versions;
        let VersionNames { after, ends, until, .. } = &self.names;
        let [after, ends, until, ignored] = [after, ends, until, &self.ignored].map(|name| quoted(name));
        let (position, processed_at) = (quoted(&meta.position), quoted(&meta.processed_at));
        let (from, to) = (quoted(&validity.from), quoted(&validity.to));
        let names = self.versions.key_columns().map(|column| column.name.as_str());
        let names = names.chain([meta.position.as_str(), meta.processed_at.as_str()]);
        let items = list(names.map(|name| format!("b.{0} AS {0}", quoted(name))));
        let time = match compared {
            [] => format!("b.{ends}"),
            _ => format!("CASE WHEN b.{ignored} THEN b.{until} ELSE b.{ends} END"),
        };
        format!(
            "MERGE INTO {table} t\nUSING (SELECT {items}, b.{after} AS {after}, {time} AS {ends} FROM ({}) b) s\n\
             ON {} AND t.{position} < s.{position} AND t.{position} >= s.{after} AND s.{ends} IS NOT NULL\n\
             AND (t.{to} IS NULL OR (t.{to} > s.{ends} AND t.{to} > t.{from}))\n\
             WHEN MATCHED THEN UPDATE SET {to} = GREATEST(t.{from}, s.{ends}), {processed_at} = s.{processed_at}",
            self.rows(),
            same_key(self.versions.key_columns())
        )
    }
}

/// Condition that the rows `p` and `b` have the same value, after AND.
fn is_same(column: &Column) -> String {
    let text = if column.kind == ColumnType::Variant { "::VARCHAR" } else { "" };
    format!(" AND EQUAL_NULL(p.{0}{text}, b.{0}{text})", quoted(&column.name))
}

fn read_earlier<'c>(names: &EarlierNames, rows: Reader, key: impl IntoIterator<Item = &'c Column>) -> Reader {
    rows.own_columns(&names.key, key).own(&names.up_to, "VARCHAR").own(&names.passes, "BOOLEAN")
}

/// Finds versions with omitted values that no earlier version has.
pub(crate) fn earlier_values(values: &EarlierValues<'_, ColumnType>) -> String {
    let EarlierValues { table, key, meta } = *values;
    let names = EarlierNames::of(key, key.len());
    let [row, early, found, latest] =
        ["__row", "__early", "__found", "__latest"].map(|name| unused(name, key));
    let rows = read_earlier(&names, Reader::new().own(&row, "VARCHAR"), key).own(&early, "BOOLEAN").select();
    let (position, operation) = (quoted(&meta.position), quoted(&meta.operation));
    let [row, early, found, latest, passes, up_to] =
        [&row, &early, &found, &latest, &names.passes, &names.up_to].map(|name| quoted(name));
    let lacking = format!("(s.{found} IS NULL OR (NOT s.{passes} AND s.{latest} > s.{found}))");
    let own = list([row, passes, early].map(|name| format!("b.{name}")));
    let named = list([row, passes, early].map(|name| format!("b.{name} AS {name}")));
    format!(
        "SELECT s.{row}, CASE WHEN {lacking} THEN '' ELSE '{EARLY}' END\n\
         FROM (SELECT {named}, MAX(CASE WHEN q.{operation} <> 'd' THEN q.{position} END) AS {found}, MAX(q.{position}) AS {latest}\n\
         FROM ({rows}) b LEFT JOIN {table} q ON {} AND q.{position} <= b.{up_to}\nGROUP BY {own}) s\n\
         WHERE {lacking} OR (s.{early} AND s.{latest} = s.{found})",
        names.same_key("q", "b", key)
    )
}

/// Ends all versions up to and including a truncate.
pub(crate) fn end_all(table: &TableName, meta: &Meta, validity: &Validity) -> Call {
    let (from, to) = (quoted(&validity.from), quoted(&validity.to));
    let (position, processed_at) = (quoted(&meta.position), quoted(&meta.processed_at));
    let text = format!(
        "MERGE INTO {table} t\nUSING (SELECT CAST(? AS TIMESTAMP_TZ) AS {to}, CAST(? AS TIMESTAMP_TZ) AS {processed_at}, \
         CAST(? AS VARCHAR) AS {position}) s\nON COALESCE(t.{position}, '') <= s.{position}\n\
         AND (t.{to} IS NULL OR (t.{to} > s.{to} AND t.{to} > t.{from}))\n\
         WHEN MATCHED THEN UPDATE SET {to} = GREATEST(t.{from}, s.{to}), {processed_at} = s.{processed_at}"
    );
    Call::new("MERGE", text, [Time, Now, Position])
}

/// Stores a truncate unless it is stored.
pub(crate) fn store_truncate(truncates: &TableName, meta: &Meta) -> Call {
    let names = [&meta.position, &meta.timestamp, &meta.processed_at].map(|name| quoted(name));
    let [position, timestamp, processed_at] = names;
    let text = format!(
        "MERGE INTO {truncates} t\nUSING (SELECT CAST(? AS VARCHAR) AS {position}, CAST(? AS TIMESTAMP_TZ) AS {timestamp}, \
         CAST(? AS TIMESTAMP_TZ) AS {processed_at}) s\nON t.{position} = s.{position}\n\
         WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
        list(names),
        list(names.map(|name| format!("s.{name}")))
    );
    Call::new("MERGE", text, [Position, Time, Now])
}
