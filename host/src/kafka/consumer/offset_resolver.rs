//! Resolves start offsets and runs other blocking queries; for use outside the poll loop's thread.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;

use super::commit::{commit_list, moved_on};
use super::core::Core;
use super::topic_ids::{ClaimError, ClaimedTopics};
use super::{
    Commit, Commits, ConsumerError, OnLostPosition, Positions, Start, TopicPartition, Topics, Watermarks,
    commit_metadata, to_list, without_metadata,
};
use crate::kafka::ffi;

/// Timeout of a single request; after it, the request is retried.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Where to start reading a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    Beginning,
    Offset(i64),
}

impl From<StartAt> for Offset {
    fn from(start: StartAt) -> Self {
        match start {
            StartAt::Beginning => Self::Beginning,
            StartAt::Offset(offset) => Self::Offset(offset),
        }
    }
}

/// Why a partition starts where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartOrigin {
    /// The offset is stored: the sink keeps it.
    Stored,
    /// The group's committed offset.
    Committed,
    /// The group has no committed offset of any partition of the topic: `source.start` applies.
    NothingCommitted(Start),
    /// The group has committed offsets of other partitions of the topic only.
    OthersCommitted,
    /// The position was lost: `source.on_lost_position` applies.
    Lost(OnLostPosition),
}

/// Start offsets of partitions.
#[derive(Debug, Clone)]
pub struct ResolvedStarts {
    /// In the order in which the partitions were given.
    pub starts: Vec<(TopicPartition, StartAt)>,
    /// The origin of each.
    pub origins: Vec<StartOrigin>,
    /// The group's commits of the partitions without a stored offset.
    pub committed: Commits,
}

/// Runs blocking queries for a consumer. Do not call it on the poll loop's thread, which must keep polling. Cheap to clone;
/// does not keep the consumer alive.
#[derive(Clone)]
pub struct OffsetResolver {
    pub(super) core: Weak<Core>,
}

