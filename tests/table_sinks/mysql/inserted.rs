//! A server that does not let clients load files, as MySQL by default, and has one case of names of tables, as on Windows.

use std::sync::OnceLock;

use serde_json::json;
use tidegate_tests::{Database, Rows, change_events::Source};

use super::Schema;
use crate::{
    pipe::Pipe,
    probe::Probe,
    suite::{captured, history, kills, replays, rows, tasks},
};

static SERVER: OnceLock<Option<Database>> = OnceLock::new();

/// A database of a server without `local_infile`.
struct Inserted(Schema);

impl Probe for Inserted {
    const LIBRARY: &'static str = Schema::LIBRARY;
    const DEVIATIONS: &'static str = Schema::DEVIATIONS;

    fn new(_test: &str) -> Option<Self> {
        let settings = ["max_connections=400", "local_infile=0", "sql_mode=ANSI", "lower_case_table_names=1"];
        let server = SERVER.get_or_init(|| Database::mariadb("shop", &settings)).as_ref()?;
        Some(Self(Schema::of(server)))
    }

    fn sink(&self, more: &str) -> String {
        self.0.sink(more)
    }

    fn execute(&self, sql: &str) {
        self.0.execute(sql);
    }

    fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.0.query(sql)
    }

    fn tables(&self) -> Vec<String> {
        self.0.tables()
    }

    fn table(&self, name: &str) -> Rows {
        self.0.table(name)
    }

    fn slow_down(&self, tables: &[String]) {
        self.0.slow_down(tables);
    }

    fn is_writing(&self) -> bool {
        self.0.is_writing()
    }
}

#[test]
fn captured_tables_are_equal_without_files() {
    captured::shop_precise_with_schemas::<Inserted>();
    captured::types_adaptive_with_schemas::<Inserted>();
}

#[test]
fn kills_lose_nothing_without_files() {
    kills::ten_kills_lose_nothing_and_write_nothing_twice::<Inserted>();
}

#[test]
fn replays_change_nothing_without_files() {
    replays::nothing_changes_when_offsets_are_reset::<Inserted>();
}

#[test]
fn rows_are_written_without_files() {
    rows::one_bad_row_of_many_is_named_and_rejected_alone::<Inserted>();
    rows::columns_are_added_and_values_that_do_not_fit_go_beside::<Inserted>();
    rows::large_values_move_with_their_key::<Inserted>();
}

#[test]
fn histories_are_written_without_files() {
    history::late_events_get_their_place_and_replays_change_nothing::<Inserted>();
    history::changed_keys_keep_large_values::<Inserted>();
    history::history_of_types_adaptive::<Inserted>();
}

#[test]
fn tasks_race_without_files() {
    tasks::tasks_that_race_end_equal::<Inserted>();
}

/// The server lists `Orders` and its table of deleted keys in lower case.
#[test]
fn late_events_restore_no_row_of_a_table_with_a_folded_name() {
    let Some(pipe) = Pipe::<Inserted>::find("folded") else { return };
    let mut orders = Source::new("Orders", &["id"]);
    let inserts = [1, 2].map(|id| orders.insert(json!({ "id": id })));
    let delete = orders.delete(json!({ "id": 1 }));
    orders.send(&pipe.broker, inserts.iter().chain([&delete]).cloned());
    let _finished = pipe.run();
    orders.send(&pipe.broker, inserts);
    let _finished = pipe.run();
    assert_eq!(pipe.select("\"id\"", "Orders"), ["2"]);
    assert!(pipe.probe.tables().contains(&"orders__cdc_deleted".to_owned()));
}
