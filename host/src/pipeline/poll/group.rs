//! With `until_end`: looks at what the whole group has committed, once the task has nothing left to deliver.
//!
//! Other members of the group, in another host or another program, may have the partitions that are left. The supervisor
//! ends the connector when the group is done, and reports who has the rest when nothing is committed any more.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::PollLoop;
use crate::{
    kafka::consumer::{GroupProgress, GroupQuery, OffsetResolver, Positions},
    pipeline::{channels::PollMessage, message::TaskEvent},
};

/// How often the group is queried.
const QUERY_INTERVAL: Duration = Duration::from_secs(2);
/// Timeout of a query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// When the group was queried last.
pub(super) struct GroupWatch {
    queried: Instant,
    is_querying: bool,
    /// The ends that the logs had at the first query.
    ends: Positions,
    offset_resolver: OffsetResolver,
}

impl GroupWatch {
    pub(super) fn new(offset_resolver: OffsetResolver) -> Self {
        Self { queried: Instant::now(), is_querying: false, ends: Positions::new(), offset_resolver }
    }
}

impl PollLoop<'_> {
    /// Queries the group, if that is due.
    pub(super) fn watch_group(&mut self) {
        if !self.settings.until_end || self.group.is_querying {
            return;
        }
        if !self.flow.is_idle_member(&self.reported.counts) {
            self.group.queried = Instant::now();
            return;
        }
        if self.group.queried.elapsed() < QUERY_INTERVAL {
            return;
        }
        self.group.queried = Instant::now();
        let mut query = GroupQuery {
            topics: self.consumer.subscribed_topics(),
            done: self.consumer.assigned().into_iter().collect(),
            ends: std::mem::take(&mut self.group.ends),
            client_id: self.settings.consumer.client_id.clone(),
        };
        let (resolver, poll) = (self.group.offset_resolver.clone(), self.to_self.clone());
        let ask = move || {
            let progress = resolver.group_progress(&mut query, Instant::now() + QUERY_TIMEOUT);
            let progress = progress.inspect_err(|error| tracing::debug!(%error, "querying the group failed"));
            let _ended = poll.send(PollMessage::Group(query.ends, progress.ok())).is_err();
        };
        match thread::Builder::new().name("group".to_owned()).spawn(ask) {
            Ok(_) => self.group.is_querying = true,
            Err(error) => tracing::debug!(%error, "no thread to query the group"),
        }
    }

    /// The answer to a query.
    pub(super) fn on_group(&mut self, ends: Positions, progress: Option<GroupProgress>) {
        self.group.is_querying = false;
        self.group.ends = ends;
        if let Some(progress) = progress {
            (self.events)(TaskEvent::Group(progress));
        }
    }
}
