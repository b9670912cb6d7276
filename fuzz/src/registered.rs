//! Values whose schema is in a registry.
//!
//! An input is two bytes that choose a schema, and what follows the schema's id in a message.

use std::{collections::BTreeMap, thread};

use crate::{
    Message, Task,
    fixtures::{captured, captured_schemas, data_of, fixtures, part},
    formats::{DecoderOptions, Format, RecordDecoder, registry::RegistrySettings},
    registry_stub::RegistryStub,
    seeds,
};

/// Events of a capture that become seeds.
const CAPTURED: usize = 60;
const FILES: [&str; 5] = ["avro.jsonl", "protobuf.jsonl", "json_schema.jsonl", "connect.jsonl", "bad.jsonl"];

/// A fuzz target of a format.
pub struct Registered {
    task: Task,
    schemas: u32,
    payload: Vec<u8>,
}

/// The fixtures of a format, by schema.
struct Source {
    format: Format,
    kind: &'static str,
    /// A set of captured events, in this form, with its schemas.
    capture: (&'static str, &'static str),
}

/// The target of Avro.
pub fn avro() -> Registered {
    let capture = ("types-adaptive/avro.jsonl.gz", "types-adaptive/schemas.json.gz");
    Registered::new("avro", &Source { format: Format::Avro, kind: "AVRO", capture })
}

/// The target of Protobuf.
pub fn protobuf() -> Registered {
    let capture =
        ("formats/types-connect.protobuf.jsonl.gz", "formats/types-connect.protobuf.schemas.json.gz");
    Registered::new("protobuf", &Source { format: Format::Protobuf, kind: "PROTOBUF", capture })
}

/// The target of JSON with JSON Schema.
pub fn json_schema() -> Registered {
    let capture =
        ("formats/types-adaptive.json-schema.jsonl.gz", "formats/types-adaptive.json-schema.schemas.json.gz");
    Registered::new("json_schema", &Source { format: Format::JsonSchema, kind: "JSON", capture })
}

impl Registered {
    fn new(target: &str, source: &Source) -> Self {
        let stub = RegistryStub::start();
        // Ids are unique in a file only.
        let mut known = BTreeMap::<String, u32>::new();
        let mut inputs = Vec::new();
        for mut fixture in fixtures(&FILES, source.kind) {
            let key = format!("{}{}", fixture["schema"], fixture["references"]);
            let next = known.len() as u32;
            let number = *known.entry(key).or_insert(next);
            fixture["schema_id"] = (number + 1).into();
            stub.add_fixture(&fixture);
            inputs.extend(data_of(&fixture).map(|data| input(number, &data)));
        }
        let mut schemas = known.len() as u32;
        schemas += add_capture(&stub, source, schemas, &mut inputs);
        seeds::write(target, inputs);
        let settings = RegistrySettings { urls: vec![stub.url()], ..RegistrySettings::default() };
        let options = DecoderOptions {
            value: source.format,
            registry: Some(settings),
            max_value_bytes: 64 << 20,
            ..DecoderOptions::default()
        };
        // It answers as long as the process lives.
        thread::spawn(move || {
            let _stub = stub;
            loop {
                thread::park();
            }
        });
        Self { task: Task::new(RecordDecoder::new(options)), schemas, payload: Vec::new() }
    }

    /// Decodes an input.
    pub fn run(&mut self, input: &[u8]) {
        let Some((number, data)) = input.split_first_chunk::<2>() else { return };
        let id = 1 + u32::from(u16::from_be_bytes(*number)) % self.schemas;
        self.payload.clear();
        self.payload.push(0);
        self.payload.extend(id.to_be_bytes());
        self.payload.extend(data);
        self.task.decode(Message { value: Some(&self.payload), ..Message::default() });
    }
}

fn input(number: u32, data: &[u8]) -> Vec<u8> {
    [&(number as u16).to_be_bytes()[..], data].concat()
}

/// Adds the schemas of a capture, numbered from `first`, and some of its events. Returns how many schemas.
fn add_capture(stub: &RegistryStub, source: &Source, first: u32, inputs: &mut Vec<Vec<u8>>) -> u32 {
    let (events, schemas) = source.capture;
    let mut numbers = BTreeMap::new();
    for schema in captured_schemas(schemas) {
        let text = schema["schema"].as_str().expect("a schema");
        let number = first + numbers.len() as u32;
        stub.add_fixture(
            &serde_json::json!({ "schema_id": number + 1, "schema_type": source.kind, "schema": text }),
        );
        numbers.insert(schema["id"].as_u64().expect("an id") as u32, number);
    }
    for line in captured(events).iter().take(CAPTURED) {
        for payload in ["key", "value"].iter().filter_map(|name| part(line, name)) {
            let Some((id, data)) = payload.get(1..).and_then(<[u8]>::split_first_chunk::<4>) else {
                continue;
            };
            inputs.extend(numbers.get(&u32::from_be_bytes(*id)).map(|number| input(*number, data)));
        }
    }
    numbers.len() as u32
}
