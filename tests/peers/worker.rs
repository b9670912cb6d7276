//! A worker of Kafka Connect with the settings that suit a large backlog.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use tidegate_tests::kafka::{Connect, Kafka};

use crate::{case::Case, lines, process::usage, summary::Run};

/// Options of its JVM: the collector with the highest throughput, and a heap of a fixed size.
pub(crate) const JAVA: [&str; 3] = ["-XX:+UseParallelGC", "-Xms1g", "-Xmx1g"];
/// Polls of thousands of records instead of 500, and fetches that are large enough for them.
pub(crate) const CONSUMER: [(&str, &str); 3] = [
    ("consumer.max.poll.records", "10000"),
    ("consumer.max.partition.fetch.bytes", "8388608"),
    ("consumer.receive.buffer.bytes", "1048576"),
];
/// Texts, unless a connector says something else.
const CONVERTERS: [(&str, &str); 2] = [
    ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
    ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
];
/// How often offsets are committed where the commit shows the end of the work.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);

/// Starts a worker with connectors.
pub(crate) fn start<'k>(
    kafka: &'k Kafka,
    more: &[(&str, &str)],
    connectors: &[(String, Json)],
) -> Connect<'k> {
    let properties: Vec<(&str, &str)> = CONSUMER.iter().chain(&CONVERTERS).chain(more).copied().collect();
    kafka.connect(&JAVA, &properties, connectors)
}

/// Runs a case in a new worker, and then once more with another connector, when the JVM has compiled the code; `None` if
/// Connect cannot do it.
pub(crate) fn run(kafka: &Kafka, case: &Case, outs: [&Path; 2], records: usize) -> Option<[Run; 2]> {
    let names = ["cold", "warm"].map(|run| case.unique_name(run));
    let [Some(cold), Some(warm)] = outs.map(|out| case.connect_config(&out.display().to_string())) else {
        return None;
    };
    let interval = COMMIT_INTERVAL.as_millis().to_string();
    let commits: &[(&str, &str)] =
        if case.is_discarded() { &[("offset.flush.interval.ms", &interval)] } else { &[] };
    let worker = start(kafka, commits, &[(names[0].clone(), cold)]);
    let cold = wait(kafka, &worker, case, outs[0], &names[0], records, worker.started());
    worker.delete(&names[0]);
    // Until the consumer is closed, and the compiler is done.
    thread::sleep(Duration::from_secs(2));
    let before = usage(worker.pid());
    let started = Instant::now();
    worker.create(&names[1], &warm);
    let warm = wait(kafka, &worker, case, outs[1], &names[1], records, started).since(before);
    Some([cold, warm])
}

fn wait(
    kafka: &Kafka,
    worker: &Connect<'_>,
    case: &Case,
    out: &Path,
    name: &str,
    records: usize,
    started: Instant,
) -> Run {
    if !case.is_discarded() {
        return Run::written(started, lines::wait_for(out, records as u64, worker.pid()));
    }
    let group = format!("connect-{name}");
    while kafka.committed_in_all(&group, case.topic) < records as i64 {
        assert!(started.elapsed() < tidegate_tests::TIMEOUT, "{name} does not end:\n{}", worker.log());
        thread::sleep(Duration::from_millis(50));
    }
    Run::to_now(started, usage(worker.pid()))
}
