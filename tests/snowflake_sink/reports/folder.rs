//! The files of `tests/data/reports`. The README there describes the expected results.

use std::collections::BTreeSet;

use super::{
    case::Case,
    record::{file, file_numbers},
    scene::{Mode, run_cases},
};

const DOCS: &[&str] = &[r#"1 3 AAEC ["x","y"] [1,2] {"k":"v"}"#, "2 1 - - - -"];
const DOCS_WITH_T: &[&str] = &[r#"1 3 AAEC ["x","y"] [1,2] {"k":"v"} -"#, "2 1 - - - - -"];
const LEASES: &[&str] =
    &["id", "tz", "tz__variant", "ts", "ts__variant", "d", "d__variant", "tm", "tm__variant"];
const LEASE_ROWS: &[&str] = &[
    "1 2026-03-01T10:00:00.500000Z - 2026-03-01T10:00:00.000000 - 2026-03-01 - 10:00:00.000000 -",
    r#"2 - "-infinity" - "-infinity" - "-infinity" - "24:00:00""#,
    r#"3 - "infinity" - "infinity" - "infinity" - "PT-1H""#,
    r#"4 - "+12026-01-01T00:00:00Z" - "+10000-01-01T00:00:00" - "+10000-01-01" 00:00:00.000000 -"#,
    "5 0001-01-01T00:00:00.000000Z - 0001-01-01T00:00:00.000000 - 0001-01-01 - 23:59:59.999999 -",
    r#"6 - "-0043-03-15T00:00:00Z" - "-0001-12-31T00:00:00" - "-0001-12-31" 00:00:00.000001 -"#,
];
/// A column of integers cannot be changed to one with fractions.
const TARIFFS: &[&str] = &["id", "rate", "qty", "qty__variant", "factor"];
const TARIFF_ROWS: &[&str] = &["1 10.1 1 - 2.5", "2 12.34 - 1.5 0.333", "3 99.999 2 - 1e-07"];
const QTY_BESIDE: &str = "the column is NULL, and the value is in \"qty__variant\"";
/// The warning about topics that a pattern does not read.
const RESERVED: &str = "topics that begin with __ are not read through topics_regex";

fn case(number: &str) -> Case {
    Case::new(number, file(number))
}

/// The first records of a file, after which the table is not empty.
fn beginning(name: &str, number: &str, records: usize) -> Case {
    Case::new(name, file(number)[..records].to_vec())
}

pub(crate) fn cases() -> Vec<Case> {
    [of_changes(), of_values(), of_messages()].concat()
}

fn of_changes() -> Vec<Case> {
    let carts: &[&str] = &["_id", "items", "note"];
    let stock = ["1 new", "2 same", "3 missed"];
    vec![
        case("01").table("notes", &["id", "title", "body"], &["9 a L*3000"]),
        case("02")
            .table("docs", &["id", "n", "b", "ta", "ia", "h"], DOCS)
            .in_batches_of(&[7, 1000])
            .table("docs", &["id", "n", "b", "ta", "ia", "h", "t"], DOCS_WITH_T)
            .in_batches_of(&[1, 2])
            // Row 2 is not in the table: update_missing = "insert" inserts the known values.
            .warned("1 updates or deletes matched no row; updates were inserted")
            .warned("became NULL: the event contains Debezium's placeholder"),
        case("04")
            .table("accounts", &["id", "state"], &["1 paid", "3 new"])
            .warned("crm.crm.accounts-0 at offset 2 to binlog.000012:700"),
        case("05").table("carts", carts, &[]),
        beginning("05-before-the-delete", "05", 2).table("carts", carts, &["65a000000000000000000001 3 x"]),
        case("05s").table("carts", &["_id", "items"], &[]),
        beginning("05s-before-the-delete", "05s", 1).table(
            "carts",
            &["_id", "items"],
            &["65a000000000000000000001 2"],
        ),
        case("12")
            .table(
                "orders_a",
                &["id", "__dbz__physicalTableIdentifier", "v"],
                &["1 crm.shop.orders_a from a", "2 crm.shop.orders_a x"],
            )
            .table(
                "orders_b",
                &["id", "__dbz__physicalTableIdentifier", "v"],
                &["1 crm.shop.orders_b from b"],
            ),
        case("13").table("devices", &["id", "kind"], &[]),
        beginning("13-before-the-delete", "13", 1).table("devices", &["id", "kind"], &["4 pump"]),
        Case::new("19", file("19b")).restarted_at(2).table("stock", &["id", "v"], &stock),
        Case::new("19-in-one-run", file("19b")).table("stock", &["id", "v"], &stock),
        case("19a").table("stock", &["id", "v"], &["1 old", "2 same"]),
        case("22").table("carts2", &["id", "v"], &["1 a"]).rejected("cdc.public.carts2", 1, &["after"]),
    ]
}

fn of_values() -> Vec<Case> {
    vec![
        case("06").table("perms", &["id", "flags", "vflags", "on"], &[
            "1 0000000100000010 1000000011 true",
            "2 0000000011111111  false",
        ]),
        case("07").table("sums", &["id", "neg", "kilo", "big", "odd", "v", "va", "da"], &[
            "1 -0.01 -42000 -99999999999999999999999999999999999999 \
             0.0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000008 \
             700 [-1.5,null] [-1.25,null]",
            "2 -123456.78 0 9*38 - -0.00000000000000000007 [] -",
        ]),
        case("08")
            .table("leases", LEASES, LEASE_ROWS)
            .warned("and the value is in \"tz__variant\"")
            .warned("and the value is in \"ts__variant\"")
            .warned("and the value is in \"d__variant\"")
            .warned("and the value is in \"tm__variant\"")
            .tolerated("more values did not fit their column"),
        case("08k").table("rates", &["cur", "until", "r"], &["EUR 2026-03-01T00:00:00.000000Z 1"]).rejected(
            "cdc.public.rates",
            1,
            &["\"until\"", "columns", "text"],
        ),
        Case::new("08k-as-text", file("08k"))
            .sink("[sink.config.tables.rates]\ncolumns = { until = \"text\" }\n")
            .table("rates", &["cur", "until", "r"], &["EUR 2026-03-01T00:00:00Z 1", "EUR infinity 2"]),
        case("10").table("ITEMS", &["ID", "NAME"], &["1 uno", "300 three hundred"]),
        case("11")
            .table("tariffs", &["id", "rate", "qty", "factor"], &[
                "1 10.1 1.0 2.5",
                "2 12.34 1.5 0.333",
                "3 99.999 2.0 1e-07",
            ])
            .in_batches_of(&[2, 7, 1000])
            .table("tariffs", TARIFFS, TARIFF_ROWS)
            .in_batches_of(&[1])
            .tolerated(QTY_BESIDE),
        Case::new("11-after-a-restart", file("11"))
            .restarted_at(1)
            .table("tariffs", TARIFFS, TARIFF_ROWS)
            .warned(QTY_BESIDE),
        case("14").table("chats", &["id", "m", "j"], &[
            r#"1 a\0b {"k":"x\u0000y","big":123456789012345678901234567890}"#,
            r#"2 plain "{\"k\":\"cut \\ud83d\"}""#,
            r#"3 x {"n":1e400,"n":2}"#,
            "4 x null",
            r#"5 x "not json""#,
        ]),
        case("14b").table("chats2", &["id", "m"], &["1 ok", "3 after"]).rejected("cdc.public.chats2", 1, &[
            "half of a surrogate pair",
            "invalid_unicode = \"replace\"",
        ]),
        Case::new("14b-replaced", file("14b")).source("invalid_unicode = \"replace\"").table("chats2", &["id", "m"], &[
            "1 ok",
            "2 cut \u{fffd}",
            "3 after",
        ]).warned("invalid_unicode = \"replace\""),
        case("14c").table("chats3", &["id", "m"], &["3 second"]).warned("\"after.m\" more than once"),
        case("16").table("meters", &["id", "n"], &["1 18446744073709551615", "18446744073709551615 0"]),
        case("18").table("people", &["id", "a", "late", "o", "l"], &["1 1 y - -", r#"2 2 x {"k":1} [1]"#]),
    ]
}

fn of_messages() -> Vec<Case> {
    let plain: &[&str] = &["other_records = \"skip\""];
    vec![
        case("15").rejected("plain.events", 0, &["key is not JSON", "key_format = \"string\""]),
        Case::new("15-text", file("15")).source("key_format = \"string\"").rejected("plain.events", 0, plain),
        case("15b")
            .rejected("plain.events2", 0, &["value", "empty payload"])
            // A byte order mark is not part of the text.
            .rejected("plain.events2", 2, plain)
            .rejected("plain.events2", 3, &["value", "byte 5"])
            .rejected("plain.events2", 4, &["value", "byte 7"])
            .rejected("plain.events2", 5, plain)
            .rejected("plain.events2", 6, plain)
            .warned("has \"a\" more than once"),
        case("17")
            .source("topics_regex = '^.*'")
            .table("jobs", &["id", "s"], &["2 b"])
            .no_table("")
            .warned(RESERVED),
        case("17b")
            .source("topics_regex = '^.*'")
            .table("jobs", &["id", "s"], &["1 a"])
            .no_table("")
            .warned(RESERVED),
    ]
}

#[test]
fn every_file_has_a_case() {
    let cases: BTreeSet<String> = cases().into_iter().map(|case| case.name).collect();
    let missing: Vec<String> = file_numbers().into_iter().filter(|number| !cases.contains(number)).collect();
    // 19a is the beginning of 19b, which another case reads.
    assert_eq!(missing, ["19b"]);
}

// The tests that are not ignored cover every batch size that an expectation depends on, and both kinds of isolation.
#[test]
fn batches_of_1_in_threads() {
    run_cases(&cases(), Mode { isolation: "thread", batch: 1 });
}

#[test]
#[ignore = "part of the complete matrix"]
fn batches_of_2_in_threads() {
    run_cases(&cases(), Mode { isolation: "thread", batch: 2 });
}

#[test]
#[ignore = "part of the complete matrix"]
fn batches_of_7_in_threads() {
    run_cases(&cases(), Mode { isolation: "thread", batch: 7 });
}

#[test]
fn batches_of_1000_in_threads() {
    run_cases(&cases(), Mode { isolation: "thread", batch: 1000 });
}

#[test]
#[ignore = "part of the complete matrix"]
fn batches_of_1_in_processes() {
    run_cases(&cases(), Mode { isolation: "process", batch: 1 });
}

#[test]
fn batches_of_2_in_processes() {
    run_cases(&cases(), Mode { isolation: "process", batch: 2 });
}

#[test]
#[ignore = "part of the complete matrix"]
fn batches_of_7_in_processes() {
    run_cases(&cases(), Mode { isolation: "process", batch: 7 });
}

#[test]
#[ignore = "part of the complete matrix"]
fn batches_of_1000_in_processes() {
    run_cases(&cases(), Mode { isolation: "process", batch: 1000 });
}
