//! ISO 8601 dates, times and durations, as Java and Debezium write them.

use tidegate_abi::{Date, Interval, Time, Timestamp};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A date, perhaps with a sign before the year, and the offset behind it.
pub(super) fn date(text: &str) -> Option<(Date, Option<i32>)> {
    let mut reader = Reader(text.as_bytes());
    let date = reader.date()?;
    let offset_seconds = reader.offset()?;
    reader.0.is_empty().then_some((date, offset_seconds))
}

/// A time of day, with the offset as it is written.
pub(super) fn time(text: &str) -> Option<Time> {
    let mut reader = Reader(text.as_bytes());
    let nanoseconds = reader.clock()?;
    let offset_seconds = reader.offset()?;
    reader.0.is_empty().then_some(Time { nanoseconds, offset_seconds })
}

/// A date and time. With an offset the seconds count in UTC, without one they are what the clock showed.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    let mut reader = Reader(text.as_bytes());
    let date = reader.date()?;
    if !reader.take(b'T') && !reader.take(b' ') {
        return None;
    }
    let clock = reader.clock()?;
    let offset_seconds = reader.offset()?;
    if !reader.0.is_empty() {
        return None;
    }
    let clock_seconds = (clock / NANOS_PER_SECOND) as i64 - i64::from(offset_seconds.unwrap_or(0));
    let seconds = date.days.checked_mul(SECONDS_PER_DAY)?.checked_add(clock_seconds)?;
    Some(Timestamp { seconds, nanoseconds: (clock % NANOS_PER_SECOND) as u32, offset_seconds })
}

/// What a text says that has the form of a duration.
pub(super) enum Duration {
    /// An interval holds it.
    Exact(Interval),
    /// It is too long or too fine.
    Beyond,
}

