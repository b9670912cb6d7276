//! A target that commits in another way than by a transaction of a database: by replacing a manifest, as table formats on object
//! stores do. It shows that the planning of batches and the evolution of tables can be used without `Dialect`, `Session` and
//! `TableSink`, and only uses what is public.
//!
//! ```text
//! batch ── Planner ── Requirements: columns ── Encoder: rows of a data file ── new manifest: columns, files, offsets
//! reader: manifest ── data files, in order ── the newest row of each key
//! ```

mod kinds;
mod reader;
mod sink;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tidegate_plugin::{
    Kind, Operation,
    testing::{Event, Records, SinkTest},
};

use self::{
    reader::rows,
    sink::{Manifest, ManifestSink},
};

struct Folder(PathBuf);

impl Folder {
    /// An empty folder.
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manifest").join(name);
        let _nothing_there = fs::remove_dir_all(&path).is_err();
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn sink(&self, more: Json) -> SinkTest<ManifestSink> {
        let mut config = more;
        config["folder"] = json!(self.0);
        SinkTest::open(config).expect("a sink")
    }

    /// The rows of a table by key, without the sink's own columns.
    fn rows(&self, table: &str) -> BTreeMap<String, BTreeMap<String, Option<String>>> {
        rows(&self.0, &Manifest::read(&self.0).expect("a manifest"), table)
    }

    /// The rows of a table as `key column=value ..`.
    fn lines(&self, table: &str) -> Vec<String> {
        let line = |(key, row): (String, BTreeMap<String, Option<String>>)| {
            let values = row
                .into_iter()
                .map(|(name, value)| format!(" {name}={}", value.as_deref().unwrap_or("NULL")));
            key + &values.collect::<String>()
        };
        self.rows(table).into_iter().map(line).collect()
    }
}

fn key(id: i64) -> Json {
    json!({ "id": id })
}

