//! Metadata queries for start-up messages and checks: whether a cluster is reachable and which topics it has.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::access::{Access, FatalError, without_state};
use super::client::{self, ClientError};
use super::error_rules::{self, ErrorClass, Operation, Subject};
use super::oauth::{OAuthError, set_token_once};

const DRAIN_TIME: Duration = Duration::from_millis(500);
/// Timeout of the first attempt, after which connection errors are checked. It doubles with every attempt.
const FIRST_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a metadata query failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// Retrying does not help, for example because of a wrong password.
    #[error("{reason}; {fix}")]
    Permanent { reason: String, fix: String, class: ErrorClass },
    /// The connection fails for a known reason, such as an untrusted certificate.
    #[error("kafka brokers {brokers} cannot be used: {reason}")]
    Unusable {
        brokers: String,
        /// The reason and a suggested fix.
        reason: String,
    },
    /// No broker answers.
    #[error(
        "kafka brokers {brokers} do not answer: {reason}; check `bootstrap_servers`, the network and \
         `security.protocol`"
    )]
    Unreachable {
        brokers: String,
        /// librdkafka's last error.
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// `host:port` of every broker, as the cluster advertises them.
    pub brokers: Vec<String>,
}

/// A client for metadata queries. Every call blocks for up to its timeout.
pub struct Admin {
    client: BaseConsumer<LastError>,
    brokers: String,
    access: Access,
}

impl Admin {
    /// Creates the client. With OAuth it fetches a token; otherwise it does not wait for anything.
    ///
    /// # Errors
    /// When a property is invalid or no token can be obtained.
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
            access.note_token(&set_token_once(client.client(), &source)?);
        }
        Ok(Self { client, brokers: bootstrap_servers.to_owned(), access })
    }

    /// Returns the brokers of the cluster.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn ping(&self, timeout: Duration) -> Result<Cluster, AdminError> {
        let metadata = self.metadata(None, timeout)?;
        let name =
            |broker: &rdkafka::metadata::MetadataBroker| format!("{}:{}", broker.host(), broker.port());
        Ok(Cluster { brokers: metadata.brokers().iter().map(name).collect() })
    }

    /// Returns the topics that this user is authorized to see, with their partition counts.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn list_topics(&self, timeout: Duration) -> Result<BTreeMap<String, usize>, AdminError> {
        let metadata = self.metadata(None, timeout)?;
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        Ok(topics.map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect())
    }

    /// Returns the partition count of a topic, or `None` if it does not exist. Does not create the topic.
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
        let (mut timeout, mut known) = (FIRST_TIMEOUT, None);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let error = match self.client.fetch_metadata(topic, timeout.min(left)) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => error,
            };
            // The reason of a failed connection is reported once; a later attempt may end without one.
            known = self.last_error().or(known);
            let error = self.explained(&error, known.clone());
            // An unreachable broker may become reachable. Other errors are permanent.
            if Instant::now() >= end || !matches!(error, AdminError::Unreachable { .. }) {
                return Err(error);
            }
            timeout *= 2;
        }
    }

    fn explained(&self, error: &KafkaError, known: Option<(RDKafkaErrorCode, String)>) -> AdminError {
        let brokers = self.brokers.clone();
        let Some((code, reason)) = known else {
            return AdminError::Unreachable { brokers, reason: error.to_string() };
        };
        if code == RDKafkaErrorCode::Authentication {
            let FatalError { reason, fix, class } = self.access.login_error(&reason);
            return AdminError::Permanent { reason, fix, class };
        }
        if let Some(rule) = error_rules::rule(code, Operation::Read).filter(|rule| rule.class.is_fatal()) {
            let fix = rule.remedy(&Subject { user: &self.access.principal(), ..Subject::default() });
            return AdminError::Permanent { reason, fix, class: rule.class };
        }
        match self.access.explain(&reason) {
            Some(reason) => AdminError::Unusable { brokers, reason },
            None => AdminError::Unreachable { brokers, reason: without_state(&reason).to_owned() },
        }
    }

    /// Takes the last connection error from the client's event queue; it is more specific than the query's own error.
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

/// Keeps the last connection error without logging it.
#[derive(Default)]
pub(super) struct LastError(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl LastError {
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
        // librdkafka does not report a connection closed by the broker as an error.
        if facility == "FAIL" && !matches!(level, RDKafkaLogLevel::Error | RDKafkaLogLevel::Debug) {
            let reason = message.split_once("]: ").map_or(message, |(_, reason)| reason);
            self.set(RDKafkaErrorCode::BrokerTransportFailure, reason);
        }
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        // "1/1 brokers are down" is less specific than the error before it.
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

    const TIMEOUT: Duration = Duration::from_secs(30);

    #[test]
    fn brokers_and_topics_are_listed_and_queries_create_no_topic() {
        let broker = EmbeddedBroker::start(&Options::default()).unwrap();
        broker.create_topic("a", 3).unwrap();
        let admin = Admin::connect(broker.bootstrap_servers(), &BTreeMap::new()).unwrap();
        assert_eq!(admin.ping(TIMEOUT).unwrap().brokers, [broker.bootstrap_servers()]);
        assert_eq!(admin.partitions("a", TIMEOUT).unwrap(), Some(3));
        assert_eq!(admin.partitions("b", TIMEOUT).unwrap(), None);
        assert_eq!(admin.list_topics(TIMEOUT).unwrap(), BTreeMap::from([("a".to_owned(), 3)]));
    }

    #[test]
    fn an_unreachable_broker_is_reported_with_the_reason() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let admin = Admin::connect(&nobody, &BTreeMap::new()).unwrap();
        let text = admin.ping(Duration::from_secs(2)).unwrap_err().to_string();
        assert!(text.contains(&nobody) && text.contains("refused"), "{text}");
        let wrong = BTreeMap::from([("securty.protocol".to_owned(), "ssl".to_owned())]);
        let text = Admin::connect(&nobody, &wrong).err().unwrap().to_string();
        assert!(text.contains("\"securty.protocol\" is invalid"), "{text}");
    }
}
