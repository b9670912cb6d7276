//! Topics beside the stream, each with a connector of its own: one is deleted and created again, longer than before, and one has
//! transactions that stay open, are committed or aborted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use rdkafka::producer::{BaseProducer, Producer};
use tidegate_tests::{
    TIMEOUT,
    kafka::{Kafka, RejectedCount, flush, send},
};

use crate::{
    plan::Fault,
    rest_calls,
    scene::{HOSTS, Scene},
};

/// The topic that is created again, and its connector.
pub(crate) const RECREATED: &str = "recreated";
/// The topic with transactions, and its connector.
pub(crate) const TRANSACTIONS: &str = "transactions";
/// Both.
pub(crate) const SIDE_TOPICS: [&str; 2] = [RECREATED, TRANSACTIONS];

const PARTITIONS: i32 = 2;
/// Records of the first topic. Each one after it has more, so that the old positions are inside the new logs.
const FIRST: usize = 100;
const MORE: usize = 40;
const PAUSE: Duration = Duration::from_millis(200);

/// The state of the topics.
#[derive(Default)]
pub(crate) struct SideTopics {
    generation: Mutex<usize>,
    transaction: Mutex<Option<BaseProducer<RejectedCount>>>,
}

/// Creates the topics.
pub(crate) fn create(kafka: &Kafka) {
    fill(kafka, 0);
    kafka.create_topic(TRANSACTIONS, PARTITIONS, 3);
}

/// The file of a connector, whose sink writes to `ledger`.
pub(crate) fn connector(topic: &str, ledger: &str, session: &str, limits: &str) -> String {
    format!(
        "[source]\ntopics = [\"{topic}\"]\nkey_format = \"string\"\nvalue_format = \"bytes\"\non_lost_position = \"earliest\"\n\
         {session}[sink]\nplugin = \"ledger-append\"\n[sink.config]\npath = \"{ledger}\"\n{limits}"
    )
}

fn fill(kafka: &Kafka, generation: usize) {
    // A replica on one broker: with more, the topic could not be created while a broker is down.
    kafka.create_topic_with(RECREATED, PARTITIONS, &[("min.insync.replicas", "1")]);
    for partition in 0..PARTITIONS {
        let values = (0..FIRST + generation * MORE).map(|number| format!("g{generation} {number}"));
        kafka.produce_to(RECREATED, partition, values);
    }
}

/// Begins a fault.
pub(crate) fn start(scene: &Scene, fault: Fault) {
    match fault {
        Fault::RecreatePaused => {
            for host in 0..HOSTS {
                let call = format!("PUT /connectors/{RECREATED}/pause");
                // The host may be down.
                let _down = rest_calls::send(scene, host, &call, "").is_err();
            }
            recreate(scene);
        }
        Fault::Recreate => recreate(scene),
        Fault::Commit | Fault::Abort => {
            *scene.side.transaction.lock().expect("no panic before") = begin(&scene.kafka);
            // They cannot be read before the transaction ends.
            scene.kafka.produce(TRANSACTIONS, (0..20).map(|_| (Some("plain"), Some("plain"))));
        }
        other => panic!("{other:?} is none of these topics"),
    }
}

/// Ends a fault.
pub(crate) fn end(scene: &Scene, fault: Fault) {
    match fault {
        Fault::RecreatePaused => (0..HOSTS).for_each(|host| rest_calls::resume(scene, host, RECREATED)),
        Fault::Commit | Fault::Abort => {
            let Some(producer) = scene.side.transaction.lock().expect("no panic before").take() else {
                return;
            };
            finish(&producer, fault == Fault::Commit);
        }
        _ => {}
    }
}

fn recreate(scene: &Scene) {
    let mut generation = scene.side.generation.lock().expect("no panic before");
    *generation += 1;
    scene.kafka.delete_topic(RECREATED);
    fill(&scene.kafka, *generation);
}

