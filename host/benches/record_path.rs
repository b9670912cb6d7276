//! What a record costs from its bytes to the sink: decode, a transform and a sink through their dynamic libraries.
//!
//! `cargo bench --bench record_path`. The libraries are the shipped ones, built here in release mode: a transform that
//! reads every change event (`price-change`) and a sink that counts (`discard`).

mod support;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use support::{Event, build_plugins, fill, load, median, per_event};
use tidegate::{
    formats::{DecoderOptions, RecordDecoder},
    plugins::{OpenParams, PluginKind, Prober, Registry, SinkInstance, TransformInstance},
};
use tidegate_abi::host::Batch;

const ROUNDS: usize = 41;

/// The stages of a task, opened.
struct Stages {
    decoder: RecordDecoder,
    transform: TransformInstance,
    sink: SinkInstance,
}

impl Stages {
    fn open(plugins: &Path, state: &Path) -> Self {
        let found =
            Registry::discover(&[plugins.to_owned()], state, &Prober::InProcess).expect("the plugins");
        let config = serde_json::json!({});
        let opening =
            |instance| OpenParams { connector: "bench", task: 0, tasks: 1, instance, config: &config };
        let plugin = |name, kind| found.registry.expect(name, kind).expect("the plugin");
        let transform = plugin("price-change", PluginKind::Transform);
        let sink = plugin("discard", PluginKind::Sink);
        Self {
            decoder: RecordDecoder::new(DecoderOptions::default()),
            transform: TransformInstance::open(transform, &opening("prices")).expect("the transform opens"),
            sink: SinkInstance::open(sink, &opening("discard")).expect("the sink opens"),
        }
    }

    /// Time of each stage over one pass through the events, copying into the batch first.
    fn pass(&mut self, batch: &mut Batch, events: &[Event], size: usize) -> [Duration; 4] {
        let mut times = [Duration::ZERO; 4];
        for events in events.chunks(size) {
            let copy = Instant::now();
            fill(batch, events, true);
            let decode = Instant::now();
            batch.decode(&mut self.decoder);
            let transform = Instant::now();
            self.transform.apply(batch, usize::MAX, None, &mut self.decoder).expect("the transform works");
            let write = Instant::now();
            let report = self.sink.write(batch, 0..batch.len(), &[], |_, _| 0).expect("the sink writes");
            let end = Instant::now();
            assert!(report.rejected.is_empty());
            let marks = [copy, decode, transform, write, end];
            times.iter_mut().zip(marks.windows(2)).for_each(|(time, marks)| *time += marks[1] - marks[0]);
        }
        times
    }
}

fn main() {
    let plugins = build_plugins(&["price-change", "discard-sink"]);
    let state = tempfile::tempdir().expect("a temporary folder");
    let mut stages = Stages::open(&plugins, state.path());
    let events = load("shop-string", "json.jsonl.gz");
    let bytes = events.iter().map(|(_, _, value)| value.len()).sum::<usize>() / events.len();
    println!(
        "{} events of {bytes} bytes on average, with their keys; median of {ROUNDS} rounds",
        events.len()
    );
    println!(
        "{:24} {:>10} {:>10} {:>10} {:>10} {:>12}",
        "", "copy", "decode", "transform", "sink", "after copy"
    );
    let mut batch = Batch::new();
    for size in [100, 500, 5000] {
        let passes: Vec<[Duration; 4]> =
            (0..ROUNDS).map(|_| stages.pass(&mut batch, &events, size)).collect();
        let stage =
            |index: usize| median(passes.iter().map(|pass| per_event(pass[index], events.len())).collect());
        let [copy, decode, transform, sink] = [0, 1, 2, 3].map(stage);
        let sum = decode + transform + sink;
        println!(
            "batches of {size:<13} {copy:7.0} ns {decode:7.0} ns {transform:7.0} ns {sink:7.0} ns {sum:9.0} ns"
        );
    }
}
