//! Bisects a batch that a transform rejects as a whole: halves, in order, down to the invalid records.

use std::ops::Range;

/// The consumed records of a batch that are still to be transformed, by their numbers, in parts: the next one first.
#[derive(Debug)]
pub(super) struct Inputs {
    // The next part last.
    parts: Vec<Range<u32>>,
}

impl Inputs {
    /// All `count` of them as one part.
    pub(super) fn all(count: usize) -> Self {
        let all = 0..count as u32;
        Self { parts: Vec::from([all]) }
    }

    /// The next part.
    pub(super) fn next(&self) -> Option<Range<u32>> {
        self.parts.last().cloned()
    }

    /// Removes the next part.
    pub(super) fn done(&mut self) {
        self.parts.pop();
    }

    /// Splits the next part in two. Returns its only record if it has no more.
    pub(super) fn split(&mut self) -> Option<u32> {
        let part = self.next()?;
        if part.len() < 2 {
            return Some(part.start);
        }
        let middle = part.start + part.len() as u32 / 2;
        self.done();
        self.parts.extend([middle..part.end, part.start..middle]);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_at_fault_are_found_and_the_others_pass_in_order() {
        for count in 0..20 {
            for fault in 0..=count {
                let bad = |record: u32| record == fault || record % 7 == 3;
                let mut inputs = Inputs::all(count as usize);
                let (mut passed, mut refused) = (vec![], vec![]);
                while let Some(part) = inputs.next() {
                    if !part.clone().any(bad) {
                        passed.extend(part);
                        inputs.done();
                    } else if let Some(record) = inputs.split() {
                        refused.push(record);
                        inputs.done();
                    }
                }
                assert_eq!(passed, (0..count).filter(|record| !bad(*record)).collect::<Vec<_>>());
                assert_eq!(refused, (0..count).filter(|record| bad(*record)).collect::<Vec<_>>());
            }
        }
    }
}
