//! A registry that is killed and started again.

use tidegate_tests::{Broker, Home, apicurio::Apicurio};

use crate::support::{ITEM, item, to_file, written};

#[test]
fn a_registry_that_is_killed_holds_the_connector_and_nothing_is_lost() {
    let Some(registry) = Apicurio::start() else { return };
    let first = registry.register("first", "AVRO", ITEM, &[]).expect("a schema").content;
    let wider = ITEM.replace("]}", ",{\"name\":\"note\",\"type\":\"string\"}]}");
    let second = registry.register("second", "AVRO", &wider, &[]).expect("a schema").content;
    let broker = Broker::with_events([item(first, 1)]);
    let home = Home::new(&["file-sink"]);
    to_file(&home, "avro", &format!("url = \"{}\"", registry.url()));
    let mut running = home.start(&broker);
    running.wait_until("the first record", |_| (written(&home).lines().count() == 1).then_some(()));

    registry.kill();
    // A schema that the host has is enough while the registry is down.
    broker.send("events", [item(first, 2)]);
    running.wait_until("the second record", |_| (written(&home).lines().count() == 2).then_some(()));
    broker.send("events", [[item(second, 3), b"\x04hi".to_vec()].concat(), item(first, 4)]);
    let status = home.wait_for_status(&mut running, "items", |status| status["state"] == "STALLED");
    let reason = status["tasks"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("schema registry cannot be used"), "{reason}");
    assert_eq!(status["counts"]["rejected"], 0);
    assert_eq!(broker.committed("connect-items", "events", 0), Some(2));

    registry.start_again();
    running.wait_until("all records", |_| (written(&home).lines().count() == 4).then_some(()));
    home.wait_for_status(&mut running, "items", |status| status["state"] == "RUNNING");
    let finished = running.terminate().expect_code(0);
    finished.expect_log("schema registry answers again");
    assert_eq!(written(&home), "{\"id\":1}\n{\"id\":2}\n{\"id\":3,\"note\":\"hi\"}\n{\"id\":4}\n");
    assert_eq!(broker.committed("connect-items", "events", 0), Some(4));
}

#[test]
fn a_registry_that_starts_after_the_host_is_waited_for() {
    let Some(registry) = Apicurio::start() else { return };
    let id = registry.register("items", "AVRO", ITEM, &[]).expect("a schema").content;
    registry.kill();
    let broker = Broker::with_events([item(id, 1), item(id, 2)]);
    let home = Home::new(&["file-sink"]);
    to_file(&home, "avro", &format!("url = \"{}\"", registry.url()));
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "items", |status| status["state"] == "STALLED");
    assert_eq!(broker.committed("connect-items", "events", 0), None);
    registry.start_again();
    running.wait_until("the records", |_| (written(&home).lines().count() == 2).then_some(()));
    let _finished = running.terminate().expect_code(0);
    assert_eq!(broker.committed("connect-items", "events", 0), Some(2));
}
