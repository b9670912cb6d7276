//! The rows of a query.

use serde::Deserialize;

/// Rows, with every value as exact text: numbers with all digits, times with six fractional digits, zoned timestamps in
/// UTC, binary in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Rows {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Snowflake's type, such as `fixed` or `timestamp_ntz`.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Rows {
    /// The only value of the only row.
    ///
    /// # Panics
    /// When there are more, or none.
    #[must_use]
    #[track_caller]
    pub fn value(&self) -> Option<&str> {
        let [row] = self.rows.as_slice() else { panic!("not one row: {self:?}") };
        let [value] = row.as_slice() else { panic!("not one column: {self:?}") };
        value.as_deref()
    }

    /// The only value, a number.
    ///
    /// # Panics
    /// If it is invalid.
    #[must_use]
    #[track_caller]
    pub fn number(&self) -> i64 {
        let value = self.value().and_then(|value| value.parse().ok());
        value.unwrap_or_else(|| panic!("not one number: {self:?}"))
    }
}
