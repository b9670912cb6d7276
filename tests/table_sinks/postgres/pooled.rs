//! PostgreSQL behind a pooler in transaction mode: every transaction may get another session of the server.

use std::sync::OnceLock;

use tidegate_tests::{Pooler, Rows};

use super::{Schema, server};
use crate::{
    probe::Probe,
    suite::{captured, kills, replays, rows, tasks},
};

static POOLER: OnceLock<Option<Pooler>> = OnceLock::new();

/// A schema that the sink writes through the pooler.
struct Pooled {
    schema: Schema,
    pooler: &'static Pooler,
}

impl Probe for Pooled {
    const LIBRARY: &'static str = Schema::LIBRARY;
    const DEVIATIONS: &'static str = Schema::DEVIATIONS;

    fn new(test: &str) -> Option<Self> {
        let pooler = POOLER.get_or_init(|| Pooler::start(server()?)).as_ref()?;
        Some(Self { schema: Schema::new(test)?, pooler })
    }

    fn sink(&self, more: &str) -> String {
        self.schema.sink_at(self.pooler.port(), more)
    }

    fn execute(&self, sql: &str) {
        self.schema.execute(sql);
    }

    fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.schema.query(sql)
    }

    fn tables(&self) -> Vec<String> {
        self.schema.tables()
    }

    fn table(&self, name: &str) -> Rows {
        self.schema.table(name)
    }

    fn slow_down(&self, tables: &[String]) {
        self.schema.slow_down(tables);
    }

    fn is_writing(&self) -> bool {
        self.schema.is_writing()
    }
}

#[test]
fn captured_tables_are_equal_behind_a_pooler() {
    captured::shop_precise_with_schemas::<Pooled>();
    captured::types_adaptive_with_schemas::<Pooled>();
}

#[test]
fn kills_lose_nothing_behind_a_pooler() {
    kills::ten_kills_lose_nothing_and_write_nothing_twice::<Pooled>();
}

#[test]
fn replays_change_nothing_behind_a_pooler() {
    replays::nothing_changes_when_offsets_are_reset::<Pooled>();
}

#[test]
fn bad_rows_are_rejected_alone_behind_a_pooler() {
    rows::one_bad_row_of_many_is_named_and_rejected_alone::<Pooled>();
    rows::columns_are_added_and_values_that_do_not_fit_go_beside::<Pooled>();
}

#[test]
fn tasks_race_behind_a_pooler() {
    tasks::tasks_that_race_end_equal::<Pooled>();
}
