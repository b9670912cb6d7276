//! The broker that the environment names, and what tests do with it.

use std::{
    env,
    io::{self, Write},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
    topic_partition_list::{Offset, TopicPartitionList},
};
use tidegate_tests::{Finished, Home, PATIENCE, Running};

/// Libraries that the tests use.
pub(crate) const PLUGINS: [&str; 3] = ["console-sink", "discard-sink", "file-sink"];

/// A real broker, and names in it that belong to one test.
pub(crate) struct Cluster {
    servers: String,
    /// Begins the name of every topic and connector of the test; a broker may serve several runs.
    prefix: String,
}

impl Cluster {
    /// The broker for `test`; none, and said so, when the environment names no broker.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let servers = variable("TIDEGATE_TEST_KAFKA", test)?;
        Some(Self { servers, prefix: format!("{test}-{}", std::process::id()) })
    }

    /// `host:port`, without security.
    pub(crate) fn servers(&self) -> &str {
        &self.servers
    }

    /// The name of one of the test's topics.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// Sends records (key and value) to a topic, which the broker creates with four partitions.
    pub(crate) fn send<'r>(
        &self,
        topic: &str,
        codec: &str,
        records: impl IntoIterator<Item = (Option<&'r str>, Option<&'r str>)>,
    ) {
        let producer = self.producer(&[("compression.type", codec)]);
        for (key, value) in records {
            send(&producer, topic, key, value);
        }
        producer.flush(PATIENCE).expect("records that the broker takes");
    }

    pub(crate) fn producer(&self, properties: &[(&str, &str)]) -> BaseProducer {
        let mut config = self.client();
        config.set("linger.ms", "20").set("partitioner", "murmur2");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        config.create().expect("a producer")
    }

    /// What a group has committed in all partitions of a topic, summed up.
    pub(crate) fn committed(&self, group: &str, topic: &str) -> i64 {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().expect("a consumer");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..4 {
            partitions.add_partition(topic, partition);
        }
        let committed = consumer.committed_offsets(partitions, PATIENCE).expect("the broker answers");
        let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
        committed.elements().iter().map(|element| offset(element.offset())).sum()
    }

    /// Starts `tidegate run` on the broker.
    pub(crate) fn start(&self, home: &Home, arguments: &[&str]) -> Running {
        Running::start(home.command().args(["--bootstrap-servers", &self.servers, "run"]).args(arguments))
    }

    /// Runs `tidegate run --once` on the broker.
    pub(crate) fn run_once(&self, home: &Home) -> Finished {
        self.start(home, &["--once"]).finish()
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers).set_log_level(RDKafkaLogLevel::Critical);
        config
    }
}

/// Sends one record, waiting for room where there is none.
pub(crate) fn send(producer: &BaseProducer, topic: &str, key: Option<&str>, value: Option<&str>) {
    let mut record = BaseRecord::<str, str>::to(topic);
    (record.key, record.payload) = (key, value);
    producer.send(record).map_err(|(error, _)| error).expect("a record that the producer takes");
    producer.poll(Duration::ZERO);
}

/// A variable of the environment. The test is skipped where it is not set, which is said past the test harness, since
/// that swallows the output of tests that pass.
pub(crate) fn variable(name: &str, test: &str) -> Option<String> {
    let value = env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        let line = format!("SKIPPED {test}: {name} is not set; run it with tests/kafka/with-kafka.sh\n");
        io::stderr().write_all(line.as_bytes()).expect("a place for errors");
    }
    value
}
