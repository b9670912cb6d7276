//! Starts and stops the mock cluster, and creates topics in it.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::{fmt, io};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaRespErr;

use crate::kafka::ffi;

const DEFAULT_MAX_BYTES: u64 = 4 << 30;

/// Options of an embedded broker.
#[derive(Debug, Clone)]
pub struct Options {
    /// The loopback address (IPv4) that clients connect to; port 0 or `None` means a free port.
    pub listen: Option<SocketAddr>,
    /// Maximum size of all stored record batches in bytes, as sent by producers (compressed), over all topics. Produce
    /// requests that would exceed it are rejected. At least 1 KiB; by default 4 GiB.
    pub max_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: None, max_bytes: DEFAULT_MAX_BYTES }
    }
}

/// A broker that runs until it is dropped.
pub struct EmbeddedBroker {
    host: ThreadedProducer<Quiet>,
    address: String,
}

impl EmbeddedBroker {
    /// Starts a broker, which serves requests when this returns.
    ///
    /// # Errors
    /// When the address is not IPv4 loopback or is taken, or when librdkafka cannot start the cluster.
    pub fn start(options: &Options) -> Result<Self, BrokerError> {
        let listen = options.listen.map(checked_address).transpose()?.flatten().or_else(free_address);
        let host: ThreadedProducer<Quiet> = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .set("client.id", "tidegate-embedded-broker")
            // The mock's limit for requests is its client's limit for responses.
            .set("receive.message.max.bytes", "1000000000")
            // This client never produces; `mock_hooks.c` reads this property as the maximum size of the log.
            .set("queue.buffering.max.kbytes", (options.max_bytes / 1024).clamp(1, i32::MAX as u64).to_string())
            // Prevents its own, idle client from reconnecting to the port that the mock no longer listens on.
            .set("reconnect.backoff.max.ms", "3600000")
            .set("reconnect.backoff.ms", "3600000")
            .set_log_level(RDKafkaLogLevel::Critical)
            .create_with_context(Quiet)
            .map_err(BrokerError::Start)?;
        if !ffi::install_mock_hooks(host.client()) {
            return Err(BrokerError::NoCluster);
        }
        let address = match listen {
            Some(listen) if ffi::move_mock_broker(host.client(), listen) => listen.to_string(),
            Some(listen) => return Err(BrokerError::Move { listen }),
            None => host.client().mock_cluster().ok_or(BrokerError::NoCluster)?.bootstrap_servers(),
        };
        tracing::debug!(address, "embedded broker started");
        Ok(Self { host, address })
    }

    /// Returns `host:port`, for `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> &str {
        &self.address
    }

    /// Creates a topic. Returns false when it exists already, whatever its number of partitions.
    ///
    /// # Errors
    /// When `partitions` is 0 or more than librdkafka accepts, or the name is invalid.
    pub fn create_topic(&self, name: &str, partitions: u32) -> Result<bool, BrokerError> {
        let rejected = |reason: String| BrokerError::Topic { name: name.to_owned(), reason };
        let count = i32::try_from(partitions).ok().filter(|&count| count > 0);
        let count =
            count.ok_or_else(|| rejected(format!("{partitions} is not a valid number of partitions")))?;
        let cluster = self.host.client().mock_cluster().ok_or(BrokerError::NoCluster)?;
        match cluster.create_topic(name, count, 1) {
            Ok(()) => Ok(true),
            Err(KafkaError::MockCluster(RDKafkaErrorCode::TopicAlreadyExists)) => Ok(false),
            Err(error) => Err(rejected(error.to_string())),
        }
    }

    /// Responds from now on as if a topic had been deleted. For tests.
    ///
    /// # Errors
    /// When librdkafka returns an error.
    pub fn delete_topic(&self, name: &str) -> Result<(), BrokerError> {
        let cluster = self.host.client().mock_cluster().ok_or(BrokerError::NoCluster)?;
        let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        cluster.topic_error(name, error).map_err(BrokerError::Start)
    }

    /// Stops serving and closes all connections, or serves again on the same port; the log is kept. For tests
    /// and to demonstrate an outage.
    ///
    /// # Errors
    /// When librdkafka returns an error.
    pub fn set_reachable(&self, reachable: bool) -> Result<(), BrokerError> {
        let cluster = self.host.client().mock_cluster().ok_or(BrokerError::NoCluster)?;
        let done = if reachable { cluster.broker_up(1) } else { cluster.broker_down(1) };
        done.map_err(BrokerError::Start)
    }
}

impl fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBroker").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why an embedded broker cannot start or create a topic.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The address is reachable from other machines.
    #[error(
        "the embedded broker cannot listen on {listen}: it has neither authentication nor TLS and so serves \
         IPv4 loopback only; use 127.0.0.1:{}", listen.port()
    )]
    NotLoopback {
        /// The rejected address.
        listen: SocketAddr,
    },
    /// The address cannot be bound.
    #[error("the embedded broker cannot listen on {listen}: {reason}; choose a free port")]
    Bind {
        /// The rejected address.
        listen: SocketAddr,
        /// The system's error.
        reason: io::Error,
    },
    /// librdkafka could not move its listener.
    #[error("the embedded broker could not move to {listen}; choose another port")]
    Move {
        /// The address.
        listen: SocketAddrV4,
    },
    /// librdkafka could not start or configure the mock cluster.
    #[error("the embedded broker does not work: {0}")]
    Start(#[source] KafkaError),
    /// librdkafka started without a mock cluster.
    #[error("the embedded broker does not start: this librdkafka has no mock cluster")]
    NoCluster,
    /// A topic could not be created.
    #[error("cannot create topic {name:?} in the embedded broker: {reason}")]
    Topic {
        /// The topic.
        name: String,
        /// Why.
        reason: String,
    },
}

/// Returns the address if a fixed port was requested and is free.
fn checked_address(listen: SocketAddr) -> Result<Option<SocketAddrV4>, BrokerError> {
    let SocketAddr::V4(address) = listen else {
        return Err(BrokerError::NotLoopback { listen });
    };
    if !address.ip().is_loopback() {
        return Err(BrokerError::NotLoopback { listen });
    }
    // librdkafka aborts the process when it cannot bind: so check before it tries.
    let probe = TcpListener::bind(address).map_err(|reason| BrokerError::Bind { listen, reason })?;
    drop(probe);
    Ok((address.port() != 0).then_some(address))
}

/// A free address on loopback, below the ephemeral port range: an ephemeral port may be taken by a client while the
/// broker is down, even by one that tries to reach this broker, and librdkafka aborts the process when it cannot bind
/// again. `None` leaves the choice to librdkafka.
fn free_address() -> Option<SocketAddrV4> {
    const PORTS: std::ops::Range<u16> = 20_000..32_000;
    let random = |attempt: u32| RandomState::new().hash_one(attempt) % u64::from(PORTS.end - PORTS.start);
    let addresses =
        (0..100).map(|attempt| SocketAddrV4::new(Ipv4Addr::LOCALHOST, PORTS.start + random(attempt) as u16));
    let mut free = addresses.filter(|address| TcpListener::bind(address).is_ok());
    free.next()
}

/// Logs the hosting client's messages at debug level only: it is never used as a client.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "embedded broker");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::trace!(%error, reason, "embedded broker's own client");
    }
}

impl ProducerContext for Quiet {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, _: Self::DeliveryOpaque) {}
}
