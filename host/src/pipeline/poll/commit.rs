//! Commits: what is settled goes to the group, and the last of it is waited for.

use std::time::{Duration, Instant};

use super::{LAST_COMMIT, Poll, TICK};
use crate::kafka::consumer::{CommitError, Commits, Positions};

impl Poll<'_> {
    /// Asks for a commit of what was settled since the last one.
    pub(super) fn commit(&mut self) {
        if !std::mem::take(&mut self.uncommitted) {
            return;
        }
        let commits = self.assignment.uncommitted();
        if !commits.is_empty() {
            self.consumer.commit_async(&commits);
        }
    }

    /// Commits what is settled, and waits for it. Returns false when that failed: it will be read again.
    pub(super) fn commit_and_wait(&mut self, patience: Duration) -> bool {
        let committed = self.try_to_commit(Instant::now() + patience);
        told(committed)
    }

    /// As `commit_and_wait`, and waits for a group that takes no commits because another member has just left it, such
    /// as a task that was stopped together with this one. librdkafka joins it again by itself.
    pub(super) fn commit_at_the_end(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            match self.try_to_commit(deadline.min(Instant::now() + LAST_COMMIT)) {
                Err(error) if error.is_rebalance() && Instant::now() + TICK < deadline => {
                    tracing::debug!(%error, "waiting for the group");
                    // Only who goes on polling joins it again. Records that come meanwhile are read again later.
                    drop(self.consumer.poll(TICK));
                }
                committed => return told(committed),
            }
        }
    }

    fn try_to_commit(&mut self, deadline: Instant) -> Result<(), CommitError> {
        let commits = self.assignment.uncommitted();
        if !commits.is_empty() {
            self.consumer.commit_sync(&commits, deadline)?;
            self.on_committed(&offsets(&commits));
        }
        Ok(())
    }

    pub(super) fn on_committed(&mut self, positions: &Positions) {
        self.assignment.committed(positions);
        if self.assignment.uncommitted().is_empty() {
            self.counts.committed = self.settled_inputs;
        }
    }
}

fn offsets(commits: &Commits) -> Positions {
    commits.iter().map(|(at, commit)| (at.clone(), commit.offset)).collect()
}

/// Whether the last commit worked; if not, the log says what follows.
fn told(committed: Result<(), CommitError>) -> bool {
    if let Err(error) = &committed {
        tracing::warn!(%error, "the last commit failed: some records will be read again");
    }
    committed.is_ok()
}
