//! The `unwrap` transform in its library: the cases of Debezium's `ExtractNewRecordStateTest`, under the names that they have
//! there, with events of the same schema.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidegate::{
    formats::{DecoderOptions, Format, RecordDecoder},
    plugins::{OpenParams, Prober, Registry, TransformInstance},
};
use tidegate_abi::{
    Record, Value,
    host::{Batch, NewRecord},
};
use tidegate_tests::Home;

mod captured;
mod cases;
mod chains;
mod drop_fields;
mod properties;

/// A message of the topic `dummy`.
#[derive(Clone, Default)]
struct Message {
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(&'static str, String)>,
}

/// What a sink sees of a record.
#[derive(Debug, PartialEq)]
struct Seen {
    topic: String,
    key: Json,
    value: Json,
    headers: Vec<(String, Option<String>)>,
    /// Operation, row before and row after.
    event: Option<(String, Json, Json)>,
}

/// Decoder and transforms of a task, without Kafka.
struct Line {
    batch: Batch,
    decoder: RecordDecoder,
    transforms: Vec<TransformInstance>,
    topic: String,
}

impl Line {
    /// A line with `unwrap`.
    fn open(config: &Json) -> Self {
        Self::of(&[("unwrap", config)])
    }

    fn of(transforms: &[(&str, &Json)]) -> Self {
        let home = Home::new(&["basics"]);
        let found = Registry::discover(&[home.path("plugins")], &home.path("state"), &Prober::InProcess)
            .expect("a state folder");
        let open = |(name, config): &(&str, &Json)| {
            let opening = OpenParams { connector: "unwrapping", task: 0, tasks: 1, instance: name, config };
            let plugin = found.registry.get(name).expect("a plugin of basics");
            TransformInstance::open(plugin, &opening).unwrap_or_else(|error| panic!("{config}: {error}"))
        };
        let transforms = transforms.iter().map(open).collect();
        Self { batch: Batch::new(), decoder: decoder(), transforms, topic: "dummy".to_owned() }
    }

    /// The records after the last transform, and the reasons of rejections.
    fn pass(&mut self, messages: &[Message]) -> (Vec<Seen>, Vec<String>) {
        self.run(messages);
        let rejected = self.batch.rejected().iter().map(|rejected| rejected.reason.clone()).collect();
        (self.batch.records().map(Seen::of).collect(), rejected)
    }

