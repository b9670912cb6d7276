//! Change events of small tables, as Debezium writes them.

use serde_json::{Value as Json, json};
use tidegate::kafka::producer::ProducerRecord;

use crate::Broker;

/// A table of the source, and the position in its log. Every event advances the position.
#[derive(Debug)]
pub struct Source {
    topic: String,
    table: &'static str,
    /// The names of the key columns.
    key: &'static [&'static str],
    /// The fields of the schema, if events have one.
    fields: Option<Json>,
    lsn: i64,
}

/// One record.
#[derive(Clone, Debug)]
pub struct Event {
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(&'static str, String)>,
    partition: i32,
}

/// How Kafka Connect writes the key in a header.
#[derive(Clone, Copy, Debug)]
pub enum KeyForm {
    /// As a Java string: `Struct{id=1}`.
    Struct,
    /// As JSON without a schema.
    Json,
    /// As JSON with a schema.
    JsonWithSchema,
    /// There is no header.
    None,
}

impl Event {
    /// The tombstone after a delete.
    #[must_use]
    pub fn tombstone(&self) -> Self {
        Self { value: None, headers: Vec::new(), ..self.clone() }
    }

    /// The event with another text in its headers.
    #[must_use]
    pub fn with_header(mut self, text: &str) -> Self {
        self.headers.iter_mut().for_each(|(_, value)| text.clone_into(value));
        self
    }

    /// The event in another partition.
    #[must_use]
    pub fn in_partition(self, partition: i32) -> Self {
        Self { partition, ..self }
    }
}

impl Source {
    /// A table with these key columns.
    #[must_use]
    pub fn new(table: &'static str, key: &'static [&'static str]) -> Self {
        Self { topic: format!("cdc.public.{table}"), table, key, fields: None, lsn: 0 }
    }

    /// Its topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// From here on, events have a schema with these fields, as Kafka Connect writes it.
    pub fn declare(&mut self, fields: Json) {
        self.fields = Some(fields);
    }

    /// An insert.
    pub fn insert(&mut self, row: Json) -> Event {
        self.event("c", Json::Null, row)
    }

    /// A snapshot event.
    pub fn read(&mut self, row: Json) -> Event {
        self.event("r", Json::Null, row)
    }

    /// An update.
    pub fn update(&mut self, row: Json) -> Event {
        self.event("u", Json::Null, row)
    }

    /// An update with the row before it.
    pub fn changed(&mut self, before: Json, row: Json) -> Event {
        self.event("u", before, row)
    }

    /// A delete.
    pub fn delete(&mut self, row: Json) -> Event {
        self.event("d", row, Json::Null)
    }

    /// A truncate.
    pub fn truncate(&mut self) -> Event {
        self.event("t", Json::Null, Json::Null)
    }

    fn event(&mut self, op: &str, before: Json, after: Json) -> Event {
        self.lsn += 1;
        let row = if after.is_null() { &before } else { &after };
        let has_key = !self.key.is_empty() && !row.is_null();
        let key =
            has_key.then(|| self.key.iter().map(|name| ((*name).to_owned(), row[*name].clone())).collect());
        let source = json!({
            "connector": "postgresql", "name": "cdc", "db": "shop", "schema": "public", "table": self.table,
            "lsn": self.lsn, "txId": 700 + self.lsn, "snapshot": if op == "r" { "true" } else { "false" },
            "ts_ms": 1_700_000_000_000_i64 + self.lsn * 1000,
        });
        let value = json!({
            "op": op, "before": before, "after": after, "source": source, "ts_ms": 1_700_000_009_000_i64,
        });
        let value = match &self.fields {
            Some(fields) => json!({ "schema": envelope(fields), "payload": value }),
            None => value,
        };
        let (key, value) = (key.map(|key: Json| key.to_string()), Some(value.to_string()));
        Event { key, value, headers: Vec::new(), partition: 0 }
    }

    /// A changed key, as Debezium writes it: a delete, its tombstone and a create, all with the same position.
    pub fn moves(&mut self, old: Json, row: Json, form: KeyForm) -> [Event; 3] {
        let delete = self.event("d", old.clone(), Json::Null);
        self.lsn -= 1;
        let create = self.event("c", Json::Null, row.clone());
        let header = |name, row: &Json| self.header(row, form).map(|key| (name, key)).into_iter().collect();
        let delete = Event { headers: header("__debezium.newkey", &row), ..delete };
        let create = Event { headers: header("__debezium.oldkey", &old), ..create };
        [delete.clone(), delete.tombstone(), create]
    }

    fn header(&self, row: &Json, form: KeyForm) -> Option<String> {
        let columns = || self.key.iter().map(|name| (*name, row[*name].clone()));
        let json: Json = columns().map(|(name, value)| (name.to_owned(), value)).collect();
        let plain = |value: Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match form {
            KeyForm::None => None,
            KeyForm::Json => Some(json.to_string()),
            KeyForm::JsonWithSchema => Some(
                json!({ "schema": { "type": "struct", "optional": false }, "payload": json }).to_string(),
            ),
            KeyForm::Struct => {
                let fields: Vec<String> =
                    columns().map(|(name, value)| format!("{name}={}", plain(value))).collect();
                Some(format!("Struct{{{}}}", fields.join(",")))
            }
        }
    }

    /// Sends events to their partitions, in this order.
    ///
    /// # Panics
    /// If the broker does not accept them.
    pub fn send(&self, broker: &Broker, events: impl IntoIterator<Item = Event>) {
        let events: Vec<Event> = events.into_iter().collect();
        type Headers<'e> = Vec<(&'e [u8], Option<&'e [u8]>)>;
        let headers: Vec<Headers<'_>> = events
            .iter()
            .map(|event| {
                event.headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes()))).collect()
            })
            .collect();
        broker.send_exactly(events.iter().zip(&headers).map(|(event, headers)| ProducerRecord {
            topic: &self.topic,
            partition: Some(event.partition),
            timestamp_ms: None,
            key: event.key.as_deref().map(str::as_bytes),
            value: event.value.as_deref().map(str::as_bytes),
            headers,
        }));
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
