//! Dates, times, timestamps and intervals, displayed in ISO 8601.

use std::fmt;

use super::civil;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Date {
    /// Days since 1970-01-01; may be far outside the years 1 to 9999.
    pub days: i64,
}

impl Date {
    /// The day of a proleptic Gregorian date. Month and day count from 1 and are not checked.
    #[must_use]
    pub fn from_civil(year: i64, month: u32, day: u32) -> Self {
        Self { days: civil::to_days(year, month, day) }
    }

    /// Year, month (1 to 12) and day (1 to 31).
    #[must_use]
    pub fn civil(self) -> (i64, u32, u32) {
        civil::from_days(self.days)
    }
}

/// A time of day.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Time {
    /// Nanoseconds since midnight, at most 24 hours.
    pub nanoseconds: u64,
    /// Seconds east of UTC, if the source has a zone.
    pub offset_seconds: Option<i32>,
}

/// A point in time if it has an offset, otherwise a local time without a zone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00; in UTC if there is an offset.
    pub seconds: i64,
    /// Nanoseconds to add, below 1,000,000,000.
    pub nanoseconds: u32,
    /// Offset from UTC that the source wrote, in seconds east; `None` for a timestamp without a zone.
    pub offset_seconds: Option<i32>,
}

impl Timestamp {
    /// A timestamp from a count of fractions of a second, such as milliseconds with `per_second` 1000.
    #[must_use]
    pub fn from_parts(count: i64, per_second: i64, offset_seconds: Option<i32>) -> Self {
        let nanoseconds = count.rem_euclid(per_second) as u64 * (NANOS_PER_SECOND / per_second as u64);
        Self { seconds: count.div_euclid(per_second), nanoseconds: nanoseconds as u32, offset_seconds }
    }
}

/// An interval in three units that cannot be converted into each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub microseconds: i64,
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        match year {
            0..=9999 => write!(formatter, "{year:04}-{month:02}-{day:02}"),
            // The expanded form of ISO 8601 requires the sign.
            _ => write!(formatter, "{year:+05}-{month:02}-{day:02}"),
        }
    }
}

/// `hh:mm:ss` and, unless zero, three, six or nine fractional digits.
fn write_clock(formatter: &mut fmt::Formatter<'_>, seconds: u64, nanoseconds: u64) -> fmt::Result {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    write!(formatter, "{hours:02}:{minutes:02}:{seconds:02}")?;
    match nanoseconds {
        0 => Ok(()),
        n if n % 1_000_000 == 0 => write!(formatter, ".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => write!(formatter, ".{:06}", n / 1_000),
        n => write!(formatter, ".{n:09}"),
    }
}

fn write_offset(formatter: &mut fmt::Formatter<'_>, offset: Option<i32>) -> fmt::Result {
    let Some(seconds) = offset else { return Ok(()) };
    if seconds == 0 {
        return formatter.write_str("Z");
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let size = seconds.unsigned_abs();
    write!(formatter, "{sign}{:02}:{:02}", size / 3600, size / 60 % 60)?;
    if !size.is_multiple_of(60) {
        write!(formatter, ":{:02}", size % 60)?;
    }
    Ok(())
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_clock(formatter, self.nanoseconds / NANOS_PER_SECOND, self.nanoseconds % NANOS_PER_SECOND)?;
        write_offset(formatter, self.offset_seconds)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.seconds.saturating_add(i64::from(self.offset_seconds.unwrap_or(0)));
        let date = Date { days: local.div_euclid(SECONDS_PER_DAY) };
        write!(formatter, "{date}T")?;
        write_clock(formatter, local.rem_euclid(SECONDS_PER_DAY) as u64, u64::from(self.nanoseconds))?;
        write_offset(formatter, self.offset_seconds)
    }
}

impl fmt::Display for Interval {
    /// ISO 8601 duration with years, hours and minutes: `P1Y2M3DT4H5M6.7S`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (self.months, self.days, self.microseconds) == (0, 0, 0) {
            return formatter.write_str("PT0S");
        }
        formatter.write_str("P")?;
        for (count, unit) in [(self.months / 12, 'Y'), (self.months % 12, 'M'), (self.days, 'D')] {
            if count != 0 {
                write!(formatter, "{count}{unit}")?;
            }
        }
        if self.microseconds == 0 {
            return Ok(());
        }
        formatter.write_str("T")?;
        let (hours, minutes) = (self.microseconds / 3_600_000_000, self.microseconds / 60_000_000 % 60);
        for (count, unit) in [(hours, 'H'), (minutes, 'M')] {
            if count != 0 {
                write!(formatter, "{count}{unit}")?;
            }
        }
        let rest = self.microseconds % 60_000_000;
        if rest == 0 {
            return Ok(());
        }
        let sign = if rest < 0 { "-" } else { "" };
        let (seconds, micros) = (rest.unsigned_abs() / 1_000_000, rest.unsigned_abs() % 1_000_000);
        if micros == 0 {
            return write!(formatter, "{sign}{seconds}S");
        }
        let digits = format!("{micros:06}");
        write!(formatter, "{sign}{seconds}.{}S", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_as_iso_8601() {
        let plain = Timestamp::from_parts(1_709_212_455_123_456, 1_000_000, None);
        assert_eq!(plain.to_string(), "2024-02-29T13:14:15.123456");
        let zoned = Timestamp { offset_seconds: Some(7200), ..Timestamp::from_parts(0, 1, None) };
        assert_eq!(zoned.to_string(), "1970-01-01T02:00:00+02:00");
        assert_eq!(Timestamp::from_parts(-1, 1000, Some(0)).to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_parts(253_402_300_800, 1, None).to_string(), "+10000-01-01T00:00:00");
    }

    #[test]
    fn intervals_read_as_iso_8601() {
        let interval = Interval { months: 14, days: 3, microseconds: 14_706_700_000 };
        assert_eq!(interval.to_string(), "P1Y2M3DT4H5M6.7S");
        assert_eq!(Interval { months: -1, days: 0, microseconds: 0 }.to_string(), "P-1M");
        assert_eq!(Interval { months: 0, days: 0, microseconds: -1_500_000 }.to_string(), "PT-1.5S");
        assert_eq!(Interval { months: 0, days: 0, microseconds: 0 }.to_string(), "PT0S");
    }
}
