//! Values that fit are read back from SQLite exactly, whatever the column is declared as.

use proptest::prelude::*;
use rusqlite::{Connection, types::Value as Stored};
use tidegate_cdc::types::{ColumnType as _, Fit};
use tidegate_plugin::{Date, Field, Time, Timestamp, Value};

use super::super::ColumnType;

/// Declared types of all affinities.
const DECLARED: [&str; 12] = [
    "INTEGER",
    "BIGINT",
    "REAL",
    "DOUBLE PRECISION",
    "BOOLEAN",
    "TEXT",
    "VARCHAR(3)",
    "JSON TEXT",
    "BLOB",
    "DECIMAL(10,2)",
    "DATETIME",
    "",
];

fn any_text() -> impl Strategy<Value = &'static str> {
    let odd = vec![
        "",
        "NaN",
        "Infinity",
        "-Infinity",
        "inf",
        "null",
        "\u{0}\"\\\u{7f}\n",
        " 1 ",
        "0x10",
        "1.",
        ".5",
        "+1",
        "5e",
    ];
    prop_oneof![
        any::<String>(),
        "[-+ ]?[0-9]{0,4}[.e]?[0-9]{0,20}[ x]?",
        "[0-9]{1,4}(-[0-9]{2}){0,2}",
        prop::sample::select(odd).prop_map(str::to_owned),
    ]
    .prop_map(|text| &*String::leak(text))
}

fn number_text() -> impl Strategy<Value = &'static str> {
    "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][-+]?[0-9]{1,3})?".prop_map(|text| &*String::leak(text))
}

fn any_value() -> impl Strategy<Value = Value<'static>> {
    let whole = prop_oneof![any::<i64>(), (0u32..63).prop_map(|bits| 1i64 << bits), -3i64..3];
    let float = prop_oneof![any::<f64>(), (-1000i32..1000).prop_map(|number| f64::from(number) / 8.0)];
    let bytes = prop::collection::vec(any::<u8>(), 0..24).prop_map(|bytes| &*Vec::leak(bytes));
    let documents = vec!["null", "{}", "[1, {\"a\": \"\\\"\\u0000\"}]", "\"x\"", "1.50", "1e400"];
    prop_oneof![
        Just(Value::NULL),
        any::<bool>().prop_map(Value::bool),
        whole.prop_map(Value::int),
        any::<u64>().prop_map(Value::uint),
        float.prop_map(Value::float),
        number_text().prop_map(Value::number),
        (bytes.clone(), -50i32..50).prop_map(|(unscaled, scale)| Value::decimal(unscaled, scale)),
        any_text().prop_map(Value::string),
        bytes.prop_map(Value::bytes),
        (-800_000i64..3_000_000).prop_map(|days| Value::date(Date { days })),
        (0u64..86_400_000_000_000)
            .prop_map(|nanoseconds| Value::time(Time { nanoseconds, offset_seconds: None })),
        (-70_000_000_000i64..260_000_000_000, 0u32..1_000_000_000).prop_map(|(seconds, nanoseconds)| {
            Value::timestamp(Timestamp { seconds, nanoseconds, offset_seconds: Some(0) })
        }),
        any::<[u8; 16]>().prop_map(Value::uuid),
        prop::sample::select(documents).prop_map(Value::json),
        any_text().prop_map(|text| Value::object(Vec::leak(vec![Field::new("a", Value::string(text))]))),
    ]
}

/// What a column holds after a row with the element was inserted, as the sink does it.
fn stored(declared: &str, element: &str, kind: ColumnType) -> Stored {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&format!("CREATE TABLE t (v {declared})")).unwrap();
    let select = format!("SELECT {} AS v FROM json_each(?) r", kind.element(0));
    connection.execute(&format!("CREATE TABLE temp.s AS {select}"), [format!("[[{element}]]")]).unwrap();
    connection.execute_batch("INSERT INTO t SELECT v FROM temp.s").unwrap();
    connection.query_row("SELECT v FROM t", [], |row| row.get(0)).unwrap()
}

/// Whether a stored value is the value.
fn is_same(value: Value<'_>, kind: ColumnType, stored: &Stored) -> bool {
    let text = match kind {
        ColumnType::Json => {
            let mut document = String::new();
            value.write_json(&mut document).unwrap();
            document
        }
        _ => value.to_string(),
    };
    match stored {
        Stored::Null => value.is_null(),
        Stored::Blob(bytes) => {
            matches!(value.view(), tidegate_plugin::ValueRef::Bytes(same) if same == bytes)
        }
        Stored::Text(stored) => *stored == text,
        Stored::Integer(number) => match value.as_bool() {
            Some(is_true) => i64::from(is_true) == *number,
            None => super::super::fit::whole(value.view()) == Some(*number),
        },
        Stored::Real(number) => super::super::fit::exact_float(value.view()) == Some(*number),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_value_that_fits_a_column_is_read_back_exactly(
        value in any_value(),
        declared in prop::sample::select(DECLARED.to_vec()),
    ) {
        let kind = ColumnType::of_column(declared, false);
        if kind.fit(value) == Fit::Fits {
            let mut element = String::new();
            kind.write(value, &mut element);
            let stored = stored(declared, &element, kind);
            prop_assert!(is_same(value, kind, &stored), "{:?} in {}: {} became {:?}", value, declared, element, stored);
        }
    }

    #[test]
    fn the_inferred_type_holds_the_value_and_keeps_its_name(value in any_value()) {
        match ColumnType::of_value(value) {
            Some(kind) => {
                prop_assert_eq!(kind.fit(value), Fit::Fits, "{}", kind);
                prop_assert_eq!(ColumnType::of_column(&kind.to_string(), false), kind);
            }
            None => prop_assert!(value.is_null()),
        }
    }

    #[test]
    fn inferred_types_are_widened_to_hold_all_values(values in prop::collection::vec(any_value(), 1..6)) {
        let Some(first) = values.iter().find_map(|value| ColumnType::of_value(*value)) else { return Ok(()) };
        let mut kind = first;
        while let Some(other) = values.iter().find(|value| kind.fit(**value) == Fit::Mismatch) {
            let wider = kind.join(&ColumnType::of_value(*other).unwrap());
            prop_assert_ne!(wider, kind, "{:?}", other);
            kind = wider;
        }
    }
}