impl OffsetResolver {
    /// The resolver of a closed consumer.
    #[cfg(test)]
    pub(crate) fn closed() -> Self {
        Self { core: Weak::new() }
    }

    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::downgrade(core) }
    }

    /// Returns the start offset of each of `partitions`, in their order:
    ///
    /// 1. the offset in `stored`, which the sink keeps,
    /// 2. else the group's committed offset,
    /// 3. else `start`, if the group has no committed offset for any partition of the topic. For `Latest`, the end offsets
    ///    of all partitions of the topic are committed at once, so that after a restart, or in another task, the group does
    ///    not count as new again,
    /// 4. else the beginning: the partition was added to the topic later, or its committed offset has expired.
    ///
    /// # Errors
    /// When the brokers do not answer before `deadline`, the error is permanent, or the consumer is closed.
    pub fn resolve_starts(
        &self,
        partitions: &[TopicPartition],
        stored: &HashMap<TopicPartition, i64>,
        start: Start,
        deadline: Instant,
    ) -> Result<ResolvedStarts, ConsumerError> {
        let open: Vec<&TopicPartition> = partitions.iter().filter(|at| !stored.contains_key(*at)).collect();
        let mut committed = Commits::new();
        let mut begun_at_end: BTreeSet<&str> = BTreeSet::new();
        match start {
            _ if open.is_empty() => {}
            Start::Earliest => committed = self.committed(open, deadline)?,
            Start::Latest => {
                let topics: BTreeSet<&str> = open.iter().map(|at| at.topic.as_str()).collect();
                for topic in topics {
                    let (of_topic, is_new) = self.committed_or_latest(topic, deadline)?;
                    committed.extend(of_topic);
                    begun_at_end.extend(is_new.then_some(topic));
                }
            }
        }
        let with_commits: HashSet<&str> = committed.keys().map(|at| at.topic.as_str()).collect();
        let resolve = |at: &TopicPartition| {
            let topic = at.topic.as_str();
            if let Some(offset) = stored.get(at) {
                return (StartAt::Offset(*offset), StartOrigin::Stored);
            }
            match committed.get(at) {
                Some(commit) if begun_at_end.contains(topic) => {
                    (StartAt::Offset(commit.offset), StartOrigin::NothingCommitted(start))
                }
                Some(commit) => (StartAt::Offset(commit.offset), StartOrigin::Committed),
                None if with_commits.contains(topic) => (StartAt::Beginning, StartOrigin::OthersCommitted),
                None => (StartAt::Beginning, StartOrigin::NothingCommitted(start)),
            }
        };
        let (starts, origins) = partitions
            .iter()
            .map(|at| {
                let (start, origin) = resolve(at);
                ((at.clone(), start), origin)
            })
            .unzip();
        Ok(ResolvedStarts { starts, origins, committed })
    }

    /// Returns the group's committed offsets of `partitions`, without those that have none.
    ///
    /// # Errors
    /// As [`Self::resolve_starts`].
    pub fn committed<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        deadline: Instant,
    ) -> Result<Commits, ConsumerError> {
        let list = to_list(partitions);
        let list = self.ask("the group's committed offsets", deadline, |core| {
            let list = core.base.committed_offsets(list.clone(), REQUEST_TIMEOUT)?;
            list.elements().iter().try_for_each(|element| element.error())?;
            Ok(list)
        })?;
        let commit = |element: &TopicPartitionListElem<'_>| {
            let Offset::Offset(offset) = element.offset() else { return None };
            let metadata = commit_metadata::from_text(element.metadata());
            let is_foreign = metadata.is_none();
            let commit = Commit { offset, metadata: metadata.unwrap_or_default().into(), is_foreign };
            Some((TopicPartition::new(element.topic(), element.partition()), commit))
        };
        Ok(list.elements().iter().filter_map(commit).collect())
    }

    /// Returns the bounds of the logs of these partitions: the first offset and the high watermark. In contrast to
    /// [`Self::watermarks`], a transaction that is open does not lower the latter.
    ///
    /// # Errors
    /// As [`Self::resolve_starts`].
    pub fn log_bounds(
        &self,
        partitions: &[TopicPartition],
        deadline: Instant,
    ) -> Result<Watermarks, ConsumerError> {
        self.ask("the bounds of the logs", deadline, |core| {
            let bounds = core.log_bounds(partitions, REQUEST_TIMEOUT)?;
            match partitions.iter().find(|at| !bounds.contains_key(*at)) {
                None => Ok(bounds),
                Some(_) => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)),
            }
        })
    }

    /// Returns the ids of the topics of these partitions, without those of topics that do not exist and those of brokers
    /// before Kafka 2.8. Call it whenever partitions are claimed: while they are read, their ids are compared with these.
    ///
    /// # Errors
    /// As [`Self::resolve_starts`], and when the consumer has read a topic before it was created again.
    pub fn topic_ids(
        &self,
        partitions: &[TopicPartition],
        deadline: Instant,
    ) -> Result<ClaimedTopics, ConsumerError> {
        let topics: BTreeSet<&str> = partitions.iter().map(|at| at.topic.as_str()).collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        self.ask("the ids of the topics", deadline, |core| {
            let ids = ffi::topic_ids(core.base.client(), &topics, REQUEST_TIMEOUT);
            let ids = ids.map_err(KafkaError::MetadataFetch)?;
            match core.context().with_topic_ids(|known| known.claim(&ids)) {
                Ok(()) => {}
                Err(ClaimError::Stale) => {
                    return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition));
                }
                Err(ClaimError::Recreated { topic, before, now }) => {
                    return Ok(Err(ConsumerError::TopicReplaced { topic, before, now }));
                }
            }
            let cluster = core.base.client().fetch_cluster_id(REQUEST_TIMEOUT).unwrap_or_default();
            Ok(Ok(ClaimedTopics { cluster, ids }))
        })?
    }

    /// Returns the first offset of a partition and, as for readers of committed records only, the offset up to which it can
    /// be read: the high watermark, or the first offset of an open transaction.
    ///
    /// # Errors
    /// As [`Self::resolve_starts`].
    pub fn watermarks(&self, at: &TopicPartition, deadline: Instant) -> Result<(i64, i64), ConsumerError> {
        self.ask("the first and last offset of a partition", deadline, |core| {
            core.base.fetch_watermarks(&at.topic, at.partition, REQUEST_TIMEOUT)
        })
    }

    /// Returns the watermarks of these partitions, without those that cannot be queried before `deadline`.
    pub fn ends(&self, partitions: &[TopicPartition], deadline: Instant) -> Watermarks {
        let end = |at: &TopicPartition| Some((at.clone(), self.watermarks(at, deadline).ok()?));
        partitions.iter().map_while(end).collect()
    }

    /// Returns all partitions of a topic.
    ///
    /// # Errors
    /// As [`Self::resolve_starts`].
    pub fn partitions(&self, topic: &str, deadline: Instant) -> Result<Vec<TopicPartition>, ConsumerError> {
        let metadata = self.ask("the partitions of a topic", deadline, |core| {
            core.base.fetch_metadata(Some(topic), REQUEST_TIMEOUT)
        })?;
        let partitions = metadata.topics().iter().filter(|found| found.name() == topic);
        let partitions = partitions.flat_map(|found| found.partitions());
        Ok(partitions.map(|partition| TopicPartition::new(topic, partition.id())).collect())
    }

    /// Returns the total number of partitions of a list of topics. Returns `None` for a pattern, for which
    /// [`ConsumerEvent::Topics`](super::ConsumerEvent::Topics) reports the number.
    ///
    /// # Errors
    /// As [`Self::resolve_starts`].
    pub fn named_partitions(
        &self,
        topics: &Topics,
        deadline: Instant,
    ) -> Result<Option<usize>, ConsumerError> {
        let Topics::List(names) = topics else { return Ok(None) };
        let found = self.topics(deadline)?;
        Ok(Some(names.iter().filter_map(|name| found.get(name)).sum()))
    }

    /// Returns the topics that this user is authorized to see, with their partition counts.
    ///
    /// # Errors
    /// As [`Self::resolve_starts`].
    pub(super) fn topics(&self, deadline: Instant) -> Result<BTreeMap<String, usize>, ConsumerError> {
        let metadata = self.ask("the topics of the cluster", deadline, |core| {
            core.base.fetch_metadata(None, REQUEST_TIMEOUT)
        })?;
        // A topic that is being created or deleted has an error or no partitions.
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        let topics = topics.map(|topic| (topic.name().to_owned(), topic.partitions().len()));
        Ok(topics.filter(|(_, partitions)| *partitions > 0).collect())
    }

    /// Returns the group's committed offsets for a topic. If there are none, commits the end offsets first, and also returns
    /// true.
    fn committed_or_latest(&self, topic: &str, deadline: Instant) -> Result<(Commits, bool), ConsumerError> {
        let partitions = self.partitions(topic, deadline)?;
        let committed = self.committed(&partitions, deadline)?;
        if !committed.is_empty() {
            return Ok((committed, false));
        }
        let end = |at: &TopicPartition| Ok((at.clone(), self.watermarks(at, deadline)?.1));
        let mut ends: Positions = partitions.iter().map(end).collect::<Result<_, ConsumerError>>()?;
        // Another task of the group may have done the same in the meantime, and may even have progressed. Its commits win.
        let newer = self.committed(&partitions, deadline)?;
        ends.retain(|at, _| !newer.contains_key(at));
        let mut commits = without_metadata(&ends);
        self.commit(&commits, deadline)?;
        commits.extend(newer);
        Ok((commits, true))
    }

    /// Commits. If the group rebalances in the meantime, the next owner of the partitions commits instead.
    fn commit(&self, commits: &Commits, deadline: Instant) -> Result<(), ConsumerError> {
        if commits.is_empty() {
            return Ok(());
        }
        self.ask("the commit of where the group begins", deadline, |core| {
            match core.base.commit(&commit_list(commits)?, CommitMode::Sync) {
                Err(error) if error.rdkafka_error_code().is_some_and(moved_on) => {
                    tracing::debug!(%error, "group rebalances again before its first commit");
                    Ok(())
                }
                result => result,
            }
        })
    }

    /// Retries a request until it succeeds, fails permanently, or `deadline` has passed.
    fn ask<T>(
        &self,
        what: &'static str,
        deadline: Instant,
        request: impl Fn(&Core) -> KafkaResult<T>,
    ) -> Result<T, ConsumerError> {
        loop {
            let core = self.core.upgrade().filter(|core| !core.is_closing()).ok_or(ConsumerError::Closed)?;
            let error = match request(&core) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let code = error.rdkafka_error_code();
            let fatal = code.and_then(|code| core.fatal_error(code, &error.to_string(), &[]));
            drop(core);
            if let Some(error) = fatal {
                return Err(error.into());
            }
            if Instant::now() + RETRY_AFTER >= deadline {
                return Err(ConsumerError::QueryTimeout { what, reason: error.to_string() });
            }
            tracing::debug!(%error, what, "query failed; retrying");
            thread::sleep(RETRY_AFTER);
        }
    }
}
