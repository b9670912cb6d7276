//! One table.

use std::collections::BTreeMap;

use super::{
    Comparison,
    canonical::{expected, stored},
    copy_csv,
    deviations::{Deviations, IN_LAST_EVENT},
    events::LastEvents,
    rules,
};
use crate::Rows;

/// Prefix of the columns that the sink adds.
const OWN: &str = "_cdc_";

/// The expected value, or why it cannot be computed.
type Wanted = Result<Option<String>, String>;

/// A final table of the source.
#[derive(Debug)]
pub(crate) struct FinalTable {
    /// Its name in the source.
    pub(crate) name: String,
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

impl FinalTable {
    pub(crate) fn parse(name: String, text: &str) -> Self {
        let mut records = copy_csv::records(text).into_iter();
        let columns = records.next().unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect();
        Self { name, columns, rows: records.collect() }
    }
}

/// The comparison of one table.
struct Task<'c> {
    source: &'c FinalTable,
    events: &'c LastEvents,
    deviations: &'c Deviations,
    /// Index of each source column in the stored table.
    places: Vec<usize>,
    /// Stored columns that are not in the final table.
    extras: Vec<usize>,
    stored: &'c Rows,
}

/// Compares one table.
pub(crate) fn compare(
    source: &FinalTable,
    name: &str,
    stored: &Rows,
    events: &LastEvents,
    deviations: &Deviations,
    comparison: &mut Comparison,
) {
    let place = |column: &str| stored.columns.iter().position(|stored| stored.name == column);
    let mut places = Vec::new();
    for column in &source.columns {
        match place(deviations.column_name(&source.name, column)) {
            Some(place) => places.push(place),
            None => comparison.differences.push(format!("{name}: there is no column {column:?}")),
        }
    }
    if places.len() < source.columns.len() {
        return;
    }
    let own = |column: usize| stored.columns[column].name.to_lowercase().starts_with(OWN);
    let extras =
        (0..stored.columns.len()).filter(|column| !places.contains(column) && !own(*column)).collect();
    let task = Task { source, events, deviations, places, extras, stored };
    task.check_extras(comparison);
    if events.key(&source.name).is_empty() {
        task.compare_as_multiset(comparison);
    } else {
        task.compare_by_key(comparison);
    }
}

