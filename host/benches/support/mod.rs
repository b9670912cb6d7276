//! What the benchmarks share: captured events, batches of them, medians.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use tidegate_abi::host::{Batch, NewRecord};

/// Topic, key, value.
pub(crate) type Event = (String, Option<Vec<u8>>, Vec<u8>);

/// The text of a compressed file of a capture.
pub(crate) fn unzip(set: &str, file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(set).join(file);
    let mut text = String::new();
    let capture = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    GzDecoder::new(capture).read_to_string(&mut text).expect("a gzip file");
    text
}

/// Change events of a capture: topic, key, value. Without transaction metadata.
pub(crate) fn load(set: &str, file: &str) -> Vec<Event> {
    let events = unzip(set, file);
    let events = events.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let part = |name: &str| {
            let binary =
                line[format!("{name}_base64")].as_str().map(|text| STANDARD.decode(text).expect("base64"));
            binary.or_else(|| line[name].as_str().map(|text| text.as_bytes().to_vec()))
        };
        Some((line["topic"].as_str()?.to_owned(), part("key"), part("value")?))
    });
    events.filter(|(topic, ..)| topic != "cdc.transaction").collect()
}

/// Builds plugins with the profile of the running benchmark, and returns the folder they are in.
pub(crate) fn build_plugins(packages: &[&str]) -> PathBuf {
    // The benchmark is `<target>/<profile>/deps/<name>-...`.
    let executable = std::env::current_exe().expect("the running executable");
    let folder = executable.ancestors().nth(2).expect("the profile's folder").to_owned();
    let is_release = folder.ends_with("release");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--profile", if is_release { "release" } else { "dev" }]);
    packages.iter().for_each(|package| {
        command.args(["--package", package]);
    });
    assert!(command.status().expect("cargo runs").success(), "the plugins build");
    folder
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
        let key = key.as_deref().filter(|_| with_keys);
        let record = NewRecord { offset, timestamp_ms: None, key, value: Some(value) };
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
