//! Rows whose key changes while large values do not: the create contains a placeholder, and the value must be taken
//! from the old row, with every batch size and with restarts between any two records.

use serde_json::{Value as Json, json};

use super::{
    Connector, Pipe, Source,
    events::{Event, KeyForm},
};

const PLACEHOLDER: &str = "__debezium_unavailable_value";
const FORMS: [KeyForm; 3] = [KeyForm::Struct, KeyForm::Json, KeyForm::JsonWithSchema];
const SOFT: &str = "delete_mode = \"soft\"\n";

fn note(id: i64, title: &str, body: &str) -> Json {
    json!({ "id": id, "title": title, "body": body })
}

/// The row in a delete: only its key.
fn gone(id: i64) -> Json {
    json!({ "id": id, "title": null, "body": null })
}

fn moved(notes: &mut Source, old: i64, new: i64, title: &str) -> [Event; 3] {
    notes.moves(gone(old), note(new, title, PLACEHOLDER), KeyForm::Struct)
}

/// Sends events one by one, and runs the host after each.
#[track_caller]
fn run_after_each(pipe: &Pipe, source: &Source, events: impl IntoIterator<Item = Event>) {
    for event in events {
        source.send(&pipe.broker, [event]);
        let _finished = pipe.run();
    }
}

fn notes(pipe: &Pipe) -> Vec<String> {
    let rows = pipe.select("\"id\", \"title\", \"body\", \"_cdc_operation\"", "notes").into_iter();
    rows.filter(|row| !row.ends_with(" d")).collect()
}

#[test]
fn a_moved_row_keeps_its_large_value_for_all_batch_sizes() {
    for (batch, form) in [1, 2, 7].into_iter().zip(FORMS) {
        for (mode, sink) in [("hard", ""), ("soft", SOFT)] {
            let Some(pipe) = Pipe::find(&format!("moves_{mode}_{batch}")) else { return };
            pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
            let mut source = Source::new("notes", &["id"]);
            let first = source.insert(note(1, "a", "LONG"));
            let moves = source.moves(gone(1), note(9, "b", PLACEHOLDER), form);
            source.send(&pipe.broker, [first].into_iter().chain(moves));
            let finished = pipe.run();
            assert_eq!(notes(&pipe), ["9 b LONG c"], "{mode} {batch}");
            assert_eq!(finished.count_log(" WARN "), 0, "{}", finished.stderr);
        }
    }
}

#[test]
fn a_moved_row_keeps_its_large_value_over_restarts() {
    for (mode, sink) in [("hard", ""), ("soft", SOFT)] {
        let Some(pipe) = Pipe::find(&format!("moves_restarts_{mode}")) else { return };
        pipe.connector(Connector { sink, ..Connector::default() });
        let mut source = Source::new("notes", &["id"]);
        let first = source.insert(note(1, "a", "LONG"));
        let there = moved(&mut source, 1, 9, "b");
        let back = moved(&mut source, 9, 1, "c");
        run_after_each(&pipe, &source, [first].into_iter().chain(there.clone()).chain(back));
        assert_eq!(notes(&pipe), ["1 c LONG c"], "{mode}");
        // The same events again change nothing.
        source.send(&pipe.broker, there);
        let _finished = pipe.run();
        assert_eq!(notes(&pipe), ["1 c LONG c"], "{mode}");
    }
}

/// Two rows swap keys through a third one, one row changes its key twice, and one is updated before its key changes.
fn history(source: &mut Source) -> Vec<Event> {
    let inserts = (1..=4).map(|id| source.insert(note(id, "a", &format!("LONG-{id}")))).collect::<Vec<_>>();
    let mut events = inserts;
    for (old, new) in [(1, 7), (2, 1), (7, 2), (3, 8), (8, 9)] {
        events.extend(moved(source, old, new, "m"));
    }
    events.push(source.update(note(4, "u", "CHANGED")));
    events.extend(moved(source, 4, 5, "m"));
    events.push(source.update(note(5, "last", PLACEHOLDER)));
    events.push(source.delete(gone(9)));
    events
}

