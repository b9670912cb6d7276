//! Properties of all values and types.

use proptest::prelude::*;
use serde_json::Value as Json;
use tidegate_plugin::{Date, Field, Interval, Time, Value};

use tidegate_cdc::types::{ColumnType as _, Fit};

use super::super::ColumnType;
use super::{decimal, desired::grow, number, timestamp};

fn any_text() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        any::<String>(),
        "[0-9]{1,4}(-[0-9]{2}){0,2}",
        "-?[0-9]{1,20}(\\.[0-9]{1,10})?",
        prop::sample::select(vec!["", "NaN", "Infinity", "-Infinity", "null", "\u{0}\"\\\u{7f}\n"])
            .prop_map(str::to_owned),
    ]
    .prop_map(|text| &*String::leak(text))
}

fn number_text() -> impl Strategy<Value = &'static str> {
    "-?(0|[1-9][0-9]{0,45})(\\.[0-9]{1,45})?([eE][-+]?[0-9]{1,3})?".prop_map(|text| &*String::leak(text))
}

fn any_offset() -> impl Strategy<Value = Option<i32>> {
    prop_oneof![Just(None), Just(Some(0)), (-100_000i32..100_000).prop_map(Some)]
}

fn any_scalar() -> impl Strategy<Value = Value<'static>> {
    let days = prop_oneof![any::<i64>(), -800_000i64..3_000_000];
    let seconds = prop_oneof![any::<i64>(), -70_000_000_000i64..260_000_000_000];
    let whole = prop_oneof![any::<i64>(), (0u32..63).prop_map(|bits| 1i64 << bits)];
    let float = prop_oneof![any::<f64>(), (-1000i32..1000).prop_map(|number| f64::from(number) / 8.0)];
    let unscaled = prop::collection::vec(any::<u8>(), 0..24).prop_map(|bytes| &*Vec::leak(bytes));
    let documents = vec!["null", "{}", "[1, {\"a\": \"\\\"\\u0000\"}]", "\"x\"", "1e400", "{\n\"a\": 1}"];
    prop_oneof![
        Just(Value::NULL),
        Just(Value::UNAVAILABLE),
        any::<bool>().prop_map(Value::bool),
        whole.prop_map(Value::int),
        any::<u64>().prop_map(Value::uint),
        float.prop_map(Value::float),
        number_text().prop_map(Value::number),
        (unscaled.clone(), -50i32..50).prop_map(|(unscaled, scale)| Value::decimal(unscaled, scale)),
        any_text().prop_map(Value::string),
        unscaled.prop_map(Value::bytes),
        days.prop_map(|days| Value::date(Date { days })),
        (0u64..=86_400_000_000_000, any_offset())
            .prop_map(|(nanoseconds, offset_seconds)| Value::time(Time { nanoseconds, offset_seconds })),
        (seconds, 0u32..1_000_000_000, any_offset()).prop_map(|(seconds, nanoseconds, offset)| timestamp(
            seconds,
            nanoseconds,
            offset
        )),
        any::<(i32, i32, i64)>().prop_map(|(months, days, microseconds)| Value::interval(Interval {
            months,
            days,
            microseconds
        })),
        any::<[u8; 16]>().prop_map(Value::uuid),
        prop::sample::select(documents).prop_map(Value::json),
    ]
}

fn any_value() -> impl Strategy<Value = Value<'static>> {
    any_scalar().prop_recursive(2, 8, 3, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..4);
        let fields = prop::collection::vec((any_text(), inner), 0..4);
        prop_oneof![
            items.prop_map(|items| Value::list(Vec::leak(items))),
            fields.prop_map(|fields| {
                let fields = fields.into_iter().map(|(name, value)| Field::new(name, value));
                Value::object(Vec::leak(fields.collect()))
            }),
        ]
    })
}

fn any_number_type() -> impl Strategy<Value = ColumnType> {
    (1u8..=38)
        .prop_flat_map(|precision| (Just(precision), 0..=precision.min(37)).prop_map(|(p, s)| number(p, s)))
}

fn any_type() -> impl Strategy<Value = ColumnType> {
    let length = || prop::option::of(1u32..20);
    prop_oneof![
        any_number_type(),
        length().prop_map(|length| ColumnType::Text { length }),
        length().prop_map(|length| ColumnType::Binary { length }),
        prop::sample::select(vec![
            ColumnType::Float,
            ColumnType::Boolean,
            ColumnType::Date,
            ColumnType::Time,
            ColumnType::TimestampNtz,
            ColumnType::TimestampTz,
            ColumnType::TimestampLtz,
            ColumnType::Variant,
            ColumnType::Other("VECTOR".to_owned()),
        ]),
    ]
}

fn element(kind: &ColumnType, value: Value<'_>) -> String {
    let mut out = String::new();
    kind.write(value, &mut out);
    out
}

/// Whether a column of one type can hold all values of the other type, and more.
fn is_wider(wide: &ColumnType, narrow: &ColumnType) -> bool {
    match (wide, narrow) {
        (
            ColumnType::Number { precision: wide, scale },
            ColumnType::Number { precision: narrow, scale: same },
        ) => wide > narrow && *wide <= 38 && scale == same,
        (ColumnType::Text { length: None }, ColumnType::Text { length: Some(_) })
        | (ColumnType::Binary { length: None }, ColumnType::Binary { length: Some(_) }) => true,
        _ => false,
    }
}

