//! Loads captured records (`.jsonl`, `.jsonl.gz`) into an embedded broker.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use serde::Deserialize;

use super::broker::{BrokerError, EmbeddedBroker};

const DEFAULT_PARTITIONS: u32 = 4;
const FLUSH_TIMEOUT: Duration = Duration::from_secs(120);

/// Loads files of captured records into an [`EmbeddedBroker`].
///
/// A file has one JSON object per line: `topic`, optionally `headers` (an object of texts or nulls, or a list of
/// `{"name","value"}`, for a name may occur several times), `key` and `value` (text or null), or `key_base64` and
/// `value_base64` for bytes. Other fields are ignored. Records of
/// one key go to one partition, in the order of the file, and so do the records without a key.
#[derive(Debug)]
pub struct Loader<'a> {
    broker: &'a EmbeddedBroker,
    partitions: u32,
}

impl<'a> Loader<'a> {
    /// Returns a loader into `broker`, which creates missing topics with four partitions.
    pub fn new(broker: &'a EmbeddedBroker) -> Self {
        Self { broker, partitions: DEFAULT_PARTITIONS }
    }

    /// Sets the number of partitions of topics that the loader creates.
    #[must_use]
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Loads one file and returns when the broker has acknowledged every record. A name that ends in `.gz` is
    /// decompressed.
    ///
    /// # Errors
    /// At the first bad line, with its number, or the first record that the broker rejects. Records sent
    /// before stay in the broker.
    pub fn load(&self, path: &Path) -> Result<LoadReport, LoadError> {
        let file = File::open(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        let gzipped = path.extension().is_some_and(|extension| extension == "gz");
        let reader: Box<dyn Read> =
            if gzipped { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut run = Run::new(self)?;
        for (index, line) in BufReader::new(reader).lines().enumerate() {
            let line = line.map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
            if line.trim().is_empty() {
                continue;
            }
            let bad = |reason| LoadError::Line { path: path.to_owned(), line: index + 1, reason };
            let record = Record::parse(&line).map_err(bad)?;
            run.send(&record)?;
        }
        run.finish()
    }
}

/// What was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Records per topic.
    pub topics: BTreeMap<String, u64>,
    /// Records in all.
    pub records: u64,
    /// How many of them have no value.
    pub tombstones: u64,
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A line is not a record.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A topic could not be created.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The producer could not be made, or librdkafka's queue is full.
    #[error("cannot send to the embedded broker: {0}")]
    Send(#[source] KafkaError),
    /// The broker rejected a record.
    #[error("the embedded broker rejected a record of topic {topic:?}: {source}{}", hint(source))]
    Rejected {
        /// The record's topic.
        topic: String,
        /// The reason.
        source: KafkaError,
    },
}

fn hint(error: &KafkaError) -> &'static str {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::PolicyViolation) => "; it is full: raise its memory limit or load less",
        _ => "",
    }
}

#[derive(Deserialize)]
struct Line {
    topic: String,
    headers: Option<HeadersField>,
    key: Option<String>,
    value: Option<String>,
    key_base64: Option<String>,
    value_base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "headers must be an object of texts or nulls, or a list of {\"name\":..,\"value\":..} with texts or nulls"
)]
enum HeadersField {
    Object(BTreeMap<String, Option<String>>),
    List(Vec<HeaderField>),
}

#[derive(Deserialize)]
struct HeaderField {
    #[serde(alias = "key")]
    name: String,
    value: Option<String>,
}

impl HeadersField {
    fn into_pairs(self) -> Vec<(String, Option<String>)> {
        match self {
            Self::Object(headers) => headers.into_iter().collect(),
            Self::List(headers) => headers.into_iter().map(|header| (header.name, header.value)).collect(),
        }
    }
}

