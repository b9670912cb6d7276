//! Reads the current content of a topic for the `dead-letters` commands: from given offsets, or as a member of a group
//! that stores the progress.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::access::{Access, FatalError};
use super::admin::LastError;
use super::client::{self, ClientError};
use super::error_rules::{self, ErrorClass, Operation, Subject};
use super::oauth::{OAuthError, TokenOutcome, TokenRefresher, apply_token};

/// How long to wait for a record before the read fails. Longer than the session timeout of a group member that has
/// crashed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(100);

/// Why a topic cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The client's properties are invalid.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No OAuth token could be obtained.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The reader's thread could not be started.
    #[error("cannot start a thread for the reader: {0}")]
    Thread(#[from] std::io::Error),
    /// The brokers do not respond, or return an error.
    #[error("{what} of topic {topic:?}: {reason}{fix}")]
    Failed {
        /// The operation.
        what: &'static str,
        /// The topic.
        topic: String,
        /// The error of the client or the brokers.
        reason: String,
        /// The suggested fix, after a semicolon; may be empty.
        fix: String,
    },
    /// The group assigned no partition to this reader.
    #[error("group {group:?} assigned no partition of topic {topic:?} within {} s: another replay of the topic is running; wait until it is done", IDLE_TIMEOUT.as_secs())]
    NoPartition {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
    },
}

/// The committed offset of a group in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub next: i64,
    /// Its commit metadata.
    pub metadata: String,
}

/// Called for every record, and with `None` when no further record is available at the moment.
pub type RecordHandler<'t, E> = dyn FnMut(Option<&BorrowedMessage<'_>>) -> Result<ControlFlow<()>, E> + 't;

/// Reads one topic.
pub struct TopicReader {
    consumer: Arc<BaseConsumer<LastError>>,
    topic: String,
    group: String,
    access: Access,
    _refresher: Option<TokenRefresher>,
}