/// Computes `mantissa * 10^exponent` at `scale`, if it is an integer.
fn unscaled(mantissa: i64, exponent: i32, scale: u8) -> Option<i128> {
    let power = exponent + i32::from(scale);
    let ten = 10i128.pow(power.unsigned_abs());
    let mantissa = i128::from(mantissa);
    if power >= 0 { Some(mantissa * ten) } else { (mantissa % ten == 0).then(|| mantissa / ten) }
}

fn modelled_fit(unscaled: Option<i128>, precision: u8, scale: u8) -> Fit<ColumnType> {
    let Some(unscaled) = unscaled else { return Fit::Mismatch };
    let holds = |precision: u8| unscaled.unsigned_abs() < 10u128.pow(precision.into());
    if holds(precision) {
        return Fit::Fits;
    }
    match (precision..=38).find(|precision| holds(*precision)) {
        Some(precision) => Fit::Widens(number(precision, scale)),
        None => Fit::Mismatch,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn values_that_fit_are_encoded_as_equal_elements(value in any_value(), kind in any_type()) {
        let kind = match kind.fit(value) {
            Fit::Fits => kind,
            Fit::Widens(wider) => wider,
            Fit::Mismatch => ColumnType::of_value(value).unwrap_or(kind),
        };
        let element: Json = serde_json::from_str(&element(&kind, value)).unwrap();
        let is_absent = value.is_null() || value.is_unavailable();
        prop_assert_eq!(element.is_null(), is_absent);
        match (&kind, element) {
            (_, Json::Null) => {}
            (ColumnType::Boolean, element) => prop_assert_eq!(element.as_bool(), value.as_bool()),
            (ColumnType::Text { .. }, Json::String(text)) => prop_assert_eq!(text, value.to_string()),
            (ColumnType::Variant, Json::String(text)) => {
                let mut document = String::new();
                value.write_json(&mut document).unwrap();
                prop_assert_eq!(&text, &document);
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{}", text);
            }
            (_, element) => prop_assert!(element.is_string(), "{element}"),
        }
    }

    #[test]
    fn the_inferred_type_holds_the_value(value in any_value()) {
        match ColumnType::of_value(value) {
            Some(kind) => prop_assert_eq!(kind.fit(value), Fit::Fits, "{}", kind),
            None => prop_assert!(value.is_null() || value.is_unavailable()),
        }
    }

    #[test]
    fn a_widened_type_holds_the_value_and_is_of_the_same_family(value in any_value(), kind in any_type()) {
        if let Fit::Widens(wider) = kind.fit(value) {
            prop_assert!(is_wider(&wider, &kind), "{} to {}", kind, wider);
            prop_assert_eq!(wider.fit(value), Fit::Fits, "{}", wider);
        }
    }

    #[test]
    fn inferred_types_are_widened_to_hold_all_values(values in prop::collection::vec(any_value(), 1..6)) {
        prop_assume!(values.iter().any(|value| ColumnType::of_value(*value).is_some()));
        let kind = grow(&values);
        for value in values {
            prop_assert_eq!(kind.fit(value), Fit::Fits, "{}", kind);
        }
    }

    #[test]
    fn numbers_of_all_notations_agree_with_arithmetic(
        mantissa in prop_oneof![-1_000_000_000_000_000i64..1_000_000_000_000_000, -1000i64..1000],
        zeros in 0u32..4,
        exponent in -12i32..10,
        precision in 1u8..=38,
        scale in 0u8..=10,
    ) {
        let mantissa = mantissa / 10i64.pow(zeros) * 10i64.pow(zeros);
        let scale = scale.min(precision);
        let kind = number(precision, scale);
        let expected = unscaled(mantissa, exponent, scale);
        let plain = decimal(mantissa.into(), -exponent).to_string();
        let scientific = format!("{mantissa}e{exponent}");
        let texts = [Value::number(&scientific), Value::number(&plain), Value::string(&plain)];
        for value in texts.into_iter().chain([decimal(mantissa.into(), -exponent)]) {
            let fit = kind.fit(value);
            prop_assert_eq!(&fit, &modelled_fit(expected, precision, scale), "{:?} in {}", value, kind);
            if fit == Fit::Fits {
                let written: String = serde_json::from_str(&element(&kind, value)).unwrap();
                prop_assert_eq!(read_at(&written, scale), expected, "{:?} as {}", value, written);
            }
        }
    }

    #[test]
    fn decimals_fit_by_their_digits(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        scale in -60i32..60,
        kind in any_number_type(),
    ) {
        let value = Value::decimal(&bytes, scale);
        prop_assert_eq!(kind.fit(value), kind.fit(Value::number(&value.to_string())), "{}", value);
    }

    #[test]
    fn a_float_in_a_number_column_is_exact(
        mantissa in any::<i32>(),
        exponent in 0i32..20,
        kind in any_number_type(),
    ) {
        let float = f64::from(mantissa) / 10f64.powi(exponent);
        if kind.fit(Value::float(float)) == Fit::Fits {
            let written: String = serde_json::from_str(&element(&kind, Value::float(float))).unwrap();
            prop_assert_eq!(written.parse::<f64>().unwrap(), float);
        }
    }

    #[test]
    fn a_number_in_a_float_column_is_exact(text in number_text()) {
        if ColumnType::Float.fit(Value::number(text)) == Fit::Fits {
            let element = element(&ColumnType::Float, Value::number(text));
            let written: String = serde_json::from_str(&element).unwrap();
            prop_assert_eq!(written.parse::<f64>().unwrap(), text.parse::<f64>().unwrap());
        }
    }
}

/// Plain decimal text as an integer multiple of 10^-scale.
fn read_at(text: &str, scale: u8) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<width$}", width = usize::from(scale)).parse().ok()
}
