//! Status says why a task waits, by what the brokers have answered.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, Producer},
    topic_partition_list::Offset,
};
use serde_json::Value as Json;
use tidegate_tests::{
    Home, Running, TIMEOUT,
    kafka::{Kafka, Options},
    wait_for,
};

use crate::support::{PLUGINS, expect_all_once, follower, recorder, send_numbers};

/// Waits until a connector is stalled for a reason that begins like this.
#[track_caller]
fn wait_for_stall(home: &Home, host: &mut Running, connector: &str, reason: &str) {
    let says =
        |status: &Json| status["tasks"][0]["reason"].as_str().is_some_and(|text| text.starts_with(reason));
    let status = home.wait_for_status(host, connector, says);
    assert_eq!(status["state"], "STALLED", "{status}");
}

#[test]
fn a_group_without_a_coordinator_is_named_with_the_brokers_answer() {
    // One broker cannot have three replicas.
    let replicas = ("offsets.topic.replication.factor".to_owned(), "3".to_owned());
    let options = Options { properties: vec![replicas], ..Options::default() };
    let Some(kafka) = Kafka::start(&options) else { return };
    kafka.create_topic("events", 1, 1);
    let home = Home::new(&PLUGINS);
    for (name, protocol) in [("classic", "cooperative-sticky"), ("new", "consumer")] {
        follower(&home, name, &format!("topics = [\"events\"]\ngroup_protocol = \"{protocol}\""));
    }
    let mut host = home.start_on(&kafka.servers(), &[]);
    for name in ["classic", "new"] {
        let reason = format!(
            "consumer group connect-{name} has no coordinator: the brokers answer COORDINATOR_NOT_AVAILABLE; check that they \
             can create the topic __consumer_offsets: offsets.topic.replication.factor must not exceed the number of brokers"
        );
        wait_for_stall(&home, &mut host, name, &reason);
        assert_eq!(host.log().matches(&reason).count(), 1, "{}", host.log());
    }
    host.terminate().expect_code(0);
}

#[test]
fn committed_offsets_in_an_open_transaction_are_waited_for() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "unstable";
    kafka.create_topic(topic, 1, 1);
    send_numbers(kafka, topic, 0..10);
    let producer: BaseProducer =
        kafka.client_config().set("transactional.id", topic).create().expect("a producer");
    producer.init_transactions(TIMEOUT).expect("a coordinator of transactions");
    producer.begin_transaction().expect("a new transaction");
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(topic, 0, Offset::Offset(5)).expect("an offset");
    {
        let other: BaseConsumer = kafka.client_config().set("group.id", topic).create().expect("a consumer");
        other.subscribe(&[topic]).expect("a subscription");
        let has_joined = || {
            let _event = other.poll(Duration::from_millis(100));
            other.assignment().is_ok_and(|assigned| assigned.count() > 0).then_some(())
        };
        wait_for(has_joined).expect("the other member has joined");
        let metadata = other.group_metadata().expect("a member");
        producer.send_offsets_to_transaction(&offsets, &metadata, TIMEOUT).expect("offsets in a transaction");
    }
    let home = Home::new(&PLUGINS);
    let recording = recorder(&home, "a", &format!("topics = [\"{topic}\"]\ngroup_id = \"{topic}\""), "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    let reason = "the committed offset of unstable-0 is in an open transaction (UNSTABLE_OFFSET_COMMIT)";
    wait_for_stall(&home, &mut host, "a", reason);
    assert_eq!(recording.written().len(), 0);
    producer.abort_transaction(TIMEOUT).expect("the transaction is aborted");
    expect_all_once(kafka, topic, &recording);
    home.wait_for_status(&mut host, "a", |status| status["state"] == "RUNNING");
    host.terminate().expect_code(0);
}

#[test]
fn a_member_of_a_new_group_without_a_partition_is_unassigned() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "spare";
    kafka.create_topic(topic, 1, 1);
    send_numbers(kafka, topic, 0..10);
    let home = Home::new(&PLUGINS);
    home.write("tidegate.toml", "[defaults]\ntasks = 2\n");
    let source = format!("topics = [\"{topic}\"]\ngroup_protocol = \"consumer\"");
    let recording = follower(&home, "a", &source);
    let mut host = home.start_on(&kafka.servers(), &[]);
    let is_spare = |status: &Json| {
        let mut states: Vec<&str> = status["tasks"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|task| task["state"].as_str())
            .collect();
        states.sort_unstable();
        states == ["RUNNING", "UNASSIGNED"]
    };
    home.wait_for_status(&mut host, "a", is_spare);
    expect_all_once(kafka, topic, &recording);
    host.terminate().expect_code(0);
}

