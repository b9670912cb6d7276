//! Batches, retries, crashes, several tasks.

use std::{fs, path::Path, thread};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tidegate_plugin::testing::{self, Event, Records, SinkTest};

use super::*;

fn open(folder: &TempDir, name: &str) -> SinkTest<FileSink> {
    SinkTest::open(json!({"path": folder.path().join(name), "style": "value"})).unwrap()
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

fn append(path: &Path, text: &str) {
    let mut content = fs::read_to_string(path).unwrap_or_default();
    content.push_str(text);
    fs::write(path, content).unwrap();
}

/// Records `offsets` of partition 0 of topic `t`; each value is its offset.
fn numbers(offsets: std::ops::Range<i64>) -> Records {
    offsets.fold(Records::new(), |records, offset| records.json("t", Json::Null, json!(offset)).at(0, offset))
}

#[test]
fn each_table_has_its_own_file_including_tombstones() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink =
        SinkTest::<FileSink>::open(json!({"path": folder.path().join("{schema}/{table}.jsonl")})).unwrap();
    let records = Records::new()
        .event(Event::delete("customers").key(json!({"id": 1})).before(json!({"id": 1})))
        .tombstone("cdc.public.customers", json!({"id": 1}))
        .event(Event::insert("orders").key(json!({"id": 2})).after(json!({"id": 2})))
        .event(Event::insert("../../x").after(json!({"id": 3})));
    let report = sink.write(&records).unwrap();
    assert_eq!(report.changed_rows().iter().map(|rows| rows.inserted).collect::<Vec<_>>(), [1, 2, 1]);

    let customers = read(&folder, "public/customers.jsonl");
    let lines: Vec<Json> = customers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["operation"], "DELETE");
    assert_eq!(lines[0]["before"], json!({"id": 1}));
    assert_eq!((&lines[1]["offset"], &lines[1]["value"]), (&json!(1), &Json::Null));
    assert!(read(&folder, "public/orders.jsonl").contains("\"after\":{\"id\":2}"));
    assert!(read(&folder, "public/%2E.%2F..%2Fx.jsonl").contains("\"after\":{\"id\":3}"));
}

#[test]
fn the_style_determines_the_content_of_a_line() {
    let line = |style: &str| {
        let folder = tempfile::tempdir().unwrap();
        let mut sink =
            SinkTest::<FileSink>::open(json!({"path": folder.path().join("all"), "style": style})).unwrap();
        let event =
            Event::update("t").key(json!({"id": 1})).before(json!({"id": 1})).after(json!({"id": 1, "n": 2}));
        let records = Records::new().event(event).header("h", b"x").json("plain", json!("k"), json!([1]));
        sink.write(&records).unwrap();
        read(&folder, "all").lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Json>>()
    };
    assert_eq!(line("row")[0], json!({"operation": "UPDATE", "key": {"id": 1}, "row": {"id": 1, "n": 2}}));
    assert_eq!(line("row")[1], json!({"operation": null, "key": "k", "row": [1]}));
    assert_eq!(line("value")[0]["op"], "u");
    assert_eq!(line("record")[0]["headers"], json!([{"name": "h", "value": "x"}]));
    assert_eq!(line("record")[0]["value"]["source"]["table"], "t");
    let whole = json!({
        "topic": "plain", "partition": 0, "offset": 0, "timestamp": 1_700_000_000_000_i64, "headers": [],
        "key": "k", "value": [1],
    });
    assert_eq!(line("record")[1], whole);
    assert_eq!(line("event")[0]["after"], json!({"id": 1, "n": 2}));
}

#[test]
fn a_message_is_written_with_its_value() {
    for (style, field) in [("event", "value"), ("row", "row")] {
        let folder = tempfile::tempdir().unwrap();
        let mut sink =
            SinkTest::<FileSink>::open(json!({"path": folder.path().join("all"), "style": style})).unwrap();
        sink.write(&Records::new().event(Event::new(Operation::Message, ""))).unwrap();
        let line: Json = serde_json::from_str(&read(&folder, "all")).unwrap();
        assert_eq!((&line["operation"], &line[field]["op"]), (&json!("MESSAGE"), &json!("m")), "{line}");
    }
}

#[test]
fn a_retried_batch_is_not_written_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&folder, "all");
    sink.claim(&[("t", 0)]).unwrap();
    sink.write(&numbers(0..3)).unwrap();
    sink.write(&numbers(0..3)).unwrap();
    sink.write(&numbers(1..5)).unwrap();
    assert_eq!(read(&folder, "all"), "0\n1\n2\n3\n4\n");
}

