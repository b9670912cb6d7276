//! The files of `tests/data/reports`: what each has to produce is in the README there.

use std::collections::BTreeSet;

use super::{
    case::Case,
    record::{file, file_numbers},
    scene::{Mode, play},
};

fn case(number: &str) -> Case {
    Case::new(number, file(number))
}

/// The first records of a file, which leave something in the table.
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
            .table("docs", &["id", "n", "t", "b", "ta", "ia", "h"], &[
                r#"1 3 - AAEC ["x","y"] [1,2] {"k":"v"}"#,
            ])
            // Nobody knows what row 2 held.
            .refused("cdc.public.docs", 4, &["t"]),
        case("04").table("accounts", &["id", "state"], &["1 paid", "3 new"]),
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
        case("22").table("carts2", &["id", "v"], &["1 a"]).refused("cdc.public.carts2", 1, &["after"]),
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
            .table("leases", &["id", "tz", "tz__variant"], &[]),
        case("08k").table("rates", &["cur", "until", "r"], &["EUR 2026-03-01T00:00:00.000000Z 1"]).refused(
            "cdc.public.rates",
            1,
            &["\"until\"", "columns", "text"],
        ),
        Case::new("08k-as-text", file("08k"))
            .sink("[sink.config.tables.rates]\ncolumns = { until = \"text\" }\n")
            .table("rates", &["cur", "until", "r"], &["EUR 2026-03-01T00:00:00Z 1", "EUR infinity 2"]),
        case("10").table("ITEMS", &["ID", "NAME"], &["1 uno", "300 three hundred"]),
        case("11").table("tariffs", &["id", "rate", "qty", "factor"], &[
            "1 10.1 1 2.5",
            "2 12.34 1.5 0.333",
            "3 99.999 2 1e-07",
        ]),
        case("14").table("chats", &["id", "m", "j"], &["1"]),
        case("14b").table("chats2", &["id", "m"], &["1 ok", "3 after"]).refused("cdc.public.chats2", 1, &[
            "half of a surrogate pair",
            "invalid_unicode = \"replace\"",
        ]),
        Case::new("14b-replaced", file("14b")).source("invalid_unicode = \"replace\"").table("chats2", &["id", "m"], &[
            "1 ok",
            "2 cut \u{fffd}",
            "3 after",
        ]),
        case("14c").table("chats3", &["id", "m"], &["3 second"]).warned("\"m\""),
        case("16").table("meters", &["id", "n"], &["1 18446744073709551615", "18446744073709551615 0"]),
        case("18").table("people", &["id", "a", "late", "o", "l"], &["1 1 y - -", r#"2 2 x {"k":1} [1]"#]),
    ]
}

fn of_messages() -> Vec<Case> {
    let plain: &[&str] = &["other_records = \"skip\""];
    vec![
        case("15").refused("plain.events", 0, &["key is not JSON", "key_format = \"string\""]),
        Case::new("15-text", file("15")).source("key_format = \"string\"").refused("plain.events", 0, plain),
        case("15b")
            .refused("plain.events2", 0, &["value", "empty payload"])
            // A byte order mark is no part of the text.
            .refused("plain.events2", 2, plain)
            .refused("plain.events2", 3, &["value", "byte 5"])
            .refused("plain.events2", 4, &["value", "byte 7"])
            .refused("plain.events2", 5, plain)
            .refused("plain.events2", 6, plain),
        case("17").source("topics_regex = '^.*'").table("jobs", &["id", "s"], &["2 b"]).no_table(""),
        case("17b").source("topics_regex = '^.*'").table("jobs", &["id", "s"], &["1 a"]).no_table(""),
    ]
}

#[test]
fn every_file_has_a_case() {
    let cases: BTreeSet<String> = cases().into_iter().map(|case| case.name).collect();
    let missing: Vec<String> = file_numbers().into_iter().filter(|number| !cases.contains(number)).collect();
    // 19a is the beginning of 19b.
    assert_eq!(missing, ["19b"]);
}

#[test]
fn batches_of_1_in_threads() {
    play("batches_of_1_in_threads", &cases(), Mode { isolation: "thread", batch: 1 });
}

#[test]
fn batches_of_2_in_threads() {
    play("batches_of_2_in_threads", &cases(), Mode { isolation: "thread", batch: 2 });
}

#[test]
fn batches_of_7_in_threads() {
    play("batches_of_7_in_threads", &cases(), Mode { isolation: "thread", batch: 7 });
}

#[test]
fn batches_of_1000_in_threads() {
    play("batches_of_1000_in_threads", &cases(), Mode { isolation: "thread", batch: 1000 });
}

#[test]
fn batches_of_1_in_processes() {
    play("batches_of_1_in_processes", &cases(), Mode { isolation: "process", batch: 1 });
}

#[test]
fn batches_of_2_in_processes() {
    play("batches_of_2_in_processes", &cases(), Mode { isolation: "process", batch: 2 });
}

#[test]
fn batches_of_7_in_processes() {
    play("batches_of_7_in_processes", &cases(), Mode { isolation: "process", batch: 7 });
}

#[test]
fn batches_of_1000_in_processes() {
    play("batches_of_1000_in_processes", &cases(), Mode { isolation: "process", batch: 1000 });
}
