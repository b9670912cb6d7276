//! Decides when a connector that runs `--once` has ended.

use std::time::{Duration, Instant};

use super::{lifecycle::Lifecycle, slot::TaskSlot};
use crate::{
    kafka::consumer::GroupProgress,
    pipeline::{Counts, TaskState},
    supervisor::status::add,
};

/// How long to wait for a source that cannot be read, or for other members of the group that commit nothing. Longer than
/// the session timeout of a group member that died.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long other members may commit nothing before that is logged.
const REPORT_AFTER: Duration = Duration::from_secs(5);

/// What the whole group has committed, and since when that has not changed.
#[derive(Debug)]
pub(super) struct GroupWait {
    progress: GroupProgress,
    since: Instant,
    /// Was logged.
    is_reported: bool,
}

impl Lifecycle {
    /// Stops the connector once all partitions are delivered, or fails it when they could not be read for too long.
    pub(super) fn stop_at_end(&mut self, now: Instant) {
        if !self.is_wanted() {
            return;
        }
        if let Some((index, reason)) = self.stalled(now) {
            return self.halt_failed(index, reason, now);
        }
        let running = || self.slots.iter().filter(|slot| slot.is_running);
        if running().all(|slot| slot.counts.total_partitions == Some(0)) {
            return self.halt();
        }
        let counts = running().map(|slot| slot.counts).fold(Counts::default(), add);
        let total = counts.total_partitions.unwrap_or(0);
        // During a rebalance, two tasks may report the same partition, or none may.
        if total > 0 && counts.at_end >= total && counts.partitions == total {
            return self.halt();
        }
        // The other partitions belong to members of the group outside of this connector.
        if running().all(TaskSlot::is_at_end) && running().any(TaskSlot::sees_group_at_end) {
            self.halt();
        }
    }

    /// A task that could not read for too long, or that waits for other members of the group that commit nothing.
    fn stalled(&self, now: Instant) -> Option<(usize, String)> {
        let is_over = |since: Option<Instant>| {
            since.is_some_and(|since| now.saturating_duration_since(since) > TIMEOUT)
        };
        for (index, slot) in self.slots.iter().enumerate().filter(|(_, slot)| slot.is_running) {
            if let TaskState::Stalled(reason) = &slot.state
                && is_over(slot.stalled_since)
            {
                return Some((index, reason.clone()));
            }
        }
        let running = || self.slots.iter().enumerate().filter(|(_, slot)| slot.is_running);
        if !running().all(|(_, slot)| slot.is_at_end()) {
            return None;
        }
        let mut waiting = running().filter_map(|(index, slot)| Some((index, slot.group.as_ref()?)));
        let (index, GroupWait { progress, since, .. }) = waiting.next()?;
        is_over(Some(*since)).then(|| (index, progress.to_string()))
    }
}

impl TaskSlot {
    /// Whether everything that the task has is delivered. A task without partitions has nothing to deliver.
    fn is_at_end(&self) -> bool {
        self.counts.at_end == self.counts.partitions
    }

    fn sees_group_at_end(&self) -> bool {
        let progress = self.group.as_ref().map(|group| &group.progress);
        progress.is_some_and(|progress| progress.total > 0 && progress.done == progress.total)
    }

