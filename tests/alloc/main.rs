//! In steady state nothing is allocated per record by decoding, a transform and a sink in a dynamic library.
//!
//! This is a test program of its own because of its counting allocator. The library has a counting allocator too.
#![expect(unsafe_code, reason = "a global allocator")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::HashMap,
    fs,
    sync::Arc,
};

use serde_json::json;
use tidegate::{
    formats::{ChangeEvents, DecoderOptions, Format, KeyColumns, RecordDecoder, registry::RegistrySettings},
    plugins::{OpenParams, Prober, Registry, SinkInstance, TransformInstance},
};
use tidegate_abi::host::{Batch, NewRecord};
use tidegate_tests::{
    BinaryCapture, Captured, Home, RegistryStub, captured, captured_binary, captured_file, captured_schemas,
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

impl Counting {
    fn count() {
        // The counter of a thread may be destroyed while the thread ends.
        let _gone = ALLOCATIONS.try_with(|count| count.set(count.get() + 1)).is_err();
    }
}

// SAFETY: forwards every call to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: guaranteed by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: guaranteed by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Batches of few and of all records after the buffers have their sizes.
const ROUNDS: usize = 8;

/// Allocations that are allowed per batch.
const PER_BATCH: u64 = 6;

/// Decoder, transform and sink of a task, without Kafka.
struct Line {
    batch: Batch,
    decoder: RecordDecoder,
    transform: TransformInstance,
    sink: SinkInstance,
    topics: Topics,
}

impl Line {
    fn open(home: &Home, counts: &str, decoder: DecoderOptions) -> Self {
        let found = Registry::discover(&[home.path("plugins")], &home.path("state"), &Prober::InProcess);
        let registry = found.expect("a state folder").registry;
        let plugin = |name: &str| registry.get(name).expect("a plugin of the fixture");
        let config = json!({ "path": home.path(counts) });
        let opening =
            |config| OpenParams { connector: "alloc", task: 0, tasks: 1, instance: "counting", config };
        let nothing = json!({});
        Self {
            batch: Batch::new(),
            decoder: RecordDecoder::new(decoder),
            transform: TransformInstance::open(plugin("counting-transform"), &opening(&nothing))
                .expect("opened"),
            sink: SinkInstance::open(plugin("counting-sink"), &opening(&config)).expect("opened"),
            topics: Topics::default(),
        }
    }

    /// Processes a batch, from bytes to the sink; returns the number of allocations of this thread.
    fn pass(&mut self, events: &[BinaryCapture]) -> u64 {
        let before = ALLOCATIONS.get();
        self.batch.reset(usize::MAX);
        for (event, offset) in events.iter().zip(0..) {
            let topic = self.topics.name(&event.topic);
            let slot = self.batch.slot(topic, 0, 1);
            let (key, value) = (event.key.as_deref(), event.value.as_deref());
            self.batch.push(
                slot,
                NewRecord { offset, timestamp_ms: Some(1), key, value },
                std::iter::empty(),
            );
        }
        self.decoder.prepare(self.batch.records()).expect("schemas");
        self.batch.decode(&mut self.decoder);
        self.transform.apply(&mut self.batch, usize::MAX, None, &mut self.decoder).expect("applied");
        let records = self.batch.len();
        let report = self.sink.write(&self.batch, 0..records, &[], |_, _| 0).expect("written");
        let allocations = ALLOCATIONS.get() - before;
        // A message of another tool may hold several records, and control events are filtered.
        assert!(report.rejected.is_empty());
        assert_eq!(self.batch.rejected(), []);
        assert!(records + self.batch.filtered_count() >= events.len());
        allocations
    }
}

/// Shared topic names, as in the poll loop.
#[derive(Default)]
struct Topics(HashMap<String, Arc<str>>);

impl Topics {
    fn name(&mut self, topic: &str) -> &Arc<str> {
        if !self.0.contains_key(topic) {
            self.0.insert(topic.to_owned(), Arc::from(topic));
        }
        &self.0[topic]
    }
}

fn json(file: &str) -> Vec<BinaryCapture> {
    let bytes = |text: Option<String>| text.map(String::into_bytes);
    let binary =
        |Captured { topic, key, value }| BinaryCapture { topic, key: bytes(key), value: bytes(value) };
    captured(file).into_iter().map(binary).collect()
}

/// The records of a file of few messages, again and again.
fn made(file: &str) -> Vec<BinaryCapture> {
    let text = std::fs::read_to_string(captured_file(file)).expect("a file of messages");
    let record = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("a record");
        let bytes = |name: &str| line[name].as_str().map(|text| text.as_bytes().to_vec());
        let topic = line["topic"].as_str().expect("a topic").to_owned();
        BinaryCapture { topic, key: bytes("key"), value: bytes("value") }
    };
    // The message with headers cannot be read without them.
    let has_headers = |line: &&str| line.contains("\"headers\": {}");
    let records: Vec<_> = text.lines().filter(has_headers).map(record).collect();
    records.iter().cycle().take(400).cloned().collect()
}

