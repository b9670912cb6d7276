//! The memory that the tasks of a process share for their batches.
//!
//! [`Shares`] decides how much a task may have, [`MemoryPool`] counts what all tasks have, and each task tells it what it
//! has through its [`TaskMemory`]. A task that may not have more waits as it does when its own limit is reached: it passes
//! on what it has, and reads no further records until a batch is written.

mod shares;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use self::shares::Shares;

/// What a task has is counted in steps of this many bytes, so that the tasks do not all write to the pool for every record.
const STEP: usize = 64 << 10;

/// The memory for the batches of all tasks of a process.
#[derive(Debug)]
pub struct MemoryPool {
    /// The parts of [`Shares`], which change when connectors are added or removed. They are read for every record, so they are
    /// atomics: a task that sees only one of them changed decides correctly at its next record.
    reserved: AtomicUsize,
    shared: AtomicUsize,
    /// What the tasks have beyond what is reserved for them.
    taken: AtomicUsize,
}

impl MemoryPool {
    /// A pool of `total` bytes for at most `tasks` tasks at a time.
    #[must_use]
    pub fn new(total: usize, tasks: usize) -> Arc<Self> {
        let pool = Self {
            reserved: AtomicUsize::default(),
            shared: AtomicUsize::default(),
            taken: AtomicUsize::default(),
        };
        pool.resize(total, tasks);
        Arc::new(pool)
    }

    /// Changes the size to `total` bytes for at most `tasks` tasks. Tasks that have more than they may have now keep it until
    /// their batches are written.
    pub fn resize(&self, total: usize, tasks: usize) {
        let Shares { reserved, shared } = Shares::new(total, tasks);
        self.reserved.store(reserved, Ordering::Relaxed);
        self.shared.store(shared, Ordering::Relaxed);
    }

    fn shares(&self) -> Shares {
        Shares {
            reserved: self.reserved.load(Ordering::Relaxed),
            shared: self.shared.load(Ordering::Relaxed),
        }
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// A task had taken `before` bytes, and has taken `after` now.
    fn change(&self, before: usize, after: usize) {
        if after >= before {
            self.taken.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.taken.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

/// What one task has of a pool. It is given back when this is dropped.
#[derive(Debug, Default)]
pub struct TaskMemory {
    /// `None` without a limit.
    pool: Option<Arc<MemoryPool>>,
    held: usize,
    /// What the pool counts of it as taken.
    taken: usize,
}

impl TaskMemory {
    /// A task's part of `pool`; nothing so far.
    #[must_use]
    pub fn of(pool: &Arc<MemoryPool>) -> Self {
        Self { pool: Some(Arc::clone(pool)), held: 0, taken: 0 }
    }

    /// Whether the task may have more than it has.
    pub(super) fn may_grow(&self) -> bool {
        self.pool.as_ref().is_none_or(|pool| pool.shares().may_grow(self.held, pool.taken()))
    }

    /// Whether the task may go on after it was refused more.
    pub(super) fn may_resume(&self) -> bool {
        self.pool.as_ref().is_none_or(|pool| pool.shares().may_resume(self.held, pool.taken()))
    }

    /// The batches of the task take so many bytes now, whether it may have them or not: a record that was read is kept.
    pub(super) fn set(&mut self, bytes: usize) {
        let Some(pool) = &self.pool else { return };
        let held = bytes.next_multiple_of(STEP);
        if held != self.held {
            let taken = pool.shares().excess(held);
            pool.change(self.taken, taken);
            (self.held, self.taken) = (held, taken);
        }
    }

    /// Whether so little is free that unused memory should be freed rather than kept.
    pub(super) fn is_short(&self) -> bool {
        self.pool.as_ref().is_some_and(|pool| pool.shares().is_short(pool.taken()))
    }
}

impl Drop for TaskMemory {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_ends_gives_its_memory_back() {
        let pool = MemoryPool::new(10 * STEP, 2);
        let mut first = TaskMemory::of(&pool);
        let second = TaskMemory::of(&pool);
        first.set(100 * STEP);
        assert!(!first.may_grow() && first.is_short());
        assert!(second.may_grow(), "what is reserved for it is left");
        drop(first);
        assert!(second.may_grow() && !second.is_short());
    }

    #[test]
    fn what_was_taken_before_a_pool_was_resized_is_given_back_whole() {
        let pool = MemoryPool::new(10 * STEP, 2);
        let mut first = TaskMemory::of(&pool);
        first.set(8 * STEP);
        pool.resize(100 * STEP, 20);
        assert!(TaskMemory::of(&pool).may_grow());
        first.set(9 * STEP);
        drop(first);
        assert_eq!(pool.taken(), 0);
    }

    #[test]
    fn without_a_limit_a_task_may_have_everything() {
        let mut memory = TaskMemory::default();
        memory.set(usize::MAX / 2);
        assert!(memory.may_grow() && !memory.is_short());
    }
}