    /// The task has queried what its group has committed.
    pub(super) fn on_group(&mut self, connector: &str, progress: GroupProgress, now: Instant) {
        let before = self.group.take();
        let is_done = progress.done == progress.total;
        let mut wait = GroupWait { progress, since: now, is_reported: false };
        // Nothing was committed since the last query.
        if let Some(before) = before.filter(|before| before.progress.committed == wait.progress.committed) {
            (wait.since, wait.is_reported) = (before.since, before.is_reported);
        }
        if !is_done && !wait.is_reported && now.saturating_duration_since(wait.since) >= REPORT_AFTER {
            wait.is_reported = true;
            let task = self.number;
            tracing::warn!(connector, task, "waiting for other members of the group: {}", wait.progress);
        }
        self.group = Some(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{RestartPolicy, RestartWhen},
        pipeline::TaskEvent,
        supervisor::{
            run::lifecycle::Shape,
            status::{ConnectorState, DesiredState},
        },
    };

    fn lifecycle(tasks: u32) -> (Lifecycle, Instant) {
        let second = Duration::from_secs(1);
        let policy = RestartPolicy {
            policy: RestartWhen::OnFailure,
            initial: second,
            max: second,
            max_restarts: 10,
            window: second,
        };
        let now = Instant::now();
        let shape = Shape { tasks, shutdown: second, restart: policy };
        let mut lifecycle = Lifecycle::new("c", shape, DesiredState::Running, now);
        lifecycle.start();
        lifecycle.take_actions();
        (lifecycle, now)
    }

    fn progress(lifecycle: &mut Lifecycle, task: usize, partitions: u32, at_end: u32, total: Option<u32>) {
        let counts = Counts { partitions, at_end, total_partitions: total, ..Counts::default() };
        lifecycle.on_event(task, TaskEvent::Progress(counts), Instant::now());
    }

    fn group(lifecycle: &mut Lifecycle, task: usize, done: usize, committed: i64, now: Instant) {
        let group = GroupProgress {
            group: "g".to_owned(),
            total: 3,
            done,
            committed,
            members: vec!["other at /10.0.0.1".to_owned()],
        };
        lifecycle.on_event(task, TaskEvent::Group(group), now);
    }

    fn ends(lifecycle: &mut Lifecycle, now: Instant) -> bool {
        lifecycle.stop_at_end(now);
        !lifecycle.take_actions().is_empty()
    }

    #[test]
    fn it_ends_when_every_partition_of_its_tasks_is_delivered() {
        let (mut lifecycle, now) = lifecycle(2);
        assert!(!ends(&mut lifecycle, now));
        progress(&mut lifecycle, 0, 2, 2, Some(3));
        progress(&mut lifecycle, 1, 1, 0, Some(3));
        assert!(!ends(&mut lifecycle, now));
        progress(&mut lifecycle, 1, 1, 1, Some(3));
        assert!(ends(&mut lifecycle, now));
    }

    #[test]
    fn it_ends_when_there_is_nothing_to_read() {
        let (mut lifecycle, now) = lifecycle(1);
        progress(&mut lifecycle, 0, 0, 0, Some(0));
        assert!(ends(&mut lifecycle, now));
    }

    #[test]
    fn it_ends_when_other_members_have_delivered_the_rest() {
        let (mut lifecycle, now) = lifecycle(1);
        progress(&mut lifecycle, 0, 0, 0, None);
        group(&mut lifecycle, 0, 2, 10, now);
        assert!(!ends(&mut lifecycle, now));
        group(&mut lifecycle, 0, 3, 20, now);
        assert!(ends(&mut lifecycle, now));
        assert_eq!(lifecycle.slots[0].state(), ConnectorState::Starting, "it is stopped, not failed");
    }

    #[test]
    fn it_fails_when_other_members_commit_nothing_for_too_long() {
        let (mut lifecycle, start) = lifecycle(1);
        progress(&mut lifecycle, 0, 1, 1, Some(3));
        group(&mut lifecycle, 0, 1, 10, start);
        let later = start + TIMEOUT;
        group(&mut lifecycle, 0, 1, 11, later);
        assert!(!ends(&mut lifecycle, later + TIMEOUT), "the others have committed something meanwhile");
        group(&mut lifecycle, 0, 1, 11, later + TIMEOUT);
        assert!(ends(&mut lifecycle, later + TIMEOUT + Duration::from_secs(1)));
        let reason = "2 of 3 partitions are held by other members of group \"g\" (other at /10.0.0.1) and are not \
                      committed to their ends";
        assert_eq!(lifecycle.slots[0].reason, reason);
        assert!(lifecycle.slots[0].failed);
    }

    #[test]
    fn a_task_that_still_delivers_is_waited_for() {
        let (mut lifecycle, start) = lifecycle(2);
        progress(&mut lifecycle, 0, 0, 0, Some(3));
        progress(&mut lifecycle, 1, 3, 2, Some(3));
        group(&mut lifecycle, 0, 3, 10, start);
        assert!(!ends(&mut lifecycle, start + 2 * TIMEOUT));
    }

    #[test]
    fn a_source_that_cannot_be_read_fails_the_connector_in_time() {
        let (mut lifecycle, start) = lifecycle(1);
        let stalled = || TaskEvent::State(TaskState::Stalled("no brokers".to_owned()));
        lifecycle.on_event(0, stalled(), start);
        assert!(!ends(&mut lifecycle, start + TIMEOUT));
        lifecycle.on_event(0, TaskEvent::State(TaskState::Running), start);
        lifecycle.on_event(0, stalled(), start + TIMEOUT);
        assert!(!ends(&mut lifecycle, start + TIMEOUT + TIMEOUT));
        assert!(ends(&mut lifecycle, start + TIMEOUT + TIMEOUT + Duration::from_secs(1)));
        assert_eq!(lifecycle.slots[0].reason, "no brokers");
    }

    #[test]
    fn a_group_that_has_not_answered_ends_nothing() {
        let (mut lifecycle, start) = lifecycle(2);
        progress(&mut lifecycle, 1, 1, 0, Some(1));
        let waiting = TaskEvent::State(TaskState::Waiting("waiting for consumer group g".to_owned()));
        lifecycle.on_event(0, waiting, start);
        assert!(!ends(&mut lifecycle, start + 10 * TIMEOUT));
        assert_eq!(lifecycle.slots[0].status().reason, "waiting for consumer group g");
        assert_eq!(lifecycle.slots[0].state(), ConnectorState::Stalled);
    }
}
