//! The embedded broker as other clients see it.
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use super::*;

fn capture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/shop-string/json.jsonl.gz")
}

/// Reads `topic` from its beginning to its end, without a group.
fn read_all(servers: &str, topic: &str) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "reader")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
    let partitions = metadata.topics()[0].partitions().len();
    let mut list = TopicPartitionList::new();
    for partition in 0..i32::try_from(partitions).unwrap() {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut messages, mut ended) = (Vec::new(), 0);
    let deadline = Instant::now() + Duration::from_secs(60);
    while ended < partitions {
        assert!(Instant::now() < deadline, "{topic}: only {} records after a minute", messages.len());
        match consumer.poll(Duration::from_secs(1)) {
            Some(Ok(message)) => messages.push(message.detach()),
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => panic!("{topic}: {error}"),
            None => {}
        }
    }
    messages
}

fn produce(servers: &str, topic: &str, count: usize, size: usize) -> Result<(), KafkaError> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("linger.ms", "5")
        .set("message.max.bytes", "100000000")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .unwrap();
    let value = vec![b'x'; size];
    for n in 0..count as u64 {
        let key = n.to_le_bytes();
        let mut next = BaseRecord::to(topic).key(&key[..]).payload(&value);
        while let Err((_, back)) = producer.send(next) {
            producer.poll(Duration::from_millis(5));
            next = back;
        }
    }
    producer.flush(Duration::from_secs(60))
}

/// Headers and value.
type Content = (BTreeMap<String, String>, Option<Vec<u8>>);

fn headers_of(message: &OwnedMessage) -> BTreeMap<String, String> {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
    let all = message.headers().into_iter().flat_map(|headers| headers.iter());
    all.map(|header| (header.key.to_owned(), text(header.value))).collect()
}

#[test]
fn the_capture_arrives_complete_with_headers_and_in_order_per_key() {
    let broker = EmbeddedBroker::start(&Options::default()).unwrap();
    let report = Loader::new(&broker).partitions(3).load(&capture()).unwrap();
    assert_eq!(report.records, report.topics.values().sum::<u64>());
    assert!(report.tombstones > 0 && report.topics.len() > 1, "{report:?}");

    let mut expected: BTreeMap<(String, Option<Vec<u8>>), Vec<Content>> = BTreeMap::new();
    let file = flate2::read::MultiGzDecoder::new(std::fs::File::open(capture()).unwrap());
    for line in std::io::BufRead::lines(std::io::BufReader::new(file)) {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = |name: &str| line[name].as_str().map(|text| text.as_bytes().to_vec());
        let topic = line["topic"].as_str().unwrap().to_owned();
        let headers = serde_json::from_value(line["headers"].clone()).unwrap();
        expected.entry((topic, text("key"))).or_default().push((headers, text("value")));
    }
    let mut found: BTreeMap<(String, Option<Vec<u8>>), Vec<Content>> = BTreeMap::new();
    let mut partitions: BTreeMap<(String, Option<Vec<u8>>), i32> = BTreeMap::new();
    for topic in report.topics.keys() {
        for message in read_all(broker.bootstrap_servers(), topic) {
            let own = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            let place = (topic.clone(), own(message.key()));
            assert_eq!(*partitions.entry(place.clone()).or_insert(message.partition()), message.partition());
            found.entry(place).or_default().push((headers_of(&message), own(message.payload())));
        }
    }
    assert!(found == expected, "the records differ from the capture");
    let used: std::collections::BTreeSet<i32> = partitions.values().copied().collect();
    assert_eq!(used.len(), 3, "keys are spread over all partitions");
}

#[test]
fn nothing_is_dropped_beyond_the_five_mebibytes_of_the_mock() {
    let broker = EmbeddedBroker::start(&Options::default()).unwrap();
    // Both ways to a topic: created by us, and by a client that just produces.
    broker.create_topic("made", 2).unwrap();
    for topic in ["made", "self-made"] {
        produce(broker.bootstrap_servers(), topic, 160_000, 300).unwrap();
        assert_eq!(read_all(broker.bootstrap_servers(), topic).len(), 160_000, "{topic}");
    }
}

