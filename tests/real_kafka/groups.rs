//! Groups: commits, resuming, and rebalances.

use std::{collections::BTreeSet, fs, time::Duration};

use tidegate_tests::{
    Home,
    kafka::{Kafka, Options},
    wait_for,
};

use crate::support::{PLUGINS, PROTOCOLS, SHORT_SESSION, send_numbers};

/// A connector that prints the records of `topic` as lines of JSON.
fn print(home: &Home, group: &str, topic: &str, protocol: &str) {
    home.connector(
        "print",
        &format!(
            "[source]\ntopics = [\"{topic}\"]\ngroup_id = \"{group}\"\ngroup_protocol = \"{protocol}\"\n\
             [sink]\nplugin = \"console\"\n[sink.config]\nstyle = \"json\"\n"
        ),
    );
}

#[test]
fn a_group_resumes_at_its_committed_offsets() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| resume(kafka, protocol));
}

fn resume(kafka: &Kafka, protocol: &str) {
    let topic = &*format!("resume.{protocol}");
    kafka.create_topic(topic, 4, 1);
    let home = Home::new(&PLUGINS);
    print(&home, topic, topic, protocol);
    let lines = |text: &str| text.lines().filter(|line| line.starts_with('{')).count();

    send_numbers(kafka, topic, 0..100);
    let finished = home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    assert_eq!((lines(&finished.stdout), kafka.committed_in_all(topic, topic)), (100, 100));

    send_numbers(kafka, topic, 100..150);
    let finished = home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    assert_eq!((lines(&finished.stdout), kafka.committed_in_all(topic, topic)), (50, 150));
}

#[test]
fn two_connectors_that_share_a_group_split_its_records() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| share_group(kafka, protocol));
}

fn share_group(kafka: &Kafka, protocol: &str) {
    let topic = &*format!("shared-group.{protocol}");
    kafka.create_topic(topic, 4, 1);
    send_numbers(kafka, topic, 0..400);
    let home = Home::new(&PLUGINS);
    for name in ["a", "b"] {
        home.connector(
            name,
            &format!(
                "[source]\ntopics = [\"{topic}\"]\ngroup_id = \"{topic}\"\nshared_group = true\n\
                 group_protocol = \"{protocol}\"\n\
                 [sink]\nplugin = \"file\"\n[sink.config]\npath = \"@out/{name}.jsonl\"\n"
            ),
        );
    }
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    let written: Vec<_> = ["a", "b"]
        .iter()
        .filter_map(|name| fs::read_to_string(home.path(&format!("out/{name}.jsonl"))).ok())
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let distinct: BTreeSet<_> = written.iter().collect();
    assert_eq!((written.len(), distinct.len()), (400, 400), "{protocol}");
    assert_eq!(kafka.committed_in_all(topic, topic), 400, "{protocol}");
}

#[test]
fn partitions_move_between_hosts_without_loss_or_duplicates() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| move_partitions(kafka, protocol));
}

fn move_partitions(kafka: &Kafka, protocol: &str) {
    let topic = &*format!("rebalance.{protocol}");
    kafka.create_topic(topic, 4, 1);
    let out = Home::new(&PLUGINS);
    let file = out.path("out/all.jsonl");
    // Two hosts with their own state folders write one file in one group.
    let homes = [Home::new(&PLUGINS), Home::new(&PLUGINS)];
    for home in &homes {
        home.connector(
            "shared",
            &format!(
                "tasks = 2\n[source]\ntopics = [\"{topic}\"]\ngroup_id = \"{topic}\"\ngroup_protocol = \"{protocol}\"\n[batch]\nmax_wait = \"50ms\"\n\
                 [sink]\nplugin = \"file\"\n[sink.config]\nstyle = \"value\"\npath = \"{}\"\n",
                file.display()
            ),
        );
    }
    let lines = || fs::read_to_string(&file).unwrap_or_default().lines().count();
    let wait_for_lines =
        |count| wait_for(|| (lines() >= count).then_some(())).unwrap_or_else(|_| panic!("{} lines", lines()));

    send_numbers(kafka, topic, 0..1000);
    let first = homes[0].start_on(&kafka.servers(), &[]);
    wait_for_lines(1000);
    let mut second = homes[1].start_on(&kafka.servers(), &[]);
    second.wait_for_log("reading 1 partition");
    send_numbers(kafka, topic, 1000..2000);
    wait_for_lines(2000);
    first.terminate().expect_code(0);
    send_numbers(kafka, topic, 2000..3000);
    wait_for_lines(3000);
    second.terminate().expect_code(0);

    let text = fs::read_to_string(&file).expect("the file");
    let distinct: BTreeSet<&str> = text.lines().collect();
    assert_eq!((text.lines().count(), distinct.len()), (3000, 3000));
    assert_eq!(kafka.committed_in_all(topic, topic), 3000);
}