fn assert_nothing_per_record(file: &str, events: &[BinaryCapture], decoder: DecoderOptions) {
    let home = Home::new(&["counting"]);
    let mut line = Line::open(&home, "counts", decoder);
    let warm_up = 5;
    let _warm: Vec<u64> = (0..warm_up).map(|_| line.pass(events)).collect();
    let few = &events[..100];
    for round in 0..ROUNDS {
        for (events, size) in [(few, "few"), (events, "all")] {
            let allocations = line.pass(events);
            assert!(
                allocations <= PER_BATCH,
                "{file}, round {round}: {allocations} for {size} of the records in the host"
            );
        }
    }
    line.sink.close().expect("closed");
    let counts = fs::read_to_string(home.path("counts")).expect("what the library counted");
    let counts: Vec<(usize, u64)> = counts
        .lines()
        .map(|line| {
            let (records, allocations) = line.split_once(' ').expect("two numbers");
            (records.parse().expect("a number"), allocations.parse().expect("a number"))
        })
        .collect();
    assert_eq!(counts.len(), warm_up + 2 * ROUNDS);
    for pair in counts[warm_up..].windows(2) {
        let (records, allocations) = (pair[1].0, pair[1].1 - pair[0].1);
        assert!(allocations <= PER_BATCH, "{file}: {allocations} for {records} records in the library");
    }
}

#[test]
fn nothing_is_allocated_per_record() {
    for file in ["shop-string/json.jsonl.gz", "shop-precise/json-schema.jsonl.gz"] {
        assert_nothing_per_record(file, &json(file), DecoderOptions::default());
    }
    for (file, change_events) in [
        ("maxwell", ChangeEvents::Maxwell),
        ("canal", ChangeEvents::Canal),
        ("ticdc-canal-json", ChangeEvents::TiCdc),
        ("ticdc-simple", ChangeEvents::TiCdc),
        ("goldengate", ChangeEvents::GoldenGate),
        ("cloudevents", ChangeEvents::CloudEvents),
        ("upsert", ChangeEvents::Upsert),
    ] {
        let mut key_columns = KeyColumns::default();
        match file {
            "upsert" => key_columns.insert("log", vec!["no".to_owned()]),
            "ticdc-simple" => key_columns.insert("products", vec!["id".to_owned()]),
            _ => {}
        }
        let key = if file == "goldengate" { Format::String } else { Format::Json };
        let decoder = DecoderOptions { key, change_events, key_columns, ..DecoderOptions::default() };
        assert_nothing_per_record(file, &made(&format!("change-formats/{file}.jsonl")), decoder);
    }
    for (format, events, schemas) in [
        (Format::Avro, "shop-precise/avro.jsonl.gz", "shop-precise/schemas.json.gz"),
        (
            Format::JsonSchema,
            "formats/shop-precise.json-schema.jsonl.gz",
            "formats/shop-precise.json-schema.schemas.json.gz",
        ),
        (
            Format::Protobuf,
            "formats/shop-string.protobuf.jsonl.gz",
            "formats/shop-string.protobuf.schemas.json.gz",
        ),
    ] {
        let registry = RegistryStub::start();
        registry.add_capture(&captured_schemas(schemas));
        let decoder = DecoderOptions {
            key: format,
            value: format,
            registry: Some(RegistrySettings { urls: vec![registry.url()], ..RegistrySettings::default() }),
            ..DecoderOptions::default()
        };
        assert_nothing_per_record(events, &captured_binary(events), decoder);
    }
}
