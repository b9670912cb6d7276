//! How PostgreSQL finds rows.

use tidegate_tests::{Database, change_events::Source, wait_for};

use super::Schema;
use crate::{
    pipe::{Connector, Pipe},
    suite::servers::send,
};

#[test]
fn rows_are_found_by_their_keys_without_reading_the_table() {
    // Nobody collects statistics, as right after a table was created.
    let Some(server) = Database::postgres("plans", &["autovacuum=off"]) else { return };
    let server: &'static Database = Box::leak(Box::new(server));
    let pipe = Pipe::<Schema>::with(Schema::of(server, "plans"));
    pipe.connector(Connector { batch: Some(1_000), ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..1);
    let mut host = pipe.start_reading();
    host.wait_until("the table", |_| (pipe.held() == 1).then_some(()));
    server.execute("INSERT INTO plans.orders (id, v) SELECT n, 'before' FROM generate_series(1, 60000) n");
    let counted = |count: &str| {
        let query = format!("SELECT {count}::text FROM pg_stat_user_tables WHERE relname = 'orders'");
        server.value(&query).parse::<u64>().expect("a number")
    };
    wait_for(|| (counted("n_tup_ins") >= 60_001).then_some(())).expect("statistics of the rows");
    let before = counted("seq_tup_read");
    send(&pipe, &mut orders, 1..1_001);
    wait_for(|| (counted("n_tup_upd") >= 1_000).then_some(())).expect("statistics of the updates");
    assert_eq!(counted("seq_tup_read") - before, 0, "rows that were read in the order of the table");
    host.terminate().expect_code(0);
    server.stop();
}
