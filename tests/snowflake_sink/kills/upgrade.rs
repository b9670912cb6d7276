//! An upgrade from another version, whose offsets tables this one reads: `.ci/upgrade`.

use serde_json::json;
use tidegate_tests::Previous;

use super::{Scenario, change};

/// Tables without a key, in which duplicates are visible.
const TABLES: [&str; 4] = ["views_0", "views_1", "views_2", "views_3"];
const EVENTS: i64 = 10;

fn topic(table: &str) -> String {
    format!("cdc.public.{table}")
}

fn send(scenario: &Scenario, from: i64) {
    for table in TABLES {
        let events =
            (from..from + EVENTS).map(|page| change(table, "c", page, "false", json!({ "page": page })));
        scenario.broker.send(&topic(table), events);
    }
}

#[test]
#[ignore = "needs a host of another version, which .ci/upgrade builds"]
fn the_offsets_tables_of_an_earlier_version_are_read() {
    let Some(mut scenario) = Scenario::find("", "") else { return };
    let previous = Previous::find();
    previous.add_plugins(&scenario.home, &["snowflake-sink"]);
    send(&scenario, 0);
    let before =
        previous.start_on(&scenario.home, scenario.broker.servers(), &["--once"]).finish().expect_code(0);
    for table in TABLES {
        scenario.expect_once(table, EVENTS, &before.stderr);
    }
    // Only the offsets in Snowflake are left.
    let topics = TABLES.map(topic);
    scenario.broker.set_committed("connect-warehouse", &topics.each_ref().map(String::as_str), 0);
    scenario.sink("lanes = 3", "");
    send(&scenario, EVENTS);
    let after = scenario.home.run_once(&scenario.broker).expect_code(0);
    for table in TABLES {
        scenario.expect_once(table, 2 * EVENTS, &after.stderr);
    }
    println!("{} events of {} tables, each once", 2 * EVENTS * TABLES.len() as i64, TABLES.len());
}
