//! Creates topics before records are written to them.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer as _;

use super::{ProduceError, Producer, SendProgress};
use crate::kafka::admin::{Admin, AdminError};
use crate::kafka::client::ClientError;
use crate::kafka::error_rules::{self, ErrorClass, Operation};
use crate::kafka::ffi::{self, AdminFailure};

/// Timeout of one metadata query, after which `keep_waiting` is called and the query is retried.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);
/// Timeout of the other requests.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Added to the record limit of the source topics: the headers that name the error of a dead letter.
const HEADER_BYTES: usize = 64 << 10;
const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// How a missing topic is created. It takes every record that its source topics take, keeps their times, and deletes none.
#[derive(Clone, Copy, Debug)]
pub struct NewTopic<'t> {
    /// Partitions.
    pub partitions: u32,
    /// Replicas; `None` for the brokers' default.
    pub replication: Option<u32>,
    /// The topics whose records are written to it.
    pub sources: &'t [&'t str],
    /// Bytes of a record that must fit, even if it cannot be compressed as well as in its source topic.
    pub record_bytes: usize,
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
        new: &NewTopic<'_>,
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
        new: &NewTopic<'_>,
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
            Created::Yes | Created::Before => {}
            Created::Unsupported => return self.create_by_metadata(topic),
        }
        search.created = true;
        self.find_or_create(topic, new, search)
    }

    fn create(&self, topic: &str, new: &NewTopic<'_>) -> Result<Created, TopicError> {
        let limit = self.max_message_bytes(new);
        let mut result = self.request(topic, new, &properties(limit, &TIMES));
        if matches!(&result, Err(AdminFailure { code: RDKafkaErrorCode::InvalidConfig, .. })) {
            // Brokers before Kafka 3.6 do not know these properties, and report the first one.
            let older = self.request(topic, new, &properties(limit, &TIMES_BEFORE_3_6));
            result = if older.is_ok() { older } else { result };
        }
        let Err(failure) = result else {
            tracing::info!(topic, partitions = new.partitions, max_message_bytes = limit, "topic created");
            return Ok(Created::Yes);
        };
        match failure.code {
            RDKafkaErrorCode::TopicAlreadyExists => Ok(Created::Before),
            RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::UnsupportedVersion => {
                Ok(Created::Unsupported)
            }
            code if error_rules::class(code, Operation::Create) == ErrorClass::Unreachable => {
                Err(TopicError::Transient(format!("creating it: {code}")))
            }
            _ => {
                let error = ProduceError::not_created(topic, &self.principal(), failure);
                Err(TopicError::Permanent(error))
            }
        }
    }

    fn request(
        &self,
        topic: &str,
        new: &NewTopic<'_>,
        config: &[(&'static str, String)],
    ) -> Result<(), AdminFailure> {
        let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let spec = ffi::TopicSpec {
            name: topic,
            partitions: count(new.partitions),
            replication: new.replication.map_or(-1, count),
            config,
        };
        ffi::create_topic(self.base.client(), &spec, REQUEST_TIMEOUT)
    }

    /// The record limit of the new topic. If that of a source topic is unknown, for example because the user lacks
    /// DESCRIBE_CONFIGS, there is none: only this connector writes to the topic.
    fn max_message_bytes(&self, new: &NewTopic<'_>) -> usize {
        let limit_of = |topic: &&str| {
            let config =
                ffi::topic_config(self.base.client(), topic, REQUEST_TIMEOUT).inspect_err(|failure| {
                    tracing::debug!(topic, ?failure, "{MAX_MESSAGE_BYTES} of the source topic is unknown");
                });
            let config = config.ok()?;
            let (_, limit) = config.iter().find(|(name, _)| name == MAX_MESSAGE_BYTES)?;
            limit.parse::<usize>().ok()
        };
        let limits: Option<Vec<usize>> = new.sources.iter().map(limit_of).collect();
        let largest = limits.map_or(usize::MAX, |limits| limits.into_iter().max().unwrap_or_default());
        largest.max(new.record_bytes).saturating_add(HEADER_BYTES).min(i32::MAX as usize)
    }

    /// Makes the brokers create the topic with a metadata request, as producers do.
    fn create_by_metadata(&self, topic: &str) -> Result<i32, TopicError> {
        let metadata = self.base.client().fetch_metadata(Some(topic), REQUEST_TIMEOUT);
        let metadata = metadata.map_err(|error| TopicError::Transient(error.to_string()))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let count = found.map(|found| found.partitions().len()).filter(|count| *count > 0);
        let missing = || {
            let failure = AdminFailure::from(RDKafkaErrorCode::UnknownTopicOrPartition);
            TopicError::Permanent(ProduceError::not_created(topic, &self.principal(), failure))
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
            AdminError::Permanent { reason, fix, class } => {
                Self::Permanent(ProduceError::Permanent { reason, fix, class })
            }
            // A token endpoint may be unreachable for a while, like brokers.
            passing => Self::Transient(passing.to_string()),
        }
    }
}

/// Takes records of any time. Brokers reject records from more than an hour in the future by default.
const TIMES: [&str; 2] = ["message.timestamp.before.max.ms", "message.timestamp.after.max.ms"];
const TIMES_BEFORE_3_6: [&str; 1] = ["message.timestamp.difference.max.ms"];

/// The properties of a new topic. Dead letters keep the times of their records, so retention by time could delete them
/// immediately; compaction would keep one per key.
fn properties(max_message_bytes: usize, times: &[&'static str]) -> Vec<(&'static str, String)> {
    let fixed = [
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", "-1".to_owned()),
        ("retention.bytes", "-1".to_owned()),
        ("message.timestamp.type", "CreateTime".to_owned()),
        (MAX_MESSAGE_BYTES, max_message_bytes.to_string()),
    ];
    fixed.into_iter().chain(times.iter().map(|name| (*name, i64::MAX.to_string()))).collect()
}