impl TopicReader {
    /// Creates the client, which joins `group` only in [`Self::read_as_member`].
    ///
    /// # Errors
    /// When a property is invalid.
    pub fn open(
        bootstrap_servers: &str,
        properties: &BTreeMap<String, String>,
        topic: &str,
        group: &str,
    ) -> Result<Self, ReadError> {
        let (mut config, tokens) = client::configure(bootstrap_servers, properties)?;
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false");
        let consumer = BaseConsumer::from_config_and_context(&config, LastError::default());
        let consumer = Arc::new(consumer.map_err(ClientError::from_creation)?);
        let weak = Arc::downgrade(&consumer);
        let set_token = move |token: &_| {
            weak.upgrade().map_or(TokenOutcome::ClientGone, |client| apply_token(client.client(), token))
        };
        let refresher = TokenRefresher::for_client(tokens, group, set_token)?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            group: group.to_owned(),
            access: Access::of(properties),
            _refresher: refresher,
        })
    }

    /// Returns the first offset of every partition and the one after its last; empty if the topic does not exist.
    ///
    /// # Errors
    /// When the brokers do not respond, or return an error.
    pub fn bounds(&self) -> Result<BTreeMap<i32, Range<i64>>, ReadError> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), IDLE_TIMEOUT);
        let metadata = metadata.map_err(|error| self.failed("querying the partitions", error))?;
        let found = metadata.topics().iter().filter(|found| found.name() == self.topic);
        let partitions = found.flat_map(|found| found.partitions()).map(|partition| partition.id());
        let bounds = partitions.map(|partition| {
            let marks = self.consumer.fetch_watermarks(&self.topic, partition, IDLE_TIMEOUT);
            let (low, high) =
                marks.map_err(|error| self.failed("querying the first and last offsets", error))?;
            Ok((partition, low..high))
        });
        bounds.collect()
    }

    /// Returns the group's committed offsets of these partitions.
    ///
    /// # Errors
    /// When the brokers do not respond, or return an error.
    pub fn committed(
        &self,
        partitions: impl IntoIterator<Item = i32>,
    ) -> Result<BTreeMap<i32, Committed>, ReadError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, partition);
        }
        let list = self.consumer.committed_offsets(list, IDLE_TIMEOUT);
        let list = list.map_err(|error| self.failed("querying the group's committed offsets", error))?;
        let known = list.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(next) => {
                Some((element.partition(), Committed { next, metadata: element.metadata().to_owned() }))
            }
            _ => None,
        });
        Ok(known.collect())
    }

    /// Calls `each` for every record in these offset ranges, until it breaks.
    ///
    /// # Errors
    /// When the brokers do not respond, or return an error.
    pub fn read(
        &self,
        offsets: &BTreeMap<i32, Range<i64>>,
        each: &mut dyn FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let wanted: BTreeMap<i32, Range<i64>> = offsets
            .iter()
            .filter(|(_, range)| !range.is_empty())
            .map(|(at, range)| (*at, range.clone()))
            .collect();
        let mut list = TopicPartitionList::new();
        for (partition, range) in &wanted {
            let added = list.add_partition_offset(&self.topic, *partition, Offset::Offset(range.start));
            added.map_err(|error| self.failed("reading", error))?;
        }
        self.consumer.assign(&list).map_err(|error| self.failed("reading", error))?;
        let ends = wanted.iter().map(|(partition, range)| (*partition, range.end)).collect();
        let all = |_: &Self| Some(wanted.keys().copied().collect());
        self.poll_to(&ends, &all, &mut |message| match message {
            Some(message)
                if !wanted
                    .get(&message.partition())
                    .is_some_and(|range| range.contains(&message.offset())) =>
            {
                Ok(ControlFlow::Continue(()))
            }
            Some(message) => Ok(each(message)),
            None => Ok(ControlFlow::Continue(())),
        })
    }

    /// Joins the group, and calls `each` for every record of the assigned partitions, from the committed offsets up to
    /// these `ends`.
    ///
    /// # Errors
    /// When the brokers do not respond or return an error, the group assigns no partition, or `each` fails.
    pub fn read_as_member<E: From<ReadError>>(
        &self,
        ends: &BTreeMap<i32, i64>,
        each: &mut RecordHandler<'_, E>,
    ) -> Result<(), E> {
        self.consumer.subscribe(&[&self.topic]).map_err(|error| self.failed("joining the group", error))?;
        let assigned = |reader: &Self| Some(reader.assigned()).filter(|partitions| !partitions.is_empty());
        self.poll_to(ends, &assigned, each)
    }

    /// Returns the partitions that are being read.
    pub fn assigned(&self) -> BTreeSet<i32> {
        let list = self.consumer.assignment();
        list.map(|list| list.elements().iter().map(|element| element.partition()).collect())
            .unwrap_or_default()
    }

    /// Commits offsets, and waits for the result.
    ///
    /// # Errors
    /// When the group has rebalanced, returns an error, or does not respond.
    pub fn commit(&self, positions: &BTreeMap<i32, Committed>) -> Result<(), ReadError> {
        let mut list = TopicPartitionList::new();
        for (partition, committed) in positions {
            let mut element = list.add_partition(&self.topic, *partition);
            let set = element.set_offset(Offset::Offset(committed.next));
            element.set_metadata(&committed.metadata);
            set.map_err(|error| self.failed("committing", error))?;
        }
        self.consumer
            .commit(&list, CommitMode::Sync)
            .map_err(|error| self.failed("committing the group's offsets", error))
    }

    /// Polls until all partitions that `assigned` returns are read to their end.
    fn poll_to<E: From<ReadError>>(
        &self,
        ends: &BTreeMap<i32, i64>,
        assigned: &dyn Fn(&Self) -> Option<BTreeSet<i32>>,
        each: &mut RecordHandler<'_, E>,
    ) -> Result<(), E> {
        let mut last = Instant::now();
        let mut ended = BTreeSet::new();
        loop {
            match self.consumer.poll(TICK) {
                Some(Ok(message)) => {
                    last = Instant::now();
                    if each(Some(&message))?.is_break() {
                        return Ok(());
                    }
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended.insert(partition);
                }
                Some(Err(error)) => self.check_error(error)?,
                None => {}
            }
            let partitions = assigned(self);
            if let Some(partitions) = &partitions
                && self.are_at_end(partitions, ends, &ended)
            {
                return each(None).map(drop);
            }
            if each(None)?.is_break() {
                return Ok(());
            }
            if last.elapsed() > IDLE_TIMEOUT {
                return Err(self.idle_timeout_error(partitions.is_none()).into());
            }
        }
    }

    /// Whether these partitions are read up to their ends, or have reached the end of their logs (`ended`).
    fn are_at_end(
        &self,
        partitions: &BTreeSet<i32>,
        ends: &BTreeMap<i32, i64>,
        ended: &BTreeSet<i32>,
    ) -> bool {
        let Ok(positions) = self.consumer.position() else { return false };
        partitions.iter().all(|partition| {
            let end = ends.get(partition).copied().unwrap_or(0);
            let position = positions.find_partition(&self.topic, *partition).map(|element| element.offset());
            ended.contains(partition)
                || end == 0
                || matches!(position, Some(Offset::Offset(next)) if next >= end)
        })
    }

    /// Permanent errors end the read; the client recovers from others by itself.
    fn check_error(&self, error: KafkaError) -> Result<(), ReadError> {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let class = error_rules::class(code, Operation::Read);
        if class.is_fatal() { Err(self.failed("reading", error)) } else { Ok(()) }
    }

    fn idle_timeout_error(&self, nothing_assigned: bool) -> ReadError {
        let topic = self.topic.clone();
        match self.consumer.context().take() {
            None if nothing_assigned => ReadError::NoPartition { group: self.group.clone(), topic },
            None => {
                let reason = "the brokers sent nothing".to_owned();
                ReadError::Failed { what: "reading", topic, reason, fix: String::new() }
            }
            Some((code, reason)) => {
                let (reason, fix) = self.explained(code, reason);
                ReadError::Failed { what: "reading", topic, reason, fix }
            }
        }
    }

    fn failed(&self, what: &'static str, error: KafkaError) -> ReadError {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        // A connection error is more specific than a missing response.
        let is_unreachable = error_rules::class(code, Operation::Read) == ErrorClass::Unreachable;
        let connection = is_unreachable.then(|| self.consumer.context().take()).flatten();
        let (code, reason) = connection.unwrap_or_else(|| (code, error.to_string()));
        let (reason, fix) = self.explained(code, reason);
        ReadError::Failed { what, topic: self.topic.clone(), reason, fix }
    }

    /// The reason of an error and the suggested fix, with what is known of the certificate or the login.
    fn explained(&self, code: RDKafkaErrorCode, reason: String) -> (String, String) {
        if matches!(code, RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) {
            let FatalError { reason, fix, .. } = self.access.login_error(&reason);
            return (reason, format!("; {fix}"));
        }
        let Some(rule) = error_rules::rule(code, Operation::Read) else { return (reason, String::new()) };
        let subject = Subject {
            user: &self.access.principal(),
            topic: &format!("topic {}", self.topic),
            group: &format!("consumer group {}", self.group),
        };
        match rule.class {
            class if class.is_fatal() => (reason, format!("; {}", rule.remedy(&subject))),
            ErrorClass::Unreachable => match self.access.explain(&reason) {
                Some(reason) => (reason, String::new()),
                None => (reason, "; check bootstrap_servers, the network and security.protocol".to_owned()),
            },
            _ => (reason, String::new()),
        }
    }
}