#[test]
fn chained_swapped_and_updated_keys_end_with_the_right_rows() {
    let expected = ["1 m LONG-2 c", "2 m LONG-1 c", "5 last CHANGED u"];
    for (name, batch, sink) in [
        ("1", 1, ""),
        ("2", 2, ""),
        ("5", 5, ""),
        ("all", 1_000, ""),
        ("small", 1_000, "max_statement_bytes = 1000\n"),
        ("soft", 5, SOFT),
    ] {
        let Some(pipe) = Pipe::find(&format!("moves_chain_{name}")) else { return };
        pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
        let mut source = Source::new("notes", &["id"]);
        let events = history(&mut source);
        source.send(&pipe.broker, events.clone());
        let _finished = pipe.run();
        assert_eq!(notes(&pipe), expected, "{name}");
        source.send(&pipe.broker, events);
        let _finished = pipe.run();
        assert_eq!(notes(&pipe), expected, "{name}, sent again");
    }
}

#[test]
fn composite_keys_with_any_text_can_change() {
    for (form, batch) in FORMS.into_iter().zip([1, 3, 1]) {
        let Some(pipe) = Pipe::find(&format!("moves_composite_{form:?}")) else { return };
        pipe.connector(Connector { batch: Some(batch), ..Connector::default() });
        let mut source = Source::new("parts", &["id", "code"]);
        let row = |id: i64, code: &str, body: &str| json!({ "id": id, "code": code, "body": body });
        let first = source.insert(row(1, "a,b=c{}", "LONG"));
        let moves = source.moves(row(1, "a,b=c{}", ""), row(1, "d,}=e", PLACEHOLDER), form);
        let other = source.moves(row(1, "d,}=e", ""), row(2, "d,}=e", PLACEHOLDER), form);
        source.send(&pipe.broker, [first].into_iter().chain(moves).chain(other));
        let _finished = pipe.run();
        assert_eq!(pipe.select("\"id\", \"code\", \"body\"", "parts"), ["2 d,}=e LONG"], "{form:?}");
    }
}

#[test]
fn a_create_before_its_delete_takes_the_value_from_the_old_row() {
    let Some(pipe) = Pipe::find("moves_early") else { return };
    pipe.connector(Connector { batch: Some(1), ..Connector::default() });
    pipe.broker.topic("cdc.public.notes", 2);
    let mut source = Source::new("notes", &["id"]);
    let first = source.insert(note(1, "a", "LONG"));
    let [delete, tombstone, create] = moved(&mut source, 1, 9, "b");
    run_after_each(&pipe, &source, [first]);
    source.send(&pipe.broker, [create.in_partition(1)]);
    let finished = pipe.run();
    let line = finished.expect_log("arrived with a new key before the delete of its old key");
    assert!(line.contains(" WARN ") && line.contains("notes"), "{line}");
    assert_eq!(notes(&pipe), ["1 a LONG c", "9 b LONG c"]);
    source.send(&pipe.broker, [delete, tombstone]);
    let _finished = pipe.run();
    assert_eq!(notes(&pipe), ["9 b LONG c"]);
}

#[test]
fn without_headers_the_delete_before_the_create_gives_the_old_row() {
    let Some(pipe) = Pipe::find("moves_neighbours") else { return };
    pipe.connector(Connector { batch: Some(100), ..Connector::default() });
    let mut source = Source::new("notes", &["id"]);
    let first = source.insert(note(1, "a", "LONG"));
    source.send(&pipe.broker, [first]);
    let _finished = pipe.run();
    let moves = source.moves(gone(1), note(9, "b", PLACEHOLDER), KeyForm::None);
    source.send(&pipe.broker, moves);
    let _finished = pipe.run();
    assert_eq!(notes(&pipe), ["9 b LONG c"]);
}

