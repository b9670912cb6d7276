//! What stages refused of a batch.

use super::Batch;
use crate::host::decode::{Part, Refusal};

/// A record that some stage refused, as a whole: none of what was made of it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Index of the consumed record. A batch has each at most once among what it rejected.
    pub input: u32,
    /// The part that is at fault.
    pub part: Part,
    /// It takes more room than it may.
    pub too_large: bool,
    /// Why, for people.
    pub reason: String,
}

impl Rejected {
    pub(super) fn new(input: u32, refusal: Refusal) -> Self {
        let Refusal { part, too_large, reason } = refusal;
        Self { input, part, too_large, reason }
    }
}

impl Batch {
    /// What was rejected since the batch was filled, in no particular order.
    #[must_use]
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// How many consumed records were rejected.
    #[must_use]
    pub fn rejected_count(&self) -> usize {
        self.rejected.len()
    }

    /// Takes the consumed records to which the records at these indexes (ascending) belong out of what is to be written,
    /// as rejected: with all that was made of them. Returns how many records that were.
    pub fn reject(&mut self, refused: Vec<(u32, String)>) -> usize {
        let before = self.rejected.len();
        for (index, reason) in refused {
            let Some(record) = self.records.get(index as usize) else { continue };
            let known = self.rejected[before..].last().is_some_and(|last| last.input == record.input);
            if !known {
                self.rejected.push(Rejected::new(record.input, Refusal::of(Part::Record, reason)));
            }
        }
        self.drop_rejected(before)
    }

    /// Takes a consumed record out of what is to be written, as rejected: with all that was made of it.
    pub fn reject_input(&mut self, input: u32, refusal: Refusal) {
        self.rejected.push(Rejected::new(input, refusal));
        self.drop_rejected(self.rejected.len() - 1);
    }

    /// Drops the records of what was rejected since there were `from` of them, and returns how many.
    pub(super) fn drop_rejected(&mut self, from: usize) -> usize {
        let mut refused: Vec<u32> = self.rejected[from..].iter().map(|rejected| rejected.input).collect();
        refused.sort_unstable();
        let before = self.records.len();
        self.records.retain(|record| refused.binary_search(&record.input).is_err());
        before - self.records.len()
    }
}
