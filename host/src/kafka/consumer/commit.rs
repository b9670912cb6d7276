//! Commits offsets on a separate thread: one request at a time, newer offsets coalesced, failures retried.
//!
//! librdkafka's asynchronous commit reports no result through rust-rdkafka 0.39, and its synchronous commit blocks while
//! the coordinator is unavailable. So this thread uses the synchronous commit. When a request succeeds as a whole but fails
//! for single partitions (for example because a topic was deleted), librdkafka does not report it; the next commit of the
//! partition repeats it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::context::{QueuedEvent, lock};
use super::core::Core;
use super::{Commits, Positions, TopicPartition, commit_metadata};
use crate::kafka::access::FatalError;
use crate::kafka::error_rules::ErrorClass;

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why offsets were not committed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The coordinator or librdkafka returned an error. Retried while the partitions are assigned to this task.
    #[error("offsets were not committed: {0}")]
    Failed(#[source] KafkaError),
    /// Retrying does not help, for example because of a missing permission.
    #[error("offsets were not committed: {reason}; {fix}")]
    Fatal {
        reason: String,
        /// What the user should do.
        fix: String,
        /// Whether a restart of the task may help.
        class: ErrorClass,
    },
    /// No response in time. The commit may still succeed.
    #[error("offsets were not committed in time")]
    Deadline,
    #[error("offsets were not committed: the consumer is closed")]
    Closed,
}

impl CommitError {
    /// Whether retrying does not help, for example because of a missing permission: the task fails.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Fatal { .. })
    }

    /// Whether a restart of the task would fail as well.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Fatal { class: ErrorClass::Permanent, .. })
    }

    /// Whether the group is rebalancing: the partitions have been, or will be, assigned to another member.
    pub fn is_rebalance(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        error.rdkafka_error_code().is_some_and(moved_on)
    }
}

/// Whether an error code means that the group is rebalancing, or has rebalanced without this member.
pub(super) fn moved_on(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::RebalanceInProgress
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::StaleMemberEpoch
            | Code::FencedMemberEpoch
    )
}

pub(super) fn commit_list(commits: &Commits) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for (at, commit) in commits {
        let mut element = list.add_partition(&at.topic, at.partition);
        element.set_offset(Offset::Offset(commit.offset))?;
        // Also without metadata: it shows who has committed.
        element.set_metadata(commit_metadata::to_text(&commit.metadata));
    }
    Ok(list)
}

fn positions(commits: &Commits) -> Positions {
    commits.iter().map(|(at, commit)| (at.clone(), commit.offset)).collect()
}

pub(super) struct Committer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Offsets for the next request.
    wanted: Commits,
    /// Partitions that were released during the current attempt. They are not retried if it fails.
    forgotten: BTreeSet<TopicPartition>,
    /// Earliest time of the next attempt, after a failure.
    not_before: Option<Instant>,
    /// Number of attempts started and finished.
    begun: u64,
    ended: u64,
    last: Option<CommitError>,
    stopped: bool,
}

