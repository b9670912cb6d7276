//! The producer against the embedded broker.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::*;
use crate::kafka::embedded::{EmbeddedBroker, Options};
use crate::kafka::raw_headers;

const NEW: NewTopic<'static> = NewTopic { partitions: 1, replication: None, sources: &[], record_bytes: 0 };

fn settings(servers: &str) -> ProducerSettings {
    let second = Duration::from_secs(1);
    ProducerSettings {
        owner: "test".to_owned(),
        bootstrap_servers: servers.to_owned(),
        client_id: "test".to_owned(),
        properties: BTreeMap::new(),
        timeouts: SendTimeouts { initial: second / 10, max: second, timeout: second },
    }
}

fn plain<'r>(topic: &'r str, value: &'r [u8]) -> ProducerRecord<'r> {
    ProducerRecord {
        topic,
        partition: Some(0),
        timestamp_ms: None,
        key: None,
        value: Some(value),
        headers: &[],
    }
}

fn consumer(broker: &EmbeddedBroker, topic: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap_servers()).set("group.id", "reader");
    config.set_log_level(RDKafkaLogLevel::Critical);
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    consumer
}

fn next<'c>(consumer: &'c BaseConsumer) -> rdkafka::message::BorrowedMessage<'c> {
    loop {
        if let Some(message) = consumer.poll(Duration::from_secs(30)) {
            return message.unwrap();
        }
    }
}

#[test]
fn every_byte_arrives_and_nothing_is_not_the_same_as_null() {
    let broker = EmbeddedBroker::start(&Options::default()).unwrap();
    let mut producer = Producer::open(&settings(broker.bootstrap_servers())).unwrap();
    producer.ensure_topic("t", &NEW, &mut |_| true).unwrap();
    let headers = [(&b"a"[..], Some(&b"1"[..])), (b"\xff\xfe", None), (b"a", Some(b""))];
    let full = ProducerRecord {
        key: Some(b"\x00key"),
        timestamp_ms: Some(1_700_000_000_000),
        headers: &headers,
        ..plain("t", b"")
    };
    let nothing = ProducerRecord { value: None, ..plain("t", b"") };
    producer.send([full, nothing], &mut |_| true).unwrap();

    let consumer = consumer(&broker, "t");
    let message = next(&consumer);
    assert_eq!((message.key(), message.payload()), (Some(&b"\x00key"[..]), Some(&b""[..])));
    assert_eq!(message.timestamp().to_millis(), Some(1_700_000_000_000));
    assert_eq!(raw_headers(&message).collect::<Vec<_>>(), headers);
    drop(message);
    let message = next(&consumer);
    assert_eq!((message.key(), message.payload()), (None, None));
    assert_eq!(raw_headers(&message).count(), 0);
}

#[test]
fn a_topic_that_is_there_keeps_its_partitions_and_one_that_is_not_is_created_by_the_broker() {
    let broker = EmbeddedBroker::start(&Options::default()).unwrap();
    broker.create_topic("three", 3).unwrap();
    let mut producer = Producer::open(&settings(broker.bootstrap_servers())).unwrap();
    assert_eq!(producer.ensure_topic("three", &NEW, &mut |_| true).unwrap(), 3);
    // The mock has no request for it, and its own idea of partitions.
    assert_eq!(producer.ensure_topic("new", &NEW, &mut |_| true).unwrap(), 4);
    producer.send([plain("new", b"x")], &mut |_| true).unwrap();
    assert_eq!(next(&consumer(&broker, "new")).payload(), Some(&b"x"[..]));
}

#[test]
fn more_than_fits_at_a_time_arrives_in_order() {
    let broker = EmbeddedBroker::start(&Options::default()).unwrap();
    let mut producer = Producer::open(&settings(broker.bootstrap_servers())).unwrap();
    producer.ensure_topic("t", &NEW, &mut |_| true).unwrap();
    let values: Vec<Vec<u8>> = (0..10u8).map(|n| vec![n; 5 << 20]).collect();
    producer.send(values.iter().map(|value| plain("t", value)), &mut |_| true).unwrap();
    let consumer = consumer(&broker, "t");
    for value in &values {
        assert_eq!(next(&consumer).payload(), Some(value.as_slice()));
    }
}

#[test]
fn what_the_broker_refuses_is_an_error_that_names_topic_and_reason() {
    let options = Options { max_bytes: 10_000, ..Options::default() };
    let broker = EmbeddedBroker::start(&options).unwrap();
    let mut producer = Producer::open(&settings(broker.bootstrap_servers())).unwrap();
    producer.ensure_topic("t", &NEW, &mut |_| true).unwrap();
    let noise: Vec<u8> =
        (0..50_000u64).flat_map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes()).collect();
    let error = producer.send([plain("t", &noise)], &mut |_| true).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\"t\" failed") && text.contains("Policy"), "{text}");
}

#[test]
fn a_caller_may_stop_waiting_and_gets_the_reason() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut producer = Producer::open(&settings(&nobody)).unwrap();
    let mut last = None;
    let outcome = producer.send([plain("t", b"x")], &mut |waiting| {
        last = waiting.reason.map(str::to_owned).or(last.take());
        last.is_none()
    });
    let Err(ProduceError::GivenUp { topic, reason }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((topic.as_str(), Some(&reason)), ("t", last.as_ref()));
    assert!(reason.contains("refused"), "{reason}");
    let outcome = producer.ensure_topic("t", &NEW, &mut |_| false);
    assert!(matches!(outcome, Err(ProduceError::GivenUp { .. })), "{outcome:?}");
}

#[test]
fn a_consumer_s_properties_do_for_the_producer_too() {
    let consumers = [
        ("fetch.min.bytes", "1"),
        ("session.timeout.ms", "6000"),
        ("isolation.level", "read_committed"),
        ("transactional.id", "x"),
        ("acks", "0"),
        ("max.in.flight", "100"),
        ("ssl.ca.location", "/nowhere"),
        ("compression.codec", "lz4"),
    ];
    let properties = consumers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let settings = ProducerSettings { properties, ..settings("localhost:9092") };
    assert_eq!(settings.check(), []);
    let (config, _) = settings.to_config().unwrap();
    let get = |name| config.get(name);
    assert_eq!([get("fetch.min.bytes"), get("transactional.id"), get("max.in.flight")], [None; 3]);
    assert_eq!((get("acks"), get("enable.idempotence")), (Some("all"), Some("true")));
    assert_eq!((get("ssl.ca.location"), get("compression.codec")), (Some("/nowhere"), Some("lz4")));
    assert_eq!((get("compression.type"), get("message.timeout.ms")), (None, Some("10000")));
    let properties = BTreeMap::from([("securty.protocol".to_owned(), "ssl".to_owned())]);
    let faults = ProducerSettings { properties, ..settings }.check();
    assert_eq!(faults[0].property.as_deref(), Some("securty.protocol"));
    assert!(faults[0].message.contains("\"securty.protocol\" is invalid"), "{faults:?}");
}
