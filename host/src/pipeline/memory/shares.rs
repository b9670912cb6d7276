//! Decides how much memory each of several tasks may have: a state machine without I/O.
//!
//! A part is reserved for each task, so that it can always go on. Of the rest, a task may have up to twice what is free. So
//! a task that is busy alone gets two thirds of it, two get two fifths each, and ten a twenty-first of it less than a tenth;
//! and whatever the others do, something is left for a task that becomes busy later. Nobody has to know which tasks are busy.

/// The most that is reserved for a task, in bytes.
const MOST_RESERVED: usize = 1 << 20;
/// A task may have up to this many times what is free.
const SHARE_OF_FREE: usize = 2;

/// How much of the memory is taken.
#[derive(Debug)]
pub(super) struct Shares {
    /// Reserved for each task, in bytes.
    reserved: usize,
    /// What the tasks share beyond that.
    shared: usize,
    /// What they have taken of it.
    taken: usize,
}

impl Shares {
    /// Divides `total` bytes among at most `tasks` tasks.
    pub(super) fn new(total: usize, tasks: usize) -> Self {
        let tasks = tasks.max(1);
        let reserved = (total / tasks / 2).min(MOST_RESERVED);
        Self { reserved, shared: total - reserved * tasks, taken: 0 }
    }

    /// Whether a task that has `held` bytes may have more.
    pub(super) fn may_grow(&self, held: usize) -> bool {
        held < self.reserved || self.excess(held) < self.free().saturating_mul(SHARE_OF_FREE)
    }

    /// A task had `before` bytes, and has `after` now.
    pub(super) fn change(&mut self, before: usize, after: usize) {
        self.taken = self.taken.saturating_sub(self.excess(before)).saturating_add(self.excess(after));
    }

    /// Whether less than a quarter of the shared memory is free.
    pub(super) fn is_short(&self) -> bool {
        self.free() < self.shared / 4
    }

    fn free(&self) -> usize {
        self.shared.saturating_sub(self.taken)
    }

    fn excess(&self, held: usize) -> usize {
        held.saturating_sub(self.reserved)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIB: usize = 1 << 10;
    const STEP: usize = 64 * KIB;

    /// Lets all tasks that may take more do so, by turns, until none may.
    fn fill(shares: &mut Shares, held: &mut [usize]) {
        loop {
            let mut grown = false;
            for held in held.iter_mut() {
                if shares.may_grow(*held) {
                    shares.change(*held, *held + STEP);
                    *held += STEP;
                    grown = true;
                }
            }
            if !grown {
                return;
            }
        }
    }

    #[test]
    fn busy_tasks_get_equal_shares_of_nearly_everything() {
        for tasks in [1, 2, 3, 10, 100] {
            let total = 512 << 20;
            let mut shares = Shares::new(total, 100);
            let mut held = vec![0; tasks];
            fill(&mut shares, &mut held);
            let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
            assert!(most - least <= STEP, "{held:?}");
            let all: usize = held.iter().sum();
            assert!(all <= total + tasks * STEP && all >= (total - 100 * MOST_RESERVED) / 2, "{all}");
        }
    }

    #[test]
    fn a_task_that_becomes_busy_gets_more_than_what_is_reserved_for_it() {
        let mut shares = Shares::new(64 << 20, 4);
        let mut blocked = vec![0; 2];
        fill(&mut shares, &mut blocked);
        let mut newcomer = vec![0];
        fill(&mut shares, &mut newcomer);
        assert!(newcomer[0] > 4 * MOST_RESERVED, "{newcomer:?}");
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
            let mut shares = Shares::new(total, TASKS);
            let mut held = [0; TASKS];
            for step in steps {
                let (task, after) = match step {
                    Step::Grow(task) if shares.may_grow(held[task]) => (task, held[task] + STEP),
                    Step::Grow(task) => (task, held[task]),
                    Step::Shrink(task, steps) => (task, held[task].saturating_sub(steps * STEP)),
                    Step::End(task) => (task, 0),
                };
                shares.change(held[task], after);
                held[task] = after;
                let all: usize = held.iter().sum();
                // Each task may be above its share by the last step.
                prop_assert!(all <= total + TASKS * STEP, "{all} of {total}");
                prop_assert!(shares.may_grow(0), "a task that has nothing may always take something");
                prop_assert!(held.iter().all(|held| *held >= shares.reserved || shares.may_grow(*held)));
            }
            for task in 0..TASKS {
                shares.change(held[task], 0);
            }
            prop_assert_eq!(shares.taken, 0);
        }
    }
}
