//! Ranges of Snowflake's dates and times.

use tidegate_plugin::{Date, Time, Timestamp};

const NANOSECONDS_PER_DAY: u64 = 86_400_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// 0001-01-01.
const FIRST_DAY: i64 = -719_162;
/// 9999-12-31.
const LAST_DAY: i64 = 2_932_896;

/// Whether a date is in the years 1 to 9999.
pub(super) fn has_date(date: Date) -> bool {
    (FIRST_DAY..=LAST_DAY).contains(&date.days)
}

/// Whether a time has no zone and is before 24:00.
pub(super) fn has_time(time: Time) -> bool {
    time.offset_seconds.is_none() && time.nanoseconds < NANOSECONDS_PER_DAY
}

/// Whether a timestamp is in the years 1 to 9999, both in UTC and in local time.
pub(super) fn has_timestamp(timestamp: Timestamp) -> bool {
    let written = timestamp.seconds.saturating_add(timestamp.offset_seconds.unwrap_or(0).into());
    [timestamp.seconds, written]
        .into_iter()
        .all(|seconds| has_date(Date { days: seconds.div_euclid(SECONDS_PER_DAY) }))
}
