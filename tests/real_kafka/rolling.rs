//! Hosts on several machines are restarted one after the other, as for an upgrade: static members keep their partitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use tidegate_tests::{Home, Recording, kafka::Kafka, wait_for};

use crate::support::{PLUGINS, PROTOCOLS, Stream, recorder};

const HOSTS: usize = 3;

/// Partitions of records that a host has written, those of its starts before as well.
fn partitions(recording: &Recording) -> BTreeSet<i32> {
    recording.written().into_iter().map(|record| record.partition).collect()
}

#[test]
fn a_rolling_restart_of_three_hosts_with_static_members_moves_no_partition_and_repeats_no_record() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| restart_one_after_the_other(kafka, protocol));
}

fn restart_one_after_the_other(kafka: &Kafka, protocol: &str) {
    let topic = &*format!("rolling.{protocol}");
    kafka.create_topic(topic, 6, 1);
    let homes: [Home; HOSTS] = std::array::from_fn(|_| Home::new(&PLUGINS));
    let recordings: [Recording; HOSTS] = std::array::from_fn(|host| {
        let source = format!(
            "topics = [\"{topic}\"]\ngroup_protocol = \"{protocol}\"\ngroup_instance_id = \"host-{host}\""
        );
        recorder(&homes[host], topic, &source, "")
    });
    let mut hosts: Vec<_> = homes.iter().map(|home| home.start_on(&kafka.servers(), &[])).collect();
    for (home, host) in homes.iter().zip(&mut hosts) {
        home.wait_for_status(host, topic, |status| status["counts"]["partitions"] == 2);
    }
    // Nothing is sent before, because the first member of a group may have all partitions for a moment.
    let stream = Stream::start(kafka, topic);
    wait_for(|| recordings.iter().all(|recording| partitions(recording).len() == 2).then_some(()))
        .expect("each host reads two partitions");
    let before = recordings.each_ref().map(partitions);

    for (index, home) in homes.iter().enumerate() {
        let began = Instant::now();
        hosts.remove(0).terminate().expect_code(0);
        let written = recordings[index].written().len();
        hosts.push(home.start_on(&kafka.servers(), &[]));
        wait_for(|| (recordings[index].written().len() > written).then_some(())).expect("the host goes on");
        println!(
            "{protocol}: host {index} writes again {:.1} s after SIGTERM",
            began.elapsed().as_secs_f64()
        );
    }
    stream.finish();

    let mut expected = BTreeMap::<i32, Vec<i64>>::new();
    for record in kafka.records(topic) {
        expected.entry(record.partition).or_default().push(record.offset);
    }
    let count: usize = expected.values().map(Vec::len).sum();
    let written = || recordings.iter().map(|recording| recording.written().len()).sum::<usize>();
    wait_for(|| (written() >= count).then_some(())).expect("every record");
    assert_eq!(recordings.each_ref().map(partitions), before, "no partition has moved");
    // Of each partition, its only host has written every record once and in order.
    let mut offsets = BTreeMap::<i32, Vec<i64>>::new();
    for record in recordings.iter().flat_map(Recording::written) {
        offsets.entry(record.partition).or_default().push(record.offset);
    }
    assert_eq!(offsets, expected);
    println!("{protocol}: {count} records, each once");
    for host in hosts {
        host.terminate().expect_code(0);
    }
}