struct Record {
    topic: String,
    headers: Vec<(String, Option<String>)>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Record {
    fn parse(line: &str) -> Result<Self, String> {
        let line: Line = serde_json::from_str(line).map_err(|error| format!("is not a record: {error}"))?;
        if line.topic.is_empty() {
            return Err("the topic is empty".to_owned());
        }
        Ok(Self {
            topic: line.topic,
            headers: line.headers.map(HeadersField::into_pairs).unwrap_or_default(),
            key: payload("key", line.key, line.key_base64)?,
            value: payload("value", line.value, line.value_base64)?,
        })
    }
}

fn payload(name: &str, text: Option<String>, base64: Option<String>) -> Result<Option<Vec<u8>>, String> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(format!("has both {name} and {name}_base64; keep one")),
        (Some(text), None) => Ok(Some(text.into_bytes())),
        (None, Some(text)) => {
            STANDARD.decode(text).map(Some).map_err(|error| format!("{name}_base64 is not base64: {error}"))
        }
        (None, None) => Ok(None),
    }
}

/// The state of loading one file.
struct Run<'a> {
    loader: &'a Loader<'a>,
    producer: BaseProducer<Deliveries>,
    known: BTreeSet<String>,
    report: LoadReport,
}

impl<'a> Run<'a> {
    fn new(loader: &'a Loader<'a>) -> Result<Self, LoadError> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", loader.broker.bootstrap_servers())
            .set("client.id", "tidegate-loader")
            // Keeps the order through retries.
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Kafka's own mapping of keys to partitions; records without a key all go to one, in order.
            .set("partitioner", "murmur2")
            .set("linger.ms", "5")
            .set("message.max.bytes", "900000000")
            .set("queue.buffering.max.kbytes", "262144")
            .set("message.timeout.ms", "60000")
            .create_with_context(Deliveries::default())
            .map_err(LoadError::Send)?;
        Ok(Self { loader, producer, known: BTreeSet::new(), report: LoadReport::default() })
    }

    fn send(&mut self, record: &Record) -> Result<(), LoadError> {
        if !self.known.contains(&record.topic) {
            self.loader.broker.create_topic(&record.topic, self.loader.partitions)?;
            self.known.insert(record.topic.clone());
        }
        let mut next = BaseRecord::<[u8], [u8]>::to(&record.topic).headers(headers(record));
        next.key = record.key.as_deref();
        next.payload = record.value.as_deref();
        while let Err((error, back)) = self.producer.send(next) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(LoadError::Send(error));
            }
            next = back;
            self.producer.poll(Duration::from_millis(50));
            self.first_failure()?;
        }
        self.producer.poll(Duration::ZERO);
        self.first_failure()?;
        *self.report.topics.entry(record.topic.clone()).or_default() += 1;
        self.report.records += 1;
        self.report.tombstones += u64::from(record.value.is_none());
        Ok(())
    }

    fn finish(self) -> Result<LoadReport, LoadError> {
        self.producer.flush(FLUSH_TIMEOUT).map_err(LoadError::Send)?;
        self.first_failure()?;
        Ok(self.report)
    }

    fn first_failure(&self) -> Result<(), LoadError> {
        match self.producer.context().failed().clone() {
            Some((topic, source)) => Err(LoadError::Rejected { topic, source }),
            None => Ok(()),
        }
    }
}

fn headers(record: &Record) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(record.headers.len());
    record.headers.iter().fold(empty, |all, (key, value)| all.insert(Header { key, value: value.as_ref() }))
}

/// The first record that was not delivered, with its topic.
#[derive(Default)]
struct Deliveries(Mutex<Option<(String, KafkaError)>>);

impl Deliveries {
    fn failed(&self) -> MutexGuard<'_, Option<(String, KafkaError)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "loader's connection to the embedded broker");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: Self::DeliveryOpaque) {
        if let Err((error, message)) = result {
            use rdkafka::Message as _;
            self.failed().get_or_insert_with(|| (message.topic().to_owned(), error.clone()));
        }
    }
}
