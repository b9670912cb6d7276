//! Samples the committed offsets, what had been written at that time, and the memory of the hosts.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    topic_partition_list::Offset,
};

use crate::{
    executor::InjectedFault,
    host::now_ms,
    oracle::Sample,
    plan::Fault,
    processes,
    scene::{
        CONNECTORS, DEAD_LETTER_PARTITIONS, EXACT, FAULTY, PARTITIONS, Scene, TOPIC, dead_letter_topic, group,
    },
};

const ROUND: Duration = Duration::from_secs(1);
/// Timeout of requests to the brokers; after it, there is no sample.
const ANSWER: Duration = Duration::from_secs(2);
/// For this time after it was suspended, a broker may not know yet that it is not the leader any more.
const OUTDATED_MS: i64 = 6_000;

/// A sample with the time at which it was complete, in milliseconds since 1970.
type TimedSample = (i64, Sample);

/// All samples.
#[derive(Debug, Default)]
pub(crate) struct Observations {
    /// Samples of each connector.
    samples: BTreeMap<&'static str, Vec<TimedSample>>,
    /// Samples of the memory of the first host, in kilobytes.
    pub(crate) memory: Vec<u64>,
}

impl Observations {
    /// Takes the samples of a connector, without those that a broker may have answered right after it was suspended. It
    /// would not know the dead letters that the new leader has acknowledged, and every commit past these would look
    /// too early.
    pub(crate) fn take_samples(&mut self, connector: &str, injected: &[InjectedFault]) -> Vec<Sample> {
        let resumed: Vec<i64> = injected
            .iter()
            .filter(|injected| matches!(injected.fault, Fault::BrokerFreeze(_)))
            // The time was taken after the signal was sent.
            .map(|injected| injected.to_ms - 1_000)
            .collect();
        let is_current =
            |time: i64| resumed.iter().all(|resumed| !(*resumed..resumed + OUTDATED_MS).contains(&time));
        let samples = self.samples.remove(connector).unwrap_or_default();
        samples.into_iter().filter(|(time, _)| is_current(*time)).map(|(_, sample)| sample).collect()
    }
}

/// Takes samples until it is stopped, and then a last one.
pub(crate) fn run(scene: &Scene, stop: &AtomicBool) -> Observations {
    let clients: Vec<Client> =
        CONNECTORS.into_iter().map(|connector| Client::new(scene, connector)).collect();
    let mut observations = Observations::default();
    loop {
        let is_last = stop.load(Ordering::Relaxed);
        for client in &clients {
            let samples = observations.samples.entry(client.connector).or_default();
            samples.extend(client.sample(scene).map(timed));
            samples.extend(client.sample_of_sink(scene).map(timed));
        }
        if is_last {
            return observations;
        }
        let pid = scene.host(0).pid();
        observations.memory.extend(pid.and_then(processes::memory));
        thread::sleep(ROUND);
    }
}

fn timed(sample: Sample) -> TimedSample {
    (now_ms(), sample)
}

/// A client for the samples of a connector.
pub(crate) struct Client {
    connector: &'static str,
    consumer: BaseConsumer,
}

impl Client {
    pub(crate) fn new(scene: &Scene, connector: &'static str) -> Self {
        let mut config = scene.kafka.client_config();
        config.set("group.id", group(connector)).set("topic.metadata.refresh.interval.ms", "1000");
        Self { connector, consumer: config.create().expect("a consumer") }
    }

    /// Samples the committed offsets, and then what was written.
    fn sample(&self, scene: &Scene) -> Option<Sample> {
        let committed = self.committed()?;
        self.with_what_is_there(scene, committed)
    }

    /// Samples the sink's own offsets, and then what was written: these offsets must not run ahead either.
    fn sample_of_sink(&self, scene: &Scene) -> Option<Sample> {
        if self.connector != EXACT {
            return None;
        }
        let stored_offsets = scene.ledger(self.connector).stored_offsets();
        let committed = stored_offsets
            .into_iter()
            .filter_map(|stored_offsets| Some((stored_offsets.partition, stored_offsets.next_offset?)))
            .collect();
        self.with_what_is_there(scene, committed)
    }

    fn with_what_is_there(&self, scene: &Scene, committed: BTreeMap<i32, i64>) -> Option<Sample> {
        let dead_letters = self.dead_letters()?;
        Some(Sample { committed, dead_letters, rows: scene.ledger(self.connector).last() as usize })
    }

    /// The committed offsets of the group.
    pub(crate) fn committed(&self) -> Option<BTreeMap<i32, i64>> {
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(TOPIC, 0, PARTITIONS - 1);
        let committed = self.consumer.committed_offsets(partitions, ANSWER).ok()?;
        let elements = committed.elements();
        // If one partition has an error, the sample is dropped.
        elements.iter().try_for_each(|element| element.error()).ok()?;
        let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
        Some(elements.iter().filter_map(|at| Some((at.partition(), offset(at.offset())?))).collect())
    }

    /// End offsets of the topic.
    pub(crate) fn ends(&self) -> Option<BTreeMap<i32, i64>> {
        self.ends_of(TOPIC, PARTITIONS)
    }

    /// End offsets of the dead-letter topic.
    fn dead_letters(&self) -> Option<BTreeMap<i32, i64>> {
        if !FAULTY.contains(&self.connector) {
            return Some(BTreeMap::new());
        }
        self.ends_of(&dead_letter_topic(self.connector), DEAD_LETTER_PARTITIONS)
    }

    fn ends_of(&self, topic: &str, partitions: i32) -> Option<BTreeMap<i32, i64>> {
        let end = |partition| self.consumer.fetch_watermarks(topic, partition, ANSWER).ok();
        (0..partitions).map(|partition| Some((partition, end(partition)?.1))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Target;

    #[test]
    fn samples_right_after_a_broker_was_suspended_are_left_out() {
        let injected = |fault, to_ms| InjectedFault { target: Target::Broker, fault, from_ms: 0, to_ms };
        let injected = [injected(Fault::BrokerFreeze(1), 20_000), injected(Fault::BrokerKill(2), 40_000)];
        let sample = |time, rows| (time, Sample { rows, ..Sample::default() });
        let samples = vec![
            sample(18_000, 1),
            sample(20_100, 2),
            sample(24_000, 3),
            sample(26_000, 4),
            sample(40_100, 5),
        ];
        let mut observations =
            Observations { samples: [("append", samples)].into(), ..Observations::default() };
        let rows: Vec<usize> =
            observations.take_samples("append", &injected).iter().map(|sample| sample.rows).collect();
        assert_eq!(rows, [1, 4, 5]);
    }
}
