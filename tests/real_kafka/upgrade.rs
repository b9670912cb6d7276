//! Hosts of two versions share a group while one after the other is upgraded, downgraded and upgraded again: `.ci/upgrade`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;
use tidegate_tests::{Home, Previous, Running, kafka::Kafka, wait_for};

use crate::support::{PROTOCOLS, SHORT_SESSION, Stream};

const HOSTS: usize = 3;
const PARTITIONS: i32 = 6;
const PLUGINS: [&str; 1] = ["file-sink"];

/// Hosts with the same connector, whose sink they share: the file sink stores offsets with its lines.
struct Scene<'k> {
    kafka: &'k Kafka,
    previous: Previous,
    topic: String,
    homes: [Home; HOSTS],
    output: PathBuf,
}

impl<'k> Scene<'k> {
    fn new(kafka: &'k Kafka, protocol: &str) -> Self {
        let topic = format!("upgrade.{protocol}");
        kafka.create_topic(&topic, PARTITIONS, 1);
        let homes: [Home; HOSTS] = std::array::from_fn(|_| Home::new(&PLUGINS));
        let output = homes[0].path("out/lines.jsonl");
        let previous = Previous::find();
        let session = if protocol == "consumer" { "" } else { SHORT_SESSION };
        for home in &homes {
            previous.add_plugins(home, &PLUGINS);
            let source = format!("[source]\ntopics = [\"{topic}\"]\n");
            let sink = format!(
                "[sink]\nplugin = \"file\"\nconfig = {{ path = \"{}\", fsync = false }}\n",
                output.display()
            );
            home.connector(
                "shared",
                &format!("{source}group_protocol = \"{protocol}\"\n[source.properties]\n{session}{sink}"),
            );
            home.connector("paused", &format!("{source}{sink}").replace("lines.jsonl", "paused/lines.jsonl"));
        }
        Self { kafka, previous, topic, homes, output }
    }

    fn start(&self, host: usize, is_previous: bool) -> Running {
        let (home, servers) = (&self.homes[host], self.kafka.servers());
        match is_previous {
            true => self.previous.start_on(home, &servers, &[]),
            false => home.start_on(&servers, &[]),
        }
    }

    /// Waits until every host has two partitions, and a thousand more records are written.
    fn wait_until_shared(&self, hosts: &mut [Running]) {
        for (home, host) in self.homes.iter().zip(hosts) {
            home.wait_for_status(host, "shared", |status| {
                status["counts"]["partitions"] == PARTITIONS / HOSTS as i32
            });
        }
        let before = lines(&self.output).len();
        wait_for(|| (lines(&self.output).len() > before + 1000).then_some(())).expect("more records");
    }

    /// That a connector which was paused with another version still is.
    fn expect_paused(&self, host: usize, running: &mut Running) {
        self.homes[host].wait_for_status(running, "paused", |status| status["state"] == "PAUSED");
    }
}

/// The complete lines of the sink's file.
fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    complete.lines().map(str::to_owned).collect()
}

/// The offsets in these lines by partition, in the order of the lines.
fn offsets(lines: &[String]) -> BTreeMap<i64, Vec<i64>> {
    let mut offsets = BTreeMap::<i64, Vec<i64>>::new();
    for line in lines {
        let line: Json = serde_json::from_str(line).expect("a line of JSON");
        let (partition, offset) = (line["partition"].as_i64(), line["offset"].as_i64());
        offsets.entry(partition.expect("a partition")).or_default().push(offset.expect("an offset"));
    }
    offsets
}

#[test]
#[ignore = "needs a host of another version, which .ci/upgrade builds"]
fn hosts_of_two_versions_share_a_group_and_write_every_record_once() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| upgrade_one_after_the_other(kafka, protocol));
}

fn upgrade_one_after_the_other(kafka: &Kafka, protocol: &str) {
    let scene = Scene::new(kafka, protocol);
    let mut hosts: Vec<Running> = (0..HOSTS).map(|host| scene.start(host, true)).collect();
    for (index, (home, host)) in scene.homes.iter().zip(&mut hosts).enumerate() {
        home.wait_for_status(host, "paused", |status| status["state"] == "RUNNING");
        home.run(&["pause", "paused"]).expect_code(0);
        scene.expect_paused(index, host);
    }
    let stream = Stream::start(kafka, &scene.topic);
    scene.wait_until_shared(&mut hosts);
    // The first host is also downgraded, so that the previous version reads what this one has written.
    for (host, is_previous) in [(0, false), (1, false), (0, true), (2, false), (0, false)] {
        hosts.remove(host).terminate().expect_code(0);
        hosts.insert(host, scene.start(host, is_previous));
        scene.wait_until_shared(&mut hosts);
        scene.expect_paused(host, &mut hosts[host]);
        println!("{protocol}: host {host} runs the {} version", if is_previous { "previous" } else { "new" });
    }
    stream.finish();

    let mut expected = BTreeMap::<i64, Vec<i64>>::new();
    for record in kafka.records(&scene.topic) {
        expected.entry(record.partition.into()).or_default().push(record.offset);
    }
    let count: usize = expected.values().map(Vec::len).sum();
    wait_for(|| (lines(&scene.output).len() >= count).then_some(())).expect("every record");
    for host in hosts {
        host.terminate().expect_code(0);
    }
    assert_eq!(offsets(&lines(&scene.output)), expected, "each record once and in order");
    println!("{protocol}: {count} records, each once");
}
