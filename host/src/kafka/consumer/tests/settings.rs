//! The librdkafka configuration that settings become, and invalid settings.

use super::*;
use crate::kafka::PropertyFault;

fn plain() -> ConsumerSettings {
    settings(&broker("unused", 1), one("t"))
}

fn with(name: &str, value: &str) -> ConsumerSettings {
    let mut settings = plain();
    settings.properties.insert(name.to_owned(), value.to_owned());
    settings
}

fn config_error(settings: &ConsumerSettings) -> String {
    match Consumer::open(settings).and_then(|consumer| consumer.join()) {
        Ok(()) => panic!("accepted: {settings:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn wrong_properties_are_named() {
    for (name, value) in [
        ("fetch.mn.bytes", "1"),
        ("fetch.min.bytes", "many"),
        ("security.protocol", "sasl"),
        ("fetch.max.bytes", "x"),
    ] {
        let text = config_error(&with(name, value));
        assert!(text.contains(&format!("kafka property {name:?} is invalid")), "{text}");
    }
    let mut settings = with("ssl.key.pem", "s3cret");
    settings.properties.insert("security.protocol".to_owned(), "ssl".to_owned());
    let text = config_error(&settings);
    assert!(text.contains("ssl.key.pem") && !text.contains("s3cret"), "{text}");
    let text = config_error(&with("max.poll.interval.ms", "1000"));
    assert!(text.contains("max.poll.interval.ms"), "{text}");
    let mut settings = with("topic.metadata.refresh.interval.ms", "soon");
    settings.topics = pattern("^cdc");
    let text = config_error(&settings);
    assert!(text.contains("topic.metadata.refresh.interval.ms"), "{text}");
}

#[test]
fn every_wrong_property_is_found_offline() {
    let properties = |properties: &[(&str, &str)]| {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = ConsumerSettings { properties: properties.collect(), ..plain() };
        let named = |fault: PropertyFault| {
            assert!(!fault.message.contains("s3cret"), "{fault:?}");
            fault.property.unwrap_or_default()
        };
        settings.check().into_iter().map(named).collect::<Vec<_>>()
    };
    assert_eq!(properties(&[("client.rack", "a"), ("fetch.min.bytes", "1")]), [""; 0]);
    assert_eq!(
        properties(&[("fetch.mn.bytes", "1"), ("fetch.min.bytes", "x")]),
        ["fetch.min.bytes", "fetch.mn.bytes"]
    );
    // Each is valid, but not with the other settings, or without the file that it names.
    assert_eq!(properties(&[("max.poll.interval.ms", "1000")]), ["max.poll.interval.ms"]);
    assert_eq!(
        properties(&[("security.protocol", "ssl"), ("ssl.ca.location", "/nowhere.pem")]),
        ["ssl.ca.location"]
    );
    assert_eq!(properties(&[("security.protocol", "ssl"), ("ssl.key.pem", "s3cret")]), ["ssl.key.pem"]);
    assert_eq!(
        properties(&[("security.protocol", "sasl_ssl"), ("sasl.mechanism", "OAUTHBEARER")]),
        ["sasl.mechanism"]
    );
}

#[test]
fn debug_shows_names_of_properties_and_no_values() {
    let text = format!("{:?}", with("sasl.password", "s3cret"));
    assert!(text.contains("sasl.password") && !text.contains("s3cret"), "{text}");
}

#[test]
fn tunables_can_be_overridden_and_what_the_consumer_relies_on_cannot() {
    let mut settings = with("enable.auto.commit", "true");
    settings.properties.insert("max.partition.fetch.bytes".to_owned(), "12345".to_owned());
    settings.properties.insert("session.timeout.ms".to_owned(), "7000".to_owned());
    settings.queue_bytes = 1;
    let (config, _) = settings.to_config().unwrap();
    assert_eq!(config.get("enable.auto.commit"), Some("false"));
    assert_eq!(config.get("auto.offset.reset"), Some("error"));
    assert_eq!(config.get("session.timeout.ms"), Some("7000"));
    assert_eq!(config.get("max.partition.fetch.bytes"), Some("12345"));
    assert_eq!(config.get("fetch.message.max.bytes"), None);
    assert_eq!(config.get("queued.max.messages.kbytes"), Some("1024"));
}

#[test]
fn members_are_what_the_settings_say() {
    let mut settings = plain();
    settings.protocol = Protocol::Consumer;
    settings.instance_id = Some("host-a-0".to_owned());
    settings.properties.clear();
    assert_eq!(settings.check(), []);
    let (config, _) = settings.to_config().unwrap();
    assert_eq!(config.get("group.protocol"), Some("consumer"));
    assert_eq!(config.get("group.instance.id"), Some("host-a-0"));
    assert_eq!((config.get("session.timeout.ms"), config.get("partition.assignment.strategy")), (None, None));
}

#[test]
fn limits_hold_together_for_every_size() {
    for queue_bytes in [0, 1 << 20, 64 << 20, usize::MAX] {
        for max_record_bytes in [0, 1 << 20, 500 << 20, usize::MAX] {
            let settings = ConsumerSettings { queue_bytes, max_record_bytes, ..plain() };
            assert!(Consumer::open(&settings).unwrap().close(TIMEOUT), "{queue_bytes} {max_record_bytes}");
        }
    }
    let settings = with("fetch.max.bytes", "300000000");
    assert!(Consumer::open(&settings).unwrap().close(TIMEOUT));
}

#[test]
fn a_record_of_twenty_megabytes_arrives_through_a_queue_of_one() {
    let broker = broker("t", 1);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap_servers()).set("message.max.bytes", "100000000");
    let producer: BaseProducer = config.create().unwrap();
    let value = vec![b'x'; 20 << 20];
    for payload in [&value[..], b"small"] {
        producer.send(BaseRecord::to("t").key("k").payload(payload)).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
    let consumer = Consumer::open(&settings(&broker, one("t"))).unwrap();
    consumer.join().unwrap();
    let (mut sizes, deadline) = (Vec::new(), Instant::now() + TIMEOUT);
    while sizes.len() < 2 {
        assert!(Instant::now() < deadline, "{sizes:?}");
        let polled = consumer.poll(TURN, COUNT, |record| {
            sizes.push(record.value().unwrap().len());
            ControlFlow::Continue(())
        });
        if let Polled::Event(ConsumerEvent::Assigned(partitions)) = polled {
            let starts: Vec<_> = partitions.into_iter().map(|at| (at, StartAt::Beginning)).collect();
            consumer.assign(&starts).unwrap();
        }
    }
    assert_eq!(sizes, [20 << 20, 5]);
    assert!(consumer.close(TIMEOUT));
}
