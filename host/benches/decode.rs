//! How long decoding a captured change event takes, beside `serde_json::Value` in the same run.
//!
//! `cargo bench --bench decode`. Prints nanoseconds per event: the median over rounds, which take turns so that a noisy
//! machine disturbs all alike.

mod support;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use support::{Event, fill, load, median, per_event};
use tidegate::formats::{DecoderOptions, Format, RecordDecoder};
use tidegate_abi::{
    Arena, Record,
    host::{Batch, Decode, Decoded, Rejection},
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
    /// With or without keys: other libraries in this run read values alone.
    fn new(set: &str, file: &str, format: Format, with_keys: bool) -> Self {
        let options = DecoderOptions { key: format, value: format, ..DecoderOptions::default() };
        let events = load(set, file);
        Self { batch: Batch::new(), decoder: RecordDecoder::new(options), events, with_keys }
    }

    /// Nanoseconds per event of one pass through batches as the host makes them, the copying not counted.
    fn pass(&mut self) -> f64 {
        self.pass_with(|batch, decoder| batch.decode(decoder))
    }

    fn pass_with(&mut self, mut decode: impl FnMut(&mut Batch, &mut RecordDecoder)) -> f64 {
        let mut elapsed = Duration::ZERO;
        for events in self.events.chunks(BATCH_RECORDS) {
            fill(&mut self.batch, events, self.with_keys);
            let started = Instant::now();
            decode(&mut self.batch, &mut self.decoder);
            elapsed += started.elapsed();
        }
        per_event(elapsed, self.events.len())
    }
}

/// What a pass costs that decodes nothing: the loop and the record table.
struct Nothing;

impl Decode for Nothing {
    fn decode<'b>(&mut self, record: Record<'b>, _: Arena<'b>) -> Result<Decoded<'b>, Rejection> {
        Ok(Decoded {
            key: record.key(),
            value: record.value(),
            key_schema: None,
            value_schema: None,
            change: None,
        })
    }
}

fn main() {
    let mut plain = Task::new("shop-string", "json.jsonl.gz", Format::Json, false);
    let mut keys = Task::new("shop-string", "json.jsonl.gz", Format::Json, true);
    let mut schema = Task::new("shop-string", "json-schema.jsonl.gz", Format::Json, false);
    let mut precise = Task::new("shop-precise", "json-schema.jsonl.gz", Format::Json, false);
    let mut table = Task::new("shop-string", "json.jsonl.gz", Format::Bytes, false);
    let bytes = plain.events.iter().map(|(_, _, value)| value.len()).sum::<usize>() / plain.events.len();
    println!("{} events of {bytes} bytes on average; median of {ROUNDS} rounds", plain.events.len());
    let mut times = vec![Vec::new(); 7];
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for (_, _, value) in &plain.events {
            black_box(serde_json::from_slice::<serde_json::Value>(value.as_bytes()).expect("a document"));
        }
        times[0].push(per_event(started.elapsed(), plain.events.len()));
        times[1].push(plain.pass());
        times[2].push(keys.pass());
        times[3].push(schema.pass());
        times[4].push(precise.pass());
        times[5].push(table.pass());
        times[6].push(table.pass_with(|batch, _| batch.decode(&mut Nothing)));
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let names = [
        "serde_json::Value, value alone",
        "json: value, change event",
        "json: key, value, change event",
        "json with schema: value, change event",
        "json with schema, decimals as bytes",
        "bytes: copies nothing",
        "record table alone",
    ];
    for (name, time) in names.iter().zip(&medians) {
        println!("{name:40} {time:8.0} ns   {:.2}", time / medians[0]);
    }
}
