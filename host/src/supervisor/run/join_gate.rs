//! Decides when tasks that were started together join their consumer group: a state machine without I/O.
//!
//! The first task to join a group gets all partitions, and reads and claims them until the next one joins. So tasks that
//! are started together wait until all of them have opened their plugins.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// How long a task waits for others that still open their plugins.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The tasks of a connector that wait for each other.
#[derive(Debug, Default)]
pub(super) struct JoinGate {
    /// Started together with others, and still opening their plugins.
    opening: BTreeSet<usize>,
    /// Ready to join, and waiting for those.
    ready: BTreeSet<usize>,
    /// When they stop waiting.
    deadline: Option<Instant>,
}

impl JoinGate {
    /// These tasks, given by their index, are started. A task that is started by itself waits for none.
    pub(super) fn start(&mut self, tasks: &[usize]) {
        for task in tasks {
            self.forget(*task);
        }
        if tasks.len() > 1 {
            self.opening.extend(tasks);
        }
    }

    /// A task has opened its plugins. Returns the tasks that join now.
    pub(super) fn on_ready(&mut self, task: usize, now: Instant) -> Vec<usize> {
        if !self.opening.remove(&task) {
            return vec![task];
        }
        self.ready.insert(task);
        self.deadline.get_or_insert(now + LONGEST_WAIT);
        self.due(now)
    }

    /// A task has ended. Returns the tasks that join now, because they have waited for this one only.
    pub(super) fn on_end(&mut self, task: usize, now: Instant) -> Vec<usize> {
        self.forget(task);
        self.due(now)
    }

    /// Returns the tasks that join now: all that wait if none is missing, or if they have waited for long enough.
    pub(super) fn due(&mut self, now: Instant) -> Vec<usize> {
        let is_late = self.deadline.is_some_and(|deadline| now >= deadline);
        if !self.opening.is_empty() && !is_late {
            return vec![];
        }
        // Tasks that are late join one by one, each as soon as it is ready.
        self.opening.clear();
        self.deadline = None;
        std::mem::take(&mut self.ready).into_iter().collect()
    }

    fn forget(&mut self, task: usize) {
        self.opening.remove(&task);
        self.ready.remove(&task);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: [usize; 0] = [];

    #[test]
    fn tasks_that_were_started_together_join_together() {
        let (mut gate, now) = (JoinGate::default(), Instant::now());
        gate.start(&[0, 1, 2]);
        assert_eq!(gate.on_ready(1, now), NONE);
        assert_eq!(gate.on_ready(0, now), NONE);
        assert_eq!(gate.due(now + LONGEST_WAIT / 2), NONE);
        assert_eq!(gate.on_ready(2, now), [0, 1, 2]);
        assert_eq!(gate.due(now + LONGEST_WAIT), NONE);
    }

    #[test]
    fn a_task_that_cannot_open_its_plugins_holds_no_other_one() {
        let (mut gate, now) = (JoinGate::default(), Instant::now());
        gate.start(&[0, 1]);
        assert_eq!(gate.on_ready(0, now), NONE);
        assert_eq!(gate.on_end(1, now), [0]);
        gate.start(&[1]);
        assert_eq!(gate.on_ready(1, now), [1], "a restarted task waits for none");
    }

    #[test]
    fn a_task_that_takes_too_long_joins_later() {
        let (mut gate, now) = (JoinGate::default(), Instant::now());
        gate.start(&[0, 1, 2]);
        assert_eq!(gate.on_ready(0, now), NONE);
        assert_eq!(gate.due(now + LONGEST_WAIT), [0]);
        assert_eq!(gate.on_ready(2, now + 2 * LONGEST_WAIT), [2]);
        assert_eq!(gate.on_ready(1, now + 3 * LONGEST_WAIT), [1]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Start(Vec<usize>),
        Ready(usize),
        End(usize),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let tasks = prop::sample::subsequence((0..4_usize).collect::<Vec<_>>(), 1..=4);
        let step = prop_oneof![
            tasks.prop_map(Step::Start),
            (0..4_usize).prop_map(Step::Ready),
            (0..4_usize).prop_map(Step::End),
            (0..8_u64).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 1..60)
    }

    /// What the supervisor knows about a task.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum State {
        Ended,
        Opening,
        Ready(Instant),
        Joined,
    }

    proptest! {
        #[test]
        fn every_task_joins_once_and_none_waits_for_longer_than_the_limit(steps in steps()) {
            let (mut gate, mut now) = (JoinGate::default(), Instant::now());
            let mut tasks = [State::Ended; 4];
            for step in steps {
                let joining = match step {
                    Step::Start(started) => {
                        let started: Vec<usize> =
                            started.into_iter().filter(|task| tasks[*task] == State::Ended).collect();
                        started.iter().for_each(|task| tasks[*task] = State::Opening);
                        gate.start(&started);
                        vec![]
                    }
                    Step::Ready(task) if tasks[task] == State::Opening => {
                        tasks[task] = State::Ready(now);
                        gate.on_ready(task, now)
                    }
                    Step::Ready(_) => vec![],
                    Step::End(task) => {
                        tasks[task] = State::Ended;
                        gate.on_end(task, now)
                    }
                    Step::Wait(seconds) => {
                        now += Duration::from_secs(seconds);
                        gate.due(now)
                    }
                };
                for task in joining {
                    prop_assert!(matches!(tasks[task], State::Ready(_)), "{task}: {:?}", tasks[task]);
                    tasks[task] = State::Joined;
                }
                for state in tasks {
                    if let State::Ready(since) = state {
                        prop_assert!(now - since < LONGEST_WAIT);
                        prop_assert!(tasks.contains(&State::Opening), "nothing is left to wait for");
                    }
                }
            }
        }
    }
}
