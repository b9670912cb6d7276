//! Short look-ups at a cluster, for start-up messages and checks: is it there, which topics does it have.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::access::{Access, Refusal, without_state};
use super::client::{self, ClientError, Severity, severity};
use super::oauth::{OAuthError, supply_once};

const DRAIN_TIME: Duration = Duration::from_millis(500);
/// How long to wait before looking whether there are errors; then twice as long, and so on.
const FIRST_TRY: Duration = Duration::from_secs(1);

/// Why a look-up failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The client's properties are refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no OAuth token.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The brokers refuse for a reason that does not pass, such as a wrong password.
    #[error("{reason}; {fix}")]
    Refused {
        /// What they said.
        reason: String,
        /// What to do.
        fix: String,
    },
    /// No broker answers, or none that is to be trusted.
    #[error("kafka brokers {brokers} cannot be used: {reason}")]
    Unusable {
        /// The brokers asked.
        brokers: String,
        /// Why, and what to do.
        reason: String,
    },
    /// No broker answers.
    #[error(
        "kafka brokers {brokers} do not answer: {reason}; check `bootstrap_servers`, the network and \
         `security.protocol`"
    )]
    Unreachable {
        /// The brokers asked.
        brokers: String,
        /// The last reason that librdkafka gave.
        reason: String,
    },
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// `host:port` of every broker, as the cluster advertises them.
    pub brokers: Vec<String>,
}

/// A connection for look-ups. Every call blocks for up to its timeout.
pub struct Admin {
    client: BaseConsumer<LastError>,
    brokers: String,
    access: Access,
}

impl Admin {
    /// Makes the client; with OAuth it gets a token, else it waits for nobody.
    ///
    /// # Errors
    /// When a property is refused or there is no token.
    pub fn connect(
        bootstrap_servers: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<Self, AdminError> {
        let (mut config, tokens) = client::configure(bootstrap_servers, properties)?;
        config.set("allow.auto.create.topics", "false");
        let made = BaseConsumer::from_config_and_context(&config, LastError::default());
        let client = made.map_err(ClientError::from_creation)?;
        let access = Access::of(properties);
        if let Some(source) = tokens {
            access.note_token(&supply_once(client.client(), &source)?);
        }
        Ok(Self { client, brokers: bootstrap_servers.to_owned(), access })
    }

    /// Returns the brokers of the cluster, if it answers.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn ping(&self, timeout: Duration) -> Result<Cluster, AdminError> {
        let metadata = self.metadata(None, timeout)?;
        let name =
            |broker: &rdkafka::metadata::MetadataBroker| format!("{}:{}", broker.host(), broker.port());
        Ok(Cluster { brokers: metadata.brokers().iter().map(name).collect() })
    }

    /// Returns the topics of the cluster that this user may see, with their numbers of partitions.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn list_topics(&self, timeout: Duration) -> Result<BTreeMap<String, usize>, AdminError> {
        let metadata = self.metadata(None, timeout)?;
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        Ok(topics.map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect())
    }

    /// Returns a topic's number of partitions, or none when it does not exist. Does not create it.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn partitions(&self, topic: &str, timeout: Duration) -> Result<Option<usize>, AdminError> {
        let metadata = self.metadata(Some(topic), timeout)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        Ok(found.map(|found| found.partitions().len()).filter(|&count| count > 0))
    }

    fn metadata(&self, topic: Option<&str>, timeout: Duration) -> Result<Metadata, AdminError> {
        let end = Instant::now() + timeout;
        let mut patience = FIRST_TRY;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let error = match self.client.fetch_metadata(topic, patience.min(left)) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => self.explained(&error),
            };
            // Brokers that are not there may come; those that refuse, or are not to be trusted, go on doing so.
            if Instant::now() >= end || !matches!(error, AdminError::Unreachable { .. }) {
                return Err(error);
            }
            patience *= 2;
        }
    }

    fn explained(&self, error: &KafkaError) -> AdminError {
        let brokers = self.brokers.clone();
        let Some((code, reason)) = self.last_error() else {
            return AdminError::Unreachable { brokers, reason: error.to_string() };
        };
        if code == RDKafkaErrorCode::Authentication {
            let Refusal { reason, fix } = self.access.refused_login(&reason);
            return AdminError::Refused { reason, fix };
        }
        if let Severity::Permanent(fix) = severity(code) {
            return AdminError::Refused { reason, fix: fix.to_owned() };
        }
        match self.access.explain(&reason) {
            Some(reason) => AdminError::Unusable { brokers, reason },
            None => AdminError::Unreachable { brokers, reason: without_state(&reason).to_owned() },
        }
    }

    /// Errors of the connections wait in the client's queue; they know more than a look-up's own.
    fn last_error(&self) -> Option<(RDKafkaErrorCode, String)> {
        let end = Instant::now() + DRAIN_TIME;
        while Instant::now() < end {
            self.client.poll(Duration::from_millis(20));
            let last = self.client.context().take();
            if last.is_some() {
                return last;
            }
        }
        None
    }
}

/// Remembers the last error of a connection; says nothing.
#[derive(Default)]
pub(super) struct LastError(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl LastError {
    /// Takes it.
    pub(super) fn take(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, code: RDKafkaErrorCode, reason: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason.to_owned()));
    }
}

impl ClientContext for LastError {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::trace!(facility, message, "librdkafka");
        // A connection that the broker ends, which comes as no error.
        if facility == "FAIL" && !matches!(level, RDKafkaLogLevel::Error | RDKafkaLogLevel::Debug) {
            let reason = message.split_once("]: ").map_or(message, |(_, reason)| reason);
            self.set(RDKafkaErrorCode::BrokerTransportFailure, reason);
        }
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        // "1/1 brokers are down" says less than what came before it.
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) | None => {}
            Some(code) => self.set(code, reason),
        }
    }
}

impl ConsumerContext for LastError {}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::kafka::embedded::{EmbeddedBroker, Options};

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_cluster_tells_its_brokers_and_topics_and_gains_none_by_being_asked() {
        let broker = EmbeddedBroker::start(&Options::default()).unwrap();
        broker.create_topic("a", 3).unwrap();
        let admin = Admin::connect(broker.bootstrap_servers(), &BTreeMap::new()).unwrap();
        assert_eq!(admin.ping(PATIENCE).unwrap().brokers, [broker.bootstrap_servers()]);
        assert_eq!(admin.partitions("a", PATIENCE).unwrap(), Some(3));
        assert_eq!(admin.partitions("b", PATIENCE).unwrap(), None);
        assert_eq!(admin.list_topics(PATIENCE).unwrap(), BTreeMap::from([("a".to_owned(), 3)]));
    }

    #[test]
    fn nobody_there_is_said_with_the_reason() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let admin = Admin::connect(&nobody, &BTreeMap::new()).unwrap();
        let text = admin.ping(Duration::from_secs(2)).unwrap_err().to_string();
        assert!(text.contains(&nobody) && text.contains("refused"), "{text}");
        let wrong = BTreeMap::from([("securty.protocol".to_owned(), "ssl".to_owned())]);
        let text = Admin::connect(&nobody, &wrong).err().unwrap().to_string();
        assert!(text.contains("\"securty.protocol\" is refused"), "{text}");
    }
}
