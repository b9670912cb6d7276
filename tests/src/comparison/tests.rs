//! The comparison reports every difference, except exactly those that a deviation allows.

use super::{
    Comparison,
    canonical::{expected, number, stored},
    copy_csv,
    deviations::Deviations,
    events::LastEvents,
    json, rules,
    table::{self, FinalTable},
};
use crate::{Rows, snowflake::Column};

fn rows(columns: &[(&str, &str)], rows: &[&[Option<&str>]]) -> Rows {
    let column = |(name, kind): &(&str, &str)| Column { name: (*name).to_owned(), kind: (*kind).to_owned() };
    let owned = |row: &&[Option<&str>]| row.iter().map(|value| value.map(str::to_owned)).collect();
    Rows { columns: columns.iter().map(column).collect(), rows: rows.iter().map(owned).collect() }
}

/// Compares a table of the set `shop-precise`. Its key is taken from the events.
fn differences(table: &str, csv: &str, stored: &Rows, deviations: &str) -> Vec<String> {
    let source = FinalTable::parse(table.to_owned(), csv);
    let deviations = Deviations::parse(deviations).expect("deviations");
    let mut comparison = Comparison::default();
    let events = LastEvents::of_set("shop-precise");
    table::compare(&source, table, stored, &events, &deviations, &mut comparison);
    comparison.differences.extend(deviations.unused());
    comparison.differences
}

const DOCUMENTS: &[(&str, &str)] = &[("doc_id", "fixed"), ("title", "text"), ("_cdc_operation", "text")];

fn documents(stored: &[&[Option<&str>]]) -> Vec<String> {
    differences("documents", "doc_id,title\n1,one\n2,\n3,\"\"\n", &rows(DOCUMENTS, stored), "")
}

#[test]
fn equal_tables_have_no_differences() {
    let stored: &[&[Option<&str>]] =
        &[&[Some("3"), Some(""), None], &[Some("2"), None, Some("u")], &[Some("1"), Some("one"), Some("c")]];
    assert_eq!(documents(stored), Vec::<String>::new());
}

#[test]
fn every_kind_of_difference_is_reported() {
    let cases: [(&[&[Option<&str>]], &str); 5] = [
        (
            &[&[Some("1"), Some("two"), None], &[Some("2"), None, None], &[Some("3"), Some(""), None]],
            "documents.title (text) of row 1: expected \"one\", found \"two\"",
        ),
        (
            &[&[Some("1"), Some("one"), None], &[Some("2"), Some(""), None], &[Some("3"), Some(""), None]],
            "documents.title (text) of row 2: expected NULL, found \"\"",
        ),
        (&[&[Some("1"), Some("one"), None], &[Some("3"), Some(""), None]], "documents: row 2 is missing"),
        (
            &[
                &[Some("1"), Some("one"), None],
                &[Some("2"), None, None],
                &[Some("3"), Some(""), None],
                &[Some("4"), None, None],
            ],
            "documents: the source has no row 4",
        ),
        (
            &[
                &[Some("1"), Some("one"), None],
                &[Some("1"), Some("one"), None],
                &[Some("2"), None, None],
                &[Some("3"), Some(""), None],
            ],
            "documents: a second row, or one without a key: [Some(\"1\"), Some(\"one\"), None]",
        ),
    ];
    for (stored, difference) in cases {
        assert_eq!(documents(stored), [difference]);
    }
}

#[test]
fn columns_must_match_the_source() {
    let stored = rows(&[("doc_id", "fixed")], &[&[Some("1")]]);
    let missing = differences("documents", "doc_id,title\n1,one\n", &stored, "");
    assert_eq!(missing, ["documents: there is no column \"title\""]);
    let stored = rows(&[("doc_id", "fixed"), ("more", "text")], &[&[Some("1"), None]]);
    let surplus = differences("documents", "doc_id\n1\n", &stored, "");
    assert_eq!(surplus, ["documents: the source has no column \"more\""]);
}

#[test]
fn a_table_without_a_key_is_compared_as_a_multiset() {
    let columns = &[("path", "text"), ("customer_id", "fixed")];
    let csv = "path,customer_id\n/a,1\n/a,1\n/b,\n";
    let same: &[&[Option<&str>]] = &[&[Some("/b"), None], &[Some("/a"), Some("1")], &[Some("/a"), Some("1")]];
    assert_eq!(differences("page_views", csv, &rows(columns, same), ""), Vec::<String>::new());
    let once_more: &[&[Option<&str>]] =
        &[&[Some("/b"), None], &[Some("/a"), Some("1")], &[Some("/a"), Some("1")], &[Some("/b"), None]];
    assert_eq!(
        differences("page_views", csv, &rows(columns, once_more), ""),
        ["page_views: 1 times, a row is not in the source: \"/b\", NULL"]
    );
    let once_less: &[&[Option<&str>]] = &[&[Some("/b"), None], &[Some("/a"), Some("1")]];
    assert_eq!(
        differences("page_views", csv, &rows(columns, once_less), ""),
        ["page_views: 1 times, a row is missing: \"/a\", \"1\""]
    );
}

