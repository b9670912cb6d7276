//! What is known of one table's columns where the format says nothing.

use base64::{Engine, engine::general_purpose::STANDARD};
use tidegate_abi::{Struct, ValueRef};

use crate::formats::types::Scalar;

/// How many rows of a table are looked at for decimals without a scale.
const SAMPLED_ROWS: u32 = 200;

/// Columns of a table that are reported, and bytes of their names.
const MAX_REPORTED: usize = 100;
const MAX_REPORTED_NAME: usize = 512;

/// The longest base64 of a decimal: 38 digits are 16 bytes, 24 characters.
const MAX_DECIMAL_LENGTH: usize = 24;

/// A table's hints, and the search for columns that need one.
pub(super) struct Columns {
    hints: Vec<(Box<str>, Scalar)>,
    rows_seen: u32,
    reported: Vec<Box<str>>,
}

impl Columns {
    pub(super) const fn new(hints: Vec<(Box<str>, Scalar)>) -> Self {
        Self { hints, rows_seen: 0, reported: Vec::new() }
    }

    pub(super) const fn has_hints(&self) -> bool {
        !self.hints.is_empty()
    }

    pub(super) fn hint(&self, column: &str) -> Option<Scalar> {
        self.hints.iter().find(|(name, _)| &**name == column).map(|(_, scalar)| *scalar)
    }

    /// Calls `report` once for each column without a hint whose text looks like a decimal in base64, as long as the table
    /// is new.
    #[inline]
    pub(super) fn look_for_decimals(&mut self, row: Struct<'_>, report: impl FnMut(&str)) {
        if self.rows_seen < SAMPLED_ROWS && !row.is_empty() {
            self.rows_seen += 1;
            self.look(row, report);
        }
    }

    #[cold]
    fn look(&mut self, row: Struct<'_>, mut report: impl FnMut(&str)) {
        for (name, value) in row.iter() {
            let ValueRef::String(text) = value.view() else {
                continue;
            };
            let new =
                || !self.reported.iter().any(|reported| &**reported == name) && self.hint(name).is_none();
            let has_room = self.reported.len() < MAX_REPORTED && name.len() <= MAX_REPORTED_NAME;
            if has_room && looks_like_decimal(text) && new() {
                self.reported.push(name.into());
                report(name);
            }
        }
    }
}

fn looks_like_decimal(text: &str) -> bool {
    text.len() <= MAX_DECIMAL_LENGTH
        && text.ends_with('=')
        && STANDARD.decode_slice(text, &mut [0; MAX_DECIMAL_LENGTH]).is_ok()
}

#[cfg(test)]
mod tests {
    use tidegate_abi::{Field, Value};

    use super::*;

    #[test]
    fn a_column_is_told_once_and_only_without_a_hint() {
        let mut columns = Columns::new(vec![("hinted".into(), Scalar::Decimal(2))]);
        let fields = ["price", "hinted"].map(|name| Field::new(name, Value::string("A/w=")));
        let others = ["a=", "====", "A/w", "A/w=A/w=", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="]
            .map(|text| Field::new("text", Value::string(text)));
        let mut told = Vec::new();
        for row in [&fields[..], &others, &fields] {
            columns.look_for_decimals(Value::object(row).as_struct().unwrap(), |name| {
                told.push(name.to_owned())
            });
        }
        assert_eq!(told, ["price"]);
    }

    #[test]
    fn rows_of_an_old_table_are_not_looked_at() {
        let mut columns = Columns::new(Vec::new());
        let plain = [Field::new("price", Value::int(1))];
        let late = [Field::new("price", Value::string("A/w="))];
        let mut told = 0;
        for _ in 0..SAMPLED_ROWS {
            columns.look_for_decimals(Value::object(&plain).as_struct().unwrap(), |_| told += 1);
        }
        columns.look_for_decimals(Value::object(&late).as_struct().unwrap(), |_| told += 1);
        assert_eq!(told, 0);
    }
}