#[test]
fn tasks_of_a_connector_are_in_the_first_generation_of_its_group() {
    // Kafka's default; the shared broker does not wait.
    let delay = ("group.initial.rebalance.delay.ms".to_owned(), "3000".to_owned());
    let options = Options { properties: vec![delay], ..Options::default() };
    let Some(kafka) = Kafka::start(&options) else { return };
    kafka.create_topic("events", 4, 1);
    send_numbers(&kafka, "events", 0..400);
    let home = Home::new(&["misbehaving"]);
    home.write("tidegate.toml", "[defaults]\ntasks = 2\n");
    let recording = home.recorder("a", "", "");
    let mut running = home.start_on(&kafka.servers(), &[]);
    running.wait_until("all records", |_| (recording.offsets().len() == 400).then_some(()));
    running.terminate().expect_code(0);
    let claims = recording.calls().into_iter().filter(|call| call.call == "claim");
    let claims: Vec<(u32, usize)> = claims.map(|call| (call.task, call.partitions.len())).collect();
    assert!(claims == [(0, 2), (1, 2)] || claims == [(1, 2), (0, 2)], "task and partitions: {claims:?}");
}

#[test]
fn a_missing_topic_is_reported_and_affects_no_other_connector() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| wait_for_missing_topic(kafka, protocol));
}

fn wait_for_missing_topic(kafka: &Kafka, protocol: &str) {
    let there = &*format!("missing.there.{protocol}");
    let missing = &*format!("missing.missing.{protocol}");
    kafka.create_topic(there, 4, 1);
    send_numbers(kafka, there, 0..10);
    let home = Home::new(&PLUGINS);
    print(&home, there, there, protocol);
    let group = &*format!("waiting.{protocol}");
    home.connector(
        "waiting",
        &format!(
            "[source]\ntopics = [\"{missing}\"]\ngroup_id = \"{group}\"\ngroup_protocol = \"{protocol}\"\n\
             [sink]\nplugin = \"discard\"\n"
        ),
    );
    let mut host = home.start_on(&kafka.servers(), &[]);
    host.wait_for_log(missing);
    wait_for(|| (kafka.committed_in_all(there, there) == 10).then_some(()))
        .expect("the other connector goes on");
    // It is read once it exists.
    kafka.create_topic(missing, 4, 1);
    send_numbers(kafka, missing, 0..10);
    host.wait_for_log("reading 4 partitions");
    wait_for(|| (kafka.committed_in_all(group, missing) == 10).then_some(())).expect("the topic is read");
    host.terminate().expect_code(0);
}

#[test]
fn a_spare_task_is_unassigned_and_ends_nothing() {
    let Some(kafka) = Kafka::shared() else { return };
    for protocol in PROTOCOLS {
        let topic = &*format!("spare.{protocol}");
        kafka.create_topic(topic, 1, 1);
        send_numbers(kafka, topic, 0..100);
        let home = Home::new(&PLUGINS);
        let source = format!("tasks = 2\n[source]\ntopics = [\"{topic}\"]\ngroup_protocol = \"{protocol}\"");
        home.connector("spare", &format!("{source}\n[sink]\nplugin = \"discard\"\n"));
        let mut host = home.start_on(&kafka.servers(), &[]);
        let status = home.wait_for_status(&mut host, "spare", |status| {
            status["counts"]["committed"] == 100 && status["state"] == "RUNNING"
        });
        let states = [0, 1].map(|task| status["tasks"][task]["state"].as_str().unwrap_or_default());
        assert!(states == ["RUNNING", "UNASSIGNED"] || states == ["UNASSIGNED", "RUNNING"], "{status}");
        host.terminate().expect_code(0);
        send_numbers(kafka, topic, 100..200);
        let finished = home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
        assert_eq!(kafka.committed_in_all("connect-spare", topic), 200, "{}", finished.stderr);
    }
}