const DAYS: &str =
    "[[column]]\ntable = \"documents\"\nname = \"on\"\nrule = \"epoch-days\"\nreason = \"no schema\"\n";

#[test]
fn a_rule_accepts_only_its_own_text_and_must_be_used() {
    let csv = "doc_id,on\n1,2024-02-29\n";
    let with = |value| rows(&[("doc_id", "fixed"), ("on", "fixed")], &[&[Some("1"), Some(value)]]);
    assert_eq!(differences("documents", csv, &with("19782"), DAYS), Vec::<String>::new());
    assert_eq!(
        differences("documents", csv, &with("19783"), DAYS),
        [
            "documents.on (fixed) of row 1: expected \"19782\", found \"19783\"",
            "deviation not needed: column documents.on epoch-days"
        ]
    );
    let date = rows(&[("doc_id", "fixed"), ("on", "date")], &[&[Some("1"), Some("2024-02-29")]]);
    assert_eq!(
        differences("documents", csv, &date, DAYS),
        ["deviation not needed: column documents.on epoch-days"]
    );
}

#[test]
fn an_exact_value_applies_to_one_row() {
    let value =
        "[[value]]\ntable = \"documents\"\ncolumn = \"title\"\nkey = \"1\"\nis = \"x\"\nreason = \"r\"\n";
    let csv = "doc_id,title\n1,one\n2,two\n";
    let stored = rows(&DOCUMENTS[..2], &[&[Some("1"), Some("x")], &[Some("2"), Some("x")]]);
    assert_eq!(
        differences("documents", csv, &stored, value),
        ["documents.title (text) of row 2: expected \"two\", found \"x\""]
    );
    let null = value.replace("is = \"x\"\n", "");
    let stored = rows(&DOCUMENTS[..2], &[&[Some("1"), None], &[Some("2"), Some("two")]]);
    assert_eq!(differences("documents", csv, &stored, &null), Vec::<String>::new());
    let equal = rows(&DOCUMENTS[..2], &[&[Some("1"), Some("one")], &[Some("2"), Some("two")]]);
    assert_eq!(
        differences("documents", csv, &equal, value),
        ["deviation not needed: value documents.title of row 1"]
    );
}

#[test]
fn an_extra_column_holds_the_given_values_and_null_otherwise() {
    let extra =
        "[[extra]]\ntable = \"documents\"\nname = \"old\"\nvalues = { \"1\" = \"x\" }\nreason = \"r\"\n";
    let csv = "doc_id\n1\n2\n";
    let with =
        |one, two| rows(&[("doc_id", "fixed"), ("old", "text")], &[&[Some("1"), one], &[Some("2"), two]]);
    assert_eq!(differences("documents", csv, &with(Some("x"), None), extra), Vec::<String>::new());
    assert_eq!(
        differences("documents", csv, &with(None, Some("x")), extra),
        [
            "documents.old (text) of row 1: expected \"x\", found NULL",
            "documents.old (text) of row 2: expected NULL, found \"x\""
        ]
    );
}

#[test]
fn the_last_event_of_a_row_decides_for_added_and_dropped_columns() {
    let events = LastEvents::of_set("shop-precise");
    assert_eq!(events.key("customers"), ["customer_id"]);
    assert_eq!(events.key("order_items"), ["line_no", "order_id"]);
    assert!(events.key("page_views").is_empty());
    let has = |key: &str, column| events.has("customers", &[key.to_owned()], column);
    // The last event of customer 1 is from before the column was added, that of customer 4 from after it.
    assert!(has("1", "tier") && !has("1", "loyalty_points"));
    assert!(has("4", "loyalty_points"));
    assert_eq!(events.value("customers", &["4".to_owned()], "loyalty_points").as_deref(), Some("6342"));
}

#[test]
fn an_entry_without_a_reason_or_with_an_unknown_name_is_rejected() {
    assert!(Deviations::parse(&DAYS.replace("no schema", "")).is_err());
    assert!(Deviations::parse(&DAYS.replace("rule", "rules")).is_err());
    assert!(Deviations::parse(&DAYS.replace("epoch-days", "epoch-weeks")).is_err());
}

#[test]
fn the_deviations_of_all_sets_are_valid() {
    for (set, format) in [
        ("shop-precise", "json-schema"),
        ("shop-precise", "json-hints"),
        ("shop-string", "json-schema"),
        ("shop-string", "json"),
        ("types-adaptive", "json-schema"),
        ("types-adaptive", "json-hints"),
        ("types-connect", "json-schema"),
        ("types-connect", "json"),
    ] {
        let empty = |_: &str| Rows { columns: Vec::new(), rows: Vec::new() };
        let comparison = super::compare(set, format, empty);
        let tables = super::final_table_names(set);
        assert!(comparison.differences.iter().any(|difference| difference.contains("there is no column")));
        let of_no_table = comparison.differences.iter().find(|difference| {
            let entry = difference.strip_prefix("deviation not needed: ");
            entry.is_some_and(|entry| !tables.iter().any(|table| entry.contains(&format!(" {table}."))))
        });
        assert_eq!(of_no_table, None, "{set} {format}");
    }
}

