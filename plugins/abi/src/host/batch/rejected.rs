//! Rejected records of a batch.

use super::Batch;
use crate::host::decode::{Part, Rejection};

/// A consumed record that a stage has rejected: none of the records made from it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRecord {
    /// Index of the consumed record. Each is rejected at most once.
    pub input: u32,
    /// The invalid part.
    pub part: Part,
    /// Whether the record exceeds a size limit.
    pub too_large: bool,
    /// Readable reason.
    pub reason: String,
}

impl RejectedRecord {
    pub(super) fn new(input: u32, rejection: Rejection) -> Self {
        let Rejection { part, too_large, reason } = rejection;
        Self { input, part, too_large, reason }
    }
}

impl Batch {
    /// The rejected records, in no particular order.
    #[must_use]
    pub fn rejected(&self) -> &[RejectedRecord] {
        &self.rejected
    }

    /// Number of rejected consumed records.
    #[must_use]
    pub fn rejected_count(&self) -> usize {
        self.rejected.len()
    }

    /// Rejects the consumed records of the records at these ascending indexes, and removes all records that were made from
    /// them. Returns the number of removed records.
    pub fn reject(&mut self, rejected: Vec<(u32, String)>) -> usize {
        let before = self.rejected.len();
        for (index, reason) in rejected {
            let Some(record) = self.records.get(index as usize) else { continue };
            let known = self.rejected[before..].last().is_some_and(|last| last.input == record.input);
            if !known {
                self.rejected.push(RejectedRecord::new(record.input, Rejection::new(Part::Record, reason)));
            }
        }
        self.drop_rejected(before)
    }

    /// Rejects a consumed record, and removes all records that were made from it.
    pub fn reject_input(&mut self, input: u32, rejection: Rejection) {
        self.rejected.push(RejectedRecord::new(input, rejection));
        self.drop_rejected(self.rejected.len() - 1);
    }

    /// Removes the records of the rejections from index `from`, and returns the number of removed records.
    pub(super) fn drop_rejected(&mut self, from: usize) -> usize {
        let mut rejected: Vec<u32> = self.rejected[from..].iter().map(|rejected| rejected.input).collect();
        rejected.sort_unstable();
        let before = self.records.len();
        self.records.retain(|record| rejected.binary_search(&record.input).is_err());
        before - self.records.len()
    }
}
