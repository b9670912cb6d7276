//! Decides how much memory each of several tasks may have.
//!
//! A part is reserved for each task, so that it can always go on. Of the rest, a task may have up to twice what is free. So
//! a task that is busy alone gets two thirds of it, two get two fifths each, and ten get two twenty-firsts each. Whatever the
//! others do, something is left for a task that becomes busy later, and nobody has to know which tasks are busy.

/// The most that is reserved for a task, in bytes.
const MOST_RESERVED: usize = 1 << 20;
/// A task may have up to this many times what is free.
const SHARE_OF_FREE: usize = 2;

/// How the memory is divided. `taken` is what all tasks have beyond what is reserved for them, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    /// Reserved for each task, in bytes.
    pub(super) reserved: usize,
    /// What the tasks share beyond that.
    pub(super) shared: usize,
}

impl Shares {
    /// Divides `total` bytes among at most `tasks` tasks.
    pub(super) fn new(total: usize, tasks: usize) -> Self {
        let tasks = tasks.max(1);
        let reserved = (total / tasks / 2).min(MOST_RESERVED);
        Self { reserved, shared: total - reserved * tasks }
    }

    /// Whether a task that has `held` bytes may have more.
    pub(super) fn may_grow(&self, held: usize, taken: usize) -> bool {
        held < self.reserved || self.excess(held) < self.free(taken).saturating_mul(SHARE_OF_FREE)
    }

    /// Whether a task that has `held` bytes and was refused more may go on: only if it may have at least a quarter of what is
    /// reserved for a task in addition, so that it does not read a few records at a time.
    pub(super) fn may_resume(&self, held: usize, taken: usize) -> bool {
        let after = held.saturating_add(self.reserved / 4);
        after <= self.reserved
            || self.may_grow(after, taken.saturating_add(self.excess(after) - self.excess(held)))
    }

    /// Whether less than a quarter of the shared memory is free.
    pub(super) fn is_short(&self, taken: usize) -> bool {
        self.free(taken) < self.shared / 4
    }

    fn free(&self, taken: usize) -> usize {
        self.shared.saturating_sub(taken)
    }

    /// What a task with `held` bytes has beyond what is reserved for it.
    pub(super) fn excess(&self, held: usize) -> usize {
        held.saturating_sub(self.reserved)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEP: usize = 64 << 10;

    /// Tasks with what each of them has.
    struct Tasks {
        shares: Shares,
        held: Vec<usize>,
    }

    impl Tasks {
        fn new(total: usize, tasks: usize) -> Self {
            Self { shares: Shares::new(total, tasks), held: vec![0; tasks] }
        }

        fn taken(&self) -> usize {
            self.held.iter().map(|held| self.shares.excess(*held)).sum()
        }

        fn may_grow(&self, task: usize) -> bool {
            self.shares.may_grow(self.held[task], self.taken())
        }

        /// Lets these tasks take more by turns, until none of them may.
        fn fill(&mut self, tasks: std::ops::Range<usize>) {
            while let Some(least) =
                tasks.clone().filter(|task| self.may_grow(*task)).min_by_key(|task| self.held[*task])
            {
                self.held[least] += STEP;
            }
        }
    }

    #[test]
    fn busy_tasks_get_equal_shares_of_most_of_the_memory() {
        for busy in [1, 2, 3, 10, 100] {
            let total = 512 << 20;
            let mut tasks = Tasks::new(total, 100);
            tasks.fill(0..busy);
            let held = &tasks.held[..busy];
            let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
            assert!(most - least <= STEP, "{held:?}");
            let all: usize = held.iter().sum();
            assert!(all <= total + busy * STEP && all >= (total - 100 * MOST_RESERVED) * 2 / 3, "{all}");
        }
    }

    #[test]
    fn a_task_that_becomes_busy_later_gets_more_than_what_is_reserved_for_it() {
        let mut tasks = Tasks::new(64 << 20, 4);
        tasks.fill(0..2);
        tasks.fill(2..3);
        assert!(tasks.held[2] > 4 * MOST_RESERVED, "{:?}", tasks.held);
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A task takes more if it may.
        Grow(usize),
        /// A batch of a task is written.
        Shrink(usize, usize),
        /// A task ends.
        End(usize),
    }

    const TASKS: usize = 5;

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..TASKS).prop_map(Step::Grow),
            1 => (0..TASKS, 1..40_usize).prop_map(|(task, steps)| Step::Shrink(task, steps)),
            1 => (0..TASKS).prop_map(Step::End),
        ];
        prop::collection::vec(step, 1..400)
    }

    proptest! {
        #[test]
        fn the_total_is_kept_and_every_task_can_go_on(steps in steps(), total in (1 << 20)..(64_usize << 20)) {
            let mut tasks = Tasks::new(total, TASKS);
            for step in steps {
                match step {
                    Step::Grow(task) if tasks.may_grow(task) => tasks.held[task] += STEP,
                    Step::Grow(_) => {}
                    Step::Shrink(task, steps) => {
                        tasks.held[task] = tasks.held[task].saturating_sub(steps * STEP);
                    }
                    Step::End(task) => tasks.held[task] = 0,
                }
                let all: usize = tasks.held.iter().sum();
                // A task that may take more takes a whole step, and for a task without anything that is never forbidden.
                prop_assert!(all <= total + TASKS * STEP, "{all} of {total}");
                for task in 0..TASKS {
                    prop_assert!(tasks.held[task] >= tasks.shares.reserved || tasks.may_grow(task));
                    prop_assert!(tasks.held[task] > 0 || tasks.shares.may_resume(0, tasks.taken()));
                }
            }
        }
    }
}
