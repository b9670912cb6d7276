//! Leaders of partitions, and moving them.

use std::fs;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::Kafka;
use crate::{TIMEOUT, wait_for};

impl Kafka {
    /// The leader of a partition, if there is one.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let consumer: BaseConsumer = self.client_config().create().expect("a client");
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("the brokers answer");
        let found = metadata.topics().first()?;
        let partition = found.partitions().iter().find(|found| found.id() == partition)?;
        (partition.leader() > 0).then_some(partition.leader())
    }

    /// Moves the leader of a partition to another replica, by reordering the replicas and electing the preferred one.
    ///
    /// # Panics
    /// If it does not happen.
    pub fn move_leader(&self, topic: &str, partition: i32, to: i32) {
        let others = self.replicas(topic, partition).into_iter().filter(|id| *id != to);
        let replicas: Vec<String> = [to].into_iter().chain(others).map(|id| id.to_string()).collect();
        let plan = tempfile::NamedTempFile::new().expect("a temporary file");
        let text = format!(
            r#"{{"version":1,"partitions":[{{"topic":"{topic}","partition":{partition},"replicas":[{}]}}]}}"#,
            replicas.join(",")
        );
        fs::write(plan.path(), text).expect("a temporary file");
        let plan = plan.path().display().to_string();
        self.tool(
            "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
            &["--reassignment-json-file", &plan, "--execute"],
        );
        self.tool(
            "org.apache.kafka.tools.LeaderElectionCommand",
            &["--election-type", "preferred", "--topic", topic, "--partition", &partition.to_string()],
        );
        let moved = wait_for(|| (self.leader(topic, partition) == Some(to)).then_some(()));
        moved.unwrap_or_else(|reason| panic!("broker {to} as the leader of {topic}-{partition}: {reason}"));
    }

    fn replicas(&self, topic: &str, partition: i32) -> Vec<i32> {
        let consumer: BaseConsumer = self.client_config().create().expect("a client");
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("the brokers answer");
        let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
        let found = partitions.iter().find(|found| found.id() == partition);
        found.unwrap_or_else(|| panic!("no {topic}-{partition}")).replicas().to_vec()
    }
}
