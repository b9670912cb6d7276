//! Change events of small tables, as Debezium writes them.

use serde_json::{Value as Json, json};
use tidegate_tests::Broker;

/// A table of the source, and how far its log is. Every event is the next one in the log.
pub(crate) struct Source {
    topic: String,
    table: &'static str,
    /// The names of the key's columns.
    key: &'static [&'static str],
    /// The fields of the schema, where events have one.
    fields: Option<Json>,
    lsn: i64,
}

/// One record.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    key: Option<String>,
    value: Option<String>,
}

impl Event {
    /// What follows a delete.
    pub(crate) fn tombstone(&self) -> Self {
        Self { key: self.key.clone(), value: None }
    }
}

impl Source {
    /// A table whose messages have these columns as their key.
    pub(crate) fn new(table: &'static str, key: &'static [&'static str]) -> Self {
        Self { topic: format!("cdc.public.{table}"), table, key, fields: None, lsn: 0 }
    }

    /// Its topic.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// From here on, events have a schema of these fields, as Kafka Connect writes them.
    pub(crate) fn declare(&mut self, fields: Json) {
        self.fields = Some(fields);
    }

    /// A row that comes.
    pub(crate) fn insert(&mut self, row: Json) -> Event {
        self.event("c", Json::Null, row)
    }

    /// A row that a snapshot reads.
    pub(crate) fn read(&mut self, row: Json) -> Event {
        self.event("r", Json::Null, row)
    }

    /// A row that changes.
    pub(crate) fn update(&mut self, row: Json) -> Event {
        self.event("u", Json::Null, row)
    }

    /// A row that goes.
    pub(crate) fn delete(&mut self, row: Json) -> Event {
        self.event("d", row, Json::Null)
    }

    /// All rows go.
    pub(crate) fn truncate(&mut self) -> Event {
        self.event("t", Json::Null, Json::Null)
    }

    fn event(&mut self, letter: &str, before: Json, after: Json) -> Event {
        self.lsn += 1;
        let row = if after.is_null() { &before } else { &after };
        let has_key = !self.key.is_empty() && !row.is_null();
        let key =
            has_key.then(|| self.key.iter().map(|name| ((*name).to_owned(), row[*name].clone())).collect());
        let source = json!({
            "connector": "postgresql", "name": "cdc", "db": "shop", "schema": "public", "table": self.table,
            "lsn": self.lsn, "txId": 700 + self.lsn, "snapshot": if letter == "r" { "true" } else { "false" },
            "ts_ms": 1_700_000_000_000_i64 + self.lsn * 1000,
        });
        let value = json!({
            "op": letter, "before": before, "after": after, "source": source, "ts_ms": 1_700_000_009_000_i64,
        });
        let value = match &self.fields {
            Some(fields) => json!({ "schema": envelope(fields), "payload": value }),
            None => value,
        };
        Event { key: key.map(|key: Json| key.to_string()), value: Some(value.to_string()) }
    }

    /// Sends events to partition 0, in this order.
    pub(crate) fn send(&self, broker: &Broker, events: impl IntoIterator<Item = Event>) {
        let events: Vec<Event> = events.into_iter().collect();
        let record = |event: &Event| (self.topic.clone(), event.key.clone(), event.value.clone());
        let records: Vec<_> = events.iter().map(record).collect();
        broker.produce(
            records.iter().map(|(topic, key, value)| (topic.as_str(), 0, key.as_deref(), value.as_deref())),
        );
    }
}

/// The schema of an event whose rows have these fields.
fn envelope(fields: &Json) -> Json {
    let row = |name: &str| json!({ "type": "struct", "name": "cdc.Value", "optional": true, "field": name, "fields": fields });
    let source = [
        ("connector", "string"),
        ("name", "string"),
        ("db", "string"),
        ("schema", "string"),
        ("table", "string"),
        ("lsn", "int64"),
        ("txId", "int64"),
        ("snapshot", "string"),
        ("ts_ms", "int64"),
    ];
    let source = source.map(|(name, kind)| json!({ "type": kind, "optional": true, "field": name }));
    json!({
        "type": "struct", "name": "cdc.Envelope", "optional": false, "fields": [
            row("before"),
            row("after"),
            { "type": "struct", "name": "io.debezium.connector.postgresql.Source", "field": "source",
              "optional": false, "fields": source },
            { "type": "string", "optional": false, "field": "op" },
            { "type": "int64", "optional": true, "field": "ts_ms" },
        ],
    })
}