#[test]
fn a_full_broker_refuses_and_keeps_what_it_has() {
    let broker = EmbeddedBroker::start(&Options { max_bytes: 1 << 20, ..Options::default() }).unwrap();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    for n in 0..100 {
        writeln!(file, r#"{{"topic":"t","key":"{n}","value":"{}"}}"#, "x".repeat(100_000)).unwrap();
    }
    let error = Loader::new(&broker).load(file.path()).unwrap_err().to_string();
    assert!(error.contains("topic \"t\"") && error.contains("it is full"), "{error}");
    let kept = read_all(broker.bootstrap_servers(), "t").len();
    assert!((1..=10).contains(&kept), "{kept}");
}

#[test]
fn a_fixed_address_is_the_one_that_clients_are_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broker = EmbeddedBroker::start(&Options { listen: Some(free), ..Options::default() }).unwrap();
    assert_eq!(broker.bootstrap_servers(), free.to_string());
    produce(&free.to_string(), "t", 1000, 10).unwrap();
    assert_eq!(read_all(&free.to_string(), "t").len(), 1000);
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", free.to_string()).create().unwrap();
    let metadata = client.fetch_metadata(None, Duration::from_secs(10)).unwrap();
    let told: Vec<String> = metadata.brokers().iter().map(|b| format!("{}:{}", b.host(), b.port())).collect();
    assert_eq!(told, [free.to_string()]);
    // And it keeps its port over an outage.
    broker.set_reachable(false).unwrap();
    broker.set_reachable(true).unwrap();
    assert_eq!(read_all(&free.to_string(), "t").len(), 1000);
}

#[test]
fn addresses_that_are_taken_or_open_to_others_are_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = |listen| EmbeddedBroker::start(&Options { listen: Some(listen), ..Options::default() });
    let error = start(taken.local_addr().unwrap()).unwrap_err().to_string();
    assert!(error.contains("choose a free port"), "{error}");
    for open in ["0.0.0.0:19092", "192.0.2.1:19092", "[::1]:19092"] {
        let error = start(open.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("use 127.0.0.1:19092"), "{error}");
    }
}

#[test]
fn a_bad_line_is_named() {
    let broker = EmbeddedBroker::start(&Options::default()).unwrap();
    for (line, reason) in [
        ("{", "is not a record"),
        (r#"{"key":"k"}"#, "missing field `topic`"),
        (r#"{"topic":""}"#, "the topic is empty"),
        (r#"{"topic":"t","key":"k","key_base64":"aw=="}"#, "both key and key_base64"),
        (r#"{"topic":"t","value_base64":"%"}"#, "value_base64 is not base64"),
        (r#"{"topic":"t","value":{"a":1}}"#, "expected a string"),
        (
            r#"{"topic":"t","headers":["a","1"]}"#,
            "headers must be an object of texts or nulls, or a list of {\"name\"",
        ),
    ] {
        let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
        writeln!(file, "{{\"topic\":\"t\",\"value\":\"x\"}}\n\n{line}").unwrap();
        let error = Loader::new(&broker).load(file.path()).unwrap_err().to_string();
        assert!(error.contains(":3: ") && error.contains(reason), "{error}");
    }
}

#[test]
fn bytes_nulls_and_header_nulls_arrive_as_they_are() {
    let broker = EmbeddedBroker::start(&Options::default()).unwrap();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    writeln!(file, r#"{{"topic":"t","headers":{{"a":"1","b":null}},"key_base64":"AP8=","value":null}}"#)
        .unwrap();
    let report = Loader::new(&broker).partitions(1).load(file.path()).unwrap();
    assert_eq!((report.records, report.tombstones), (1, 1));
    let messages = read_all(broker.bootstrap_servers(), "t");
    assert_eq!((messages[0].key(), messages[0].payload()), (Some(&[0, 255][..]), None));
    let headers = messages[0].headers().unwrap();
    let pairs: Vec<_> = headers.iter().map(|header| (header.key, header.value)).collect();
    assert_eq!(pairs, [("a", Some(&b"1"[..])), ("b", None)]);
}

#[test]
fn headers_in_a_list_keep_their_order_and_names_that_occur_twice() {
    let broker = EmbeddedBroker::start(&Options::default()).unwrap();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    let headers = r#"[{"name":"b","value":"1"},{"key":"a","value":null},{"name":"b","value":"2"}]"#;
    writeln!(file, r#"{{"topic":"t","headers":{headers},"value":"x"}}"#).unwrap();
    Loader::new(&broker).partitions(1).load(file.path()).unwrap();
    let messages = read_all(broker.bootstrap_servers(), "t");
    let headers = messages[0].headers().unwrap();
    let pairs: Vec<_> = headers.iter().map(|header| (header.key, header.value)).collect();
    assert_eq!(pairs, [("b", Some(&b"1"[..])), ("a", None), ("b", Some(b"2"))]);
}
