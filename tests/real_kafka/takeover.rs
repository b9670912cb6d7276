//! Hosts with the same connector files share the partitions, and take over those of a host that dies.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tidegate_tests::{Home, kafka::Kafka, wait_for};

use crate::support::{PLUGINS, PROTOCOLS, Stream, recorder};

/// The session timeout of the members.
const SESSION: Duration = Duration::from_secs(6);

#[test]
fn a_host_takes_over_from_one_that_is_killed() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| take_over(kafka, protocol));
}

fn take_over(kafka: &Kafka, protocol: &str) {
    let topic = &*format!("takeover.{protocol}");
    kafka.create_topic(topic, 4, 1);
    let homes = [Home::new(&PLUGINS), Home::new(&PLUGINS)];
    let source = format!("topics = [\"{topic}\"]\ngroup_protocol = \"{protocol}\"");
    let recordings = homes.each_ref().map(|home| recorder(home, topic, &source, ""));
    let mut hosts = homes.each_ref().map(|home| home.start_on(&kafka.servers(), &[]));
    for (home, host) in homes.iter().zip(&mut hosts) {
        home.wait_for_status(host, topic, |status| status["counts"]["partitions"] == 2);
    }
    let stream = Stream::start(kafka, topic);
    let partitions = |host: usize| -> BTreeSet<i32> {
        recordings[host].written().into_iter().map(|record| record.partition).collect()
    };
    wait_for(|| (partitions(0).len() == 2 && partitions(1).len() == 2).then_some(())).expect("both read");

    let [killed, survivor] = hosts;
    killed.signal("KILL");
    let died = Instant::now();
    wait_for(|| (partitions(1).len() == 4).then_some(())).expect("the other one reads all partitions");
    let took = died.elapsed();
    println!("{protocol}: takeover after {:.1} s, with a session timeout of 6 s", took.as_secs_f64());
    assert!(took < SESSION + Duration::from_secs(5), "{took:?}");
    stream.finish();

    // Records that were written and not committed by the killed host are duplicated; none is missing.
    let expected: BTreeSet<(i32, i64)> =
        kafka.records(topic).into_iter().map(|record| (record.partition, record.offset)).collect();
    let written = || -> Vec<(i32, i64)> {
        let records = recordings.iter().flat_map(|recording| recording.written());
        records.map(|record| (record.partition, record.offset)).collect()
    };
    wait_for(|| (written().into_iter().collect::<BTreeSet<_>>().len() == expected.len()).then_some(()))
        .expect("every record");
    assert_eq!(written().into_iter().collect::<BTreeSet<_>>(), expected);
    println!("{} of {} records came twice", written().len() - expected.len(), expected.len());
    survivor.terminate().expect_code(0);
}