impl Committer {
    pub(super) fn start(core: &Arc<Core>, name: &str) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (core, own) = (Arc::downgrade(core), Arc::clone(&shared));
        thread::Builder::new().name(format!("commit {name}")).spawn(move || own.run(&core))?;
        Ok(Self { shared })
    }

    /// Queues `commits`, which replace older ones of the same partitions.
    pub(super) fn submit(&self, commits: &Commits) {
        if commits.is_empty() {
            return;
        }
        self.state().wanted.extend(commits.clone());
        self.shared.changed.notify_all();
    }

    /// Queues `commits` and waits for the result until `deadline`. Retries unless the error is permanent.
    pub(super) fn submit_and_wait(&self, commits: &Commits, deadline: Instant) -> Result<(), CommitError> {
        if commits.is_empty() {
            return Ok(());
        }
        loop {
            let mut state = self.state();
            state.wanted.extend(commits.clone());
            state.not_before = None;
            let attempt = state.begun + 1;
            self.shared.changed.notify_all();
            while state.ended < attempt && !state.stopped {
                let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                    return Err(CommitError::Deadline);
                };
                state = wait(&self.shared.changed, state, left);
            }
            match state.last.clone() {
                _ if state.stopped => return Err(CommitError::Closed),
                None => return Ok(()),
                Some(error) if error.is_fatal() || error.is_rebalance() => return Err(error),
                Some(error) if Instant::now() + Duration::from_millis(100) >= deadline => return Err(error),
                Some(_) => {}
            }
            drop(state);
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Drops pending commits of `partitions`. The partitions may be assigned to another task by now, and a late commit
    /// would overwrite its newer offsets.
    pub(super) fn forget<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        let mut state = self.state();
        for partition in partitions {
            state.wanted.remove(partition);
            state.forgotten.insert(partition.clone());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.state().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn run(&self, core: &Weak<Core>) {
        while let Some(commits) = self.next() {
            let Some(core) = core.upgrade() else { return };
            let result = commit_list(&commits).and_then(|list| core.base.commit(&list, CommitMode::Sync));
            let result = result.map_err(|error| commit_error(&core, error, &commits));
            self.ended(&commits, result.as_ref().err());
            core.enqueue(QueuedEvent::Committed(result.map(|()| positions(&commits))));
        }
    }

    /// Waits for pending commits and takes them; `None` when stopped.
    fn next(&self) -> Option<Commits> {
        let mut state = lock(&self.state);
        loop {
            if state.stopped {
                return None;
            }
            let pause = state.not_before.and_then(|at| at.checked_duration_since(Instant::now()));
            if !state.wanted.is_empty() && pause.is_none() {
                state.begun += 1;
                state.forgotten.clear();
                return Some(std::mem::take(&mut state.wanted));
            }
            state = match pause {
                Some(pause) => wait(&self.changed, state, pause),
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn ended(&self, commits: &Commits, error: Option<&CommitError>) {
        let mut state = lock(&self.state);
        state.ended = state.begun;
        state.last = error.cloned();
        state.not_before = error.map(|_| Instant::now() + RETRY_AFTER);
        if error.is_some_and(|error| !error.is_fatal()) {
            for (at, commit) in commits {
                if state.forgotten.contains(at) {
                    continue;
                }
                state.wanted.entry(at.clone()).or_insert_with(|| commit.clone());
            }
        }
        self.changed.notify_all();
    }
}

fn commit_error(core: &Core, error: KafkaError, commits: &Commits) -> CommitError {
    let topics: BTreeSet<&str> = commits.keys().map(|at| at.topic.as_str()).collect();
    let topics: Vec<&str> = topics.into_iter().collect();
    let code = error.rdkafka_error_code();
    match code.and_then(|code| core.fatal_error(code, &error.to_string(), &topics)) {
        Some(FatalError { reason, fix, class }) => CommitError::Fatal { reason, fix, class },
        None => CommitError::Failed(error),
    }
}

fn wait<'a>(changed: &Condvar, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
    changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::consumer::without_metadata;

    #[test]
    fn a_failed_commit_of_a_released_partition_is_not_retried() {
        let shared = Arc::new(Shared::default());
        let committer = Committer { shared: Arc::clone(&shared) };
        let [kept, given] = [0, 1].map(|partition| TopicPartition::new("t", partition));
        let wanted = Positions::from([(kept.clone(), 5), (given.clone(), 7)]);
        committer.submit(&without_metadata(&wanted));
        let positions = shared.next().unwrap();
        committer.forget([&given]);
        let error = CommitError::Failed(KafkaError::ConsumerCommit(RDKafkaErrorCode::RequestTimedOut));
        shared.ended(&positions, Some(&error));
        assert_eq!(committer.state().wanted, without_metadata(&Positions::from([(kept, 5)])));
    }
}
