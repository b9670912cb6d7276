//! The events of the trials: a table with a key, whose rows are inserted, updated and deleted, and one without a key,
//! with inserts only.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tidegate_tests::Broker;

/// Topic of the table with the key `id`.
pub(crate) const ORDERS: &str = "cdc.public.orders";
/// Topic of the table without a key.
pub(crate) const VIEWS: &str = "cdc.public.views";

/// The content of the source.
#[derive(Debug, Default)]
pub(crate) struct Shop {
    orders: BTreeMap<i64, String>,
    views: Vec<i64>,
    last_id: i64,
    lsn: i64,
}

/// A change of an order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Inserted with this text.
    Insert(&'static str),
    /// Updated.
    Update(&'static str),
    /// Deleted.
    Delete,
}

impl Shop {
    /// The rows of `orders`: `id`, `v`.
    pub(crate) fn orders(&self) -> Vec<Vec<Option<String>>> {
        self.orders.iter().map(|(id, v)| vec![Some(id.to_string()), Some(v.clone())]).collect()
    }

    /// The rows of `views`: `page`.
    pub(crate) fn views(&self) -> Vec<Vec<Option<String>>> {
        let mut pages = self.views.clone();
        pages.sort_unstable();
        pages.into_iter().map(|page| vec![Some(page.to_string())]).collect()
    }

    /// Inserts 60 orders and 30 views, updates every second order and deletes every fifth: 132 events and 12
    /// tombstones.
    pub(crate) fn trade(&mut self, broker: &Broker) {
        let ids = self.next_ids(60);
        self.order(broker, ids.clone().map(|id| (id, Order::Insert("new"))));
        self.view(broker, 0..15);
        self.order(broker, ids.clone().filter(|id| id % 2 == 0).map(|id| (id, Order::Update("changed"))));
        self.order(broker, ids.filter(|id| id % 5 == 0).map(|id| (id, Order::Delete)));
        // The same rows again: without a key, equal rows are different rows.
        self.view(broker, 0..15);
    }

    fn next_ids(&mut self, count: i64) -> std::ops::RangeInclusive<i64> {
        let first = self.last_id + 1;
        self.last_id += count;
        first..=self.last_id
    }

    /// Sends these changes of orders.
    pub(crate) fn order(&mut self, broker: &Broker, events: impl IntoIterator<Item = (i64, Order)>) {
        let mut records = Vec::new();
        for (id, order) in events {
            let key = json!({ "id": id }).to_string();
            let event = match order {
                Order::Insert(v) | Order::Update(v) => {
                    let op = if matches!(order, Order::Insert(_)) { "c" } else { "u" };
                    let text = format!("{v} {id}");
                    self.orders.insert(id, text.clone());
                    self.event("orders", op, Json::Null, json!({ "id": id, "v": text }))
                }
                Order::Delete => {
                    self.orders.remove(&id);
                    self.event("orders", "d", json!({ "id": id }), Json::Null)
                }
            };
            records.push((key.clone(), Some(event)));
            if matches!(order, Order::Delete) {
                records.push((key, None));
            }
        }
        broker.produce(records.iter().map(|(key, value)| (ORDERS, 0, Some(key.as_str()), value.as_deref())));
    }

    /// Sends views of these pages.
    pub(crate) fn view(&mut self, broker: &Broker, pages: impl IntoIterator<Item = i64>) {
        let events: Vec<String> = pages
            .into_iter()
            .map(|page| {
                self.views.push(page);
                self.event("views", "c", Json::Null, json!({ "page": page }))
            })
            .collect();
        broker.send(VIEWS, events);
    }

    fn event(&mut self, table: &str, op: &str, before: Json, after: Json) -> String {
        self.lsn += 1;
        change(table, op, self.lsn, before, after)
    }
}

/// A change event as Debezium writes it.
pub(crate) fn change(table: &str, op: &str, lsn: i64, before: Json, after: Json) -> String {
    let source = json!({
        "connector": "postgresql", "name": "cdc", "db": "shop", "schema": "public", "table": table, "lsn": lsn,
        "ts_ms": 1_700_000_000_000_i64 + lsn, "snapshot": "false",
    });
    json!({ "op": op, "before": before, "after": after, "source": source, "ts_ms": 1_700_000_000_000_i64 })
        .to_string()
}