#[test]
fn an_insert_with_an_unknown_value_is_rejected_or_written_as_null() {
    let Some(pipe) = Pipe::find("moves_unknown") else { return };
    pipe.connector(Connector { batch: Some(1), ..Connector::default() });
    let mut source = Source::new("notes", &["id"]);
    let first = source.insert(note(1, "a", "LONG"));
    let moves = source.moves(gone(1), note(9, "b", PLACEHOLDER), KeyForm::None);
    source.send(&pipe.broker, [first].into_iter().chain(moves));
    let failed = pipe.run_with_code(3);
    let line = failed.expect_log("rejected cdc.public.notes-0 offset 3");
    for part in ["\"body\"", "\"notes\"", "key columns: id", "on_unavailable = \"null\""] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert_eq!(notes(&pipe), [""; 0]);
    pipe.connector(Connector { sink: "on_unavailable = \"null\"\n", batch: Some(1), ..Connector::default() });
    let finished = pipe.run();
    let line = finished.expect_log("column \"body\"");
    assert!(line.contains(" WARN ") && line.contains("became NULL"), "{line}");
    assert_eq!(notes(&pipe), ["9 b - c"]);
    // Redelivered, it changes nothing and is therefore not rejected.
    let insert = source.insert(note(2, "x", "y"));
    pipe.connector(Connector { batch: Some(1), ..Connector::default() });
    pipe.reset_offsets(&["cdc.public.notes".to_owned()]);
    source.send(&pipe.broker, [insert]);
    let _finished = pipe.run();
    assert_eq!(notes(&pipe), ["2 x y c", "9 b - c"]);
}

#[test]
fn an_unreadable_key_header_is_rejected() {
    let Some(pipe) = Pipe::find("moves_unreadable") else { return };
    pipe.connector(Connector { batch: Some(1), ..Connector::default() });
    let mut source = Source::new("notes", &["id"]);
    let first = source.insert(note(1, "a", "LONG"));
    let moves = moved(&mut source, 1, 9, "b").map(|event| event.with_header("Avro"));
    source.send(&pipe.broker, [first].into_iter().chain(moves));
    let failed = pipe.run_with_code(3);
    let line = failed.expect_log("header __debezium.newkey: it is neither JSON nor Struct{..}");
    assert!(line.contains(" WARN "), "{line}");
    let line = failed.expect_log("rejected cdc.public.notes-0 offset 3");
    assert!(line.contains("header __debezium.oldkey: it is neither JSON nor Struct{..}"), "{line}");
}

#[test]
fn keys_configured_in_the_file_can_change() {
    for batch in [1, 100] {
        let Some(pipe) = Pipe::find(&format!("moves_by_file_{batch}")) else { return };
        let sink = "tables.notes.key_columns = [\"title\"]\n";
        pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
        let mut source = Source::new("notes", &["id"]);
        let first = source.insert(note(1, "old", "LONG"));
        let changed = source.changed(json!({ "id": 1, "title": "old" }), note(1, "new", PLACEHOLDER));
        source.send(&pipe.broker, [first, changed]);
        let finished = pipe.run();
        assert_eq!(notes(&pipe), ["1 new LONG u"], "{batch}");
        assert_eq!(finished.count_log("matched no row"), 0, "{}", finished.stderr);
    }
}

#[test]
fn an_update_without_a_row_reports_the_columns_set_to_null() {
    for (name, sink) in [("warn", ""), ("ignore", "unmatched = \"ignore\"\n")] {
        let Some(pipe) = Pipe::find(&format!("moves_no_row_{name}")) else { return };
        pipe.connector(Connector { sink, ..Connector::default() });
        let mut source = Source::new("notes", &["id"]);
        let update = source.update(note(2, "b", PLACEHOLDER));
        let insert = source.insert(note(1, "a", "LONG"));
        source.send(&pipe.broker, [insert, update]);
        let finished = pipe.run();
        let line = finished.expect_log("column \"body\" of");
        assert!(line.contains(" WARN ") && line.contains("became NULL"), "{line}");
        assert_eq!(notes(&pipe), ["1 a LONG c", "2 b - u"]);
    }
}

#[test]
fn tables_without_a_key_report_missing_values() {
    let Some(pipe) = Pipe::find("moves_append") else { return };
    pipe.connector(Connector { sink: "mode = \"append\"\n", ..Connector::default() });
    let mut source = Source::new("notes", &["id"]);
    let insert = source.insert(note(1, "a", "LONG"));
    let update = source.update(note(1, "b", PLACEHOLDER));
    source.send(&pipe.broker, [insert, update]);
    let finished = pipe.run();
    let line = finished.expect_log("column \"body\" of");
    assert!(line.contains(" WARN ") && line.contains("became NULL"), "{line}");
    let mut rows = notes(&pipe);
    rows.sort();
    assert_eq!(rows, ["1 a LONG c", "1 b - u"]);
}