#[test]
fn a_static_member_that_was_killed_comes_back_without_spending_a_restart() {
    let Some(kafka) = Kafka::shared() else { return };
    for protocol in PROTOCOLS {
        let topic = &*format!("static.{protocol}");
        kafka.create_topic(topic, 2, 1);
        let home = Home::new(&PLUGINS);
        // With the classic protocol, the member has the session timeout of the brokers of these tests as well.
        let session = if protocol == "consumer" { "" } else { SHORT_SESSION };
        home.connector(
            "static",
            &format!(
                "[source]\ntopics = [\"{topic}\"]\ngroup_protocol = \"{protocol}\"\ngroup_instance_id = \"host\"\n\
                 [source.properties]\n{session}[sink]\nplugin = \"discard\"\n"
            ),
        );
        let reading = format!("reading 2 partitions: {topic}-0");
        let mut killed = home.start_on(&kafka.servers(), &[]);
        killed.wait_for_log(&reading);
        killed.signal("KILL");
        let _finished = killed.finish();
        send_numbers(kafka, topic, 0..100);
        let mut host = home.start_on(&kafka.servers(), &[]);
        host.wait_for_log(&reading);
        let status = home.wait_for_status(&mut host, "static", |status| status["counts"]["committed"] == 100);
        assert_eq!(status["tasks"][0]["restarts"], 0, "{protocol}: {status}");
        let finished = host.terminate().expect_code(0);
        assert_eq!(finished.count_log("task failed"), 0, "{}", finished.stderr);
    }
}

#[test]
fn partitions_get_an_owner_after_a_static_member_was_killed_while_it_handed_them_over() {
    let Some(kafka) = Kafka::shared() else { return };
    kill_while_handing_over(kafka, "handed-over.1", false);
}

#[test]
fn partitions_get_an_owner_after_both_static_members_were_killed() {
    let Some(kafka) = Kafka::shared() else { return };
    kill_while_handing_over(kafka, "handed-over.2", true);
}

/// The brokers give the successor of a static member its assignment without a rebalance, so what its predecessor was handing
/// over has no owner. The successor notices; with `kills_both`, a member without partitions does.
fn kill_while_handing_over(kafka: &Kafka, topic: &str, kills_both: bool) {
    kafka.create_topic(topic, 4, 1);
    let homes = [Home::new(&PLUGINS), Home::new(&PLUGINS)];
    // No session ends while its host is restarted: that would be a rebalance.
    let recordings: [_; 2] = std::array::from_fn(|host| {
        let is_static = host == 0 || kills_both;
        let instance =
            if is_static { format!("group_instance_id = \"host-{host}\"\n") } else { String::new() };
        homes[host].connector(
            topic,
            &format!(
                "[source]\ntopics = [\"{topic}\"]\n{instance}[source.properties]\n\"session.timeout.ms\" = 60000\n\
                 [sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"@{topic}.calls\"\ngate = \"@gate\"\n"
            ),
        );
        homes[host].recording(topic)
    });
    let start = |host: usize| homes[host].start_on(&kafka.servers(), &[]);
    // The first host cannot write, so it does not release the partitions that the second one is to get.
    let mut from = start(0);
    homes[0].wait_for_status(&mut from, topic, |status| status["counts"]["partitions"] == 4);
    send_numbers(kafka, topic, 0..100);
    homes[0].wait_for_status(&mut from, topic, |status| status["counts"]["read"] == 100);
    let without_partitions =
        |to: &mut _| homes[1].wait_for_status(to, topic, |status| status["state"] == "UNASSIGNED");
    let mut to = start(1);
    without_partitions(&mut to);
    from.signal("KILL");
    let _finished = from.finish();
    if kills_both {
        to.signal("KILL");
        let _finished = to.finish();
        to = start(1);
        without_partitions(&mut to);
        // Meanwhile it looks at the group for the first time.
        std::thread::sleep(Duration::from_secs(3));
    }

    homes.iter().for_each(|home| drop(home.write("gate", "")));
    let from = start(0);
    let written = || -> BTreeSet<(i32, i64)> {
        let records = recordings.iter().flat_map(|recording| recording.written());
        records.map(|record| (record.partition, record.offset)).collect()
    };
    wait_for(|| (written().len() == 100).then_some(()))
        .unwrap_or_else(|_| panic!("{} records", written().len()));
    let logs = [from, to].map(|host| host.terminate().expect_code(0).stderr);
    let joined = logs.each_ref().map(|log| log.matches("joining the group again").count());
    println!("joined again: {joined:?}");
    assert_ne!(joined, [0, 0], "{logs:?}");
}
