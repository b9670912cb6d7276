//! The transform on change events.

use serde_json::{Value as Json, json};
use tidegate_plugin::{
    Kind,
    testing::{self, Applied, Event, Log, Records, TransformTest},
};

use super::*;

fn run(config: Json, records: &Records) -> (Applied, Vec<Log>) {
    let mut transform = TransformTest::<PriceChange>::open(config).unwrap();
    let applied = transform.apply(records).unwrap();
    (applied, testing::logs())
}

fn update(before: Json, after: Json) -> Event {
    Event::update("products").key(json!({"product_id": 1})).before(before).after(after)
}

fn messages(logs: &[Log]) -> Vec<&str> {
    logs.iter().map(|log| log.message.as_str()).collect()
}

#[test]
fn a_changed_price_is_logged_with_table_and_key() {
    let event = update(json!({"price": "19.99"}), json!({"price": "17.99"}));
    let (applied, logs) = run(json!({}), &Records::new().event(event));
    assert_eq!(messages(&logs), ["price changed: 19.99 -> 17.99 (-10.0 %)"]);
    assert_eq!(logs[0].level, "warn");
    assert_eq!(logs[0].fields["table"], "products");
    assert_eq!(logs[0].fields["key"], "{\"product_id\":1}");
    assert_eq!(applied.records.len(), 1);
    assert_eq!(applied.records[0].after, json!({"price": "17.99"}));
    assert!(applied.records[0].headers.is_empty());
}

#[test]
fn only_updates_that_change_the_number_are_logged() {
    let records = Records::new()
        .event(Event::insert("products").after(json!({"price": "1"})))
        .event(Event::delete("products").before(json!({"price": "1"})))
        .event(update(json!({"price": "1.50"}), json!({"price": "1.50"})))
        .event(update(json!({"price": "1.50"}), json!({"price": 1.5})))
        .event(update(json!({"price": null}), json!({"price": 1.5})))
        .event(update(json!({"price": "1.5"}), json!({"price": "1.6"})).column("price", Kind::UNAVAILABLE))
        .tombstone("cdc.public.products", json!({"product_id": 1}))
        .json("plain", Json::Null, json!({"price": 3}));
    let (applied, logs) = run(json!({}), &records);
    assert_eq!(messages(&logs), Vec::<&str>::new());
    assert_eq!(applied.records.len(), 8);
}

#[test]
fn decimals_are_numbers() {
    let event = update(json!({"price": "10.20"}), json!({"price": "11.22"})).column("price", Kind::DECIMAL);
    let (_, logs) = run(json!({}), &Records::new().event(event));
    assert_eq!(messages(&logs), ["price changed: 10.20 -> 11.22 (+10.0 %)"]);
}

#[test]
fn field_level_and_limits_are_configurable() {
    let config = json!({"field": "stock", "level": "info", "min_change": 10, "min_change_percent": 50});
    let records = Records::new()
        .event(update(json!({"stock": 100}), json!({"stock": 150})))
        .event(update(json!({"stock": 100}), json!({"stock": 149})))
        .event(update(json!({"stock": 10}), json!({"stock": 19})));
    let (_, logs) = run(config, &records);
    assert_eq!(messages(&logs), ["stock changed: 100 -> 150 (+50.0 %)"]);
    assert_eq!(logs[0].level, "info");
}

#[test]
fn changed_records_get_a_header() {
    let records = Records::new()
        .event(update(json!({"price": 2}), json!({"price": 1})))
        .header("trace", b"x")
        .event(update(json!({"price": 2}), json!({"price": 2})));
    let (applied, _) = run(json!({"header": "price-change"}), &records);
    let headers = [("trace".to_owned(), b"x".to_vec()), ("price-change".to_owned(), b"2 -> 1".to_vec())];
    assert_eq!(applied.records[0].headers, headers);
    assert!(applied.records[1].headers.is_empty());
}

#[test]
fn missing_old_rows_are_logged_once_per_table() {
    let orders = Event::update("orders").after(json!({"price": 1}));
    let records = Records::new()
        .event(update(Json::Null, json!({"price": 1})))
        .event(update(Json::Null, json!({"price": 2})))
        .event(orders);
    let (applied, logs) = run(json!({}), &records);
    assert_eq!(logs.len(), 2, "{logs:?}");
    assert!(logs[0].message.ends_with("ALTER TABLE products REPLICA IDENTITY FULL"), "{logs:?}");
    assert!(logs[1].message.ends_with("ALTER TABLE orders REPLICA IDENTITY FULL"), "{logs:?}");
    assert_eq!(applied.records.len(), 3);
}

#[test]
fn missing_and_non_numeric_fields_are_logged_once_per_table() {
    let records = Records::new()
        .event(update(json!({"price": "B88="}), json!({"price": "Bwc="})))
        .event(update(json!({"price": "B88="}), json!({"price": "Bwc="})))
        .event(Event::update("customers").before(json!({"id": 1})).after(json!({"id": 1})));
    let (_, logs) = run(json!({}), &records);
    assert_eq!(logs.len(), 2, "{logs:?}");
    assert!(logs[0].message.contains("[source.columns] \"products.price\" = { decimal = 2 }"), "{logs:?}");
    assert_eq!(logs[1].fields["table"], "customers");
    assert!(logs[1].message.starts_with("the row has no such field"), "{logs:?}");
}

#[test]
fn negative_limits_are_rejected() {
    let error = TransformTest::<PriceChange>::open(json!({"min_change": -1})).unwrap_err();
    assert_eq!(error.to_string(), "min_change: is -1, but must be 0 or more");
}