#[test]
fn csv_distinguishes_null_from_an_empty_text() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        copy_csv::records("a,b\n,\"\"\n\"x \"\"y\"\", z\nnext\",1\n"),
        [vec![some("a"), some("b")], vec![None, some("")], vec![some("x \"y\", z\nnext"), some("1")]]
    );
    assert_eq!(copy_csv::records("a\n1"), [vec![some("a")], vec![some("1")]]);
}

#[test]
fn numbers_are_equal_by_value_and_to_the_last_digit() {
    for (text, canonical) in [
        ("10.20", "10.2"),
        ("-0.00", "0"),
        ("007", "7"),
        ("1e3", "1000"),
        ("1.5E-3", "0.0015"),
        ("-12345678901234567890.123456789012345678", "-12345678901234567890.123456789012345678"),
    ] {
        assert_eq!(number(text).as_deref(), Ok(canonical), "{text}");
    }
    for text in ["", "x", "1.2.3", "infinity", "--1", "1e"] {
        assert!(number(text).is_err(), "{text}");
    }
    assert_ne!(
        number("12345678901234567890123456789012345678"),
        number("12345678901234567890123456789012345679")
    );
}

#[test]
fn a_value_has_one_canonical_text_per_type() {
    for (kind, csv, text) in [
        ("boolean", "t", "true"),
        ("real", "-3.4e+38", "-3.4E38"),
        ("real", "NaN", "nan"),
        ("real", "-Infinity", "-inf"),
        ("timestamp_tz", "2024-01-01 00:07:00+00", "2024-01-01T00:07:00.000000Z"),
        ("timestamp_ntz", "9999-12-31 23:59:59.999999", "9999-12-31T23:59:59.999999"),
        ("time", "13:14:15.123", "13:14:15.123000"),
        ("date", "0001-01-01", "0001-01-01"),
        ("binary", "\\xdeadbeef", "deadbeef"),
        ("date", "infinity", "infinity"),
        ("variant", "{\"b\": [1, 2.50], \"a\": null}", "{\"a\":null,\"b\":[1,2.5]}"),
    ] {
        assert_eq!(expected(kind, csv).map(|value| stored(kind, &value)), Ok(stored(kind, text)), "{csv}");
    }
    for (kind, csv) in [
        ("date", "yesterday"),
        ("timestamp_tz", "2024-01-01 00:07:00+02"),
        ("boolean", "yes"),
        ("fixed", "NaN"),
    ] {
        assert!(expected(kind, csv).is_err(), "{csv}");
    }
}

#[test]
fn json_is_compared_by_value() {
    let canonical = |text| json::canonical(text).expect("JSON");
    assert_eq!(canonical(" { \"b\" : [ 1 , \"x\\u0041\" ] , \"a\" : {} } "), "{\"a\":{},\"b\":[1,\"xA\"]}");
    assert_eq!(canonical("123456789012345678901234567890.10"), "123456789012345678901234567890.1");
    assert_ne!(canonical("\"1\""), canonical("1"));
    for text in ["", "{", "[1,]x", "{\"a\" 1}", "1 2", "nul"] {
        assert!(json::canonical(text).is_err(), "{text}");
    }
}

#[test]
fn rules_compute_the_expected_text() {
    for (rule, kind, csv, text) in [
        ("epoch-days", "fixed", "0001-01-01", "-719162"),
        ("epoch-days", "fixed", "9999-12-31", "2932896"),
        ("epoch-millis", "fixed", "2024-02-29 13:14:15.123", "1709212455123"),
        ("epoch-micros", "fixed", "0001-01-01 00:00:00", "-62135596800000000"),
        ("time-millis", "fixed", "13:14:15.123", "47655123"),
        ("time-micros", "fixed", "13:14:15.123456", "47655123456"),
        ("milliseconds-only", "timestamp_ntz", "9999-12-31 23:59:59.999999", "9999-12-31T23:59:59.999000"),
        ("milliseconds-only", "time", "13:14:15.123456", "13:14:15.123000"),
        ("iso-text", "text", "2024-01-01 00:07:00+00", "2024-01-01T00:07:00.000000Z"),
        ("base64", "text", "\\xdeadbeef", "3q2+7w=="),
        ("bits", "binary", "101010101010", "aa0a"),
        ("bits", "binary", "000000000000", ""),
        ("bits-base64", "text", "1011", "Cw=="),
        ("money", "fixed", "-$1,000.01", "-1000.01"),
        ("number-array", "variant", "{1.10,NULL,3}", "[1.1,null,3]"),
        ("text-array", "variant", "{a,\"b,c\",NULL}", "[\"a\",\"b,c\",null]"),
        ("text-array", "variant", "{}", "[]"),
        ("hstore", "variant", "\"k\"=>\"v\"", "{\"k\":\"v\"}"),
    ] {
        assert_eq!(rules::apply(rule, kind, csv).as_deref(), Ok(text), "{rule} {csv}");
        assert!(rules::RULES.contains(&rule));
    }
    assert!(rules::apply("epoch-days", "fixed", "infinity").is_err());
    assert!(rules::apply("anything", "fixed", "1").is_err());
}
