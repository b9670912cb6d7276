//! Consumer settings, and their conversion to librdkafka's configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::types::RDKafkaType;
use serde::{Deserialize, Serialize};

use super::error::ConsumerError;
use super::topic_ids;
use crate::kafka::client;
use crate::kafka::oauth::TokenSource;
use crate::kafka::property_check::{self, PropertyFault};
use crate::kafka::topic_pattern::TopicPattern;

const MEBIBYTE: usize = 1 << 20;
/// librdkafka's default. It limits the accepted response size; no memory is reserved.
const DEFAULT_RESPONSE_LIMIT: usize = 100_000_000;
/// librdkafka requires `fetch.max.bytes` to be at least `message.max.bytes`.
const MIN_FETCH_BYTES: usize = MEBIBYTE;
/// What a small record takes in librdkafka's queue at least, whatever its value.
const SMALL_RECORD_BYTES: usize = 512;
/// The queue has this part of the memory of a task.
const QUEUES_IN_MEMORY: usize = 4;
/// How often topic metadata is queried.
const REFRESH: &str = "topic.metadata.refresh.interval.ms";

/// Which topics a consumer subscribes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Topics {
    List(Vec<String>),
    /// All topics that match, including those created later.
    Pattern(TopicPattern),
}

impl Topics {
    /// Whether a topic is read.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        match self {
            Self::List(topics) => topics.iter().any(|known| known == topic),
            Self::Pattern(pattern) => pattern.takes(topic),
        }
    }
}

/// Where to start when the group has no committed offset for a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Start {
    /// At the oldest record, like `auto.offset.reset=earliest`.
    Earliest,
    /// At the end of the log, like `auto.offset.reset=latest`.
    Latest,
}

/// What to do when a position is outside its partition's log: records were deleted before they were read, or the topic was
/// deleted and created again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OnLostPosition {
    /// Fail with the partition and the position.
    Fail,
    Earliest,
    Latest,
}

/// What to do with a batch that unpacks to more than the task's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OnOversizedBatch {
    /// Fail with its partition and offset.
    Fail,
    /// Report it, and continue behind it.
    Skip,
}

/// How the members of a group share its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// The classic protocol with an assignment strategy: `cooperative-sticky`, `range` or `roundrobin`. All members of a
    /// group must use the same.
    Classic(String),
    /// The broker assigns (KIP-848, Apache Kafka 4.0 and newer) and decides session timeout and heartbeat interval.
    Consumer,
}

/// Properties that librdkafka accepts only with the classic protocol.
const CLASSIC_ONLY: [&str; 2] = ["session.timeout.ms", "heartbeat.interval.ms"];

/// Settings of a consumer. Serialized including its secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct ConsumerSettings {
    /// The connector's name, for logs and threads.
    pub connector: String,
    /// The task's number within the connector, for logs and threads.
    pub task: u32,
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// The consumer group.
    pub group_id: String,
    /// The client id, used by brokers in logs and quotas.
    pub client_id: String,
    pub topics: Topics,
    pub protocol: Protocol,
    /// Static membership (KIP-345): the `group.instance.id`, unique in the group. A member that rejoins within the session
    /// timeout keeps its partitions, and they are not assigned to another member in between.
    pub instance_id: Option<String>,
    pub on_lost_position: OnLostPosition,
    /// How many bytes librdkafka may prefetch; at least 1 MiB. A single record may exceed it.
    pub queue_bytes: usize,
    pub on_oversized_batch: OnOversizedBatch,
    /// How many bytes a batch may unpack to, and all batches that wait in librdkafka's queue together.
    pub unpacked_bytes: usize,
    /// The largest record that must be accepted, in bytes.
    pub max_record_bytes: usize,
    /// Further librdkafka properties. They override the tunables below, but not settings that the consumer relies on
    /// (offset handling, group, brokers).
    pub properties: BTreeMap<String, String>,
}

