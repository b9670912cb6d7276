//! ACLs that are missing or removed.

use tidegate_tests::{Home, kafka::Resource, wait_for};

use super::{
    cluster::{READER, SECURE, Secure},
    connector, password, sasl, start, wait_for_delivered, wait_for_reason,
};
use crate::support::{PLUGINS, SHORT_SESSION};

#[test]
fn a_missing_acl_is_reported_and_the_task_continues_once_it_is_granted() {
    let Some(secure) = Secure::shared() else { return };
    let (kafka, topic, group) = (&secure.kafka, "rights", "rights.reader");
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, ["1", "2"]);
    let home = Home::new(&PLUGINS);
    // Without access to the group, a member cannot leave it either, so its session has to time out.
    let properties = sasl(&secure.ca, "SCRAM-SHA-512", &password(READER.0, READER.1)) + SHORT_SESSION;
    connector(&home, "reader", topic, &kafka.listener(SECURE), &properties);
    let mut host = start(&home);

    wait_for_reason(&home, &mut host, "reader", "; grant User:reader READ on consumer group rights.reader");
    kafka.grant("reader", "Read", Resource::Group(group));
    wait_for_reason(&home, &mut host, "reader", "; grant User:reader READ and DESCRIBE on topic rights");
    kafka.grant("reader", "Read", Resource::Topic(topic));
    wait_for_delivered(&home, &mut host, "reader", 2);

    // The ACL is removed while the connector runs.
    kafka.revoke("reader", "Read", Resource::Topic(topic));
    kafka.grant("reader", "Describe", Resource::Topic(topic));
    kafka.produce_to(topic, 0, ["3"]);
    wait_for_reason(&home, &mut host, "reader", "; grant User:reader READ on topic rights");
    kafka.grant("reader", "Read", Resource::Topic(topic));
    let _output = home.run(&["restart", "reader"]).expect_code(0);
    wait_for_delivered(&home, &mut host, "reader", 3);

    kafka.revoke("reader", "Read", Resource::Group(group));
    kafka.produce_to(topic, 0, ["4"]);
    wait_for_reason(&home, &mut host, "reader", "; grant User:reader READ on consumer group rights.reader");
    kafka.grant("reader", "Read", Resource::Group(group));
    let _output = home.run(&["restart", "reader"]).expect_code(0);
    kafka.produce_to(topic, 0, ["5"]);
    wait_for(|| (kafka.committed_in_all(group, topic) == 5).then_some(())).expect("all is read");
    let finished = host.terminate().expect_code(0);
    // The record whose commit was rejected may be duplicated; none is missing.
    for value in 1..=5 {
        let value = format!("\"value\":{value}");
        assert!(finished.stdout.contains(&value), "{value} in\n{}", finished.stdout);
    }
}
