//! Failures that cannot heal by themselves: the task fails once, with the broker's text and what to do, and `--once` ends.

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use tidegate::kafka::producer::{Producer, ProducerRecord, ProducerSettings, SendTimeouts};
use tidegate_tests::{Finished, Home, kafka::Kafka, wait_for};

use crate::support::PLUGINS;

/// A connector that sends what is not JSON to `dead_letter_topic`. `source` and `errors` are added to its tables.
pub(crate) fn rejecting(home: &Home, name: &str, source: &str, errors: &str) {
    home.connector(
        name,
        &format!(
            "[source]\n{source}\n[sink]\nplugin = \"discard\"\n[errors]\ntolerance = \"all\"\n{errors}\n"
        ),
    );
}

/// Runs the connectors of `home` with `--once`; checks that a task fails with these texts, and is not restarted.
#[track_caller]
fn expect_permanent(kafka: &Kafka, home: &Home, texts: &[&str]) -> Finished {
    let finished = home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(3);
    expect_failed_once(&finished, texts);
    finished
}

#[track_caller]
fn expect_failed_once(finished: &Finished, texts: &[&str]) {
    let line = finished.expect_log("task failed permanently: ");
    for text in texts {
        assert!(line.contains(text), "{text:?} in {line}");
    }
    assert_eq!(finished.count_log("task failed"), 1, "{}", finished.stderr);
}

#[test]
fn a_dead_letter_topic_whose_name_collides_with_another_is_named_with_it() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("collide.orders", 1, 1);
    kafka.create_topic("dlq_collide_orders", 1, 1);
    kafka.produce_to("collide.orders", 0, ["{}", "no JSON"]);
    let home = Home::new(&PLUGINS);
    rejecting(&home, "a", "topics = [\"collide.orders\"]", "dead_letter_topic = \"dlq.{topic}\"");
    let texts = [
        "topic \"dlq.collide.orders\" does not exist and cannot be created: InvalidTopic",
        "collides with existing topic",
        "dlq_collide_orders",
        "; set another `errors.dead_letter_topic`",
    ];
    expect_permanent(kafka, &home, &texts);
    assert_eq!(kafka.committed("connect-a", "collide.orders"), [].into());
}

#[test]
fn a_dead_letter_topic_whose_name_is_too_long_is_rejected_once() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = format!("long.{}", "x".repeat(241));
    kafka.create_topic(&topic, 1, 1);
    kafka.produce_to(&topic, 0, ["no JSON"]);
    let home = Home::new(&PLUGINS);
    rejecting(&home, "b", "topics_regex = '^long[.]x+$'", "dead_letter_topic = \"dlq.{topic}\"");
    expect_permanent(kafka, &home, &["InvalidTopic", "249", "; set another `errors.dead_letter_topic`"]);
}

#[test]
fn a_dead_letter_topic_with_more_replicas_than_brokers_is_not_created() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("replicas", 1, 1);
    kafka.produce_to("replicas", 0, ["no JSON"]);
    let home = Home::new(&PLUGINS);
    let errors = "dead_letter_topic = \"dlq.{topic}\"\ndead_letter_replication = 3";
    rejecting(&home, "c", "topics = [\"replicas\"]", errors);
    let texts = [
        "InvalidReplicationFactor",
        "only 1 broker(s) are registered",
        "; lower `errors.dead_letter_replication` to the number of brokers",
    ];
    expect_permanent(kafka, &home, &texts);
}

