//! What a producer is told, and how that becomes librdkafka's configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;

use super::ProduceError;
use crate::kafka::client::{self, ClientError};
use crate::kafka::oauth::TokenSource;

/// Properties of consumers, which librdkafka warns a producer of.
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

/// Properties that would break what is promised, or that are set here.
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

/// librdkafka's limit. What the topic takes is for its broker to say.
const MAX_RECORD_BYTES: &str = "1000000000";
/// Above librdkafka's largest record; [`Producer`](super::Producer) holds far less at a time.
const QUEUE_KBYTES: &str = "1048576";
/// A connection has to be made first, however little patience there is.
const MIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a producer goes on trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendTimeouts {
    /// The first wait before a request is tried again.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// When records that are not acknowledged have failed; ten seconds at least.
    pub timeout: Duration,
}

/// What a producer is told.
#[derive(Clone)]
pub struct ProducerSettings {
    /// Whose it is, for logs and threads.
    pub owner: String,
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// What the brokers call this client in their logs and quotas.
    pub client_id: String,
    /// Further properties of librdkafka, those of consumers among them: they are left out.
    pub properties: BTreeMap<String, String>,
    /// How long it goes on trying.
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
    /// Checks all that can be checked without a broker: that librdkafka knows every property, and takes its value.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<(), ProduceError> {
        let (config, _) = self.to_config()?;
        config.create_native_config().map_err(ClientError::from_creation)?;
        Ok(())
    }

    /// When records that are not acknowledged have failed.
    pub(super) fn timeout(&self) -> Duration {
        self.timeouts.timeout.max(MIN_TIMEOUT)
    }

    /// The properties that are no consumer's, and not this room's own business.
    pub(super) fn client_properties(&self) -> BTreeMap<String, String> {
        let left_out = |name: &str| CONSUMER_ONLY.contains(&name) || OWNED.contains(&name);
        let mut properties = self.properties.clone();
        properties.retain(|name, _| !left_out(name) && name != "queued.max.messages.kbytes");
        properties
    }

    /// Returns librdkafka's configuration, and where OAuth tokens come from, if they are needed.
    pub(super) fn to_config(&self) -> Result<(ClientConfig, Option<TokenSource>), ProduceError> {
        let (mut config, tokens) = client::configure(&self.bootstrap_servers, &self.client_properties())?;
        let millis = |time: Duration, most: u128| time.as_millis().clamp(1, most).to_string();
        let longest = self.timeouts.max.max(self.timeouts.initial);
        let tunables = [
            ("compression.type", "compression.codec", "zstd".to_owned()),
            ("linger.ms", "queue.buffering.max.ms", "1".to_owned()),
            // That of Kafka's own clients: where nobody names a partition, a key stays in the one that it had.
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