#[test]
fn a_restart_continues_at_the_stored_offset() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(&folder, "all");
    assert_eq!(first.claim(&[("t", 0)]).unwrap(), [Claim { epoch: 1, ..Claim::default() }]);
    first.write(&numbers(0..3)).unwrap();
    first.close().unwrap();

    let mut second = open(&folder, "all");
    let claims = second.claim(&[("t", 0), ("t", 1)]).unwrap();
    assert_eq!(
        claims,
        [
            Claim { next_offset: Some(3), epoch: 2, ..Claim::default() },
            Claim { epoch: 1, ..Claim::default() }
        ]
    );
    second.write(&numbers(3..4)).unwrap();
    assert_eq!(read(&folder, "all"), "0\n1\n2\n3\n");
}

#[test]
fn a_former_owner_is_fenced() {
    let folder = tempfile::tempdir().unwrap();
    let (mut old, mut new) = (open(&folder, "all"), open(&folder, "all"));
    old.claim(&[("t", 0)]).unwrap();
    new.claim(&[("t", 0)]).unwrap();
    let error = old.write(&numbers(0..1)).unwrap_err();
    assert!(error.is_fenced(), "{error}");
    assert_eq!(error.message(), "t-0 was claimed by another task (epoch 2, this task has 1)");
    new.write(&numbers(0..1)).unwrap();
    assert_eq!(read(&folder, "all"), "0\n");
}

#[test]
fn uncommitted_lines_are_truncated() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&folder, "{topic}");
    sink.claim(&[("t", 0)]).unwrap();
    sink.write(&numbers(0..1)).unwrap();
    // As after a crash between appending and committing.
    append(&folder.path().join("t"), "1\n2");
    drop(sink);

    let mut sink = open(&folder, "{topic}");
    assert_eq!(read(&folder, "t"), "0\n");
    assert!(testing::logs()[0].message.starts_with("truncated uncommitted lines"));
    assert_eq!(sink.claim(&[("t", 0)]).unwrap()[0].next_offset, Some(1));
    // The same without a restart.
    append(&folder.path().join("t"), "1\n2");
    sink.write(&numbers(1..2)).unwrap();
    assert_eq!(read(&folder, "t"), "0\n1\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_failure_in_one_file_undoes_all_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&folder, "{topic}");
    let both = |offset| {
        let records = Records::new().json("a", Json::Null, json!(offset)).at(0, offset);
        records.json("b", Json::Null, json!(offset)).at(0, offset)
    };
    sink.claim(&[("a", 0), ("b", 0)]).unwrap();
    sink.write(&Records::new().json("a", Json::Null, json!(0)).at(0, 0)).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("b")).unwrap();
    let error = sink.write(&both(1)).unwrap_err();
    assert!(error.is_retriable() && error.message().contains("/b: No space left"), "{error}");
    assert_eq!(read(&folder, "a"), "0\n");

    fs::remove_file(folder.path().join("b")).unwrap();
    sink.write(&both(1)).unwrap();
    assert_eq!((read(&folder, "a"), read(&folder, "b")), ("0\n1\n".to_owned(), "1\n".to_owned()));
}

/// Writes a record for each table, and returns the tables of those that were rejected, with the reasons.
fn rejected(sink: &mut SinkTest<FileSink>, tables: &[&str]) -> Vec<(u32, String)> {
    let records = tables.iter().fold(Records::new(), |records, table| {
        records.event(Event::insert(table).key(json!({"id": 1})).after(json!({"id": 1})))
    });
    sink.write(&records).unwrap().rejected().to_vec()
}

#[test]
fn records_whose_file_cannot_be_written_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&folder, "{table}/all");
    fs::write(folder.path().join("file"), "in the way").unwrap();
    fs::create_dir_all(folder.path().join("folder/all")).unwrap();
    let long = "n".repeat(300);
    let found = rejected(&mut sink, &["fine", &long, "file", "folder"]);
    assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2, 3]);
    let expected = ["has 300 bytes", "/file is not a folder", "/folder/all is a folder"];
    assert!(found.iter().zip(expected).all(|((_, reason), text)| reason.contains(text)), "{found:?}");
    assert!(!folder.path().join("fine").exists(), "a batch is written as a whole");
    assert_eq!(rejected(&mut sink, &["fine"]), []);
    assert!(folder.path().join("fine/all").exists());
}

#[test]
fn names_do_not_reach_the_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&folder, "{table}/journal.json");
    // The dot at the beginning of a name is encoded.
    assert_eq!(rejected(&mut sink, &[".tidegate"]), []);
    assert!(folder.path().join("%2Etidegate/journal.json").exists());
}

#[test]
fn two_sinks_do_not_write_the_same_files_with_different_journals() {
    let folder = tempfile::tempdir().unwrap();
    let mut outer = open(&folder, "{schema}/{table}");
    let mut inner = open(&folder, "public/{table}");
    assert_eq!(rejected(&mut inner, &["orders"]), []);
    let found = rejected(&mut outer, &["orders"]);
    assert!(found[0].1.contains("/public is the root folder of another `file` sink"), "{found:?}");
    drop(inner);

    let other = tempfile::tempdir().unwrap();
    let mut outer = open(&other, "{schema}/{table}");
    assert_eq!(rejected(&mut outer, &["orders"]), []);
    let path = other.path().join("public/{table}");
    let error = SinkTest::<FileSink>::open(json!({"path": path})).unwrap_err();
    assert!(error.message().contains("which has written public/orders there"), "{error}");
    // Folders inside each other with other files are fine.
    open(&other, "else/{table}");
}

