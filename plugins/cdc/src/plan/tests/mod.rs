//! Plans of hand-written batches, and equivalence of folding.

mod model;

use std::cell::RefCell;

use serde_json::{Value as Json, json};
use tidegate_plugin::{
    Sink,
    prelude::*,
    testing::{Event as Made, Records, SinkTest},
};

use super::*;
use crate::test_config::{self, Config};

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A sink that only plans, and records the plans.
pub(super) struct Planning {
    planner: Planner,
    look: fn(&Plan<'_>) -> Vec<String>,
}

impl Sink for Planning {
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self> {
        Ok(Self { planner: test_config::planner(&config)?, look: lines_of })
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        let moved = self.planner.moved_keys(batch);
        let plan = self.planner.plan(batch, &moved, |_, _, _| false);
        SEEN.with_borrow_mut(|seen| *seen = (self.look)(&plan));
        Ok(Report::written())
    }
}

/// Describes a plan.
fn lines_of(plan: &Plan<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (warehouse, work) in &plan.by_warehouse {
        for (target, table) in work {
            for step in &table.steps {
                lines
                    .extend(step_lines(step).into_iter().map(|line| format!("{warehouse} {target}: {line}")));
            }
        }
    }
    lines.extend(plan.rejected.iter().map(|(index, reason)| format!("rejected {index}: {reason}")));
    lines
}

fn step_lines(step: &Step<'_>) -> Vec<String> {
    match step {
        Step::Truncate(_) => vec!["truncate".to_owned()],
        Step::Versions(versions) => versions.rows().iter().map(version_line).collect(),
        Step::Append(events) => {
            events.iter().map(|event| format!("append {} {:?}", event.op_code(), event.row())).collect()
        }
        Step::Upsert(rows) => rows
            .rows()
            .iter()
            .map(|row| {
                let carried =
                    row.carried.iter().map(|carried| format!(" carrying {}={}", carried.name, carried.value));
                format!("{} {}{}", row.last.op_code(), row.key_text, carried.collect::<String>())
            })
            .collect(),
    }
}

fn version_line(version: &Version<'_>) -> String {
    let Version { row, time, after, ends, until, .. } = version;
    let until = until.map_or(String::new(), |until| format!(", until {until}"));
    let after =
        after.as_ref().map_or(String::new(), |after| format!(", after {}", after.trim_start_matches('0')));
    let position = row.last.stamp();
    let carried = row.carried.iter().map(|carried| format!(" carrying {}={}", carried.name, carried.value));
    let earlier = version.earlier.as_ref().map_or(String::new(), |earlier| {
        let key: Vec<String> = earlier.key.iter().map(ToString::to_string).collect();
        format!(" from {} up to {}", key.join(","), earlier.up_to.trim_start_matches('0'))
    });
    let round = if version.round == 0 { String::new() } else { format!(", round {}", version.round) };
    format!(
        "{} {} at {} from {time}{after}, ends {ends}{until}{}{earlier}{round}",
        row.last.op_code(),
        row.key_text,
        position.trim_start_matches('0'),
        carried.collect::<String>()
    )
}

fn plan(more: Json, records: &Records) -> Vec<String> {
    let mut sink = SinkTest::<Planning>::open(more).unwrap();
    sink.write(records).unwrap();
    SEEN.take()
}

fn row(id: i64, name: &str) -> Json {
    json!({ "id": id, "name": name })
}

#[test]
fn events_of_one_key_become_one_row() {
    let records = Records::new()
        .event(Made::insert("items").key(json!({"id": 1})).after(row(1, "a")).lsn(1))
        .event(Made::update("items").key(json!({"id": 1})).after(row(1, "b")).lsn(2))
        .event(Made::insert("items").key(json!({"id": 2})).after(row(2, "c")).lsn(3))
        .event(Made::delete("items").key(json!({"id": 2})).before(row(2, "c")).lsn(4))
        .tombstone("cdc.public.items", json!({"id": 2}));
    assert_eq!(plan(json!({}), &records), [r#"0 items: u ["1"]"#, r#"0 items: d ["2"]"#]);
}

#[test]
fn an_older_event_does_not_undo_a_newer_one() {
    let records = Records::new()
        .event(Made::update("items").key(json!({"id": 1})).after(row(1, "new")).lsn(9))
        .event(Made::delete("items").key(json!({"id": 1})).before(row(1, "x")).lsn(3));
    assert_eq!(plan(json!({}), &records), [r#"0 items: u ["1"]"#]);
}

#[test]
fn events_of_one_message_are_applied_in_order() {
    let events =
        [(Operation::Delete, 2), (Operation::Create, 3), (Operation::Delete, 1), (Operation::Create, 2)];
    let mut records = Records::new();
    for (operation, id) in events {
        let event = match operation {
            Operation::Delete => Made::new(operation, "t").before(row(id, "old")),
            _ => Made::new(operation, "t").after(row(id, "new")),
        };
        records = records.event(event.key(json!({ "id": id }))).at(0, 7);
    }
    assert_eq!(plan(json!({}), &records), [r#"0 t: c ["2"]"#, r#"0 t: c ["3"]"#, r#"0 t: d ["1"]"#]);
}

#[test]
fn omitted_values_come_from_earlier_events() {
    let records =
        Records::new().event(Made::insert("items").key(json!({"id": 1})).after(row(1, "long")).lsn(1)).event(
            Made::update("items")
                .key(json!({"id": 1}))
                .after(row(1, ""))
                .column("name", tidegate_plugin::Kind::UNAVAILABLE)
                .lsn(2),
        );
    assert_eq!(plan(json!({}), &records), [r#"0 items: u ["1"] carrying name=long"#]);
}

#[test]
fn a_truncate_is_a_barrier() {
    let records = Records::new()
        .event(Made::insert("items").key(json!({"id": 1})).after(row(1, "a")).lsn(1))
        .event(Made::new(Operation::Truncate, "items").lsn(2))
        .event(Made::insert("items").key(json!({"id": 1})).after(row(1, "b")).lsn(3));
    let rows = [r#"0 items: c ["1"]"#, "0 items: truncate", r#"0 items: c ["1"]"#];
    assert_eq!(plan(json!({}), &records), rows);
    assert_eq!(plan(json!({"truncate": "ignore"}), &records), [rows[0]]);
    let refused = plan(json!({"truncate": "fail"}), &records);
    assert!(refused[1].starts_with("rejected 1: the table was truncated"), "{refused:?}");
}

#[test]
fn keys_come_from_the_configuration_the_record_key_or_a_usual_name() {
    let keyless = Records::new().event(Made::insert("orders").after(json!({"order_id": 7, "code": "x"})));
    assert_eq!(plan(json!({}), &keyless), [r#"0 orders: c ["7"]"#]);
    let configured = json!({"tables": {"public.orders": {"key_columns": ["code"]}}});
    assert_eq!(plan(configured, &keyless), [r#"0 orders: c ["x"]"#]);
    let composite = Records::new().event(
        Made::insert("orders").key(json!({"a": 1, "b": "q\"x"})).after(json!({"a": 1, "b": "q\"x", "id": 3})),
    );
    assert_eq!(plan(json!({}), &composite), [r#"0 orders: c ["1","q\"x"]"#]);
    let none = Records::new().event(Made::insert("views").after(json!({"path": "/"})));
    assert_eq!(plan(json!({}), &none), [r#"0 views: append c Struct([path: String("/")])"#]);
}

#[test]
fn a_key_other_than_the_record_key_can_change() {
    let records = Records::new()
        .event(Made::update("items").key(json!({"id": 1})).before(row(1, "old")).after(row(1, "new")).lsn(1));
    let by_name = json!({"tables": {"items": {"key_columns": ["name"]}}});
    assert_eq!(plan(by_name, &records), [r#"0 items: d ["old"]"#, r#"0 items: u ["new"]"#]);
}

#[test]
fn a_moved_row_keeps_the_values_that_the_update_omits() {
    let large = |text: &str| json!({ "id": 1, "name": text, "large": text });
    let records =
        Records::new().event(Made::insert("items").key(json!({"id": 1})).after(large("old")).lsn(1)).event(
            Made::update("items")
                .key(json!({"id": 1}))
                .before(json!({"id": 1, "name": "old"}))
                .after(large("new"))
                .column("large", tidegate_plugin::Kind::UNAVAILABLE)
                .lsn(2),
        );
    let by_name = json!({"tables": {"items": {"key_columns": ["name"]}}, "update_missing": "skip"});
    let moved = [r#"0 items: d ["old"]"#, r#"0 items: u ["new"] carrying large=old"#];
    assert_eq!(plan(by_name, &records), moved);
}

#[test]
fn a_change_of_the_primary_key_is_an_update_for_a_row_with_another_key() {
    let records = Records::new()
        .event(Made::delete("items").key(json!({"id": 1})).before(row(1, "x")).lsn(5))
        .event(Made::insert("items").key(json!({"id": 2})).after(row(2, "x")).lsn(5));
    let by_name = json!({"tables": {"items": {"key_columns": ["name"]}}});
    assert_eq!(plan(by_name, &records), [r#"0 items: c ["x"]"#]);
}

#[test]
fn invalid_keys_are_rejected() {
    let records = Records::new()
        .event(Made::insert("items").key(json!({"id": 1})).after(row(1, "a")))
        .event(Made::insert("items").after(row(2, "b")))
        .event(Made::insert("items").key(json!({"id": null})).after(json!({"id": null})));
    let plan = plan(json!({}), &records);
    assert_eq!(plan[1], "rejected 1: the record has no key, but earlier records of the same table have one");
    assert_eq!(plan[2], "rejected 2: key column \"id\" is null");
}

#[test]
fn two_tables_do_not_share_a_target_by_accident() {
    let event = |schema: &str| json!({"op": "c", "after": {"id": 1}, "source": {"db": "d", "schema": schema, "table": "t", "lsn": 1}});
    let records =
        Records::new().json("a", json!({"id": 1}), event("one")).json("b", json!({"id": 1}), event("two"));
    let clash = plan(json!({}), &records);
    assert!(
        clash[1].contains("tables d.one.t of topic a and d.two.t of topic b would both become \"t\""),
        "{clash:?}"
    );
    let apart = plan(json!({"table": "{schema}_{table}"}), &records);
    assert_eq!(apart, [r#"0 one_t: c ["1"]"#, r#"0 two_t: c ["1"]"#]);
    let on_purpose = json!({"tables": {"a": {"name": "all"}, "b": {"name": "all"}}});
    assert_eq!(plan(on_purpose, &records), [r#"0 all: c ["1"]"#]);
}

#[test]
fn snapshots_and_tables_can_have_their_own_warehouses() {
    let event = |op: &str, table: &str, snapshot: &str| json!({"op": op, "after": {"id": 1}, "source": {"table": table, "snapshot": snapshot, "lsn": 1}});
    let records = Records::new()
        .json("t", json!({"id": 1}), event("c", "small", "false"))
        .json("t", json!({"id": 1}), event("r", "small", "last"))
        .json("t", json!({"id": 1}), event("c", "big", "false"));
    let warehouses =
        json!({"warehouse": "W", "snapshot_warehouse": "S", "tables": {"big": {"warehouse": "B"}}});
    let planned = plan(warehouses, &records);
    assert_eq!(planned, [r#"0 small: c ["1"]"#, r#"1 big: c ["1"]"#, r#"2 small: r ["1"]"#]);
}

#[test]
fn other_records_are_rejected_or_skipped() {
    let records = Records::new().json("plain", json!({"id": 1}), json!({"id": 1, "name": "x"}));
    assert!(plan(json!({}), &records)[0].starts_with("rejected 0: the record is not a change event"));
    assert_eq!(plan(json!({"other_records": "skip"}), &records), [""; 0]);
}

/// A change of a key that omits the name.
fn moves(records: Records, old: i64, new: i64, lsn: i64) -> Records {
    let header = |id: i64| format!("Struct{{id={id}}}").into_bytes();
    let create = Made::insert("items").key(json!({"id": new})).after(row(new, "")).lsn(lsn);
    records
        .event(
            Made::delete("items").key(json!({"id": old})).before(json!({"id": old, "name": null})).lsn(lsn),
        )
        .header("__debezium.newkey", &header(new))
        .tombstone("cdc.public.items", json!({"id": old}))
        .event(create.column("name", tidegate_plugin::Kind::UNAVAILABLE))
        .header("__debezium.oldkey", &header(old))
}

#[test]
fn a_create_takes_omitted_values_from_the_old_row() {
    let insert = Made::insert("items").key(json!({"id": 1})).after(row(1, "long")).lsn(1);
    let records = moves(moves(Records::new().event(insert), 1, 9, 2), 9, 5, 3);
    assert_eq!(
        plan(json!({}), &records),
        [
            r#"0 items: d ["1"]"#,
            r#"0 items: d ["9"] carrying name=long"#,
            r#"0 items: c ["5"] carrying name=long"#
        ]
    );
}

#[test]
fn a_delete_right_before_a_create_at_the_same_position_is_its_old_row() {
    let create = Made::insert("items").key(json!({"id": 9})).after(row(9, "")).lsn(2);
    // In a delete without the value, a NOT NULL column is an empty string.
    let records = Records::new()
        .event(Made::insert("items").key(json!({"id": 1})).after(row(1, "long")).lsn(1))
        .event(Made::delete("items").key(json!({"id": 1})).before(row(1, "")).lsn(2))
        .tombstone("cdc.public.items", json!({"id": 1}))
        .event(create.column("name", tidegate_plugin::Kind::UNAVAILABLE));
    assert_eq!(plan(json!({}), &records), [r#"0 items: d ["1"]"#, r#"0 items: c ["9"] carrying name=long"#]);
}

#[test]
fn a_delete_of_another_change_is_not_used_as_the_old_row() {
    let create = Made::insert("items").key(json!({"id": 9})).after(row(9, "")).lsn(3);
    let records = Records::new()
        .event(Made::delete("items").key(json!({"id": 1})).before(row(1, "long")).lsn(2))
        .event(create.column("name", tidegate_plugin::Kind::UNAVAILABLE));
    assert_eq!(plan(json!({}), &records), [r#"0 items: d ["1"]"#, r#"0 items: c ["9"]"#]);
}

fn history(records: &Records) -> Vec<String> {
    plan(json!({"mode": "history"}), records)
}

#[test]
fn versions_are_in_the_order_of_their_positions_and_end_at_the_earliest_later_time() {
    let version = |made: Made, lsn: i64, time: i64| made.key(json!({"id": 1})).lsn(lsn).committed_at(time);
    let records = Records::new()
        .event(version(Made::update("t").after(row(1, "c")), 4, 20))
        .event(version(Made::insert("t").after(row(1, "a")), 1, 10))
        .event(version(Made::update("t").after(row(1, "b")), 2, 30))
        .event(version(Made::update("t").after(row(1, "b")), 2, 30))
        .event(version(Made::delete("t").before(row(1, "c")), 5, 40));
    assert_eq!(
        history(&records),
        [
            r#"0 t: c ["1"] at 1 from 10, ends 10, until 20"#,
            r#"0 t: u ["1"] at 2 from 30, after 1, ends 20, until 20"#,
            r#"0 t: u ["1"] at 4 from 20, after 2, ends 20, until 40"#,
            r#"0 t: d ["1"] at 5 from 40, after 4, ends 40"#,
        ]
    );
}

#[test]
fn versions_take_omitted_values_from_the_batch_and_then_from_the_table() {
    let delete = |lsn: i64| Made::delete("t").key(json!({"id": 1})).before(row(1, "")).lsn(lsn);
    let records = Records::new()
        .event(omitting(Made::update("t"), 1, 1).committed_at(7))
        .event(omitting(Made::update("t"), 1, 2).committed_at(7))
        .event(Made::update("t").key(json!({"id": 1})).after(row(1, "x")).lsn(3).committed_at(7))
        .event(omitting(Made::update("t"), 1, 4).committed_at(7))
        .event(delete(5).committed_at(7))
        .event(omitting(Made::insert("t"), 2, 5).committed_at(7))
        .header("__debezium.oldkey", br#"{"id": 1}"#)
        .event(omitting(Made::insert("t"), 9, 6).committed_at(7))
        .header("__debezium.oldkey", br#"{"id": 8}"#);
    let earlier = |line: &str| {
        let carried = line.find(" carrying").or_else(|| line.find(" from "));
        line[carried.unwrap_or(line.len())..].to_owned()
    };
    let lines: Vec<String> =
        history(&records).iter().map(|line| earlier(&line.replace(" from 7", ""))).collect();
    assert_eq!(
        lines,
        [
            " from 1 up to 1",
            " from 1 up to 2",
            "",
            " carrying name=x from 1 up to 4",
            "",
            " carrying name=x from 1 up to 5",
            " from 8 up to 6",
        ]
    );
}

#[test]
fn events_of_one_message_are_versions_in_order() {
    let mut records = Records::new();
    for name in ["a", "b"] {
        let event = Made::update("t").key(json!({"id": 1})).after(row(1, name)).committed_at(1);
        records = records.event(event).at(0, 7);
    }
    assert_eq!(
        history(&records),
        [
            r#"0 t: u ["1"] at .0000000000000000007 from 1, ends 1, until 1"#,
            r#"0 t: u ["1"] at .0000000000000000007/00001 from 1, after .0000000000000000007, ends 1"#,
        ]
    );
}

#[test]
fn rows_without_a_key_have_no_versions() {
    let records = Records::new().event(Made::insert("views").after(json!({"page": 1})));
    let lines = history(&records);
    assert!(lines[0].starts_with("rejected 0: the table has no key"), "{lines:?}");
}

/// An event whose row omits a value.
fn omitting(made: Made, id: i64, lsn: i64) -> Made {
    made.key(json!({ "id": id }))
        .after(row(id, ""))
        .column("name", tidegate_plugin::Kind::UNAVAILABLE)
        .lsn(lsn)
        .committed_at(7)
}

#[test]
fn a_version_follows_one_whose_values_are_of_another_key() {
    let omitting = |made: Made, id: i64, lsn: i64| {
        made.key(json!({ "id": id }))
            .after(row(id, ""))
            .column("name", tidegate_plugin::Kind::UNAVAILABLE)
            .lsn(lsn)
            .committed_at(7)
    };
    let records = Records::new()
        .event(omitting(Made::insert("t"), 2, 3))
        .header("__debezium.oldkey", br#"{"id": 1}"#)
        .event(omitting(Made::update("t"), 2, 4))
        .event(omitting(Made::insert("t"), 3, 5))
        .header("__debezium.oldkey", br#"{"id": 2}"#);
    assert_eq!(
        history(&records),
        [
            r#"0 t: c ["2"] at 3 from 7, ends 7, until 7 from 1 up to 3"#,
            r#"0 t: u ["2"] at 4 from 7, after 3, ends 7 from 2 up to 4, round 1"#,
            r#"0 t: c ["3"] at 5 from 7, ends 7 from 2 up to 5, round 2"#,
        ]
    );
}

/// The first event was sent again: the table may have a newer version of its row, from which the second one has its value.
#[test]
fn a_version_follows_one_whose_values_the_table_may_have_newer() {
    let records = Records::new()
        .event(Made::insert("t").key(json!({ "id": 1 })).after(row(1, "old")).lsn(1).committed_at(7))
        .event(omitting(Made::insert("t"), 2, 5))
        .header("__debezium.oldkey", br#"{"id": 1}"#)
        .event(omitting(Made::insert("t"), 3, 7))
        .header("__debezium.oldkey", br#"{"id": 2}"#);
    assert_eq!(
        history(&records),
        [
            r#"0 t: c ["1"] at 1 from 7, ends 7"#,
            r#"0 t: c ["2"] at 5 from 7, ends 7 carrying name=old from 1 up to 5"#,
            r#"0 t: c ["3"] at 7 from 7, ends 7 carrying name=old from 2 up to 7, round 1"#,
        ]
    );
}
