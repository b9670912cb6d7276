//! Producer settings, and their conversion to librdkafka's configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::types::RDKafkaType;

use super::ProduceError;
use crate::kafka::client;
use crate::kafka::oauth::TokenSource;
use crate::kafka::property_check::{self, PropertyFault};

/// Properties of consumers: librdkafka logs a warning when a producer has them.
const CONSUMER_ONLY: [&str; 28] = [
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "offset.store.method",
    "partition.assignment.strategy",
    "queued.min.messages",
    "session.timeout.ms",
];

/// Properties that would break the delivery guarantees, or that are set here.
const OWNED: [&str; 18] = [
    "acks",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queuing.strategy",
    "request.required.acks",
    "retries",
    "statistics.interval.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// librdkafka's limit. The topic's own limit is checked by its broker.
const MAX_RECORD_BYTES: &str = "1000000000";
/// Above librdkafka's largest record; [`Producer`](super::Producer) keeps far less in flight.
const QUEUE_KBYTES: &str = "1048576";
/// A connection must be established first, however short the configured timeout is.
const MIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Backoff and timeout of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendTimeouts {
    /// The first backoff before a request is retried.
    pub initial: Duration,
    /// The longest backoff.
    pub max: Duration,
    /// After this time unacknowledged records have failed; at least ten seconds.
    pub timeout: Duration,
}

/// Settings of a producer.
#[derive(Clone)]
pub struct ProducerSettings {
    /// The owner's name, for logs and threads.
    pub owner: String,
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// The client id, used by brokers in logs and quotas.
    pub client_id: String,
    /// Further properties of librdkafka, properties of consumers are left out.
    pub properties: BTreeMap<String, String>,
    /// Backoff and timeout.
    pub timeouts: SendTimeouts,
}

impl fmt::Debug for ProducerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerSettings")
            .field("owner", &self.owner)
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("client_id", &self.client_id)
            // Names only: values may be passwords and keys.
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .field("timeouts", &self.timeouts)
            .finish()
    }
}

impl ProducerSettings {
    /// Checks everything that can be checked without a broker, as for a consumer.
    #[must_use]
    pub fn check(&self) -> Vec<PropertyFault> {
        let config = || self.to_config().map(|(config, _)| config);
        property_check::check(&self.client_properties(), RDKafkaType::RD_KAFKA_PRODUCER, config)
    }

    /// After this time unacknowledged records have failed.
    pub(super) fn timeout(&self) -> Duration {
        self.timeouts.timeout.max(MIN_TIMEOUT)
    }

    /// The properties without those of consumers and those that are set here.
    pub(super) fn client_properties(&self) -> BTreeMap<String, String> {
        let left_out = |name: &str| CONSUMER_ONLY.contains(&name) || OWNED.contains(&name);
        let mut properties = self.properties.clone();
        properties.retain(|name, _| !left_out(name) && name != "queued.max.messages.kbytes");
        properties
    }

    /// Returns librdkafka's configuration, and the source of OAuth tokens if they are used.
    pub(super) fn to_config(&self) -> Result<(ClientConfig, Option<TokenSource>), ProduceError> {
        let (mut config, tokens) = client::configure(&self.bootstrap_servers, &self.client_properties())?;
        let millis = |time: Duration, most: u128| time.as_millis().clamp(1, most).to_string();
        let longest = self.timeouts.max.max(self.timeouts.initial);
        let tunables = [
            ("compression.type", "compression.codec", "zstd".to_owned()),
            ("linger.ms", "queue.buffering.max.ms", "1".to_owned()),
            // The partitioner of Kafka's own clients, so that a key is written to the same partition as by them.
            ("partitioner", "", "murmur2_random".to_owned()),
            ("reconnect.backoff.max.ms", "", "5000".to_owned()),
            ("retry.backoff.ms", "", millis(self.timeouts.initial, 300_000)),
            ("retry.backoff.max.ms", "", millis(longest, 300_000)),
        ];
        for (name, alias, value) in tunables {
            if config.get(name).is_none() && config.get(alias).is_none() {
                config.set(name, value);
            }
        }
        config
            .set("client.id", &self.client_id)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.max.bytes", MAX_RECORD_BYTES)
            .set("queue.buffering.max.kbytes", QUEUE_KBYTES)
            .set("message.timeout.ms", millis(self.timeout(), i32::MAX as u128));
        Ok((config, tokens))
    }
}