#[test]
fn a_lost_journal_is_reported_with_the_lines_that_may_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&folder, "all");
    sink.claim(&[("t", 0)]).unwrap();
    sink.write(&numbers(0..3)).unwrap();
    drop(sink);
    fs::remove_dir_all(folder.path().join(".tidegate")).unwrap();
    let mut sink = open(&folder, "all");
    sink.claim(&[("t", 0)]).unwrap();
    sink.write(&numbers(0..3)).unwrap();
    let logs = testing::logs();
    let warning =
        logs.iter().find(|log| log.message.starts_with("the file exists and is not in the journal"));
    assert!(format!("{:?}", warning.unwrap()).contains('3'), "{logs:?}");
}

#[test]
fn journal_and_lock_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&folder, "all");
    sink.claim(&[("t", 0)]).unwrap();
    for (name, mode) in [("", 0o700), ("lock", 0o600), ("journal.json", 0o600)] {
        let found = fs::metadata(folder.path().join(".tidegate").join(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
}

#[test]
fn positions_without_records_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&folder, "all");
    sink.claim(&[("t", 0), ("t", 7)]).unwrap();
    sink.write(&Records::new().read_up_to("t", 7, 100)).unwrap();
    sink.write(&numbers(0..1).read_up_to("t", 0, 20)).unwrap();
    drop(sink);
    let claims = open(&folder, "all").claim(&[("t", 0), ("t", 7)]).unwrap();
    assert_eq!(claims.iter().map(|claim| claim.next_offset).collect::<Vec<_>>(), [Some(20), Some(100)]);
}

#[test]
fn tasks_and_connectors_can_share_files() {
    const ROUNDS: i64 = 20;
    let folder = tempfile::tempdir().unwrap();
    let write = |connector: &str, partition: i32| {
        let config = json!({"path": folder.path().join("all"), "style": "value", "fsync": false});
        let mut sink = SinkTest::<FileSink>::open_for(connector, config).unwrap();
        sink.claim(&[("t", partition)]).unwrap();
        for offset in 0..ROUNDS {
            let value = json!(format!("{connector} {partition} {offset}"));
            sink.write(&Records::new().json("t", Json::Null, value).at(partition, offset)).unwrap();
        }
    };
    thread::scope(|scope| {
        for (connector, partition) in [("one", 0), ("one", 1), ("two", 0)] {
            scope.spawn(move || write(connector, partition));
        }
    });
    let text = read(&folder, "all");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len() as i64, 3 * ROUNDS);
    assert_eq!(text.lines().count() as i64, 3 * ROUNDS);
}

#[test]
fn existing_and_moved_files_are_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all"), "before\n").unwrap();
    let mut sink = open(&folder, "all");
    sink.claim(&[("t", 0)]).unwrap();
    sink.write(&numbers(0..1)).unwrap();
    assert_eq!(read(&folder, "all"), "before\n0\n");

    fs::rename(folder.path().join("all"), folder.path().join("all.1")).unwrap();
    sink.write(&numbers(1..2)).unwrap();
    assert_eq!(read(&folder, "all"), "1\n");
    assert!(testing::logs().iter().any(|log| log.message.starts_with("the file was truncated or moved")));
}

#[test]
fn a_damaged_journal_is_an_error_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&folder, "all");
    sink.claim(&[("t", 0)]).unwrap();
    let journal = folder.path().join(".tidegate/journal.json");
    fs::write(&journal, "{").unwrap();
    let error = sink.write(&numbers(0..1)).unwrap_err();
    assert!(error.message().contains("journal.json is damaged"), "{error}");
    assert!(!folder.path().join("all").exists());
    fs::write(&journal, r#"{"version":2,"partitions":{},"files":{}}"#).unwrap();
    assert!(sink.write(&numbers(0..1)).unwrap_err().message().contains("newer version"));
    fs::remove_file(&journal).unwrap();
    sink.write(&numbers(0..1)).unwrap();
    assert_eq!(read(&folder, "all"), "0\n");
}

#[test]
fn after_a_reset_of_the_offsets_a_new_log_is_appended() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&folder, "all");
    sink.claim(&[("t", 0)]).unwrap();
    sink.write(&numbers(0..3)).unwrap();
    sink.reset_offsets(&[("t", 0)]).unwrap();
    sink.write(&numbers(0..2)).unwrap();
    assert_eq!(read(&folder, "all"), "0\n1\n2\n0\n1\n");
    assert_eq!(sink.claim(&[("t", 0)]).unwrap()[0].next_offset, Some(2));
}