impl Task<'_> {
    fn check_extras(&self, comparison: &mut Comparison) {
        for extra in &self.extras {
            let name = &self.stored.columns[*extra].name;
            if self.deviations.extra(&self.source.name, name).is_none() {
                let table = &self.source.name;
                comparison.differences.push(format!("{table}: the source has no column {name:?}"));
            }
        }
    }

    fn compare_by_key(&self, comparison: &mut Comparison) {
        let table = &self.source.name;
        let mut rows = BTreeMap::new();
        for row in &self.stored.rows {
            if let Some(key) = self.stored_key(row)
                && rows.insert(key.clone(), row).is_none()
            {
                continue;
            }
            comparison.differences.push(format!("{table}: a second row, or one without a key: {row:?}"));
        }
        for row in &self.source.rows {
            let key = self.source_key(row);
            match rows.remove(&key) {
                Some(stored) => self.compare_row(&key, row, stored, comparison),
                None => comparison.differences.push(format!("{table}: row {} is missing", key.join("|"))),
            }
        }
        let surplus = rows.keys().map(|key| format!("{table}: the source has no row {}", key.join("|")));
        comparison.differences.extend(surplus);
    }

    fn compare_row(
        &self,
        key: &[String],
        source: &[Option<String>],
        stored: &[Option<String>],
        comparison: &mut Comparison,
    ) {
        for (column, place) in self.places.iter().enumerate() {
            let wanted = self.wanted(key, column, source[column].as_deref(), &self.found(stored, *place));
            self.check(key, *place, stored, &wanted, comparison);
        }
        for extra in &self.extras {
            let wanted = self.wanted_extra(key, *extra, stored);
            self.check(key, *extra, stored, &wanted, comparison);
        }
    }

    fn check(
        &self,
        key: &[String],
        place: usize,
        stored: &[Option<String>],
        wanted: &Wanted,
        to: &mut Comparison,
    ) {
        to.values += 1;
        let found = self.found(stored, place);
        if wanted.as_ref() == Ok(&found) {
            return;
        }
        let (table, column) = (&self.source.name, &self.stored.columns[place]);
        let wanted = wanted.as_ref().map_or_else(Clone::clone, shown);
        to.differences.push(format!(
            "{table}.{} ({}) of row {}: expected {wanted}, found {}",
            column.name,
            column.kind,
            key.join("|"),
            shown(&found)
        ));
    }

    /// The expected value: the source's value, or, if something else is stored, the value that the deviations give.
    fn wanted(&self, key: &[String], column: usize, source: Option<&str>, found: &Option<String>) -> Wanted {
        let (table, name) = (self.source.name.as_str(), self.source.columns[column].as_str());
        let kind = &self.stored.columns[self.places[column]].kind;
        let plain = source.map(|text| expected(kind, text)).transpose();
        if plain.as_ref() == Ok(found) {
            return plain;
        }
        let shown_key = key.join("|");
        if let Some(value) = self.deviations.value(table, name, &shown_key) {
            self.deviations.value_was_needed(table, name, &shown_key);
            return Ok(value.map(|text| stored(kind, text)));
        }
        let Some(rule) = self.deviations.rule(table, name) else { return plain };
        let by_rule = if rule == IN_LAST_EVENT {
            let stored_as = self.deviations.column_name(table, name);
            if self.events.has(table, key, stored_as) { plain } else { Ok(None) }
        } else {
            source.map(|text| rules::apply(rule, kind, text)).transpose()
        };
        if by_rule.as_ref() == Ok(found) {
            self.deviations.rule_was_needed(table, name);
        }
        by_rule
    }

    fn wanted_extra(&self, key: &[String], extra: usize, stored_row: &[Option<String>]) -> Wanted {
        let column = &self.stored.columns[extra];
        let Some(entry) = self.deviations.extra(&self.source.name, &column.name) else {
            // Reported once for the column.
            return Ok(self.found(stored_row, extra));
        };
        if entry.last_event {
            let value = self.events.value(&self.source.name, key, &column.name);
            return value.map(|text| expected(&column.kind, &text)).transpose();
        }
        let shown_key = key.join("|");
        let value = entry.values.get(&shown_key);
        if value.is_some() {
            self.deviations.extra_value_was_needed(entry, &shown_key);
        }
        Ok(value.map(|text| stored(&column.kind, text)))
    }

    /// A table without a key must have the same rows, each the same number of times, in any order.
    fn compare_as_multiset(&self, comparison: &mut Comparison) {
        let table = &self.source.name;
        let mut counts: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        for row in &self.source.rows {
            let values = self.places.iter().enumerate().map(|(column, _)| self.wanted_in_bag(column, row));
            *counts.entry(values.collect()).or_default() += 1;
            comparison.values += row.len();
        }
        for row in &self.stored.rows {
            let values = self.places.iter().map(|place| shown(&self.found(row, *place)));
            *counts.entry(values.collect()).or_default() -= 1;
        }
        let differences = counts.into_iter().filter(|(_, count)| *count != 0).map(|(row, count)| {
            let what = if count > 0 { "is missing" } else { "is not in the source" };
            format!("{table}: {} times, a row {what}: {}", count.abs(), row.join(", "))
        });
        comparison.differences.extend(differences);
    }

    fn wanted_in_bag(&self, column: usize, row: &[Option<String>]) -> String {
        let name = &self.source.columns[column];
        let kind = &self.stored.columns[self.places[column]].kind;
        let Some(text) = row[column].as_deref() else { return shown(&None) };
        let wanted = match self.deviations.rule(&self.source.name, name) {
            Some(rule) => {
                self.deviations.rule_was_needed(&self.source.name, name);
                rules::apply(rule, kind, text)
            }
            None => expected(kind, text),
        };
        wanted.map_or_else(|reason| reason, |text| shown(&Some(text)))
    }

    fn found(&self, row: &[Option<String>], place: usize) -> Option<String> {
        row[place].as_deref().map(|text| stored(&self.stored.columns[place].kind, text))
    }

    fn stored_key(&self, row: &[Option<String>]) -> Option<Vec<String>> {
        let key = self.events.key(&self.source.name).iter();
        key.map(|name| {
            let place = self.stored.columns.iter().position(|column| column.name == *name)?;
            self.found(row, place)
        })
        .collect()
    }

    fn source_key(&self, row: &[Option<String>]) -> Vec<String> {
        let key = self.events.key(&self.source.name).iter();
        key.map(|name| {
            let stored_as = |column: &String| self.deviations.column_name(&self.source.name, column) == name;
            let place = self.source.columns.iter().position(stored_as);
            place.and_then(|place| row[place].clone()).unwrap_or_default()
        })
        .collect()
    }
}

fn shown(value: &Option<String>) -> String {
    value.as_ref().map_or_else(|| "NULL".to_owned(), |text| format!("{text:?}"))
}
