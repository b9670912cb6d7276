//! Where a partition starts, and other questions to the brokers that may block; for any thread but the poll loop.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionListElem;

use super::commit::{commit_list, moved_on};
use super::core::Core;
use super::{
    Commit, Commits, ConsumerError, Positions, Start, TopicPartition, Topics, Watermarks, metadata, to_list,
    without_metadata,
};
use crate::kafka::access::Refusal;

/// How long one request may take before it is tried again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Where to start reading a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At its oldest record.
    Beginning,
    /// At this offset.
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

/// Asks the brokers for a consumer. Cheap to clone; its calls block, so keep them off the poll loop, which must
/// go on polling meanwhile. It does not keep the consumer alive.
#[derive(Clone)]
pub struct LookUp {
    core: Weak<Core>,
}

impl LookUp {
    /// Look-ups of a consumer that is closed.
    #[cfg(test)]
    pub(crate) fn closed() -> Self {
        Self { core: Weak::new() }
    }

    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::downgrade(core) }
    }

    /// Returns where each of `partitions` starts, in their order: at the offset in `stored` (what the sink
    /// keeps), else where the group has committed, else as follows. When the group has committed nothing for
    /// any partition of the topic, it is new to it and begins at `start`; the position of `Latest` is committed
    /// at once, for every partition of the topic, so that neither a restart nor another task takes the group
    /// for an old one. Otherwise the partition was added later and begins at its beginning. Also returns what the
    /// group keeps of those that start where it has committed.
    ///
    /// # Errors
    /// When the brokers do not answer until `deadline` or refuse, or the consumer is closed meanwhile.
    pub fn resolve_starts(
        &self,
        partitions: &[TopicPartition],
        stored: &HashMap<TopicPartition, i64>,
        start: Start,
        deadline: Instant,
    ) -> Result<(Vec<(TopicPartition, StartAt)>, Commits), ConsumerError> {
        let open: Vec<&TopicPartition> = partitions.iter().filter(|at| !stored.contains_key(*at)).collect();
        let committed = match start {
            _ if open.is_empty() => Commits::new(),
            Start::Earliest => self.committed(open, deadline)?,
            Start::Latest => {
                let topics: BTreeSet<&str> = open.iter().map(|at| at.topic.as_str()).collect();
                let per_topic = topics.into_iter().map(|topic| self.committed_or_latest(topic, deadline));
                per_topic.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
            }
        };
        let start_of = |at: &TopicPartition| {
            let known = stored.get(at).copied().or_else(|| committed.get(at).map(|commit| commit.offset));
            (at.clone(), known.map_or(StartAt::Beginning, StartAt::Offset))
        };
        let starts = partitions.iter().map(start_of).collect();
        Ok((starts, committed))
    }

    /// Returns what the group has committed of `partitions`, less those without a position.
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
            let metadata = metadata::from_text(element.metadata()).unwrap_or_default().into();
            Some((TopicPartition::new(element.topic(), element.partition()), Commit { offset, metadata }))
        };
        Ok(list.elements().iter().filter_map(commit).collect())
    }

    /// Returns a partition's first offset and the one after its last.
    ///
    /// # Errors
    /// As [`Self::resolve_starts`].
    pub fn watermarks(&self, at: &TopicPartition, deadline: Instant) -> Result<(i64, i64), ConsumerError> {
        self.ask("the first and last offset of a partition", deadline, |core| {
            core.base.fetch_watermarks(&at.topic, at.partition, REQUEST_TIMEOUT)
        })
    }

    /// Returns where the logs of these partitions begin and end, less those that cannot be had before `deadline`.
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

    /// Returns how many partitions the topics have that are subscribed to by name; none where they are by a pattern:
    /// [`Event::Topics`](super::Event::Topics) tells of those.
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

    /// Returns the topics of the cluster that this user may see, with their numbers of partitions.
    ///
    /// # Errors
    /// As [`Self::resolve_starts`].
    pub(super) fn topics(&self, deadline: Instant) -> Result<BTreeMap<String, usize>, ConsumerError> {
        let metadata = self.ask("the topics of the cluster", deadline, |core| {
            core.base.fetch_metadata(None, REQUEST_TIMEOUT)
        })?;
        // One that is being created or deleted has an error, or no partitions.
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        let topics = topics.map(|topic| (topic.name().to_owned(), topic.partitions().len()));
        Ok(topics.filter(|(_, partitions)| *partitions > 0).collect())
    }

    /// Returns what the group has committed for a topic, after committing its end if that was nothing.
    fn committed_or_latest(&self, topic: &str, deadline: Instant) -> Result<Commits, ConsumerError> {
        let partitions = self.partitions(topic, deadline)?;
        let committed = self.committed(&partitions, deadline)?;
        if !committed.is_empty() {
            return Ok(committed);
        }
        let end = |at: &TopicPartition| Ok((at.clone(), self.watermarks(at, deadline)?.1));
        let mut ends: Positions = partitions.iter().map(end).collect::<Result<_, ConsumerError>>()?;
        // Another task of the group may have done the same meanwhile, and even got on: what it committed counts.
        let meanwhile = self.committed(&partitions, deadline)?;
        ends.retain(|at, _| !meanwhile.contains_key(at));
        let mut commits = without_metadata(&ends);
        self.commit(&commits, deadline)?;
        commits.extend(meanwhile);
        Ok(commits)
    }

    /// Commits; when the group rebalances again, that is left to whoever gets the partitions next.
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

    /// Asks until there is an answer, a refusal for good, or no time left.
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
            let refusal = code.and_then(|code| core.refusal(code, &error.to_string(), &[]));
            drop(core);
            if let Some(Refusal { reason, fix }) = refusal {
                return Err(ConsumerError::Permanent { reason, fix });
            }
            if Instant::now() + RETRY_AFTER >= deadline {
                return Err(ConsumerError::LookUp { what, reason: error.to_string() });
            }
            tracing::debug!(%error, what, "look-up failed; trying again");
            thread::sleep(RETRY_AFTER);
        }
    }
}
