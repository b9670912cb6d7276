//! Synchronous commits.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{LAST_COMMIT, PollLoop};
use crate::{
    kafka::consumer::{CommitError, Commits, ConsumerEvent, Positions, TopicPartition},
    telemetry,
};

/// Wait between two polls for the group.
const SHORT_WAIT: Duration = Duration::from_millis(10);

impl PollLoop<'_> {
    /// Commits, and waits for the result.
    pub(super) fn commit_and_wait(&mut self, commits: &Commits) {
        if let Err(error) = self.commit_until(commits, Instant::now() + LAST_COMMIT) {
            log_failure(&error);
        }
    }

    /// Commits everything that is settled before the task ends. Returns whether that worked, or is not needed because the sink
    /// stores its offsets.
    ///
    /// A group takes no commits while it rebalances, for instance because another task of the connector has just left it:
    /// then this waits until librdkafka has joined the group again. If the group gives partitions to other tasks, which it
    /// waits for to be released, their offsets can no longer be committed.
    pub(super) fn commit_before_end(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut revoked: Option<Vec<TopicPartition>> = None;
        let mut is_committed = true;
        loop {
            let commits = self.flow.partitions.uncommitted();
            let error = match self.commit_until(&commits, deadline.min(Instant::now() + LAST_COMMIT)) {
                Ok(()) => return is_committed,
                Err(error) => error,
            };
            let can_retry = error.is_rebalance() && Instant::now() + SHORT_WAIT < deadline;
            if !can_retry {
                return self.without_last_commit(&error) && is_committed;
            }
            tracing::debug!(%error, "waiting for the group");
            if let Some(partitions) = revoked.take() {
                is_committed = self.without_last_commit(&error);
                self.give_up(&partitions);
            }
            // The consumer joins again only while it is polled.
            match self.consumer.poll_event() {
                // After a last attempt to commit.
                Some(ConsumerEvent::Revoked { partitions, .. }) => revoked = Some(partitions),
                _ => thread::sleep(SHORT_WAIT),
            }
        }
    }

    fn give_up(&mut self, partitions: &[TopicPartition]) {
        self.flow.partitions.remove(partitions);
        if let Err(error) = self.consumer.release() {
            tracing::debug!(%error, "partitions could not be released");
        }
    }

    /// The last commit has failed. Returns whether that makes no difference to what is read next.
    fn without_last_commit(&self, error: &CommitError) -> bool {
        let is_harmless = self.flow.sink_stores_offsets && error.is_rebalance();
        if is_harmless {
            tracing::debug!(%error, "the last commit failed; the sink has stored the offsets");
        } else {
            log_failure(error);
        }
        is_harmless
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
        self.metrics.last_commit_begins();
        let outcome = self.consumer.commit_sync(commits, deadline);
        self.metrics.committed(began, outcome.as_ref().err().map(ToString::to_string).as_deref());
        self.count_commit(outcome.is_ok());
        outcome?;
        let positions: Positions = commits.iter().map(|(at, commit)| (at.clone(), commit.offset)).collect();
        self.flow.on_committed(&positions);
        Ok(())
    }
}

fn log_failure(error: &CommitError) {
    tracing::warn!(%error, "the last commit failed: some records will be read again");
}
