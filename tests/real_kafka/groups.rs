//! Groups: what is committed, how a group goes on, and partitions that change hands.

use std::{collections::BTreeSet, fs};

use tidegate_tests::{Home, wait_for};

use crate::cluster::{Cluster, PLUGINS};

/// A connector that prints the records of `topic` as lines of JSON, in a group of its own.
fn print(home: &Home, group: &str, topic: &str) {
    home.connector(
        "print",
        &format!(
            "[source]\ntopics = [\"{topic}\"]\ngroup_id = \"{group}\"\n[sink]\nplugin = \"console\"\n[sink.config]\n\
             style = \"json\"\n"
        ),
    );
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn send(cluster: &Cluster, topic: &str, values: &[String]) {
    cluster.send(topic, "none", values.iter().map(|value| (Some(value.as_str()), Some(value.as_str()))));
}

#[test]
fn a_group_goes_on_where_it_committed() {
    let Some(cluster) = Cluster::find("resume") else { return };
    let topic = cluster.topic("events");
    let home = Home::new(&PLUGINS);
    print(&home, &topic, &topic);
    let lines = |text: &str| text.lines().filter(|line| line.starts_with('{')).count();

    send(&cluster, &topic, &numbers(0..100));
    let finished = cluster.run_once(&home).expect_code(0);
    assert_eq!((lines(&finished.stdout), cluster.committed(&topic, &topic)), (100, 100));

    send(&cluster, &topic, &numbers(100..150));
    let finished = cluster.run_once(&home).expect_code(0);
    assert_eq!((lines(&finished.stdout), cluster.committed(&topic, &topic)), (50, 150));
}

#[test]
fn partitions_change_hands_without_loss_or_repetition() {
    let Some(cluster) = Cluster::find("rebalance") else { return };
    let topic = cluster.topic("events");
    let out = Home::new(&PLUGINS);
    let file = out.path("out/all.jsonl");
    // Two hosts, each with its own state folder, write one file in one group.
    let homes = [Home::new(&PLUGINS), Home::new(&PLUGINS)];
    for home in &homes {
        home.connector(
            "shared",
            &format!(
                "tasks = 2\n[source]\ntopics = [\"{topic}\"]\ngroup_id = \"{topic}\"\n[batch]\nmax_wait = \"50ms\"\n\
                 [sink]\nplugin = \"file\"\n[sink.config]\nstyle = \"value\"\npath = \"{}\"\n",
                file.display()
            ),
        );
    }
    let lines = || fs::read_to_string(&file).unwrap_or_default().lines().count();
    let wait_for_lines =
        |count| wait_for(|| (lines() >= count).then_some(())).unwrap_or_else(|_| panic!("{} lines", lines()));

    send(&cluster, &topic, &numbers(0..1000));
    let first = cluster.start(&homes[0], &[]);
    wait_for_lines(1000);
    let mut second = cluster.start(&homes[1], &[]);
    second.wait_for_log("reading 1 partitions");
    send(&cluster, &topic, &numbers(1000..2000));
    wait_for_lines(2000);
    first.terminate().expect_code(0);
    send(&cluster, &topic, &numbers(2000..3000));
    wait_for_lines(3000);
    second.terminate().expect_code(0);

    let text = fs::read_to_string(&file).expect("the file");
    let distinct: BTreeSet<&str> = text.lines().collect();
    assert_eq!((text.lines().count(), distinct.len()), (3000, 3000));
    assert_eq!(cluster.committed(&topic, &topic), 3000);
}

#[test]
fn a_missing_topic_is_named_and_stops_nobody_else() {
    let Some(cluster) = Cluster::find("missing") else { return };
    let (there, missing) = (cluster.topic("there"), cluster.topic("missing"));
    send(&cluster, &there, &numbers(0..10));
    let home = Home::new(&PLUGINS);
    print(&home, &there, &there);
    home.connector("waiting", &format!("[source]\ntopics = [\"{missing}\"]\n[sink]\nplugin = \"discard\"\n"));
    let mut host = cluster.start(&home, &[]);
    host.wait_for_log(&missing);
    wait_for(|| (cluster.committed(&there, &there) == 10).then_some(()))
        .expect("the other connector goes on");
    // It is found as soon as it is there.
    send(&cluster, &missing, &numbers(0..10));
    host.wait_for_log("reading 4 partitions");
    let group = "connect-waiting";
    wait_for(|| (cluster.committed(group, &missing) == 10).then_some(())).expect("the topic is read");
    host.terminate().expect_code(0);
}
