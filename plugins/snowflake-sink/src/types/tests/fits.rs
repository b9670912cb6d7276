//! Which values fit which columns.

use tidegate_cdc::types::ColumnType as _;

use super::*;

type Fit = tidegate_cdc::types::Fit<ColumnType>;

fn widens(kind: ColumnType) -> Fit {
    Fit::Widens(kind)
}

fn assert_fits(kind: &ColumnType, values: impl IntoIterator<Item = (Value<'static>, Fit)>) {
    for (value, fit) in values {
        assert_eq!(kind.fit(value), fit, "{value:?} in {kind}");
    }
}

/// One value of each kind, with the types other than VARCHAR and VARIANT that it fits.
#[test]
fn each_kind_fits_its_types_and_no_others() {
    use ColumnType::{Boolean, Date, Float, Time, TimestampLtz, TimestampNtz, TimestampTz};
    let types = [
        number(38, 10),
        Float,
        Boolean,
        TEXT,
        BINARY,
        Date,
        Time,
        TimestampNtz,
        TimestampTz,
        TimestampLtz,
        ColumnType::Variant,
        ColumnType::Other("GEOGRAPHY".to_owned()),
    ];
    for (value, holders) in [
        (Value::bool(true), vec![Boolean]),
        (Value::int(5), vec![number(38, 10), Float]),
        (Value::uint(u64::MAX), vec![number(38, 10)]),
        (Value::float(0.5), vec![number(38, 10), Float]),
        (Value::float(f64::NAN), vec![Float]),
        (Value::number("1.5e3"), vec![number(38, 10), Float]),
        (decimal(1050, 2), vec![number(38, 10), Float]),
        (Value::string("NaN"), vec![Float]),
        (Value::string("12.50"), vec![number(38, 10), Date, Time, TimestampNtz, TimestampTz, TimestampLtz]),
        (Value::string("2024-02-29"), vec![Date, Time, TimestampNtz, TimestampTz, TimestampLtz]),
        (Value::string("infinity"), vec![]),
        (Value::string(""), vec![]),
        (Value::bytes(b"\x00\xff"), vec![BINARY]),
        (date(2024, 2, 29), vec![Date, TimestampNtz]),
        (time(1, None), vec![Time]),
        (time(1, Some(0)), vec![]),
        (timestamp(0, 0, None), vec![TimestampNtz]),
        (timestamp(0, 0, Some(3600)), vec![TimestampTz, TimestampLtz]),
        (interval(), vec![]),
        (Value::uuid([1; 16]), vec![]),
        (Value::json("{}"), vec![]),
        (list(), vec![]),
        (object(), vec![]),
    ] {
        for kind in &types {
            let is_any = matches!(kind, ColumnType::Text { .. } | ColumnType::Variant);
            let expected = if is_any || holders.contains(kind) { Fit::Fits } else { Fit::Mismatch };
            assert_eq!(kind.fit(value), expected, "{value:?} in {kind}");
        }
    }
    for kind in &types {
        assert_fits(kind, [(Value::NULL, Fit::Fits), (Value::UNAVAILABLE, Fit::Fits)]);
    }
}

#[test]
fn numbers_fit_with_all_their_digits_or_not_at_all() {
    let nines = |count: usize| Value::number(String::leak("9".repeat(count)));
    assert_fits(
        &number(5, 2),
        [
            (Value::int(999), Fit::Fits),
            (Value::int(-999), Fit::Fits),
            (Value::int(1000), widens(number(6, 2))),
            (Value::int(i64::MIN), widens(number(21, 2))),
            (Value::uint(u64::MAX), widens(number(22, 2))),
            (Value::int(0), Fit::Fits),
            (decimal(99_999, 2), Fit::Fits),
            (decimal(100_000, 2), widens(number(6, 2))),
            (decimal(12_300, 4), Fit::Fits),
            (decimal(12_345, 4), Fit::Mismatch),
            (decimal(1, -2), Fit::Fits),
            (decimal(1, -3), widens(number(6, 2))),
            (decimal(0, 1000), Fit::Fits),
            (decimal(1, i32::MAX), Fit::Mismatch),
            (decimal(1, i32::MIN), Fit::Mismatch),
            (Value::number("1.5e2"), Fit::Fits),
            (Value::number("1.5E+3"), widens(number(6, 2))),
            (Value::number("12345e-2"), Fit::Fits),
            (Value::number("12345e-3"), Fit::Mismatch),
            (Value::number("1.10000000000000000000000000000000000000000000"), Fit::Fits),
            (Value::number("0e99999999999999999999"), Fit::Fits),
            (Value::number("1e99999999999999999999"), Fit::Mismatch),
            (Value::number("-1e-99999999999999999999"), Fit::Mismatch),
            (nines(36), widens(number(38, 2))),
            (nines(37), Fit::Mismatch),
            (Value::float(0.25), Fit::Fits),
            (Value::float(0.125), Fit::Mismatch),
            (Value::float(-0.0), Fit::Fits),
            (Value::float(1e22), widens(number(25, 2))),
            (Value::float(1e308), Fit::Mismatch),
            (Value::float(f64::INFINITY), Fit::Mismatch),
            (Value::float(f64::NAN), Fit::Mismatch),
            (Value::bool(true), Fit::Mismatch),
        ],
    );
    assert_fits(&number(38, 0), [(nines(38), Fit::Fits), (nines(39), Fit::Mismatch)]);
    assert_fits(&number(3, 3), [(decimal(999, 3), Fit::Fits), (Value::int(1), widens(number(4, 3)))]);
}

#[test]
fn decimals_beyond_128_bits_fit_without_trailing_zeros() {
    // 10^40, as 10^40 / 10^40 and as 10^40 / 10^2.
    let bytes: &[u8] =
        &[0x1d, 0x63, 0x29, 0xf1, 0xc3, 0x5c, 0xa4, 0xbf, 0xab, 0xb9, 0xf5, 0x61, 0, 0, 0, 0, 0];
    assert_eq!(Value::decimal(bytes, 40).to_string().trim_end_matches('0'), "1.");
    assert_fits(
        &number(5, 2),
        [(Value::decimal(bytes, 40), Fit::Fits), (Value::decimal(bytes, 2), Fit::Mismatch)],
    );
    assert_fits(
        &number(38, 0),
        [(Value::decimal(bytes, 3), Fit::Fits), (Value::decimal(bytes, 2), Fit::Mismatch)],
    );
}

#[test]
fn text_is_a_number_only_if_it_is_unchanged_when_read_back() {
    for (text, fit) in [
        ("0", Fit::Fits),
        ("-12.5", Fit::Fits),
        ("12.50", Fit::Fits),
        ("0.000000000000", Fit::Fits),
        ("007", Fit::Mismatch),
        ("1e3", Fit::Mismatch),
        ("+1", Fit::Mismatch),
        (".5", Fit::Mismatch),
        ("5.", Fit::Mismatch),
        (" 5", Fit::Mismatch),
        ("-", Fit::Mismatch),
        ("", Fit::Mismatch),
        ("NaN", Fit::Mismatch),
        ("1.2.3", Fit::Mismatch),
        ("\u{663}", Fit::Mismatch),
        ("12.345", Fit::Mismatch),
        ("1234", widens(number(6, 2))),
    ] {
        assert_eq!(number(5, 2).fit(Value::string(text)), fit, "{text:?}");
    }
}

#[test]
fn floats_accept_exact_values() {
    assert_fits(
        &ColumnType::Float,
        [
            (Value::float(f64::MAX), Fit::Fits),
            (Value::float(f64::NEG_INFINITY), Fit::Fits),
            (Value::int(1 << 53), Fit::Fits),
            (Value::int(-(1 << 53)), Fit::Fits),
            (Value::int((1 << 53) + 1), Fit::Mismatch),
            (Value::int(i64::MIN), Fit::Mismatch),
            (Value::number("0.1234567890123456"), Fit::Fits),
            (Value::number("0.12345678901234567890"), Fit::Mismatch),
            (Value::number("1e400"), Fit::Mismatch),
            (Value::number("1e-400"), Fit::Mismatch),
            (Value::number("0.0"), Fit::Fits),
            (decimal(1, 1), Fit::Fits),
            (decimal(i128::MAX, 3), Fit::Mismatch),
            (Value::string("Infinity"), Fit::Fits),
            (Value::string("-Infinity"), Fit::Fits),
            (Value::string("inf"), Fit::Mismatch),
            (Value::string("1.5"), Fit::Mismatch),
        ],
    );
}

#[test]
fn lengths_count_characters_of_text_and_bytes_of_binary() {
    let (text, binary) = (ColumnType::Text { length: Some(3) }, ColumnType::Binary { length: Some(2) });
    assert_fits(
        &text,
        [
            (Value::string("abc"), Fit::Fits),
            (Value::string("äö😀"), Fit::Fits),
            (Value::string("abcd"), widens(TEXT)),
            (Value::string("äö😀x"), widens(TEXT)),
            (Value::int(-12), Fit::Fits),
            (Value::int(1234), widens(TEXT)),
            (Value::bytes(b"x"), widens(TEXT)),
            (Value::list(&[]), Fit::Fits),
            (list(), widens(TEXT)),
        ],
    );
    assert_fits(&binary, [(Value::bytes(b"ab"), Fit::Fits), (Value::bytes(b"abc"), widens(BINARY))]);
}

#[test]
fn dates_and_times_outside_of_snowflakes_range_do_not_fit() {
    assert_fits(
        &ColumnType::Date,
        [
            (date(1, 1, 1), Fit::Fits),
            (date(9999, 12, 31), Fit::Fits),
            (date(0, 12, 31), Fit::Mismatch),
            (date(10_000, 1, 1), Fit::Mismatch),
            (Value::date(Date { days: i64::MAX }), Fit::Mismatch),
        ],
    );
    assert_fits(
        &ColumnType::TimestampNtz,
        [
            (timestamp(FIRST_SECOND, 0, None), Fit::Fits),
            (timestamp(FIRST_SECOND - 1, 0, None), Fit::Mismatch),
            (timestamp(LAST_SECOND, 999_999_999, None), Fit::Fits),
            (timestamp(LAST_SECOND + 1, 0, None), Fit::Mismatch),
            (date(10_000, 1, 1), Fit::Mismatch),
        ],
    );
    assert_fits(
        &ColumnType::TimestampTz,
        [
            (timestamp(LAST_SECOND, 0, Some(-60)), Fit::Fits),
            (timestamp(LAST_SECOND, 0, Some(60)), Fit::Mismatch),
            (timestamp(LAST_SECOND + 1, 0, Some(-60)), Fit::Mismatch),
            (timestamp(FIRST_SECOND, 0, Some(-60)), Fit::Mismatch),
            (timestamp(i64::MIN, 0, Some(-60)), Fit::Mismatch),
        ],
    );
    assert_fits(
        &ColumnType::Time,
        [(time(86_399_999_999_999, None), Fit::Fits), (time(86_400_000_000_000, None), Fit::Mismatch)],
    );
}

#[test]
fn text_that_snowflake_would_truncate_does_not_fit() {
    for (text, holders) in [
        ("2024-02-29", vec![ColumnType::Date, ColumnType::TimestampNtz, ColumnType::TimestampTz]),
        ("2024-02-29 12:00:00", vec![ColumnType::TimestampNtz, ColumnType::TimestampTz]),
        ("2024-02-29T12:00:00Z", vec![ColumnType::TimestampTz]),
        ("2024-02-29T12:00:00.5+02:00", vec![ColumnType::TimestampTz]),
        ("12:00:00-05", vec![ColumnType::TimestampTz]),
    ] {
        for kind in [ColumnType::Date, ColumnType::TimestampNtz, ColumnType::TimestampTz] {
            let expected = if holders.contains(&kind) { Fit::Fits } else { Fit::Mismatch };
            assert_eq!(kind.fit(Value::string(text)), expected, "{text} in {kind}");
        }
    }
}
