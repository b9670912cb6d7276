//! What a consumer group has committed, over all of its members.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use serde::{Deserialize, Serialize};

use super::{ConsumerError, OffsetResolver, Positions, TopicPartition};

/// Timeout of the request for the members.
const MEMBERS_TIMEOUT: Duration = Duration::from_secs(5);

/// What to query.
#[derive(Debug)]
pub struct GroupQuery {
    /// The subscribed topics.
    pub topics: Vec<String>,
    /// Partitions that count as done, whatever is committed.
    pub done: BTreeSet<TopicPartition>,
    /// The ends that earlier queries have found.
    pub ends: Positions,
    /// The client id of the consumer that asks: it is not one of the other members.
    pub client_id: String,
}

/// How far a group has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupProgress {
    pub group: String,
    /// Partitions of all topics.
    pub total: usize,
    /// Of these, how many are committed to their ends.
    pub done: usize,
    /// Sum of the committed offsets.
    pub committed: i64,
    /// The other members, by client id and host, as far as the brokers report them.
    pub members: Vec<String>,
}

impl fmt::Display for GroupProgress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, total, done, members, .. } = self;
        let open = total.saturating_sub(*done);
        write!(formatter, "{open} of {total} partitions are held by other members of group {group:?}")?;
        if !members.is_empty() {
            write!(formatter, " ({})", members.join(", "))?;
        }
        formatter.write_str(" and are not committed to their ends")
    }
}

impl OffsetResolver {
    /// Compares the group's committed offsets with the ends that the logs had at the first query, which are added to
    /// `query.ends`.
    ///
    /// # Errors
    /// As [`Self::resolve_starts`].
    pub fn group_progress(
        &self,
        query: &mut GroupQuery,
        deadline: Instant,
    ) -> Result<GroupProgress, ConsumerError> {
        let mut partitions = Vec::new();
        for topic in &query.topics {
            partitions.extend(self.partitions(topic, deadline)?);
        }
        for at in &partitions {
            if !query.ends.contains_key(at) {
                let (low, high) = self.watermarks(at, deadline)?;
                // Nothing is committed for a partition from which everything was deleted.
                query.ends.insert(at.clone(), if low < high { high } else { 0 });
            }
        }
        let committed = self.committed(&partitions, deadline)?;
        let is_done = |at: &&TopicPartition| {
            let end = query.ends.get(*at).copied().unwrap_or(0);
            query.done.contains(*at) || committed.get(*at).map_or(0, |commit| commit.offset) >= end
        };
        let (group, members) = self.other_members(&query.client_id);
        Ok(GroupProgress {
            group,
            total: partitions.len(),
            done: partitions.iter().filter(is_done).count(),
            committed: committed.values().map(|commit| commit.offset).sum(),
            members,
        })
    }

    /// The group, and its members but for this consumer. Brokers do not report members of the new group protocol here.
    fn other_members(&self, client_id: &str) -> (String, Vec<String>) {
        let Some(core) = self.core.upgrade() else { return Default::default() };
        let group = core.group.clone();
        let members = match core.base.fetch_group_list(Some(&group), MEMBERS_TIMEOUT) {
            Ok(list) => list
                .groups()
                .iter()
                .flat_map(|group| group.members())
                .filter(|member| member.client_id() != client_id)
                .map(|member| format!("{} at {}", member.client_id(), member.client_host()))
                .collect(),
            Err(error) => {
                tracing::debug!(%error, "the members of the group could not be listed");
                Vec::new()
            }
        };
        (group, members)
    }
}
