//! PostgreSQL's `infinity` and `-infinity`: dates and timestamps that are no point in time.
//!
//! Debezium's PostgreSQL connector sends the word for a timestamp with a zone, and a number that stands for it for the
//! others (`PostgresValueConverter`). The number is the same in a snapshot and from the log. Read as a date it would be a
//! day that nobody wrote, so it becomes the word.

use tidegate_abi::Value;

use super::Unit;

/// `PGStatement.DATE_POSITIVE_INFINITY` of the JDBC driver, which the connector takes for microseconds.
const POSITIVE: i64 = 9_223_372_036_825_200_000;
/// `PGStatement.DATE_NEGATIVE_INFINITY`.
const NEGATIVE: i64 = -9_223_372_036_832_400_000;

/// Days of `POSITIVE_INFINITY_LOCAL_DATE`, -5877611-06-21.
const POSITIVE_DAYS: i64 = -2_147_472_692;
/// Days of `NEGATIVE_INFINITY_LOCAL_DATE`, -5877611-06-22.
const NEGATIVE_DAYS: i64 = -2_147_472_691;
/// The ends of the number's range, which other sources use. PostgreSQL's dates end long before.
const LAST_DAY: i64 = i32::MAX as i64;
const FIRST_DAY: i64 = i32::MIN as i64;

const WORD: &str = "infinity";
const NEGATIVE_WORD: &str = "-infinity";

/// Whether a text is one of the two words.
pub(super) fn is_word(text: &str) -> bool {
    matches!(text, WORD | NEGATIVE_WORD)
}

/// The word that a number of days stands for.
#[inline]
pub(super) fn of_days(days: i64) -> Option<Value<'static>> {
    match days {
        POSITIVE_DAYS | LAST_DAY => Some(Value::string(WORD)),
        NEGATIVE_DAYS | FIRST_DAY => Some(Value::string(NEGATIVE_WORD)),
        _ => None,
    }
}

/// The word that a timestamp's number stands for: the connector's own, in micro- or milliseconds, or an end of the
/// range, as it sends it in nanoseconds.
#[inline]
pub(super) fn of_timestamp(count: i64, unit: Unit) -> Option<Value<'static>> {
    // All of them are far away from any date in use: one comparison for the common case.
    if count.unsigned_abs() < POSITIVE.unsigned_abs() / 1_000 {
        return None;
    }
    let (positive, negative) = match unit {
        Unit::Micros => (POSITIVE, NEGATIVE),
        Unit::Millis => (POSITIVE / 1_000, NEGATIVE / 1_000),
        Unit::Seconds | Unit::Nanos => (i64::MAX, i64::MIN),
    };
    match count {
        i64::MAX => Some(Value::string(WORD)),
        i64::MIN => Some(Value::string(NEGATIVE_WORD)),
        _ if count == positive => Some(Value::string(WORD)),
        _ if count == negative => Some(Value::string(NEGATIVE_WORD)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(value: Option<Value<'static>>) -> Option<&'static str> {
        value.and_then(|value| value.as_str())
    }

    #[test]
    fn the_numbers_that_stand_for_infinity_become_the_word() {
        for (count, unit, expected) in [
            (9_223_372_036_825_200_000, Unit::Micros, "infinity"),
            (-9_223_372_036_832_400_000, Unit::Micros, "-infinity"),
            (9_223_372_036_825_200, Unit::Millis, "infinity"),
            (-9_223_372_036_832_400, Unit::Millis, "-infinity"),
            (9_223_372_036_854_775_807, Unit::Nanos, "infinity"),
            (-9_223_372_036_854_775_808, Unit::Nanos, "-infinity"),
            (9_223_372_036_854_775_807, Unit::Millis, "infinity"),
        ] {
            assert_eq!(word(of_timestamp(count, unit)), Some(expected), "{count} {unit:?}");
        }
        for (days, expected) in [
            (-2_147_472_692, "infinity"),
            (-2_147_472_691, "-infinity"),
            (2_147_483_647, "infinity"),
            (-2_147_483_648, "-infinity"),
        ] {
            assert_eq!(word(of_days(days)), Some(expected), "{days}");
        }
    }

    #[test]
    fn their_neighbours_are_dates_and_timestamps() {
        for count in [9_223_372_036_825_199_999, -9_223_372_036_832_399_999, 9_223_372_036_825_200] {
            assert_eq!(word(of_timestamp(count, Unit::Micros)), None, "{count}");
        }
        assert_eq!(word(of_timestamp(9_223_372_036_825_200_000, Unit::Nanos)), None);
        for days in [-2_147_472_693, -2_147_472_690, 2_147_483_646, 0] {
            assert_eq!(word(of_days(days)), None, "{days}");
        }
    }
}
