//! Tables that another user changes while the host runs.

use tidegate_tests::{Finished, Running, StandIn};

use super::{Order, Trial, shop};

/// A trial with a running host that has written the first rows.
fn running<'s>(stand_in: &'s StandIn, name: &str) -> (Trial<'s>, Running) {
    let trial = Trial::new(stand_in, name);
    let mut running = trial.start();
    trial.wait_for_shop(&mut running);
    (trial, running)
}

fn end(running: Running) -> Finished {
    let finished = running.terminate().expect_code(0);
    assert_eq!(finished.count_log(" ERROR "), 0, "{}", finished.stderr);
    finished
}

#[test]
fn a_dropped_column_is_added_again() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let (mut trial, mut running) = running(&stand_in, "dropped_column");
    let _status = trial.query(&format!("ALTER TABLE {} DROP COLUMN \"v\"", trial.table("orders")));
    trial.shop.order(&trial.broker, [(1, Order::Update("back")), (90, Order::Insert("late"))]);
    let written = "SELECT COUNT(*) FROM (SELECT 1 FROM {} WHERE \"id\" = 90)";
    running.wait_until("the late order", |_| {
        (trial.query(&written.replace("{}", &trial.table("orders"))).number() == 1).then_some(())
    });
    let finished = end(running);
    // The values of the column are gone, but no row is.
    let mut expected = trial.shop.orders();
    for row in &mut expected {
        row[1] = row[1].take().filter(|v| v.starts_with("back") || v.starts_with("late"));
    }
    assert_eq!(trial.select("\"id\", \"v\"", "orders"), expected, "{}", finished.stderr);
    finished.expect_log("Table altered: ADD COLUMN");
    let line = finished.expect_log(" WARN ");
    assert!(line.contains("000904") && line.contains("query "), "{line}");
}

#[test]
fn dropped_tables_are_created_again() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let (mut trial, mut running) = running(&stand_in, "dropped_tables");
    for table in ["orders", "orders__cdc_deleted", "views"] {
        let _status = trial.query(&format!("DROP TABLE {}", trial.table(table)));
    }
    let before = (trial.shop.orders(), trial.shop.views());
    trial.shop.trade(&trial.broker);
    let fresh: Vec<_> = trial.shop.orders().into_iter().filter(|row| !before.0.contains(row)).collect();
    running.wait_until("the second part of the rows", |_| {
        let tables = trial.tables();
        let are_there = ["orders", "views"].iter().all(|table| tables.iter().any(|name| name == table));
        (are_there
            && trial.select("\"id\", \"v\"", "orders") == fresh
            && trial.select("\"page\"", "views").len() == trial.shop.views().len() - before.1.len())
        .then_some(())
    });
    let finished = end(running);
    // Both tables were created twice.
    assert_eq!(finished.count_log("Table created"), 4, "{}", finished.stderr);
    finished.expect_log("002003/42S02");
}

#[test]
fn a_dropped_offsets_table_fails_the_task_and_loses_nothing() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let (mut trial, mut running) = running(&stand_in, "dropped_offsets");
    // The committed offsets are the only record of what was written.
    let group = format!("connect-{}", trial.connector_name());
    running.wait_until("the group's offsets", |_| {
        let is_all =
            trial.broker.committed(&group, shop::VIEWS, 0) == Some(30) && trial.committed() == Some(114);
        is_all.then_some(())
    });
    let _status = trial.query(&format!("DROP TABLE {}", trial.table("_cdc_offsets_dropped_offsets")));
    trial.shop.trade(&trial.broker);
    let finished = trial.home.stop_when_failed(running);
    let line = finished.expect_log("task failed permanently");
    assert!(line.contains("_cdc_offsets_dropped_offsets") && line.contains("002003/42S02"), "{line}");
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);
}

#[test]
fn a_column_added_by_another_user_is_used() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let (mut trial, mut running) = running(&stand_in, "added_column");
    for column in ["\"note\" VARCHAR", "\"extra\" VARCHAR"] {
        let _status = trial.query(&format!("ALTER TABLE {} ADD COLUMN {column}", trial.table("orders")));
    }
    // A column that the source does not have, and one that it adds.
    trial.shop.order(&trial.broker, [(1, Order::Update("again"))]);
    let row = serde_json::json!({ "id": 500, "v": "new 500", "extra": "more" });
    let event = shop::change("orders", "c", 1_000_000, serde_json::Value::Null, row);
    trial.broker.produce([(shop::ORDERS, 0, Some("{\"id\":500}"), Some(event))]);
    let extra = format!("SELECT MAX(\"extra\") FROM {}", trial.table("orders"));
    running.wait_until("the extra value", |_| (trial.query(&extra).value() == Some("more")).then_some(()));
    let finished = end(running);
    let mut expected = trial.shop.orders();
    expected.push(vec![Some("500".to_owned()), Some("new 500".to_owned())]);
    expected.sort_by_key(|row| row[0].as_ref().and_then(|id| id.parse::<i64>().ok()));
    assert_eq!(trial.select("\"id\", \"v\"", "orders"), expected, "{}", finished.stderr);
}
