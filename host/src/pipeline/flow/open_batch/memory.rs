//! What the batches of a task take of the memory that all tasks of the process share.

use std::time::{Duration, Instant};

use tidegate_abi::host::Batch;

use super::OpenBatch;

/// A task that has had no record for this long frees the memory of its batches.
const IDLE_AFTER: Duration = Duration::from_secs(10);

impl OpenBatch {
    /// What the open batch is estimated to take at most, with its tables and its values.
    pub(super) fn open_memory(&self) -> usize {
        let tables = self.open.input_count() * Batch::RECORD_BYTES;
        let by_experience = (self.open.payload_bytes() as f64 * self.expansion) as usize;
        (self.used_memory() + tables).max(by_experience).max(self.empty_open_memory)
    }

    /// What all batches of the task are estimated to take, with what is kept of unflushed records.
    pub(in crate::pipeline) fn memory_bytes(&self) -> usize {
        self.other_memory + self.open_memory()
    }

    /// Counts the memory again after one batch has taken the place of another.
    pub(super) fn count_memory(&mut self) {
        let spare: usize = self.spare.iter().map(Batch::memory_bytes).sum();
        self.other_memory = self.earlier_batches.iter().sum::<usize>() + spare + self.unflushed;
        if self.open.input_count() == 0 {
            self.empty_open_memory = self.open.memory_bytes();
        }
        self.shared_memory.set(self.other_memory + self.open_memory());
    }

    /// The sink worker keeps so many bytes of unflushed records.
    pub(in crate::pipeline) fn set_unflushed(&mut self, bytes: usize) {
        if self.unflushed != bytes {
            self.unflushed = bytes;
            self.count_memory();
        }
    }

    /// Whether the task may have no more of the shared memory for now.
    pub(in crate::pipeline) fn lacks_memory(&self) -> bool {
        self.lacks_memory
    }

    /// Frees the memory of batches that are empty.
    pub(super) fn free_unused(&mut self) {
        self.spare = Vec::new();
        if self.open.input_count() == 0 && self.open.memory_bytes() > 0 {
            self.open = Batch::new();
            self.last = None;
        }
        self.count_memory();
    }

    /// Frees unused memory after a while without records, and when the task lacks memory. Lets it go on once there is enough;
    /// without any record it may always read one. Called between two polls.
    pub(in crate::pipeline) fn look_after_memory(&mut self, now: Instant) {
        let has_records =
            self.open.input_count() > 0 || !self.earlier_batches.is_empty() || self.unflushed > 0;
        if has_records {
            self.idle_since = None;
        } else {
            self.idle_since.get_or_insert(now);
        }
        let is_idle = self.idle_since.is_some_and(|since| now.saturating_duration_since(since) >= IDLE_AFTER);
        if is_idle || self.lacks_memory {
            self.free_unused();
        }
        self.lacks_memory &= has_records && !self.shared_memory.may_resume();
    }
}
