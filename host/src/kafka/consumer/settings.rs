//! What a consumer is told, and how that becomes librdkafka's configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

use super::error::ConsumerError;
use crate::kafka::client::{self, ClientError};
use crate::kafka::oauth::TokenSource;
use crate::kafka::topic_pattern::TopicPattern;

const MEBIBYTE: usize = 1 << 20;
/// librdkafka's default; a limit on what is believed, not memory that is reserved.
const DEFAULT_RESPONSE_LIMIT: usize = 100_000_000;
/// librdkafka refuses less: `fetch.max.bytes` must reach `message.max.bytes`.
const LEAST_FETCH: usize = MEBIBYTE;
/// How often the brokers are asked about topics: which there are, and which partitions they have.
const REFRESH: &str = "topic.metadata.refresh.interval.ms";

/// Which topics a consumer subscribes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Topics {
    /// These.
    List(Vec<String>),
    /// Those that a pattern takes, also ones created later.
    Pattern(TopicPattern),
}

/// Where a group begins that has not committed anything for a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// At the oldest record.
    Earliest,
    /// At what arrives from now on.
    Latest,
}

/// What becomes of a position that lies outside its partition's log: records were deleted before they were read, or the
/// topic was created anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnLostPosition {
    /// The consumer cannot go on, and says where.
    Fail,
    /// Read the log from its beginning.
    Earliest,
    /// Read what arrives from now on.
    Latest,
}

/// How the members of a group share its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// The classic protocol with an assignment strategy: `cooperative-sticky`, `range` or `roundrobin`. All members of a
    /// group must use the same.
    Classic(String),
    /// The broker assigns (KIP-848, Apache Kafka 4.0 and newer). Session and heartbeat are the broker's to say.
    Consumer,
}

/// Properties of the classic protocol, which librdkafka refuses beside the other one.
const CLASSIC_ONLY: [&str; 2] = ["session.timeout.ms", "heartbeat.interval.ms"];

/// What a consumer is told. Serialised with its secrets.
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
    /// What the brokers call this client in their logs and quotas.
    pub client_id: String,
    /// What to subscribe to.
    pub topics: Topics,
    /// How the group shares its partitions.
    pub protocol: Protocol,
    /// Static membership (KIP-345): the member's name in the group, unique in it. A member that comes back within the
    /// session timeout finds its partitions as they were, and nobody else gets them before.
    pub instance_id: Option<String>,
    /// What becomes of a position outside the log.
    pub on_lost_position: OnLostPosition,
    /// How many bytes librdkafka may fetch ahead. At least 1 MiB is used; one record may exceed it.
    pub queue_bytes: usize,
    /// The largest record, in bytes, that must be able to arrive.
    pub max_record_bytes: usize,
    /// Further properties of librdkafka. They override the tunables below, not what the consumer relies on
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
            .field("max_record_bytes", &self.max_record_bytes)
            // Names only: values may be passwords and keys.
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl ConsumerSettings {
    /// Checks all that can be checked without a broker: that librdkafka knows every property, and takes its value.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<(), ConsumerError> {
        let (config, _) = self.to_config()?;
        config.create_native_config().map_err(ClientError::from_creation)?;
        Ok(())
    }

    /// Returns librdkafka's configuration, and where OAuth tokens come from, if they are needed.
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
            // A position outside the log is an error that somebody must look at, never a silent skip.
            .set("auto.offset.reset", "error")
            .set("allow.auto.create.topics", "false");
        match &self.protocol {
            Protocol::Classic(strategy) => config.set("partition.assignment.strategy", strategy),
            Protocol::Consumer => config.set("group.protocol", "consumer"),
        };
        if let Some(instance) = &self.instance_id {
            config.set("group.instance.id", instance);
        }
        Ok((config, tokens))
    }

    /// How often the topics that a pattern takes are looked up; only at the start, if never.
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
            None => queue.clamp(LEAST_FETCH, 50 * MEBIBYTE),
        };
        // A broker answers with at least one whole batch, however small the limits of the request (KIP-74), so
        // only the limit on the response has to leave room for the largest record.
        let response = fetch.max(self.max_record_bytes).saturating_add(MEBIBYTE).max(DEFAULT_RESPONSE_LIMIT);
        Ok(vec![
            ("session.timeout.ms", "45000".to_owned()),
            ("heartbeat.interval.ms", "3000".to_owned()),
            ("max.poll.interval.ms", "300000".to_owned()),
            // How soon new partitions, new matching topics, and topics that were missing are found. For a pattern all
            // topics of the cluster are asked for, which may be many.
            (REFRESH, if self.has_pattern() { "30000" } else { "10000" }.to_owned()),
            ("reconnect.backoff.max.ms", "5000".to_owned()),
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
