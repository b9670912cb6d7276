//! Commits positions on a thread of its own: one request at a time, newer positions coalesced, failures retried.
//!
//! librdkafka's asynchronous commit reports nothing through rust-rdkafka 0.39 (it asks for events, but no queue
//! is given for the reply), and its synchronous one blocks for as long as the coordinator is away. So it is the
//! synchronous one, elsewhere. When a request as a whole succeeds but single partitions in it failed (a topic
//! was deleted meanwhile), librdkafka does not tell; the next commit of the partition makes good for it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::context::{Note, lock};
use super::core::Core;
use super::{Commits, Positions, TopicPartition, metadata};
use crate::kafka::access::Refusal;

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why positions are not committed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The group or librdkafka refused; tried again while the partitions are this task's.
    #[error("offsets were not committed: {0}")]
    Refused(#[source] KafkaError),
    /// The group refused for a reason that does not pass, such as a missing right.
    #[error("offsets were not committed: {reason}; {fix}")]
    Permanent {
        /// What librdkafka or the broker said.
        reason: String,
        /// What to do.
        fix: String,
    },
    /// There was no answer in time; it may still succeed.
    #[error("offsets were not committed in time")]
    Deadline,
    /// The consumer is closed.
    #[error("offsets were not committed: the consumer is closed")]
    Closed,
}

impl CommitError {
    /// Returns whether trying again is of no use (such as a missing right).
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Permanent { .. })
    }

    /// Returns whether the group has moved on: the partitions are, or soon will be, somebody else's.
    pub fn is_rebalance(&self) -> bool {
        let Self::Refused(error) = self else { return false };
        error.rdkafka_error_code().is_some_and(moved_on)
    }
}

/// Returns whether a refusal means that the group rebalances or did so without this member.
pub(super) fn moved_on(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::RebalanceInProgress | Code::IllegalGeneration | Code::UnknownMemberId | Code::StaleMemberEpoch
    )
}

/// Returns the list that commits `commits`.
pub(super) fn commit_list(commits: &Commits) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for (at, commit) in commits {
        let mut element = list.add_partition(&at.topic, at.partition);
        element.set_offset(Offset::Offset(commit.offset))?;
        if !commit.metadata.is_empty() {
            element.set_metadata(metadata::to_text(&commit.metadata));
        }
    }
    Ok(list)
}

/// Returns the offsets alone.
fn positions(commits: &Commits) -> Positions {
    commits.iter().map(|(at, commit)| (at.clone(), commit.offset)).collect()
}

/// Commits for one consumer until it is dropped.
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
    /// What is to be committed next.
    wanted: Commits,
    /// Partitions that were given up during the attempt under way: should it fail, they are not tried again.
    forgotten: BTreeSet<TopicPartition>,
    /// After a failure: not before.
    not_before: Option<Instant>,
    /// Attempts begun and ended.
    begun: u64,
    ended: u64,
    last: Option<CommitError>,
    stopped: bool,
}

impl Committer {
    /// Starts the thread.
    pub(super) fn start(core: &Arc<Core>, name: &str) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (core, own) = (Arc::downgrade(core), Arc::clone(&shared));
        thread::Builder::new().name(format!("commit {name}")).spawn(move || own.run(&core))?;
        Ok(Self { shared })
    }

    /// Has `commits` committed soon, in place of older ones of the same partitions.
    pub(super) fn submit(&self, commits: &Commits) {
        if commits.is_empty() {
            return;
        }
        self.state().wanted.extend(commits.clone());
        self.shared.changed.notify_all();
    }

    /// Has `commits` committed and waits for it until `deadline`. Tries again unless that is of no use.
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
                Some(error) if error.is_permanent() || error.is_rebalance() => return Err(error),
                Some(error) if Instant::now() + Duration::from_millis(100) >= deadline => return Err(error),
                Some(_) => {}
            }
            drop(state);
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Drops what is not committed yet of `partitions`: they may be another task's, whose commits it would undo.
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
            let result = result.map_err(|error| refused(&core, error, &commits));
            self.ended(&commits, result.as_ref().err());
            core.context().note(Note::Committed(result.map(|()| positions(&commits))));
        }
    }

    /// Waits for something to commit and takes it; none when stopped.
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
        if error.is_some_and(|error| !error.is_permanent()) {
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

fn refused(core: &Core, error: KafkaError, commits: &Commits) -> CommitError {
    let topics: BTreeSet<&str> = commits.keys().map(|at| at.topic.as_str()).collect();
    let topics: Vec<&str> = topics.into_iter().collect();
    let code = error.rdkafka_error_code();
    match code.and_then(|code| core.refusal(code, &error.to_string(), &topics)) {
        Some(Refusal { reason, fix }) => CommitError::Permanent { reason, fix },
        None => CommitError::Refused(error),
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
    fn what_was_given_up_during_an_attempt_that_fails_is_not_tried_again() {
        let shared = Arc::new(Shared::default());
        let committer = Committer { shared: Arc::clone(&shared) };
        let [kept, given] = [0, 1].map(|partition| TopicPartition::new("t", partition));
        let wanted = Positions::from([(kept.clone(), 5), (given.clone(), 7)]);
        committer.submit(&without_metadata(&wanted));
        let positions = shared.next().unwrap();
        committer.forget([&given]);
        let error = CommitError::Refused(KafkaError::ConsumerCommit(RDKafkaErrorCode::RequestTimedOut));
        shared.ended(&positions, Some(&error));
        assert_eq!(committer.state().wanted, without_metadata(&Positions::from([(kept, 5)])));
    }
}
