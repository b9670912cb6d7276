//! Refuses rows with too many columns, before anything compares their columns with others.

use tidegate_abi::{Value, ValueRef};

use super::error::{EventError, MAX_COLUMNS};

/// Levels of objects and lists above a row in the messages of other tools.
const LEVELS_ABOVE_ROWS: u32 = 3;

/// Refuses a row or key that is too wide.
///
/// # Errors
/// When it has too many columns.
#[inline]
pub(super) fn check(row: Value<'_>) -> Result<(), EventError> {
    let columns = row.as_struct().map_or(0, |row| row.len());
    if columns > MAX_COLUMNS { Err(EventError::TooWide { columns }) } else { Ok(()) }
}

/// Refuses a message that has a row that is too wide, wherever its tool puts rows.
///
/// # Errors
/// When an object that may be a row has too many columns.
pub(super) fn check_message(message: Value<'_>) -> Result<(), EventError> {
    check_below(message, LEVELS_ABOVE_ROWS)
}

fn check_below(value: Value<'_>, levels: u32) -> Result<(), EventError> {
    check(value)?;
    if levels == 0 {
        return Ok(());
    }
    match value.view() {
        ValueRef::Struct(row) => row.iter().try_for_each(|(_, value)| check_below(value, levels - 1)),
        ValueRef::List(list) => list.iter().try_for_each(|value| check_below(value, levels - 1)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_abi::Field;

    use super::*;

    #[test]
    fn a_wide_row_is_found_where_rows_are_and_a_map_in_a_row_may_be_wide() {
        let wide = vec![Field::new("a", Value::NULL); MAX_COLUMNS + 1];
        let error = check(Value::object(&wide)).unwrap_err().to_string();
        assert!(error.starts_with("a row of 10001 columns"), "{error}");
        assert!(check(Value::object(&wide[1..])).is_ok());
        let list = [Value::object(&wide)];
        let fields = [Field::new("data", Value::list(&list))];
        assert!(check_message(Value::object(&fields)).is_err());
        let row = [Field::new("map", Value::object(&wide))];
        assert!(check(Value::object(&row)).is_ok());
    }
}