    fn run(&mut self, messages: &[Message]) {
        decode(&mut self.batch, &mut self.decoder, &self.topic, messages);
        for transform in &mut self.transforms {
            transform.apply(&mut self.batch, usize::MAX, None, &mut self.decoder).expect("transformed");
        }
        self.batch.finish_unwrapped(&mut self.decoder);
    }
}

fn decoder() -> RecordDecoder {
    let options = DecoderOptions { key: Format::Json, value: Format::Json, ..DecoderOptions::default() };
    RecordDecoder::new(DecoderOptions { pass_control_events: true, ..options })
}

fn decode(batch: &mut Batch, decoder: &mut RecordDecoder, topic: &str, messages: &[Message]) {
    batch.reset(usize::MAX);
    let topic: Arc<str> = Arc::from(topic);
    for (message, offset) in messages.iter().zip(0..) {
        let slot = batch.slot(&topic, 0, 1);
        let [key, value] = [&message.key, &message.value].map(|part| part.as_ref().map(String::as_bytes));
        let headers = message.headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
        batch.push(slot, NewRecord { offset, timestamp_ms: Some(7), key, value }, headers);
    }
    batch.decode(decoder);
}

impl Seen {
    fn of(record: Record<'_>) -> Self {
        let header = |value: &[u8]| String::from_utf8(value.to_owned()).expect("text");
        Self {
            topic: record.topic().to_owned(),
            key: to_json(record.key()),
            value: to_json(record.value()),
            headers: record
                .headers()
                .iter()
                .map(|one| (one.name.to_owned(), one.value.map(header)))
                .collect(),
            event: record.change().map(|change| {
                let [before, after] = [change.before_value(), change.after_value()].map(to_json);
                (change.operation().name().to_owned(), before, after)
            }),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name)?.1.as_deref()
    }
}

fn text_of(value: Value<'_>) -> String {
    let mut text = String::new();
    assert!(value.write_json(&mut text).is_ok());
    text
}

fn to_json(value: Value<'_>) -> Json {
    serde_json::from_str(&text_of(value)).expect("JSON")
}

/// What becomes of a single message; `None` if it is dropped.
#[track_caller]
fn unwrapped(config: Json, message: &Message) -> Option<Seen> {
    let (mut seen, rejected) = Line::open(&config).pass(std::slice::from_ref(message));
    assert_eq!(rejected, [] as [&str; 0]);
    assert!(seen.len() <= 1);
    seen.pop()
}

/// What becomes of a single message that is not dropped.
#[track_caller]
fn kept(config: Json, message: &Message) -> Seen {
    unwrapped(config, message).expect("a record that is not dropped")
}

/// Why a single message is rejected.
#[track_caller]
fn refused(config: Json, message: &Message) -> String {
    let (seen, rejected) = Line::open(&config).pass(std::slice::from_ref(message));
    assert_eq!((seen.len(), rejected.len()), (0, 1), "{seen:?} {rejected:?}");
    rejected.concat()
}

/// Whether the column `name` is optional, with a default.
#[derive(Clone, Copy, PartialEq)]
enum Names {
    Required,
    Optional,
}

fn field(name: &str, kind: &str, optional: bool) -> Json {
    json!({ "field": name, "type": kind, "optional": optional })
}

fn row_schema(names: Names, more: &[Json]) -> Json {
    let name = match names {
        Names::Required => field("name", "string", false),
        Names::Optional => {
            json!({ "field": "name", "type": "string", "optional": true, "default": "default_str" })
        }
    };
    [&[field("id", "int8", false), name], more].concat().into()
}

/// An event with the schema of Debezium's tests. `payload` has what differs from the default.
fn event(names: Names, op: &str, before: Json, after: Json, more: &Json) -> Message {
    let row = row_schema(names, &[]);
    let source = [
        field("lsn", "int32", false),
        field("version", "string", true),
        field("ts_ms", "int64", true),
        field("ts_us", "int64", true),
        field("ts_ns", "int64", true),
        field("db", "string", true),
        field("table", "string", true),
    ];
    let transaction = [
        field("id", "string", false),
        field("total_order", "int64", false),
        field("data_collection_order", "int64", false),
    ];
    let block = |name: &str, optional: bool, fields: &Json| json!({ "field": name, "type": "struct", "optional": optional, "fields": fields });
    let mut fields = vec![
        block("before", true, &row),
        block("after", true, &row),
        block("source", false, &source.into()),
        field("op", "string", false),
        field("ts_ms", "int64", true),
        field("ts_us", "int64", true),
        field("ts_ns", "int64", true),
        block("transaction", true, &transaction.into()),
    ];
    let mut payload = json!({
        "before": before, "after": after, "op": op, "ts_ms": 1_710_032_523_000_i64, "ts_us": null, "ts_ns": null, "transaction": null,
        "source": { "lsn": 1234, "version": "version!", "ts_ms": 1_588_252_618_953_i64, "ts_us": null, "ts_ns": null,
            "db": "test_db", "table": "test_table" },
    });
    if more.get("changes").is_some() {
        fields.push(
            json!({ "field": "changes", "type": "array", "optional": true, "items": { "type": "string" } }),
        );
    }
    for (name, value) in more.as_object().into_iter().flatten() {
        match value.as_object().filter(|_| name == "source") {
            Some(own) => own.iter().for_each(|(name, value)| payload["source"][name] = value.clone()),
            None => payload[name] = value.clone(),
        }
    }
    let schema = json!({ "type": "struct", "name": "dummy.Envelope", "optional": false, "fields": fields });
    let value = json!({ "schema": schema, "payload": payload }).to_string();
    Message { value: Some(value), ..Message::default() }
}

fn create() -> Message {
    event(Names::Required, "c", Json::Null, json!({ "id": 1, "name": "myRecord" }), &json!({}))
}

fn create_with_optional_null() -> Message {
    event(Names::Optional, "c", Json::Null, json!({ "id": 1, "name": null }), &json!({}))
}

fn transaction() -> Json {
    json!({ "id": "571", "total_order": 42, "data_collection_order": 42 })
}

fn update() -> Message {
    let rows = ["myRecord", "updatedRecord"].map(|name| json!({ "id": 1, "name": name }));
    let [before, after] = rows;
    event(Names::Required, "u", before, after, &json!({ "transaction": transaction() }))
}

fn update_with_optional_null() -> Message {
    let [before, after] = [Json::Null, json!("updatedRecord")].map(|name| json!({ "id": 1, "name": name }));
    event(Names::Optional, "u", before, after, &json!({ "transaction": transaction() }))
}

fn update_with_changed_fields() -> Message {
    let [before, after] = ["myRecord", "updatedRecord"].map(|name| json!({ "id": 1, "name": name }));
    event(Names::Required, "u", before, after, &json!({ "transaction": transaction(), "changes": ["name"] }))
}

fn delete() -> Message {
    event(Names::Required, "d", json!({ "id": 1, "name": "myRecord" }), Json::Null, &json!({})).with_key()
}

fn truncate() -> Message {
    event(Names::Required, "t", Json::Null, Json::Null, &json!({}))
}

fn tombstone() -> Message {
    Message::default().with_key()
}

fn plain() -> Message {
    Message { value: Some(json!({ "id": 1 }).to_string()), ..Message::default() }
}

fn heartbeat() -> Message {
    let schema = json!({ "type": "struct", "name": "io.debezium.connector.common.Heartbeat", "optional": false,
        "fields": [field("ts_ms", "int64", false)] });
    let value = json!({ "schema": schema, "payload": { "ts_ms": 5 } }).to_string();
    Message { value: Some(value), ..Message::default() }
}

impl Message {
    fn with_key(self) -> Self {
        let schema = json!({ "type": "struct", "name": "dummy.Key", "optional": false, "fields": [field("id", "int8", false)] });
        Self { key: Some(json!({ "schema": schema, "payload": { "id": 1 } }).to_string()), ..self }
    }

    fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}
