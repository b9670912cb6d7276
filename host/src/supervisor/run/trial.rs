//! A replaced plugin library is on trial until every task has written a few batches with it.

use std::time::{Duration, Instant};

/// So many batches must be written by each task.
const BATCHES: u64 = 3;
/// A task that has nothing to write passes after this time.
const LONGEST: Duration = Duration::from_secs(60);

/// The trial of a connector that uses a replaced library.
#[derive(Debug)]
pub(super) struct Trial {
    tasks: Vec<TaskTrial>,
}

#[derive(Debug)]
struct TaskTrial {
    /// The last run of the task with the library before; a later run has the new one from its start on.
    last_run: u64,
    /// The run that goes on has begun to open the new library.
    is_opening: bool,
    /// Since when the new library is open, and the number of batches after which it has passed.
    open: Option<(Instant, u64)>,
    is_passed: bool,
}

impl Trial {
    /// Begins a trial of tasks, of which each has the library before in its run with this number.
    pub(super) fn new(runs: impl Iterator<Item = u64>) -> Self {
        let task = |last_run| TaskTrial { last_run, is_opening: false, open: None, is_passed: false };
        Self { tasks: runs.map(task).collect() }
    }

    /// A task begins to open the new library without being restarted.
    pub(super) fn on_opening(&mut self, task: usize) {
        if let Some(task) = self.tasks.get_mut(task) {
            task.is_opening = true;
        }
    }

    /// A task has opened its plugins. It has written so many batches before.
    pub(super) fn on_open(&mut self, task: usize, run: u64, batches: u64, now: Instant) {
        if self.concerns(task, run) {
            self.tasks[task].open = Some((now, batches + BATCHES));
        }
    }

    /// A task has written so many batches.
    pub(super) fn on_progress(&mut self, task: usize, batches: u64) {
        if let Some(task) = self.tasks.get_mut(task) {
            task.is_passed |= task.open.is_some_and(|(_, goal)| batches >= goal);
        }
    }

    /// Whether this run of a task has the new library, so that its failure is one of the library.
    pub(super) fn concerns(&self, task: usize, run: u64) -> bool {
        self.tasks.get(task).is_some_and(|task| task.is_opening || run > task.last_run)
    }

    /// Whether the library has passed.
    pub(super) fn is_passed(&self, now: Instant) -> bool {
        let is_over = |task: &TaskTrial| {
            task.open.is_some_and(|(since, _)| now.saturating_duration_since(since) >= LONGEST)
        };
        self.tasks.iter().all(|task| task.is_passed || is_over(task))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_passes_when_every_task_has_written_a_few_batches_with_it() {
        let now = Instant::now();
        let mut trial = Trial::new([1, 1].into_iter());
        // Batches of the library before do not count.
        trial.on_progress(0, 100);
        assert!(!trial.is_passed(now + 2 * LONGEST));
        trial.on_opening(0);
        trial.on_open(0, 1, 100, now);
        trial.on_open(1, 2, 0, now);
        trial.on_progress(0, 103);
        trial.on_progress(1, 2);
        assert!(!trial.is_passed(now));
        trial.on_progress(1, 3);
        assert!(trial.is_passed(now));
    }

    #[test]
    fn a_task_without_records_passes_after_a_while() {
        let now = Instant::now();
        let mut trial = Trial::new([0].into_iter());
        trial.on_open(0, 1, 0, now);
        assert!(!trial.is_passed(now + LONGEST / 2));
        assert!(trial.is_passed(now + LONGEST));
    }

    #[test]
    fn a_failure_of_the_library_before_is_none_of_the_new_one() {
        let mut trial = Trial::new([4, 4].into_iter());
        assert!(!trial.concerns(0, 4));
        trial.on_opening(0);
        assert!(trial.concerns(0, 4));
        assert!(!trial.concerns(1, 4));
        assert!(trial.concerns(1, 5));
        assert!(!trial.concerns(2, 9));
    }
}
