//! Collects the data for the oracle at the end.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use tidegate_tests::kafka::Record;

use crate::{
    oracle::{DeadLetter, History, Logged, Position, Row, Sample},
    scene::{EXACT, FAULTY, Scene, TOPIC, dead_letter_topic},
    stream,
};

/// Headers of a dead letter with the origin of the record.
const TOPIC_HEADER: &str = "__connect.errors.topic";
const PARTITION_HEADER: &str = "__connect.errors.partition";
const OFFSET_HEADER: &str = "__connect.errors.offset";

/// All records of the topic.
pub(crate) struct Log(Vec<Record>);

impl Log {
    /// Reads the topic, and checks that it holds every record that was sent, with those of a key in order and in one
    /// partition. A record may be there twice: see [`Kafka::producer`](tidegate_tests::kafka::Kafka::producer).
    pub(crate) fn read(scene: &Scene, sent: u64) -> Self {
        let records = scene.kafka.records(TOPIC);
        let mut last: HashMap<&[u8], (i32, u64)> = HashMap::new();
        for record in &records {
            let key = record.key.as_deref().expect("a key");
            let value = std::str::from_utf8(record.value.as_deref().expect("a value")).expect("text");
            let number = stream::number(value).expect("a number");
            let (partition, next) =
                last.get(key).map_or((record.partition, 0), |(partition, last)| (*partition, last + 1));
            let is_in_order = record.partition == partition && number <= next;
            assert!(is_in_order, "the stream itself is out of order: {value} instead of {next}");
            last.insert(key, (partition, number.max(next.saturating_sub(1))));
        }
        let kept: u64 = last.values().map(|(_, last)| last + 1).sum();
        assert_eq!(kept, sent, "records of the stream and acknowledgements");
        Self(records)
    }

    /// The history of a connector.
    pub(crate) fn history(&self, scene: &Scene, connector: &str, samples: Vec<Sample>) -> History {
        let is_faulty = FAULTY.contains(&connector);
        let logged = |record: &Record| Logged {
            position: (record.partition, record.offset),
            content: fingerprint(record.key.as_deref(), record.value.as_deref()),
            is_bad: is_faulty && record.value.as_deref().is_some_and(stream::is_bad),
        };
        let rows = scene.ledger(connector).entries().into_iter().map(|entry| Row {
            position: (entry.partition, entry.offset),
            content: fingerprint(entry.key.as_deref(), entry.value.as_deref()),
        });
        History {
            is_exact: connector == EXACT,
            log: self.0.iter().map(logged).collect(),
            rows: rows.collect(),
            dead_letters: if is_faulty { dead_letters(scene, connector) } else { Vec::new() },
            samples,
        }
    }
}

fn dead_letters(scene: &Scene, connector: &str) -> Vec<DeadLetter> {
    let dead_letter = |record: Record| DeadLetter {
        position: position(&record)
            .unwrap_or_else(|| panic!("a dead letter that does not say whose it is: {record:?}")),
        content: fingerprint(record.key.as_deref(), record.value.as_deref()),
        dead_letter: (record.partition, record.offset),
    };
    scene.kafka.records(&dead_letter_topic(connector)).into_iter().map(dead_letter).collect()
}

fn position(dead_letter: &Record) -> Option<Position> {
    let header = |wanted: &str| {
        let (_, value) = dead_letter.headers.iter().find(|(name, _)| name == wanted)?;
        std::str::from_utf8(value.as_deref()?).ok()
    };
    (header(TOPIC_HEADER)? == TOPIC).then_some(())?;
    Some((header(PARTITION_HEADER)?.parse().ok()?, header(OFFSET_HEADER)?.parse().ok()?))
}

fn fingerprint(key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, value).hash(&mut hasher);
    hasher.finish()
}