impl fmt::Debug for ConsumerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerSettings")
            .field("connector", &self.connector)
            .field("task", &self.task)
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group_id", &self.group_id)
            .field("client_id", &self.client_id)
            .field("topics", &self.topics)
            .field("protocol", &self.protocol)
            .field("instance_id", &self.instance_id)
            .field("on_lost_position", &self.on_lost_position)
            .field("queue_bytes", &self.queue_bytes)
            .field("on_oversized_batch", &self.on_oversized_batch)
            .field("unpacked_bytes", &self.unpacked_bytes)
            .field("max_record_bytes", &self.max_record_bytes)
            // Names only, because values may be passwords or keys.
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl ConsumerSettings {
    /// Checks everything that can be checked without a broker: that librdkafka knows every property and accepts its value,
    /// that they go together, and that it can use the files that they name.
    #[must_use]
    pub fn check(&self) -> Vec<PropertyFault> {
        let config = || self.to_config().map(|(config, _)| config);
        property_check::check(&self.properties, RDKafkaType::RD_KAFKA_CONSUMER, config)
    }

    /// Returns librdkafka's configuration, and the source of OAuth tokens if they are used.
    pub(super) fn to_config(&self) -> Result<(ClientConfig, Option<TokenSource>), ConsumerError> {
        let (mut config, tokens) = client::configure(&self.bootstrap_servers, &self.properties)?;
        let classic = matches!(self.protocol, Protocol::Classic(_));
        for (name, value) in self.tunables()? {
            if !classic && CLASSIC_ONLY.contains(&name) {
                continue;
            }
            if config.get(name).is_none() && alias(name).and_then(|other| config.get(other)).is_none() {
                config.set(name, value);
            }
        }
        config
            .set("group.id", &self.group_id)
            .set("client.id", &self.client_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A position outside the log must be an error, not a silent skip.
            .set("auto.offset.reset", "error")
            .set("allow.auto.create.topics", "false");
        let debug = topic_ids::debug_contexts(config.get("debug"));
        config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
        match &self.protocol {
            Protocol::Classic(strategy) => config.set("partition.assignment.strategy", strategy),
            Protocol::Consumer => config.set("group.protocol", "consumer"),
        };
        if let Some(instance) = &self.instance_id {
            config.set("group.instance.id", instance);
        }
        Ok((config, tokens))
    }

    /// How often the topics that match a pattern are queried; with `None`, only at the start.
    pub(super) fn refresh_topics_every(&self) -> Result<Option<Duration>, ConsumerError> {
        let Some(text) = self.properties.get(REFRESH) else { return Ok(Some(Duration::from_secs(30))) };
        let every: i64 = text.trim().parse().map_err(|_| ConsumerError::NotANumber { property: REFRESH })?;
        Ok(u64::try_from(every).ok().filter(|every| *every > 0).map(Duration::from_millis))
    }

    fn has_pattern(&self) -> bool {
        matches!(self.topics, Topics::Pattern(_))
    }

    fn tunables(&self) -> Result<Vec<(&'static str, String)>, ConsumerError> {
        let queue = self.queue_bytes.max(MEBIBYTE);
        let fetch = match self.properties.get("fetch.max.bytes") {
            Some(text) => {
                text.parse().map_err(|_| ConsumerError::NotANumber { property: "fetch.max.bytes" })?
            }
            None => queue.clamp(MIN_FETCH_BYTES, 50 * MEBIBYTE),
        };
        // A broker returns at least one whole batch, however small the request's limits are (KIP-74), so only the response
        // limit has to accommodate the largest record.
        let response = fetch.max(self.max_record_bytes).saturating_add(MEBIBYTE).max(DEFAULT_RESPONSE_LIMIT);
        // It also limits what a batch with zstd unpacks to. librdkafka guesses that size, and triples the guess until it fits, so
        // only a third is certain.
        let response = response.max(queue.saturating_mul(QUEUES_IN_MEMORY * 3));
        Ok(vec![
            ("session.timeout.ms", "45000".to_owned()),
            ("heartbeat.interval.ms", "3000".to_owned()),
            ("max.poll.interval.ms", "300000".to_owned()),
            // How soon new partitions and new or missing topics are detected. With a pattern, all topics of the cluster
            // are queried, which may be many.
            (REFRESH, if self.has_pattern() { "30000" } else { "10000" }.to_owned()),
            ("reconnect.backoff.max.ms", "5000".to_owned()),
            // For each broker, librdkafka keeps 150 kB of histograms that it sends to brokers that collect metrics of their
            // clients (KIP-714). That would be more than everything else that an idle connector has.
            ("enable.metrics.push", "false".to_owned()),
            // librdkafka stops fetching for this long whenever its queue is full. Its default of one second leaves a consumer
            // that empties the queue faster idle for most of the time.
            ("fetch.queue.backoff.ms", "10".to_owned()),
            // The queue's limit in bytes counts only values, so many small records need one by number.
            ("queued.min.messages", (queue / SMALL_RECORD_BYTES).clamp(1000, 100_000).to_string()),
            ("queued.max.messages.kbytes", (queue / 1024).min(2_097_151).to_string()),
            ("fetch.max.bytes", fetch.to_string()),
            ("fetch.message.max.bytes", fetch.min(MEBIBYTE).to_string()),
            ("receive.message.max.bytes", response.min(i32::MAX as usize).to_string()),
        ])
    }
}

fn alias(name: &str) -> Option<&'static str> {
    (name == "fetch.message.max.bytes").then_some("max.partition.fetch.bytes")
}
