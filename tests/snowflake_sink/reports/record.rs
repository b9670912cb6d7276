//! Records for the broker, read from the files of `tests/data/reports` or made by a test.

use std::{collections::BTreeMap, fs::File, io::Read};

use serde::Deserialize;
use serde_json::Value as Json;
use tidegate::kafka::producer::ProducerRecord;
use tidegate_tests::{Broker, captured_file};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Record {
    pub(crate) topic: String,
    #[serde(default)]
    pub(crate) partition: i32,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Option<String>>,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
}

impl Record {
    /// A record without headers, in partition 0.
    pub(crate) fn new(topic: &str, key: Option<&str>, value: Option<&str>) -> Self {
        Self {
            topic: topic.to_owned(),
            partition: 0,
            headers: BTreeMap::new(),
            key: key.map(str::to_owned),
            value: value.map(str::to_owned),
        }
    }

    /// A record with these JSON documents as key and value.
    pub(crate) fn of(topic: &str, key: Json, value: Json) -> Self {
        Self::new(topic, Some(&key.to_string()), Some(&value.to_string()))
    }

    /// The tombstone that Debezium writes after a delete.
    pub(crate) fn tombstone(&self) -> Self {
        Self { headers: BTreeMap::new(), value: None, ..self.clone() }
    }

    /// The same record in another partition.
    pub(crate) fn in_partition(self, partition: i32) -> Self {
        Self { partition, ..self }
    }

    /// With an additional header.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), Some(value.to_owned()));
        self
    }

    /// The same event, read again by Debezium a minute later: only Debezium's timestamp changes, not the source block.
    pub(crate) fn sent_again(&self) -> Self {
        let Some(value) = &self.value else { return self.clone() };
        let mut value: Json = serde_json::from_str(value).expect("a change event");
        let read_at = value["ts_ms"].as_i64().expect("when Debezium read it");
        value["ts_ms"] = (read_at + 60_000).into();
        Self { value: Some(value.to_string()), ..self.clone() }
    }
}

/// The records of a file of `tests/data/reports`, given by the number in its name, such as `04`.
pub(crate) fn file(number: &str) -> Vec<Record> {
    let folder = captured_file("reports");
    let mut files = std::fs::read_dir(&folder)
        .expect("the folder of the files")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name of text"));
    let name = files.find(|name| name.split('.').next() == Some(number) && name.ends_with(".jsonl.gz"));
    let name = name.unwrap_or_else(|| panic!("no file {number} in {}", folder.display()));
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(File::open(folder.join(&name)).expect("a file that can be read"))
        .read_to_string(&mut text)
        .expect("a file of text, compressed with gzip");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}")))
        .collect()
}

/// The numbers of all files of `tests/data/reports`, in order.
pub(crate) fn file_numbers() -> Vec<String> {
    let folder = captured_file("reports");
    let names = std::fs::read_dir(&folder)
        .expect("the folder of the files")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name of text"));
    let mut numbers: Vec<String> = names
        .filter(|name| name.ends_with(".jsonl.gz"))
        .map(|name| name.split('.').next().unwrap_or_default().to_owned())
        .collect();
    numbers.sort();
    numbers
}

/// Headers of a record, for a producer.
type Headers<'r> = Vec<(&'r [u8], Option<&'r [u8]>)>;

/// Sends records in this order.
pub(crate) fn send(broker: &Broker, records: &[Record]) {
    let headers: Vec<Headers<'_>> = records
        .iter()
        .map(|record| {
            record.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref().map(str::as_bytes)))
        })
        .map(Iterator::collect)
        .collect();
    broker.send_exactly(records.iter().zip(&headers).map(|(record, headers)| ProducerRecord {
        topic: &record.topic,
        partition: Some(record.partition),
        timestamp_ms: None,
        key: record.key.as_deref().map(str::as_bytes),
        value: record.value.as_deref().map(str::as_bytes),
        headers,
    }));
}
