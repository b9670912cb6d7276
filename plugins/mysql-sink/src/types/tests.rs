//! A value is in its column unchanged, or it does not fit. What the server makes of the texts is tested in `tests/table_sinks`.

use proptest::prelude::*;
use tidegate_cdc::types::{ColumnType as _, Fit, MetadataKind};
use tidegate_plugin::{Date, Time, Timestamp, Value};

use super::{Charset, ColumnType, Described, Kind, POSITION, Size};

const TEXT: Kind = Kind::Text(Size::Long);

fn kind(text: &str) -> Kind {
    Kind::parse(text)
}

fn column(text: &str) -> ColumnType {
    kind(text).into()
}

fn written(kind: &str, value: Value<'_>) -> String {
    let mut out = String::new();
    column(kind).write(value, &mut out);
    out
}

/// The decimal `unscaled / 10^scale`.
fn decimal(unscaled: i128, scale: i32) -> Value<'static> {
    Value::decimal(Vec::leak(unscaled.to_be_bytes().to_vec()), scale)
}

fn timestamp(seconds: i64, nanoseconds: u32, offset_seconds: Option<i32>) -> Value<'static> {
    Value::timestamp(Timestamp { seconds, nanoseconds, offset_seconds })
}

fn described(declared: &str, charset: &str, collation: &str, is_fixed: bool) -> ColumnType {
    let own_collation = "utf8mb4_nopad_bin";
    ColumnType::described(&Described {
        declared,
        charset,
        collation,
        own_collation,
        is_document: false,
        is_fixed,
    })
}

#[test]
fn types_of_columns_are_read_and_declared() {
    for (shown, declared) in [
        ("bigint(20) unsigned", "bigint unsigned"),
        ("int(11)", "int"),
        ("int(10) unsigned zerofill", "int unsigned"),
        ("tinyint(1)", "tinyint(1)"),
        ("tinyint(4)", "tinyint"),
        ("decimal(10,2)", "decimal(10,2)"),
        ("numeric(12)", "decimal(12,0)"),
        ("double precision", "double"),
        ("float(7,4)", "float(7,4)"),
        ("datetime(6)", "datetime(6)"),
        ("time", "time(0)"),
        ("VARCHAR(20)", "varchar(20)"),
        ("year(4)", "year"),
        ("bit(8)", "bit(8)"),
        ("mediumblob", "mediumblob"),
        ("enum('a','it''s','B,c')", "enum('a','it''s','B,c')"),
        ("uuid", "uuid"),
        ("geometry", "geometry"),
    ] {
        assert_eq!(column(shown).to_string(), declared);
    }
    for unsupported in ["float(7,4)", "double(10,2)", "geometry", "enum()", "vector(3)", "decimal(70,2)"] {
        assert!(!column(unsupported).is_supported(), "{unsupported}");
    }
    let parsed: Result<ColumnType, _> = serde_json::from_str("\"int) -- \"");
    assert!(parsed.unwrap_err().to_string().contains("is not a column type"));
    assert_eq!(serde_json::from_str::<ColumnType>("\"json\"").unwrap().kind, Kind::Document);
}

