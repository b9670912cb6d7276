//! Functions that several test files use.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tidegate_tests::{
    Home, Recording,
    kafka::{Kafka, flush, send},
    wait_for,
};

/// Plugin libraries of the tests.
pub(crate) const PLUGINS: [&str; 4] = ["console-sink", "discard-sink", "file-sink", "misbehaving"];

/// The group protocols, one of each kind: the client assigns partitions, or the broker does (KIP-848).
pub(crate) const PROTOCOLS: [&str; 2] = ["cooperative-sticky", "consumer"];
/// A short session timeout, so that dead members are removed soon. With the protocol `consumer` the broker decides, and the
/// brokers of these tests have the same timeout.
pub(crate) const SHORT_SESSION: &str = "\"session.timeout.ms\" = 6000\n\"heartbeat.interval.ms\" = 500\n";
/// Refreshes the metadata every second, so that new topics and partitions are found soon.
const REFRESH_METADATA: &str = "\"topic.metadata.refresh.interval.ms\" = 1000\n";

/// Sends numbers as keys and values.
pub(crate) fn send_numbers(kafka: &Kafka, topic: &str, range: Range<u32>) {
    let numbers: Vec<String> = range.map(|number| number.to_string()).collect();
    kafka.produce(topic, numbers.iter().map(|number| (Some(number.as_str()), Some(number.as_str()))));
}

/// Numbers as values.
pub(crate) fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// A connector with the sink `recorder`. `source` and `sink` are added to its tables. A failed task is restarted after
/// a second.
pub(crate) fn recorder(home: &Home, name: &str, source: &str, sink: &str) -> Recording {
    let session = if source.contains("group_protocol = \"consumer\"") { "" } else { SHORT_SESSION };
    home.connector(
        name,
        &format!(
            "[source]\n{source}\n[source.properties]\n{session}{REFRESH_METADATA}\n[sink]\nplugin = \"recorder\"\n[sink.config]\n\
             path = \"@{name}.calls\"\n{sink}\n[restart]\ninitial = \"1s\"\nmax = \"1s\"\nmax_restarts = 1000\n"
        ),
    );
    home.recording(name)
}

/// Like [`recorder`], but without the properties that some group protocols reject.
pub(crate) fn follower(home: &Home, name: &str, source: &str) -> Recording {
    home.connector(
        name,
        &format!(
            "[source]\n{source}\n[source.properties]\n{REFRESH_METADATA}\n[sink]\nplugin = \"recorder\"\n[sink.config]\n\
             path = \"@{name}.calls\"\n[restart]\npolicy = \"never\"\n"
        ),
    );
    home.recording(name)
}

/// Written offsets by partition, in order.
pub(crate) fn offsets(recording: &Recording) -> BTreeMap<i32, Vec<i64>> {
    let mut offsets = BTreeMap::<i32, Vec<i64>>::new();
    for record in recording.written() {
        offsets.entry(record.partition).or_default().push(record.offset);
    }
    offsets
}

/// Waits until every record of a topic was written, and checks that each was written once and in order.
#[track_caller]
pub(crate) fn expect_all_once(kafka: &Kafka, topic: &str, recording: &Recording) {
    let mut expected = BTreeMap::<i32, Vec<i64>>::new();
    for record in kafka.records(topic) {
        expected.entry(record.partition).or_default().push(record.offset);
    }
    let count: usize = expected.values().map(Vec::len).sum();
    let written = || recording.written().len();
    wait_for(|| (written() >= count).then_some(()))
        .unwrap_or_else(|reason| panic!("{} of {count} records: {reason}", written()));
    assert_eq!(offsets(recording), expected);
}

/// A thread that produces records until it is stopped.
pub(crate) struct Stream {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<()>,
}

impl Stream {
    /// Produces up to a thousand records per second to all partitions of a topic.
    pub(crate) fn start(kafka: &Kafka, topic: &str) -> Self {
        let (producer, topic) = (kafka.producer(&[]), topic.to_owned());
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let sender = thread::spawn(move || {
            let mut number = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..10 {
                    let text = number.to_string();
                    send(&producer, &topic, None, Some(&text), Some(&text));
                    number += 1;
                }
                thread::sleep(Duration::from_millis(10));
            }
            flush(&producer);
        });
        Self { stop, sender }
    }

    /// Stops, and waits until all records are acknowledged.
    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().expect("brokers that take every record");
    }
}

/// The number of lines of a file below the home folder; 0 if there is none.
pub(crate) fn count_lines(home: &Home, file: &str) -> usize {
    std::fs::read_to_string(home.path(file)).unwrap_or_default().lines().count()
}
