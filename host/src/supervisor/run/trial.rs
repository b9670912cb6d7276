//! A replaced plugin library is on trial until every task has written a few batches with it.

use std::time::{Duration, Instant};

/// So many batches must be written by each task.
const BATCHES: u64 = 3;
/// A task that has nothing to write passes after this time.
const LONGEST: Duration = Duration::from_secs(60);

/// The trial of a connector that uses a replaced library.
#[derive(Debug)]
pub(super) struct Trial {
    began: Instant,
    /// The number of batches after which each task has passed.
    goals: Vec<Option<u64>>,
}

impl Trial {
    /// Begins a trial. `batches` is what each task has written so far.
    pub(super) fn new(batches: impl Iterator<Item = u64>, now: Instant) -> Self {
        Self { began: now, goals: batches.map(|batches| Some(batches + BATCHES)).collect() }
    }

    /// A task has written so many batches.
    pub(super) fn on_progress(&mut self, task: usize, batches: u64) {
        if let Some(goal) = self.goals.get_mut(task) {
            goal.take_if(|goal| batches >= *goal);
        }
    }

    /// Whether the library has passed.
    pub(super) fn is_passed(&self, now: Instant) -> bool {
        self.goals.iter().all(Option::is_none) || now.saturating_duration_since(self.began) >= LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_passes_when_every_task_has_written_a_few_batches() {
        let now = Instant::now();
        let mut trial = Trial::new([10, 0].into_iter(), now);
        trial.on_progress(0, 12);
        trial.on_progress(1, 3);
        assert!(!trial.is_passed(now));
        trial.on_progress(0, 13);
        assert!(trial.is_passed(now));
    }

    #[test]
    fn a_task_without_records_passes_after_a_while() {
        let now = Instant::now();
        let trial = Trial::new([0].into_iter(), now);
        assert!(!trial.is_passed(now + LONGEST / 2));
        assert!(trial.is_passed(now + LONGEST));
    }
}