#[test]
fn an_existing_dead_letter_topic_that_does_not_take_a_record_is_named_with_the_property() {
    let Some(kafka) = Kafka::shared() else { return };
    let home = |name: &str, properties: &[(&str, &str)]| {
        let (topic, home) = (format!("narrow-{name}"), Home::new(&PLUGINS));
        kafka.create_topic(&topic, 1, 1);
        kafka.create_topic_with(&format!("dlq.{topic}"), 1, properties);
        rejecting(&home, name, &format!("topics = [\"{topic}\"]"), "dead_letter_topic = \"dlq.{topic}\"");
        (topic, home)
    };
    let (topic, size) = home("size", &[("max.message.bytes", "100")]);
    kafka.produce_to(&topic, 0, ["no JSON"]);
    let texts = [
        "writing to topic \"dlq.narrow-size\" failed: MessageSizeTooLarge",
        "; raise max.message.bytes of topic dlq.",
    ];
    expect_permanent(kafka, &size, &texts);

    let (topic, keys) = home("keys", &[("cleanup.policy", "compact")]);
    kafka.produce_to(&topic, 0, ["no JSON"]);
    let texts = [
        "failed: InvalidRecord",
        "ompacted topic cannot accept message without key",
        "cleanup.policy=delete",
    ];
    expect_permanent(kafka, &keys, &texts);

    let (topic, times) = home("times", &[("message.timestamp.before.max.ms", "1000")]);
    send_at(kafka, &topic, [1_000_000, 2_000_000].map(|time| (Some(time), "no JSON")));
    let texts = [
        "failed: InvalidTimestamp",
        "is out of range",
        "; raise message.timestamp.before.max.ms and message.timestamp.after.max.ms of topic dlq.narrow-times",
    ];
    expect_permanent(kafka, &times, &texts);
}

#[test]
fn a_host_whose_instance_id_is_used_by_another_fails_once_and_names_the_key() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("instances", 2, 1);
    let homes = [Home::new(&PLUGINS), Home::new(&PLUGINS)];
    for home in &homes {
        let source = "topics = [\"instances\"]\ngroup_instance_id = \"host\"";
        home.connector("d", &format!("[source]\n{source}\n[sink]\nplugin = \"discard\"\n"));
    }
    let mut first = homes[0].start_on(&kafka.servers(), &[]);
    first.wait_for_log("reading 2 partitions");
    let mut second = homes[1].start_on(&kafka.servers(), &[]);
    second.wait_for_log("reading 2 partitions");
    // The broker gives the name to the newer member.
    first.wait_for_log("task failed permanently");
    let texts =
        ["consumer group connect-d", "set `source.group_instance_id` to a name that no other host uses"];
    expect_failed_once(&first.terminate().expect_code(3), &texts);
    let finished = second.terminate().expect_code(0);
    assert_eq!(finished.count_log("task failed"), 0, "{}", finished.stderr);
}

#[test]
fn a_group_with_members_of_another_strategy_is_named() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("mixed", 1, 1);
    let mut config: ClientConfig = kafka.client_config();
    config.set("group.id", "mixed").set("partition.assignment.strategy", "range");
    let other: BaseConsumer = config.create().expect("a consumer");
    other.subscribe(&["mixed"]).expect("a subscription");
    let has_joined = || {
        let _event = other.poll(std::time::Duration::from_millis(100));
        other.assignment().is_ok_and(|assigned| assigned.count() > 0).then_some(())
    };
    wait_for(has_joined).expect("the other member has joined");
    let home = Home::new(&PLUGINS);
    let source = "topics = [\"mixed\"]\ngroup_id = \"mixed\"";
    home.connector("e", &format!("[source]\n{source}\n[sink]\nplugin = \"discard\"\n"));
    let texts = [
        "JoinGroup failed: Broker: Inconsistent group protocol",
        "consumer group mixed has members with another group protocol or assignment strategy",
        "`source.group_protocol`",
        "`source.group_id`",
    ];
    expect_permanent(kafka, &home, &texts);
}

/// Sends values with these times, in milliseconds since 1970, to partition 0.
pub(crate) fn send_at<'v>(
    kafka: &Kafka,
    topic: &str,
    records: impl IntoIterator<Item = (Option<i64>, &'v str)>,
) {
    let second = std::time::Duration::from_secs(1);
    let settings = ProducerSettings {
        owner: "tests".to_owned(),
        bootstrap_servers: kafka.servers(),
        client_id: "tests".to_owned(),
        properties: std::collections::BTreeMap::new(),
        timeouts: SendTimeouts { initial: second, max: second, timeout: 60 * second },
    };
    let record = |(timestamp_ms, value): (Option<i64>, &'v str)| ProducerRecord {
        topic,
        partition: Some(0),
        timestamp_ms,
        key: None,
        value: Some(value.as_bytes()),
        headers: &[],
    };
    let mut producer = Producer::open(&settings).expect("a producer");
    let sent = producer.send(records.into_iter().map(record), &mut |_| true);
    sent.unwrap_or_else(|error| panic!("{topic}: {error}"));
}