/// A duration such as `P1Y2M3DT4H5M6.7S`, each part with a sign of its own if need be.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut reader = Reader(text.as_bytes().strip_prefix(b"P")?);
    let (mut months, mut days, mut nanos) = (0i128, 0i128, 0i128);
    let mut clock = false;
    while !reader.0.is_empty() {
        if !clock && reader.take(b'T') {
            clock = true;
        }
        let (count, fraction) = reader.signed()?;
        let (unit, rest) = reader.0.split_first()?;
        reader.0 = rest;
        if fraction != 0 && (*unit != b'S' || !clock) {
            return None;
        }
        let count = i128::from(count);
        match (unit, clock) {
            (b'Y', false) => months += count * 12,
            (b'M', false) => months += count,
            (b'W', false) => days += count * 7,
            (b'D', false) => days += count,
            (b'H', true) => nanos += count * 3_600_000_000_000,
            (b'M', true) => nanos += count * 60_000_000_000,
            (b'S', true) => nanos += count * i128::from(NANOS_PER_SECOND) + i128::from(fraction),
            _ => return None,
        }
    }
    let exact = (nanos % 1000 == 0).then_some(nanos / 1000).and_then(|micros| {
        Some(Interval {
            months: months.try_into().ok()?,
            days: days.try_into().ok()?,
            microseconds: micros.try_into().ok()?,
        })
    });
    Some(exact.map_or(Duration::Beyond, Duration::Exact))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        if let Some(rest) = rest {
            self.0 = rest;
        }
        rest.is_some()
    }

    /// Between `least` and `most` digits.
    fn digits(&mut self, least: usize, most: usize) -> Option<u64> {
        let count = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }

    fn digits_up_to(&mut self, max: u64) -> Option<u64> {
        self.digits(2, 2).filter(|number| *number <= max)
    }

    fn date(&mut self) -> Option<Date> {
        let negative = self.take(b'-');
        let signed = negative || self.take(b'+');
        // Twelve digits of years are more than 64 bits of microseconds reach.
        let year = self.digits(4, if signed { 12 } else { 4 })?.cast_signed();
        let year = if negative { -year } else { year };
        let month = self.take(b'-').then(|| self.digits_up_to(12))?? as u32;
        let day = self.take(b'-').then(|| self.digits_up_to(31))?? as u32;
        let date = (month > 0 && day > 0).then(|| Date::from_civil(year, month, day))?;
        // The 30th of February comes back as a day of March.
        (date.civil() == (year, month, day)).then_some(date)
    }

    /// Nanoseconds since midnight.
    fn clock(&mut self) -> Option<u64> {
        let hours = self.digits_up_to(24)?;
        let minutes = self.take(b':').then(|| self.digits_up_to(59))??;
        let seconds = if self.take(b':') { self.digits_up_to(59)? } else { 0 };
        let fraction = if self.take(b'.') { self.nanoseconds()? } else { 0 };
        let nanos = ((hours * 60 + minutes) * 60 + seconds) * NANOS_PER_SECOND + fraction;
        (nanos <= 86_400 * NANOS_PER_SECOND).then_some(nanos)
    }

    /// The digits behind a point. More than nine are no time that anybody sends.
    fn nanoseconds(&mut self) -> Option<u64> {
        let before = self.0.len();
        let number = self.digits(1, 9)?;
        Some(number * 10u64.pow(9 - (before - self.0.len()) as u32))
    }

    /// `Z`, an offset, or nothing.
    fn offset(&mut self) -> Option<Option<i32>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.take(b'Z') {
            return Some(Some(0));
        }
        let negative = self.take(b'-');
        if !negative && !self.take(b'+') {
            return None;
        }
        let mut seconds = self.digits_up_to(23)? * 3600;
        // `+02`, `+02:00` and `+0200`.
        if self.take(b':') || self.0.first().is_some_and(u8::is_ascii_digit) {
            seconds += self.digits_up_to(59)? * 60;
        }
        if self.take(b':') {
            seconds += self.digits_up_to(59)?;
        }
        Some(Some(if negative { -(seconds as i32) } else { seconds as i32 }))
    }

    /// A number with an optional sign, and the nanoseconds of its fraction, of the same sign.
    fn signed(&mut self) -> Option<(i64, i64)> {
        let negative = self.take(b'-');
        let whole = self.digits(1, 18)?.cast_signed();
        let fraction = if self.take(b'.') { self.nanoseconds()?.cast_signed() } else { 0 };
        Some(if negative { (-whole, -fraction) } else { (whole, fraction) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        timestamp(text).map(|timestamp| timestamp.to_string())
    }

    #[test]
    fn timestamps_read_back_as_written() {
        for text in [
            "2024-02-29T11:14:15.123456Z",
            "0001-01-01T00:00:00Z",
            "+12345-12-31T23:59:59.999999999Z",
            "-0044-03-15T12:00:00+01:00",
            "1970-01-01T00:00:00",
            "2024-06-01T00:30:00.500-09:30",
        ] {
            assert_eq!(shown(text).as_deref(), Some(text));
        }
        assert_eq!(shown("2024-02-29 11:14Z").as_deref(), Some("2024-02-29T11:14:00Z"));
        for text in ["2024-02-29 11:14:00+02", "2024-02-29T11:14+0200"] {
            assert_eq!(shown(text).as_deref(), Some("2024-02-29T11:14:00+02:00"), "{text}");
        }
        assert_eq!(timestamp("1970-01-01T02:00:00+02:00").map(|timestamp| timestamp.seconds), Some(0));
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "infinity",
            "2024-02-30T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01",
            "2024-01-01T25:00:00Z",
            "2024-01-01T00:00:00.1234567890Z",
            "2024-01-01T00:00:00Zx",
            "12024-01-01T00:00:00Z",
            "2024-01-01T00:00:00+020",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn durations_read_back_as_written() {
        for text in ["P1Y2M3DT4H5M6.7S", "P-1M", "PT0S", "PT-1.5S", "P3D"] {
            let Some(Duration::Exact(interval)) = duration(text) else { panic!("{text}") };
            assert_eq!(interval.to_string(), text);
        }
        assert!(matches!(duration("P2W"), Some(Duration::Exact(Interval { days: 14, .. }))));
        assert!(matches!(duration("PT0.000000001S"), Some(Duration::Beyond)));
        for text in ["1Y", "P1H", "PT1Y", "P1.5Y", "PT", "Px"] {
            assert!(duration(text).is_none(), "{text}");
        }
    }
}
