//! Reads a table: applies its data files in order, each row if it is newer than what is there, as documented for
//! `Dialect::merge` and `Dialect::copy_moved`.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value as Json;

use crate::sink::{DataFile, Manifest};

/// The values of a row by column, and which row it is.
#[derive(Clone, Debug)]
struct Row {
    position: String,
    is_deleted: bool,
    values: BTreeMap<String, Option<String>>,
}

/// Rows by the text of their key.
#[derive(Debug, Default)]
struct Rows(BTreeMap<String, Row>);

/// The rows of a table by key, without the columns that a sink adds.
pub(crate) fn rows(
    folder: &Path,
    manifest: &Manifest,
    table: &str,
) -> BTreeMap<String, BTreeMap<String, Option<String>>> {
    let Some(stored) = manifest.tables.get(table) else { return BTreeMap::new() };
    let mut rows = Rows::default();
    for name in &stored.files {
        let text = fs::read(folder.join(name)).expect("a data file");
        rows.apply(&serde_json::from_slice(&text).expect("a data file"));
    }
    let names = || stored.columns.iter().map(|column| &column.name).filter(|name| !name.starts_with("_cdc"));
    let row = |(key, row): (String, Row)| {
        let value = |name: &String| (name.clone(), row.values.get(name).cloned().flatten());
        (key, names().map(value).collect())
    };
    rows.0.into_iter().filter(|(_, row)| !row.is_deleted).map(row).collect()
}

impl Rows {
    fn apply(&mut self, file: &DataFile) {
        if let Some(position) = &file.truncate {
            for row in self.0.values_mut().filter(|row| row.position <= *position) {
                row.is_deleted = true;
            }
        }
        if let Some(copies) = &file.copies {
            let copied: Vec<_> = copies.rows.iter().filter_map(|row| self.copied(copies, row)).collect();
            copied.into_iter().for_each(|(key, row)| self.put(key, row));
        }
        for row in &file.rows {
            self.merge(file, row);
        }
    }

    fn merge(&mut self, file: &DataFile, elements: &[Json]) {
        let (values, more) = elements.split_at(file.columns.len());
        let [key, positions @ ..] = more else { panic!("a row without a key: {elements:?}") };
        let key = text(key).expect("a key");
        let mut row = row(file, values);
        let old = self.0.get(&key).filter(|old| !old.is_deleted);
        for (column, position) in file.kept.iter().zip(positions) {
            let (Some(position), Some(name)) = (text(position), file.columns.get(*column)) else { continue };
            if let Some(old) = old.filter(|old| old.position >= position) {
                row.values.insert(name.clone(), old.values.get(name).cloned().flatten());
            }
        }
        self.put(key, row);
    }

    /// A row under its new key, with the values of the old one.
    fn copied(&self, file: &DataFile, elements: &[Json]) -> Option<(String, Row)> {
        let (values, more) = elements.split_at(file.columns.len());
        let is_own = |index: &usize| file.key.contains(index) || file.columns[*index] == "_cdc_source_lsn";
        let others: Vec<usize> = (0..file.columns.len()).filter(|index| !is_own(index)).collect();
        let (from_old, more) = more.split_at(others.len());
        let [key, _rank, more @ ..] = more else { panic!("a copy without a key: {elements:?}") };
        let (old_key, places) = more.split_at(file.key.len());
        let [after, until, _since] = places else { panic!("a copy without positions: {elements:?}") };
        let old = self.0.values().find(|row| {
            let part = |(index, value): (&usize, &Json)| {
                row.values.get(&file.columns[*index]).cloned().flatten() == text(value)
            };
            !row.is_deleted && file.key.iter().zip(old_key).all(part)
        })?;
        let is_in_time = text(after)? <= old.position && old.position <= text(until)?;
        let mut row = row(file, values);
        for (index, _) in others.iter().zip(from_old).filter(|(_, is_old)| **is_old == Json::Bool(true)) {
            let name = &file.columns[*index];
            row.values.insert(name.clone(), old.values.get(name).cloned().flatten());
        }
        row.is_deleted = false;
        is_in_time.then(|| Some((text(key)?, row)))?
    }

    /// Puts a row in its place, unless there is a newer one.
    fn put(&mut self, key: String, row: Row) {
        if self.0.get(&key).is_none_or(|old| old.position < row.position) {
            self.0.insert(key, row);
        }
    }
}

fn row(file: &DataFile, values: &[Json]) -> Row {
    let values: BTreeMap<String, Option<String>> =
        file.columns.iter().cloned().zip(values.iter().map(text)).collect();
    let of = |name: &str| values.get(name).cloned().flatten().unwrap_or_default();
    Row { position: of("_cdc_source_lsn"), is_deleted: of("_cdc_operation") == "d", values }
}

fn text(value: &Json) -> Option<String> {
    value.as_str().map(str::to_owned)
}