/// A transaction with records; none if the brokers do not let it begin.
fn begin(kafka: &Kafka) -> Option<BaseProducer<RejectedCount>> {
    let producer = kafka.producer(&[("transactional.id", TRANSACTIONS)]);
    producer.init_transactions(TIMEOUT).ok()?;
    producer.begin_transaction().ok()?;
    (0..20).for_each(|number| {
        send(&producer, TRANSACTIONS, Some(number % PARTITIONS), Some("open"), Some("in a transaction"));
    });
    producer.flush(TIMEOUT).ok()?;
    Some(producer)
}

/// Ends a transaction. Which way it ended is what a reader of committed records sees.
fn finish(producer: &BaseProducer<RejectedCount>, commit: bool) {
    let deadline = Instant::now() + TIMEOUT;
    while commit && Instant::now() < deadline {
        if producer.commit_transaction(TIMEOUT).is_ok() {
            return;
        }
        thread::sleep(PAUSE);
    }
    let _timed_out_by_the_brokers = producer.abort_transaction(TIMEOUT).is_err();
}

/// Waits until everything that is there at the end was written.
pub(crate) fn drain(scene: &Scene) {
    // Records behind the last transaction, so that its end is no reason to wait.
    let producer = scene.kafka.producer(&[]);
    (0..PARTITIONS).for_each(|partition| send(&producer, TRANSACTIONS, Some(partition), None, Some("last")));
    flush(&producer);
    for topic in SIDE_TOPICS {
        let deadline = Instant::now() + 3 * TIMEOUT;
        let mut missing = missing(scene, topic);
        while !missing.is_empty() {
            (0..HOSTS).for_each(|number| scene.host(number).check());
            assert!(Instant::now() < deadline, "{topic}: {} records are missing: {missing:?}", missing.len());
            thread::sleep(PAUSE);
            missing = self::missing(scene, topic);
        }
    }
}

/// A record: partition, offset and value.
type Place = (i32, i64, Vec<u8>);

fn in_topic(scene: &Scene, topic: &str) -> BTreeSet<Place> {
    let records = scene.kafka.records(topic).into_iter();
    records.map(|record| (record.partition, record.offset, record.value.unwrap_or_default())).collect()
}

fn written(scene: &Scene, topic: &str) -> Vec<Place> {
    let entries = scene.ledger(topic).entries().into_iter();
    entries.map(|entry| (entry.partition, entry.offset, entry.value.unwrap_or_default())).collect()
}

fn missing(scene: &Scene, topic: &str) -> Vec<Place> {
    let written: BTreeSet<Place> = written(scene, topic).into_iter().collect();
    in_topic(scene, topic).difference(&written).cloned().collect()
}

/// What is wrong with what was written.
pub(crate) fn violations(scene: &Scene) -> Vec<String> {
    let mut violations = Vec::new();
    for topic in SIDE_TOPICS {
        violations
            .extend(missing(scene, topic).into_iter().map(|place| format!("{topic}: {place:?} is missing")));
    }
    let committed = in_topic(scene, TRANSACTIONS);
    let aborted = written(scene, TRANSACTIONS).into_iter().filter(|place| !committed.contains(place));
    violations
        .extend(aborted.map(|place| format!("{place:?} was written, and its transaction was not committed")));
    // No record of a topic is written for the first time after one of its successors.
    let mut last = BTreeMap::<i32, (usize, i64)>::new();
    let mut seen = BTreeSet::new();
    for (partition, offset, value) in written(scene, RECREATED) {
        let text = String::from_utf8_lossy(&value).into_owned();
        let generation = text.trim_start_matches('g').split(' ').next().and_then(|text| text.parse().ok());
        let place = (generation.unwrap_or_default(), offset);
        if !seen.insert((partition, place)) {
            continue;
        }
        if let Some(before) = last.insert(partition, place).filter(|before| *before > place) {
            violations.push(format!("{RECREATED}-{partition}: {place:?} was written after {before:?}"));
        }
    }
    violations
}
