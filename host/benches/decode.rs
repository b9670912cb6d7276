//! How long decoding a captured change event takes, beside `serde_json::Value` and Apache's Avro library in the same run.
//!
//! `cargo bench --bench decode`. Prints nanoseconds per event: the median over rounds, which take turns so that a noisy
//! machine disturbs all alike.

#[path = "../../tests/support/registry_stub.rs"]
mod registry_stub;
#[allow(dead_code, reason = "shared with the other benchmarks")]
mod support;

use std::{
    collections::HashMap,
    hint::black_box,
    time::{Duration, Instant},
};

use apache_avro::{Schema, reader::datum::GenericDatumReader};
use registry_stub::RegistryStub;
use support::{Event, fill, load, median, per_event, unzip};
use tidegate::formats::{ChangeEvents, DecoderOptions, Format, RecordDecoder, registry::RegistrySettings};
use tidegate_abi::{
    Arena, Record,
    host::{Batch, Decode, Decoded, Kept, Rejection},
};

const ROUNDS: usize = 41;

/// Records of a batch: the host's default.
const BATCH_RECORDS: usize = 100;

/// A batch and the decoder that reads it again and again.
struct Task {
    batch: Batch,
    decoder: RecordDecoder,
    events: Vec<Event>,
    with_keys: bool,
}

impl Task {
    /// Of whole records, with keys and change events, or of values alone, as other libraries in this run read them.
    fn new(set: &str, file: &str, format: Format, with_keys: bool) -> Self {
        let change_events = if with_keys { ChangeEvents::Auto } else { ChangeEvents::None };
        let options =
            DecoderOptions { key: format, value: format, change_events, ..DecoderOptions::default() };
        let events = load(set, file);
        Self { batch: Batch::new(), decoder: RecordDecoder::new(options), events, with_keys }
    }

    /// A format whose schemas are in a registry.
    fn registered(format: Format, (set, events, schemas): (&str, &str, &str), with_keys: bool) -> Self {
        let stub = RegistryStub::start();
        stub.add_capture(&read_schemas(set, schemas));
        let registry = RegistrySettings { urls: vec![stub.url()], ..RegistrySettings::default() };
        let options = DecoderOptions {
            key: format,
            value: format,
            registry: Some(registry),
            change_events: if with_keys { ChangeEvents::Auto } else { ChangeEvents::None },
            ..DecoderOptions::default()
        };
        let events = load(set, events);
        let mut task = Self { batch: Batch::new(), decoder: RecordDecoder::new(options), events, with_keys };
        fill(&mut task.batch, &task.events, true);
        task.decoder.prepare(task.batch.records()).expect("every schema");
        task
    }

    /// Nanoseconds per event of one pass through batches as the host makes them, the copying not counted.
    fn pass(&mut self) -> f64 {
        self.pass_with(|batch, decoder| {
            decoder.prepare(batch.records()).expect("every schema");
            batch.decode(decoder);
        })
    }

    fn pass_with(&mut self, mut decode: impl FnMut(&mut Batch, &mut RecordDecoder)) -> f64 {
        let mut elapsed = Duration::ZERO;
        for events in self.events.chunks(BATCH_RECORDS) {
            fill(&mut self.batch, events, self.with_keys);
            let started = Instant::now();
            decode(&mut self.batch, &mut self.decoder);
            elapsed += started.elapsed();
            assert_eq!(self.batch.rejected(), []);
        }
        per_event(elapsed, self.events.len())
    }
}

/// What a pass costs that decodes nothing: the loop and the record table.
struct Nothing;

impl Decode for Nothing {
    fn decode<'b>(
        &mut self,
        record: Record<'b>,
        _: Arena<'b>,
        _: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection> {
        Ok(Decoded::plain(record.key(), record.value()))
    }
}

fn read_schemas(set: &str, file: &str) -> serde_json::Value {
    serde_json::from_str(&unzip(set, file)).expect("a list of schemas")
}

