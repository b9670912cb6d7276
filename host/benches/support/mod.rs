//! What the benchmarks share: captured events, batches of them, medians.

use std::{fs::File, io::Read, path::Path, sync::Arc, time::Duration};

use flate2::read::GzDecoder;
use tidegate_abi::host::{Batch, NewRecord};

/// Topic, key, value.
pub(crate) type Event = (String, Option<String>, String);

/// Change events of a capture: topic, key, value. Without transaction metadata.
pub(crate) fn load(set: &str, file: &str) -> Vec<Event> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(set).join(file);
    let mut text = String::new();
    let capture = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    GzDecoder::new(capture).read_to_string(&mut text).expect("a gzip file");
    let events = text.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        Some((text("topic")?, text("key"), text("value")?))
    });
    events.filter(|(topic, ..)| topic != "cdc.transaction").collect()
}

/// Fills `batch` as the poll loop does.
pub(crate) fn fill(batch: &mut Batch, events: &[Event], with_keys: bool) {
    batch.reset(usize::MAX);
    let mut topic: Arc<str> = Arc::from("");
    for ((name, key, value), offset) in events.iter().zip(0..) {
        if *topic != **name {
            topic = Arc::from(&**name);
        }
        let slot = batch.slot(&topic, 0, 1);
        let key = key.as_ref().filter(|_| with_keys).map(|key| key.as_bytes());
        let record = NewRecord { offset, timestamp_ms: None, key, value: Some(value.as_bytes()) };
        batch.push(slot, record, std::iter::empty());
    }
}

/// Nanoseconds per event.
pub(crate) fn per_event(elapsed: Duration, events: usize) -> f64 {
    elapsed.as_nanos() as f64 / events as f64
}

/// The middle one.
pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
