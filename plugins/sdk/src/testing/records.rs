//! Hand-written records: change events, plain JSON, tombstones.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidegate_abi::{
    Operation,
    host::{Batch, NewRecord, Part, Rejection},
    raw::Kind,
};

use super::decode::Decoder;

/// Records for one call. Each has the next offset in partition 0 of its topic; [`Records::at`] changes that.
///
/// The fields of structs are in the order of `serde_json::Map`: sorted by name, unless `preserve_order` is enabled.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub(super) specs: Vec<Spec>,
    read_up_to: Vec<(Arc<str>, i32, i64)>,
}

/// Definition of one record.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    topic: Arc<str>,
    partition: i32,
    offset: i64,
    headers: Vec<(String, Vec<u8>)>,
    pub(super) key: Json,
    pub(super) value: Json,
    pub(super) kinds: Vec<(String, Kind)>,
}

impl Records {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a change event, on topic `cdc.public.<table>`.
    #[must_use]
    pub fn event(self, event: Event) -> Self {
        let topic = format!("cdc.public.{}", event.table);
        let mut records = self.json(&topic, event.key.clone(), event.envelope());
        if let Some(spec) = records.specs.last_mut() {
            spec.kinds = event.kinds;
        }
        records
    }

    /// Adds a record with this key and value. A value in Debezium's envelope becomes a change event, as in the host.
    #[must_use]
    pub fn json(mut self, topic: &str, key: Json, value: Json) -> Self {
        let earlier = self.specs.iter().rev().find(|spec| *spec.topic == *topic && spec.partition == 0);
        let offset = earlier.map_or(0, |spec| spec.offset + 1);
        let (headers, kinds) = (Vec::new(), Vec::new());
        self.specs.push(Spec { topic: topic.into(), partition: 0, offset, headers, key, value, kinds });
        self
    }

    /// Adds a record without a value.
    #[must_use]
    pub fn tombstone(self, topic: &str, key: Json) -> Self {
        self.json(topic, key, Json::Null)
    }

    /// Sets partition and offset of the last record. Offsets within a partition must increase.
    #[must_use]
    pub fn at(mut self, partition: i32, offset: i64) -> Self {
        if let Some(spec) = self.specs.last_mut() {
            (spec.partition, spec.offset) = (partition, offset);
        }
        self
    }

    /// Adds a header to the last record.
    #[must_use]
    pub fn header(mut self, name: &str, value: &[u8]) -> Self {
        if let Some(spec) = self.specs.last_mut() {
            spec.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the next offset of a partition, as if the records in between had been rejected before the sink. For sinks.
    #[must_use]
    pub fn read_up_to(mut self, topic: &str, partition: i32, next_offset: i64) -> Self {
        self.read_up_to.push((topic.into(), partition, next_offset));
        self
    }

    /// The batch that a host would pass.
    pub(super) fn batch(&self) -> Batch {
        let mut topics: Vec<Arc<str>> = Vec::new();
        let mut batch = Batch::new();
        for spec in &self.specs {
            let topic = shared(&mut topics, &spec.topic);
            let slot = batch.slot(&topic, spec.partition, 0);
            let (key, value) = (bytes(&spec.key), bytes(&spec.value));
            let headers = spec.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice())));
            let (key, value) = (key.as_deref(), value.as_deref());
            let record = NewRecord { offset: spec.offset, timestamp_ms: Some(EVENT_MS), key, value };
            batch.push(slot, record, headers);
        }
        for (topic, partition, next_offset) in &self.read_up_to {
            let topic = shared(&mut topics, topic);
            let slot = batch.slot(&topic, *partition, 0);
            let record = NewRecord { offset: *next_offset - 1, timestamp_ms: None, key: None, value: None };
            let rejection = Rejection::new(Part::Record, "skipped by the test");
            batch.push_rejected(slot, record, std::iter::empty(), rejection);
        }
        batch.decode(&mut Decoder(self));
        batch
    }
}

/// The time of all hand-written records: 2023-11-14T22:13:20Z.
const EVENT_MS: i64 = 1_700_000_000_000;

/// The batch compares topics by address, so equal topics must be shared, as in the host's poll loop.
fn shared(topics: &mut Vec<Arc<str>>, topic: &Arc<str>) -> Arc<str> {
    if let Some(known) = topics.iter().find(|known| *known == topic) {
        return Arc::clone(known);
    }
    topics.push(Arc::clone(topic));
    Arc::clone(topic)
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    (!json.is_null()).then(|| json.to_string().into_bytes())
}

/// Definition of a change event in Debezium's envelope.
#[derive(Clone, Debug)]
pub struct Event {
    operation: Operation,
    table: String,
    key: Json,
    before: Json,
    after: Json,
    lsn: Option<i64>,
    commit_ms: i64,
    kinds: Vec<(String, Kind)>,
}

impl Event {
    /// Creates an event with any operation.
    #[must_use]
    pub fn new(operation: Operation, table: &str) -> Self {
        let (key, before, after) = (Json::Null, Json::Null, Json::Null);
        let (table, commit_ms) = (table.to_owned(), EVENT_MS - 5);
        Self { operation, table, key, before, after, lsn: None, commit_ms, kinds: Vec::new() }
    }

    /// Creates an insert.
    #[must_use]
    pub fn insert(table: &str) -> Self {
        Self::new(Operation::Create, table)
    }

    /// Creates an update.
    #[must_use]
    pub fn update(table: &str) -> Self {
        Self::new(Operation::Update, table)
    }

    /// Creates a delete.
    #[must_use]
    pub fn delete(table: &str) -> Self {
        Self::new(Operation::Delete, table)
    }

    /// Sets the key, such as `json!({"id": 1})`.
    #[must_use]
    pub fn key(self, key: Json) -> Self {
        Self { key, ..self }
    }

    /// Sets the row before the change.
    #[must_use]
    pub fn before(self, before: Json) -> Self {
        Self { before, ..self }
    }

    /// Sets the row after the change.
    #[must_use]
    pub fn after(self, after: Json) -> Self {
        Self { after, ..self }
    }

    /// Sets the position in the source's log.
    #[must_use]
    pub fn lsn(self, lsn: i64) -> Self {
        Self { lsn: Some(lsn), ..self }
    }

    /// Sets the time of the commit in the source, in milliseconds since the epoch.
    #[must_use]
    pub fn committed_at(self, commit_ms: i64) -> Self {
        Self { commit_ms, ..self }
    }

    /// Sets the kind of a column, as for a source with a schema; its JSON value must be a string. Supported kinds: decimal
    /// and exact number (in plain notation), bytes, JSON text, unavailable (with any value).
    #[must_use]
    pub fn column(mut self, name: &str, kind: Kind) -> Self {
        self.kinds.push((name.to_owned(), kind));
        self
    }

    fn envelope(&self) -> Json {
        let source = json!({
            "connector": "postgresql", "db": "shop", "schema": "public", "table": self.table, "snapshot": "false",
            "ts_ms": self.commit_ms, "lsn": self.lsn,
        });
        let op = char::from(self.operation.code().0);
        json!({ "before": self.before, "after": self.after, "source": source, "op": op, "ts_ms": EVENT_MS })
    }
}