#[test]
fn numbers_fit_exactly_or_widen_the_column() {
    let widens = |of: &str, value, wider: Kind| {
        assert_eq!(column(of).fit(value), Fit::Widens(wider.into()), "{value:?}");
        let fixed = ColumnType { is_fixed: true, ..column(of) };
        assert_eq!(fixed.fit(value), Fit::Mismatch);
    };
    widens("smallint", Value::int(32_768), Kind::BIGINT);
    widens("int", Value::int(-2_147_483_649), Kind::BIGINT);
    widens("int unsigned", Value::int(-1), Kind::BIGINT);
    widens("bigint", Value::uint(u64::MAX), Kind::NUMBER);
    widens("bigint unsigned", Value::int(-1), Kind::NUMBER);
    widens("decimal(4,2)", decimal(123_456, 3), Kind::NUMBER);
    widens("float", Value::float(0.1), Kind::DOUBLE);
    widens("varchar(2)", Value::string("abc"), TEXT);
    widens("tinytext", Value::string("x".repeat(256).leak()), TEXT);
    widens("blob", Value::bytes(vec![0; 65_536].leak()), Kind::Bytes(Size::Long));
    let wide = Kind::Decimal { precision: 65, scale: 2, is_unsigned: false };
    widens("decimal(30,2)", decimal(i128::MAX, 1), wide);
    for (of, value) in [
        ("smallint", Value::int(-32_768)),
        ("mediumint unsigned", Value::int(16_777_215)),
        ("bigint", decimal(500, 2)),
        ("bigint unsigned", Value::uint(u64::MAX)),
        ("decimal(4,2)", decimal(1_230, 3)),
        ("float", Value::float(0.5)),
        ("double", Value::float(f64::MIN_POSITIVE)),
        ("tinyint(1)", Value::bool(true)),
        ("tinyint(1)", Value::int(-128)),
        ("bit(4)", Value::int(15)),
        ("bit(64)", Value::uint(u64::MAX)),
        ("year", Value::int(1901)),
    ] {
        assert_eq!(column(of).fit(value), Fit::Fits, "{value:?} in {of}");
    }
    for (of, value) in [
        ("bigint", decimal(5, 1)),
        ("bigint", Value::string("1e3")),
        ("decimal(4,2)", Value::float(f64::INFINITY)),
        ("decimal(4,2)", decimal(1, 31)),
        ("double", Value::float(f64::NAN)),
        ("double", Value::float(-0.0)),
        ("double unsigned", Value::float(-1.0)),
        ("bit(4)", Value::int(16)),
        ("year", Value::int(70)),
        ("float(7,4)", Value::float(1.0)),
    ] {
        assert_eq!(column(of).fit(value), Fit::Mismatch, "{value:?} in {of}");
    }
}

#[test]
fn texts_fit_if_every_character_is_kept() {
    let fit = |kind: &ColumnType, text: &'static str| kind.fit(Value::string(text));
    let latin = described("varchar(5)", "latin1", "latin1_swedish_ci", true);
    assert_eq!(fit(&latin, "Größe"), Fit::Fits);
    assert_eq!(fit(&latin, "5 €"), Fit::Mismatch);
    let utf8mb3 = described("longtext", "utf8mb3", "utf8mb3_bin", true);
    assert_eq!(fit(&utf8mb3, "5 €"), Fit::Fits);
    assert_eq!(fit(&utf8mb3, "🧊"), Fit::Mismatch);
    let own = described("longtext", "utf8mb4", "utf8mb4_nopad_bin", false);
    assert_eq!((fit(&own, "🧊\0 "), own.charset.clone()), (Fit::Fits, None));
    assert_eq!(fit(&described("char(3)", "utf8mb4", "utf8mb4_nopad_bin", true), "ab "), Fit::Mismatch);
    assert_eq!(fit(&described("varchar(3)", "utf8mb4", "utf8mb4_nopad_bin", true), "abc "), Fit::Mismatch);
    for (of, fits, does_not) in [("enum('a','2','1')", "2", "3"), ("set('a','b')", "a,b", "b,a")] {
        assert_eq!(fit(&column(of), fits), Fit::Fits);
        assert_eq!(fit(&column(of), does_not), Fit::Mismatch);
    }
    assert_eq!(column("binary(2)").fit(Value::bytes(b"a")), Fit::Mismatch);
    let charset = Charset { name: "latin1".to_owned(), collation: "latin1_swedish_ci".to_owned() };
    assert_eq!(latin.charset, Some(charset));
}

#[test]
fn documents_fit_mysqls_json_if_their_numbers_do() {
    let fit = |of: &str, text: &'static str| column(of).fit(Value::json(text));
    for exact in [
        r#"{"a-1": 1.5, "b": "1.23456789012345678901"}"#,
        "[18446744073709551615, -1e3]",
        r#""\"9.99999999999999999999""#,
    ] {
        assert_eq!(fit("json", exact), Fit::Fits, "{exact}");
    }
    for rounded in ["1.23456789012345678901", "[18446744073709551617]"] {
        assert_eq!(fit("json", rounded), Fit::Mismatch, "{rounded}");
        assert_eq!(ColumnType::from(Kind::Document).fit(Value::json(rounded)), Fit::Fits);
    }
}