#[test]
fn inserts_updates_and_deletes_end_as_rows() {
    let folder = Folder::new("changes");
    let mut sink = folder.sink(json!({}));
    let batch = Records::new()
        .event(Event::insert("items").key(key(1)).after(json!({"id": 1, "name": "a"})).lsn(1))
        .event(Event::insert("items").key(key(2)).after(json!({"id": 2, "name": "b"})).lsn(2))
        .event(Event::update("items").key(key(1)).after(json!({"id": 1, "name": "c"})).lsn(3));
    sink.write(&batch).expect("a commit");
    let batch = Records::new()
        .event(Event::delete("items").key(key(2)).before(json!({"id": 2, "name": "b"})).lsn(4))
        .at(0, 3);
    sink.write(&batch).expect("a commit");
    assert_eq!(folder.lines("items"), [r#"["1"] id=1 name=c"#]);
}

#[test]
fn a_batch_that_is_read_again_changes_nothing() {
    let folder = Folder::new("again");
    let batch = Records::new()
        .event(Event::insert("items").key(key(1)).after(json!({"id": 1, "name": "a"})).lsn(1))
        .event(Event::delete("items").key(key(1)).before(json!({"id": 1, "name": "a"})).lsn(2));
    folder.sink(json!({})).write(&batch).expect("a commit");
    let mut successor = folder.sink(json!({}));
    let claims = successor.claim(&[("cdc.public.items", 0)]).expect("a claim");
    assert_eq!(claims[0].next_offset, Some(2));
    let before = Manifest::read(&folder.0).expect("a manifest");
    successor.write(&batch).expect("a commit");
    assert_eq!(Manifest::read(&folder.0).expect("a manifest"), before, "the offsets say that it was written");
    // An older event in another partition, which arrives late, does not bring the deleted row back.
    let late = Records::new()
        .event(Event::insert("items").key(key(1)).after(json!({"id": 1, "name": "a"})).lsn(1))
        .at(1, 0);
    successor.write(&late).expect("a commit");
    assert!(folder.lines("items").is_empty());
}

#[test]
fn a_former_owner_is_fenced() {
    let folder = Folder::new("fenced");
    let topic = [("cdc.public.items", 0)];
    let (mut former, mut owner) = (folder.sink(json!({})), folder.sink(json!({})));
    former.claim(&topic).expect("a claim");
    owner.claim(&topic).expect("a claim");
    let batch =
        Records::new().event(Event::insert("items").key(key(1)).after(json!({"id": 1, "name": "a"})).lsn(1));
    let error = former.write(&batch).expect_err("a fenced task");
    assert!(error.to_string().contains("claimed by another task"), "{error}");
    owner.write(&batch).expect("a commit");
    assert_eq!(folder.lines("items").len(), 1);
}

#[test]
fn files_that_no_manifest_names_do_not_count() {
    let folder = Folder::new("crash");
    let batch =
        Records::new().event(Event::insert("items").key(key(1)).after(json!({"id": 1, "name": "a"})).lsn(1));
    folder.sink(json!({ "crash_before_commit": true })).write(&batch).expect_err("a crash");
    assert!(Manifest::read(&folder.0).expect("no manifest yet").tables.is_empty());
    folder.sink(json!({})).write(&batch).expect("a commit");
    assert_eq!(folder.lines("items"), [r#"["1"] id=1 name=a"#]);
}

#[test]
fn columns_are_added_and_widened() {
    let folder = Folder::new("evolution");
    let mut sink = folder.sink(json!({}));
    let events = [
        json!({"id": 1, "size": 7}),
        json!({"id": 2, "size": 7, "color": "red"}),
        json!({"id": 3, "size": "large", "color": "blue"}),
    ];
    for (row, offset) in events.into_iter().zip(0..) {
        let event = Event::insert("items").key(json!({ "id": row["id"] })).after(row).lsn(offset + 1);
        sink.write(&Records::new().event(event).at(0, offset)).expect("a commit");
    }
    let manifest = Manifest::read(&folder.0).expect("a manifest");
    let columns: Vec<String> = manifest.tables["items"]
        .columns
        .iter()
        .filter(|column| !column.name.starts_with("_cdc"))
        .map(|column| format!("{} {}", column.name, column.kind))
        .collect();
    assert_eq!(columns, ["id integer", "size text", "color text"]);
    assert_eq!(
        folder.lines("items"),
        [
            r#"["1"] color=NULL id=1 size=7"#,
            r#"["2"] color=red id=2 size=7"#,
            r#"["3"] color=blue id=3 size=large"#,
        ]
    );
}

#[test]
fn values_that_fit_nowhere_reject_their_record_alone() {
    let folder = Folder::new("rejected");
    let mut sink = folder.sink(json!({ "type_conflict": "fail" }));
    let good = Event::insert("items").key(key(1)).after(json!({"id": 1, "size": 1})).lsn(1);
    sink.write(&Records::new().event(good)).expect("a commit");
    let batch = Records::new()
        .event(Event::insert("items").key(key(2)).after(json!({"id": 2, "size": 2})).lsn(2))
        .at(0, 1)
        .event(Event::insert("items").key(key(3)).after(json!({"id": 3, "size": [3]})).lsn(3))
        .at(0, 2);
    let report = sink.write(&batch).expect("a report");
    let [(1, reason)] = report.rejected() else { panic!("{:?}", report.rejected()) };
    assert_eq!(reason, r#"column "size" of items is integer and cannot hold "[3]""#);
    assert_eq!(folder.lines("items").len(), 1, "nothing of a batch with a rejected record is written");
}

#[test]
fn omitted_values_are_kept_and_move_with_their_key() {
    let folder = Folder::new("omitted");
    let mut sink = folder.sink(json!({}));
    let text = "x".repeat(20);
    let insert = Event::insert("notes").key(key(1)).after(json!({"id": 1, "body": text, "stars": 1})).lsn(1);
    sink.write(&Records::new().event(insert)).expect("a commit");
    let update = Event::update("notes").key(key(1)).after(json!({"id": 1, "body": "", "stars": 2})).lsn(2);
    sink.write(&Records::new().event(update.column("body", Kind::UNAVAILABLE)).at(0, 1)).expect("a commit");
    assert_eq!(folder.lines("notes"), [format!(r#"["1"] body={text} id=1 stars=2"#)]);

    // The source sends a changed key as a delete and an insert, which omits large values that did not change.
    let moved = Records::new()
        .event(Event::delete("notes").key(key(1)).before(json!({"id": 1, "body": null, "stars": 2})).lsn(3))
        .at(0, 2)
        .header("__debezium.newkey", br#"{"id": 9}"#)
        .event(
            Event::insert("notes")
                .key(key(9))
                .after(json!({"id": 9, "body": "", "stars": 3}))
                .lsn(3)
                .column("body", Kind::UNAVAILABLE),
        )
        .at(0, 3)
        .header("__debezium.oldkey", br#"{"id": 1}"#);
    sink.write(&moved).expect("a commit");
    assert_eq!(folder.lines("notes"), [format!(r#"["9"] body={text} id=9 stars=3"#)]);
}

#[test]
fn a_truncate_removes_the_rows_before_it() {
    let folder = Folder::new("truncate");
    let mut sink = folder.sink(json!({}));
    let batch = Records::new()
        .event(Event::insert("items").key(key(1)).after(json!({"id": 1, "name": "a"})).lsn(1))
        .event(Event::new(Operation::Truncate, "items").lsn(2))
        .event(Event::insert("items").key(key(2)).after(json!({"id": 2, "name": "b"})).lsn(3));
    sink.write(&batch).expect("a commit");
    assert_eq!(folder.lines("items"), [r#"["2"] id=2 name=b"#]);
}

/// A change of one of five keys.
#[derive(Clone, Debug)]
enum Change {
    Set(i64, u8),
    Delete(i64),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        3 => (0..5_i64, any::<u8>()).prop_map(|(id, value)| Change::Set(id, value)),
        1 => (0..5_i64).prop_map(Change::Delete),
    ];
    proptest::collection::vec(change, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In whatever batches changes arrive, and however often they are read again from an earlier offset, the rows are those of
    /// the source.
    #[test]
    fn rows_are_those_of_the_source(changes in changes(), sizes in proptest::collection::vec(1..8_usize, 40)) {
        let folder = Folder::new("random");
        let (mut expected, mut events) = (BTreeMap::new(), Vec::new());
        for (change, lsn) in changes.iter().zip(1..) {
            let event = match *change {
                Change::Set(id, value) => {
                    let known = expected.insert(id, value).is_some();
                    let made = if known { Event::update("items") } else { Event::insert("items") };
                    made.key(key(id)).after(json!({ "id": id, "value": value }))
                }
                Change::Delete(id) => {
                    expected.remove(&id);
                    Event::delete("items").key(key(id)).before(json!({ "id": id }))
                }
            };
            events.push(event.lsn(lsn));
        }
        let (mut sink, mut from) = (folder.sink(json!({})), 0);
        for size in sizes {
            let until = (from + size).min(events.len());
            // Every batch begins a few records before the end of the last one.
            let from_again = from.saturating_sub(size / 2);
            let batch = (from_again..until).fold(Records::new(), |records, place| {
                records.event(events[place].clone()).at(0, place as i64)
            });
            if from_again < until {
                sink.write(&batch).expect("a commit");
            }
            from = until;
        }
        while from < events.len() {
            let batch = Records::new().event(events[from].clone()).at(0, from as i64);
            sink.write(&batch).expect("a commit");
            from += 1;
        }
        let rows: BTreeMap<i64, u8> = folder
            .rows("items")
            .into_values()
            .map(|row| {
                let number = |name: &str| row[name].as_deref().expect("a value").parse::<i64>().expect("a number");
                (number("id"), number("value") as u8)
            })
            .collect();
        prop_assert_eq!(rows, expected);
    }
}
