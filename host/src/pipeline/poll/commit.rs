//! Synchronous commits.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{LAST_COMMIT, PollLoop};
use crate::{
    kafka::consumer::{CommitError, Commits, Positions},
    telemetry,
};

/// Wait between two polls for the group.
const SHORT_WAIT: Duration = Duration::from_millis(10);

impl PollLoop<'_> {
    /// Commits, and waits for the result.
    pub(super) fn commit_and_wait(&mut self, commits: &Commits) {
        let committed = self.commit_until(commits, Instant::now() + LAST_COMMIT);
        log_failure(&committed);
    }

    /// Commits everything that is settled before the task ends. Returns whether that worked.
    ///
    /// A group takes no commits while it rebalances, for instance because another task of the connector has just left it:
    /// then this waits until librdkafka has joined the group again.
    pub(super) fn commit_before_end(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            let commits = self.flow.partitions.uncommitted();
            match self.commit_until(&commits, deadline.min(Instant::now() + LAST_COMMIT)) {
                Err(error) if error.is_rebalance() && Instant::now() + SHORT_WAIT < deadline => {
                    tracing::debug!(%error, "waiting for the group");
                    // The consumer joins again only while it is polled.
                    drop(self.consumer.poll_event());
                    thread::sleep(SHORT_WAIT);
                }
                committed => {
                    log_failure(&committed);
                    return committed.is_ok();
                }
            }
        }
    }

    /// Counts a commit in `tidegate_commits_total`.
    pub(super) fn count_commit(&self, is_ok: bool) {
        let outcome = if is_ok { "success" } else { "failure" };
        let (connector, task) = (&self.settings.connector, self.settings.task);
        telemetry::task_count(connector, task, "commits_total", &[("outcome", outcome)], 1);
    }

    fn commit_until(&mut self, commits: &Commits, deadline: Instant) -> Result<(), CommitError> {
        if commits.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let outcome = self.consumer.commit_sync(commits, deadline);
        self.metrics.committed(began.elapsed());
        self.count_commit(outcome.is_ok());
        outcome?;
        let positions: Positions = commits.iter().map(|(at, commit)| (at.clone(), commit.offset)).collect();
        self.flow.on_committed(&positions);
        Ok(())
    }
}

fn log_failure(committed: &Result<(), CommitError>) {
    if let Err(error) = committed {
        tracing::warn!(%error, "the last commit failed: some records will be read again");
    }
}