#[test]
fn times_are_in_range_and_in_utc() {
    let day = |year| Value::date(Date::from_civil(year, 3, 1));
    for (of, value, expected) in [
        ("date", day(2024), "2024-03-01"),
        ("date", day(0), "0000-03-01"),
        (
            "time(6)",
            Value::time(Time { nanoseconds: 1_500_000_999, offset_seconds: None }),
            "00:00:01.500000",
        ),
        ("datetime(6)", timestamp(86_399, 5_000, None), "1970-01-01 23:59:59.000005"),
        ("datetime(3)", timestamp(0, 999_999_999, None), "1970-01-01 00:00:00.999"),
        ("datetime(6)", timestamp(0, 0, Some(-5_400)), "1970-01-01 00:00:00"),
        ("timestamp", timestamp(1, 0, Some(0)), "1970-01-01 00:00:01"),
    ] {
        assert_eq!(column(of).fit(value), Fit::Fits, "{value:?} in {of}");
        assert_eq!(written(of, value), expected);
    }
    for (of, value) in [
        ("date", day(10_000)),
        ("date", day(-1)),
        ("date", Value::string("0000-00-00")),
        ("datetime(6)", timestamp(i64::MAX, 0, Some(0))),
        ("timestamp", timestamp(1, 0, None)),
        ("timestamp", timestamp(2_147_483_648, 0, Some(0))),
        ("time(6)", Value::time(Time { nanoseconds: 0, offset_seconds: Some(0) })),
    ] {
        assert_eq!(column(of).fit(value), Fit::Mismatch, "{value:?} in {of}");
    }
}

#[test]
fn stored_values_are_compared_exactly() {
    let text = described("varchar(20)", "latin1", "latin1_swedish_ci", false);
    assert_eq!(text.is_unchanged("p.c", "s.c"), "CAST(p.c AS BINARY) <=> CAST(s.c AS BINARY)");
    assert_eq!(column("json").is_unchanged("p.c", "s.c"), "p.c <=> CAST(s.c AS JSON)");
    assert_eq!(column("longtext").is_unchanged("p.c", "s.c"), "p.c <=> s.c");
}

#[test]
fn keys_of_histories_leave_room_for_the_position() {
    let keys = [column("longtext").of_version_key(2), column("longblob").of_version_key(2)];
    assert_eq!(keys, ["varchar(255)", "varbinary(1020)"]);
    assert_eq!(column("bigint").of_version_key(2), "bigint");
    assert!(column(&POSITION.to_string()).can_be(MetadataKind::Text));
}

#[test]
fn texts_are_those_that_load_data_reads() {
    for (of, value, expected) in [
        ("longtext", Value::NULL, "\\N"),
        ("longtext", Value::string("\\N\ta\nb\r"), "\\\\N\\ta\\nb\\r"),
        ("tinyint(1)", Value::bool(true), "1"),
        ("longblob", Value::bytes(&[0, 255]), "00ff"),
        ("decimal(10,3)", decimal(-1_250, 3), "-1.25"),
        ("double", Value::float(1e300), "1e300"),
        ("json", Value::json(r#"{"a": "x\ny"}"#), r#"{"a": "x\\ny"}"#),
    ] {
        assert_eq!(written(of, value), expected, "{value:?}");
    }
}

proptest! {
    #[test]
    fn a_text_is_one_value_of_one_line(value in ".*") {
        let written = written("longtext", Value::string(&value));
        prop_assert!(!written.contains(['\t', '\n', '\r']));
    }

    #[test]
    fn integers_fit_as_their_range_says(number: i64) {
        let fits = |of: &str| column(of).fit(Value::int(number)) == Fit::Fits;
        prop_assert_eq!(fits("smallint"), i16::try_from(number).is_ok());
        prop_assert_eq!(fits("int unsigned"), u32::try_from(number).is_ok());
        prop_assert_eq!(fits("bigint unsigned"), number >= 0);
        prop_assert!(fits("bigint") && fits("decimal(65,30)"));
    }
}
