//! Creates topics before records are written to them.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic as NativeTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;

use super::{ProduceError, Producer, SendProgress};
use crate::kafka::admin::{Admin, AdminError};
use crate::kafka::client::{self, ClientError};
use crate::kafka::oauth::set_token_once;

/// Timeout of one metadata query, after which `keep_waiting` is called and the query is retried.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);
/// Timeout of the request that creates a topic.
const CREATE_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// How a missing topic is created. Its records are not deleted by retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Partitions.
    pub partitions: u32,
    /// Replicas; `None` for the brokers' default.
    pub replication: Option<u32>,
}

impl Producer {
    /// Creates `topic` if it does not exist, and returns its number of partitions. Only the first call queries the
    /// brokers.
    ///
    /// Brokers that do not support the request, like the embedded one, may create the topic when it is written to.
    ///
    /// # Errors
    /// When it cannot be created, or no broker responds in time. `keep_waiting` is as for [`Producer::send`].
    pub fn ensure_topic(
        &mut self,
        topic: &str,
        new: NewTopic,
        keep_waiting: &mut dyn FnMut(SendProgress<'_>) -> bool,
    ) -> Result<i32, ProduceError> {
        if let Some(partitions) = self.topics.get(topic) {
            return Ok(*partitions);
        }
        let began = Instant::now();
        let mut search = TopicLookup::default();
        let partitions = loop {
            let reason = match self.find_or_create(topic, new, &mut search) {
                Ok(partitions) => break partitions,
                Err(TopicError::Transient(reason)) => reason,
                Err(TopicError::Permanent(error)) => return Err(error),
            };
            let (topic, waited) = (topic.to_owned(), began.elapsed());
            if waited + RETRY_AFTER > self.settings.timeout() {
                return Err(ProduceError::TimedOut { topic, waited, reason });
            }
            if !keep_waiting(SendProgress { topic: &topic, since: waited, reason: Some(&reason) }) {
                return Err(ProduceError::GivenUp { topic, reason });
            }
            thread::sleep(RETRY_AFTER);
        };
        self.topics.insert(topic.to_owned(), partitions);
        Ok(partitions)
    }

    fn find_or_create(
        &self,
        topic: &str,
        new: NewTopic,
        search: &mut TopicLookup,
    ) -> Result<i32, TopicError> {
        let admin = match &search.admin {
            Some(admin) => admin,
            None => {
                let properties = self.settings.client_properties();
                search.admin.insert(Admin::connect(&self.settings.bootstrap_servers, &properties)?)
            }
        };
        if let Some(count) = admin.partitions(topic, METADATA_TIMEOUT)? {
            return Ok(i32::try_from(count).unwrap_or(i32::MAX));
        }
        if search.created {
            return Err(TopicError::Transient("it was created, but not all brokers know it yet".to_owned()));
        }
        match self.create(topic, new)? {
            Created::Yes => tracing::info!(topic, partitions = new.partitions, "topic created"),
            Created::Before => {}
            Created::Unsupported => return self.create_by_metadata(topic),
        }
        search.created = true;
        self.find_or_create(topic, new, search)
    }

    fn create(&self, topic: &str, new: NewTopic) -> Result<Created, TopicError> {
        let properties = self.settings.client_properties();
        let (config, tokens) = client::configure(&self.settings.bootstrap_servers, &properties)?;
        let admin =
            AdminClient::from_config_and_context(&config, Quiet).map_err(ClientError::from_creation)?;
        if let Some(source) = tokens {
            set_token_once(admin.inner(), &source).map_err(ProduceError::from)?;
        }
        let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let replication = TopicReplication::Fixed(new.replication.map_or(-1, count));
        // Dead letters keep the timestamps of their records: retention by time could delete them immediately, and
        // compaction would keep one per key.
        let native = NativeTopic::new(topic, count(new.partitions), replication)
            .set("cleanup.policy", "delete")
            .set("retention.ms", "-1");
        let options =
            AdminOptions::new().request_timeout(Some(CREATE_TIMEOUT)).operation_timeout(Some(CREATE_TIMEOUT));
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(ProduceError::from)?;
        let code = match runtime.block_on(admin.create_topics([&native], &options)) {
            Ok(results) => results.into_iter().find_map(|result| result.err().map(|(_, code)| code)),
            Err(KafkaError::AdminOp(code)) => Some(code),
            Err(error) => return Err(ClientError::from_creation(error).into()),
        };
        match code {
            None => Ok(Created::Yes),
            Some(RDKafkaErrorCode::TopicAlreadyExists) => Ok(Created::Before),
            Some(RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::UnsupportedVersion) => {
                Ok(Created::Unsupported)
            }
            Some(code) if is_transient(code) => Err(TopicError::Transient(format!("creating it: {code}"))),
            Some(code) => Err(TopicError::Permanent(ProduceError::not_created(topic, code))),
        }
    }

    /// Makes the brokers create the topic with a metadata request, as producers do.
    fn create_by_metadata(&self, topic: &str) -> Result<i32, TopicError> {
        let metadata = self.base.client().fetch_metadata(Some(topic), CREATE_TIMEOUT);
        let metadata = metadata.map_err(|error| TopicError::Transient(error.to_string()))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let count = found.map(|found| found.partitions().len()).filter(|count| *count > 0);
        let missing = || {
            let code = RDKafkaErrorCode::UnknownTopicOrPartition;
            TopicError::Permanent(ProduceError::not_created(topic, code))
        };
        count.and_then(|count| i32::try_from(count).ok()).ok_or_else(missing)
    }
}

/// The state of the search for a topic.
#[derive(Default)]
struct TopicLookup {
    admin: Option<Admin>,
    created: bool,
}

enum Created {
    Yes,
    /// The topic exists already.
    Before,
    /// The brokers do not support the request.
    Unsupported,
}

enum TopicError {
    Transient(String),
    Permanent(ProduceError),
}

impl From<ProduceError> for TopicError {
    fn from(error: ProduceError) -> Self {
        Self::Permanent(error)
    }
}

impl From<ClientError> for TopicError {
    fn from(error: ClientError) -> Self {
        Self::Permanent(error.into())
    }
}

impl From<AdminError> for TopicError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Client(error) => Self::Permanent(error.into()),
            AdminError::Permanent { reason, fix } => Self::Permanent(ProduceError::Permanent { reason, fix }),
            // A token endpoint may be unreachable for a while, like brokers.
            passing => Self::Transient(passing.to_string()),
        }
    }
}

fn is_transient(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut
            | Code::NotController
            | Code::BrokerNotAvailable
            | Code::NetworkException
            | Code::Resolve
    )
}

/// Discards the messages of the client that creates topics.
struct Quiet;

impl ClientContext for Quiet {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::trace!(facility, message, "librdkafka");
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::trace!(%error, reason, "librdkafka");
    }
}
