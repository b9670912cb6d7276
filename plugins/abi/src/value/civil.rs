//! Converts day numbers to proleptic Gregorian dates, for any 64-bit day number that a source can send.

/// Year, month and day of a number of days since 1970-01-01.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub(super) fn from_days(days: i64) -> (i64, u32, u32) {
    let shifted = i128::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u32;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 } as u32;
    let year = (year_of_era + era * 400) as i64 + i64::from(month <= 2);
    (year, month, day)
}

/// Days since 1970-01-01, the inverse of [`from_days`]: `days_from_civil` in the same paper.
pub(super) fn to_days(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_index = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(from_days(0), (1970, 1, 1));
        assert_eq!(from_days(19_782), (2024, 2, 29));
        assert_eq!(from_days(-719_162), (1, 1, 1));
        assert_eq!(from_days(2_932_896), (9999, 12, 31));
        assert_eq!(from_days(2_932_897), (10_000, 1, 1));
    }

    #[test]
    fn there_and_back_over_eight_centuries() {
        for days in -150_000..150_000 {
            let (year, month, day) = from_days(days);
            assert_eq!(to_days(year, month, day), days, "{year}-{month}-{day}");
        }
    }
}