#[test]
fn a_group_whose_members_are_no_consumers_is_named() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("workers", 1, 1);
    let _worker = join_as_worker(kafka, "connect-workers");
    for protocol in ["cooperative-sticky", "consumer"] {
        let home = Home::new(&PLUGINS);
        let source = format!("topics = [\"workers\"]\ngroup_protocol = \"{protocol}\"");
        home.connector("workers", &format!("[source]\n{source}\n[sink]\nplugin = \"discard\"\n"));
        let finished = home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(3);
        let line = finished.expect_log("task failed permanently: ");
        let remedy = "consumer group connect-workers has members with another group protocol or assignment strategy: set";
        assert!(line.contains(remedy) && line.contains("`source.group_id`"), "{line}");
        assert_eq!(finished.count_log("task failed"), 1, "{}", finished.stderr);
    }
}

/// Joins a group with the protocol type of Kafka Connect's workers, which librdkafka cannot. The member stays for a minute.
fn join_as_worker(kafka: &Kafka, group: &str) -> TcpStream {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
    let (minute, one, empty) = (60_000_u32.to_be_bytes(), 1_u32.to_be_bytes(), 0_u32.to_be_bytes());
    // JoinGroup, version 2, correlation id 0.
    let header = [&[0, 11, 0, 2][..], &empty, &text("worker")].concat();
    let member = [text(group), minute.to_vec(), minute.to_vec(), text(""), text("connect")].concat();
    let protocols = [&one[..], &text("default"), &empty].concat();
    let request = [header, member, protocols].concat();
    let request = [&(request.len() as u32).to_be_bytes(), &request[..]].concat();
    // The first commit creates the topic of offsets, and is answered when the coordinator is ready.
    kafka.set_committed(group, "workers", 0, 0);
    let mut broker = TcpStream::connect(kafka.servers()).expect("a broker");
    let joined = wait_for(|| {
        broker.write_all(&request).expect("a request");
        let mut length = [0; 4];
        broker.read_exact(&mut length).expect("a response");
        let mut response = vec![0; u32::from_be_bytes(length) as usize];
        broker.read_exact(&mut response).expect("a response");
        // After the correlation id and the throttle time, the error: the coordinator may not be ready yet.
        (response[8..10] == [0, 0]).then_some(())
    });
    joined.expect("a coordinator of the group");
    assert_eq!(kafka.members(group).len(), 1);
    broker
}

#[test]
fn an_instance_id_that_another_member_still_has_is_the_reason() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("unreleased", 1, 1);
    let homes = [Home::new(&PLUGINS), Home::new(&PLUGINS)];
    let source = "topics = [\"unreleased\"]\ngroup_protocol = \"consumer\"\ngroup_instance_id = \"host\"";
    for home in &homes {
        let sink =
            "[sink]\nplugin = \"discard\"\n[restart]\ninitial = \"1s\"\nmax = \"1s\"\nmax_restarts = 1000\n";
        home.connector("a", &format!("[source]\n{source}\n{sink}"));
    }
    let mut first = homes[0].start_on(&kafka.servers(), &[]);
    first.wait_for_log("reading 1 partition");
    let mut second = homes[1].start_on(&kafka.servers(), &[]);
    let remedy = "a member of consumer group connect-a still has this `group.instance.id`";
    let says =
        |status: &Json| status["tasks"][0]["reason"].as_str().is_some_and(|text| text.contains(remedy));
    homes[1].wait_for_status(&mut second, "a", says);
    second.terminate();
    first.terminate().expect_code(0);
}

#[test]
fn a_deleted_topic_of_a_pattern_is_not_waited_for() {
    let Some(kafka) = Kafka::shared() else { return };
    let topics = ["tenants.one", "tenants.two"];
    for topic in topics {
        kafka.create_topic(topic, 2, 1);
        send_numbers(kafka, topic, 0..10);
    }
    let home = Home::new(&PLUGINS);
    let recording = recorder(&home, "a", "topics_regex = '^tenants[.]'", "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    host.wait_until("all records", |_| (recording.written().len() == 20).then_some(()));
    kafka.delete_topic(topics[1]);
    let is_released = |status: &Json| {
        assert_ne!(status["state"], "STALLED", "{status}");
        status["state"] == "RUNNING" && status["counts"]["partitions"] == 2
    };
    home.wait_for_status(&mut host, "a", is_released);
    send_numbers(kafka, topics[0], 10..20);
    host.wait_until("the records after it", |_| (recording.written().len() == 30).then_some(()));
    let finished = host.terminate().expect_code(0);
    assert_eq!(finished.count_log("waiting for"), 0, "{}", finished.stderr);
}