/// Readers of Apache's library, by schema id.
fn readers(set: &str) -> HashMap<u32, GenericDatumReader<'static>> {
    let entries = read_schemas(set, "schemas.json.gz");
    let reader = |entry: &serde_json::Value| {
        let schema = Schema::parse_str(entry["schema"].as_str()?).expect("a schema");
        let reader = GenericDatumReader::builder(Box::leak(Box::new(schema))).build().expect("a reader");
        Some((u32::try_from(entry["id"].as_u64()?).ok()?, reader))
    };
    entries.as_array().into_iter().flatten().filter_map(reader).collect()
}

/// Nanoseconds per event of Apache's library, from bytes to its value.
fn apache_pass(readers: &HashMap<u32, GenericDatumReader<'static>>, events: &[Event]) -> f64 {
    let started = Instant::now();
    for (_, _, value) in events {
        let (head, mut data) = value.split_first_chunk::<5>().expect("a schema id");
        let id = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        black_box(readers[&id].read_value(&mut data).expect("a value"));
    }
    per_event(started.elapsed(), events.len())
}

fn main() {
    let mut plain = Task::new("shop-string", "json.jsonl.gz", Format::Json, false);
    let mut keys = Task::new("shop-string", "json.jsonl.gz", Format::Json, true);
    let mut schema = Task::new("shop-string", "json-schema.jsonl.gz", Format::Json, false);
    let mut precise = Task::new("shop-precise", "json-schema.jsonl.gz", Format::Json, false);
    let mut table = Task::new("shop-string", "json.jsonl.gz", Format::Bytes, false);
    let avro_files = ("shop-precise", "avro.jsonl.gz", "schemas.json.gz");
    let mut avro = Task::registered(Format::Avro, avro_files, false);
    let mut avro_keys = Task::registered(Format::Avro, avro_files, true);
    let protobuf_files = ("formats", "shop-string.protobuf.jsonl.gz", "shop-string.protobuf.schemas.json.gz");
    let mut protobuf = Task::registered(Format::Protobuf, protobuf_files, false);
    let json_schema_files =
        ("formats", "shop-precise.json-schema.jsonl.gz", "shop-precise.json-schema.schemas.json.gz");
    let mut json_schema = Task::registered(Format::JsonSchema, json_schema_files, false);
    let apache = readers("shop-precise");
    let bytes =
        |events: &[Event]| events.iter().map(|(_, _, value)| value.len()).sum::<usize>() / events.len();
    println!(
        "{} events of {} bytes as JSON and {} as Avro on average; median of {ROUNDS} rounds",
        plain.events.len(),
        bytes(&plain.events),
        bytes(&avro.events)
    );
    let mut times = vec![Vec::new(); 12];
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for (_, _, value) in &plain.events {
            black_box(serde_json::from_slice::<serde_json::Value>(value).expect("a document"));
        }
        times[0].push(per_event(started.elapsed(), plain.events.len()));
        times[1].push(plain.pass());
        times[2].push(keys.pass());
        times[3].push(schema.pass());
        times[4].push(precise.pass());
        times[5].push(apache_pass(&apache, &avro.events));
        times[6].push(avro.pass());
        times[7].push(avro_keys.pass());
        times[8].push(table.pass());
        times[9].push(table.pass_with(|batch, _| batch.decode(&mut Nothing)));
        times[10].push(protobuf.pass());
        times[11].push(json_schema.pass());
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let names = [
        "serde_json::Value: value alone",
        "json: value alone",
        "json: key, value and change event",
        "json with schema: value alone",
        "json with schema, decimals as bytes: value alone",
        "apache-avro GenericDatumReader: value alone",
        "avro: value alone",
        "avro: key, value and change event",
        "bytes: copies nothing",
        "record table alone",
        "protobuf: value alone",
        "json-schema: value alone",
    ];
    for (name, time) in names.iter().zip(&medians) {
        println!("{name:48} {time:8.0} ns   {:.2}", time / medians[0]);
    }
    println!("avro beside apache-avro: {:.2}", medians[6] / medians[5]);
    println!("json with schema beside its payload alone: {:.2}", medians[3] / medians[1]);
}
