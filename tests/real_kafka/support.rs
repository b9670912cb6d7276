//! What tests of several files do.

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

/// Libraries that the tests use.
pub(crate) const PLUGINS: [&str; 4] = ["console-sink", "discard-sink", "file-sink", "misbehaving"];

/// Client properties for members that are missed soon when they die.
pub(crate) const SHORT_SESSION: &str = "\"session.timeout.ms\" = 6000\n\"heartbeat.interval.ms\" = 500\n";
/// Client properties for a look at topics and partitions every second.
const CURIOUS: &str = "\"topic.metadata.refresh.interval.ms\" = 1000\n";

/// Sends numbers, each its own key.
pub(crate) fn send_numbers(kafka: &Kafka, topic: &str, range: Range<u32>) {
    let numbers: Vec<String> = range.map(|number| number.to_string()).collect();
    kafka.produce(topic, numbers.iter().map(|number| (Some(number.as_str()), Some(number.as_str()))));
}

/// A connector that writes down what it reads: `source` is what its file says of the source, `sink` of the recorder. A task
/// that fails is started again after a second, which a test may wait for or not.
pub(crate) fn recorder(home: &Home, name: &str, source: &str, sink: &str) -> Recording {
    home.connector(
        name,
        &format!(
            "[source]\n{source}\n[source.properties]\n{SHORT_SESSION}{CURIOUS}\n[sink]\nplugin = \"recorder\"\n[sink.config]\n\
             path = \"@{name}.calls\"\n{sink}\n[restart]\ninitial = \"1s\"\nmax = \"1s\"\nmax_restarts = 1000\n"
        ),
    );
    home.recording(name)
}

/// As [`recorder`], for every group protocol: without the properties that only some of them take.
pub(crate) fn follower(home: &Home, name: &str, source: &str) -> Recording {
    home.connector(
        name,
        &format!(
            "[source]\n{source}\n[source.properties]\n{CURIOUS}\n[sink]\nplugin = \"recorder\"\n[sink.config]\n\
             path = \"@{name}.calls\"\n[restart]\npolicy = \"never\"\n"
        ),
    );
    home.recording(name)
}

/// The offsets that were written, in order, by partition.
pub(crate) fn offsets(recording: &Recording) -> BTreeMap<i32, Vec<i64>> {
    let mut offsets = BTreeMap::<i32, Vec<i64>>::new();
    for record in recording.written() {
        offsets.entry(record.partition).or_default().push(record.offset);
    }
    offsets
}

/// Waits until every record of a topic was written, and checks that each was so once, and in order.
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

/// Records that come all the time, until it is finished.
pub(crate) struct Stream {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<()>,
}

impl Stream {
    /// Begins to send records, a thousand a second at most, to all partitions of a topic.
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

    /// Ends, once the brokers have every record.
    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().expect("brokers that take every record");
    }
}
