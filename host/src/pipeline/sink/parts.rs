//! Which part of a batch is written next: all of it, then the halves of what the sink rejected, in offset order.

use std::ops::Range;

use tidegate_abi::host::Batch;

/// The parts of a batch that are still to be written, first part first.
#[derive(Debug)]
pub(super) struct Parts {
    start: usize,
    // Lengths of the parts, the next one last.
    lengths: Vec<usize>,
}

impl Parts {
    /// The whole batch as one part, even without records, because its positions must be settled.
    pub(super) fn whole(batch: &Batch) -> Self {
        Self { start: 0, lengths: vec![batch.len()] }
    }

    /// Divides the rest into parts of these lengths.
    pub(super) fn recut(&mut self, mut lengths: Vec<usize>) {
        lengths.reverse();
        self.lengths = lengths;
    }

    /// Where the next part begins.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// The next part.
    pub(super) fn next(&self) -> Option<Range<usize>> {
        self.lengths.last().map(|length| self.start..self.start + length)
    }

    /// The next part is settled.
    pub(super) fn settle(&mut self) {
        self.start += self.lengths.pop().unwrap_or_default();
    }

    /// `count` records of the next part were removed from the batch.
    pub(super) fn shrink(&mut self, count: usize) {
        if let Some(length) = self.lengths.last_mut() {
            *length = length.saturating_sub(count);
        }
    }

    /// Splits the next part in two, between consumed records. Returns false if it contains only one.
    pub(super) fn split(&mut self, batch: &Batch) -> bool {
        let Some(range) = self.next() else { return false };
        let middle = range.start + range.len() / 2;
        let end = |index| batch.input_end(index).min(range.end);
        // The first boundary after the middle, or, if one consumed record extends from the middle to the end, the first
        // boundary.
        let cut = [end(middle.saturating_sub(1).max(range.start)), end(range.start)]
            .into_iter()
            .find(|cut| *cut < range.end);
        let Some(cut) = cut.filter(|cut| *cut > range.start) else { return false };
        self.lengths.pop();
        self.lengths.extend([range.end - cut, cut - range.start]);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_abi::host::NewRecord;

    use super::*;

    fn batch(records: i64) -> Batch {
        let mut batch = Batch::new();
        let slot = batch.slot(&Arc::from("t"), 0, 1);
        for offset in 0..records {
            let record = NewRecord { offset, timestamp_ms: None, key: None, value: Some(b"x") };
            batch.push(slot, record, std::iter::empty());
        }
        batch
    }

    #[test]
    fn splitting_comes_down_to_single_records_in_order() {
        for count in 1..20 {
            let batch = batch(count);
            let mut parts = Parts::whole(&batch);
            let mut seen = Vec::new();
            while let Some(range) = parts.next() {
                if !parts.split(&batch) {
                    assert_eq!(range.len(), 1);
                    seen.push(range.start as i64);
                    parts.settle();
                }
            }
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn records_taken_out_move_the_parts_behind_them() {
        let mut batch = batch(10);
        let mut parts = Parts::whole(&batch);
        assert!(parts.split(&batch));
        assert_eq!(parts.next(), Some(0..5));
        batch.reject(vec![(1, String::new()), (3, String::new())]);
        parts.shrink(2);
        assert_eq!(parts.next(), Some(0..3));
        parts.settle();
        assert_eq!(parts.next(), Some(3..8));
        parts.settle();
        assert_eq!(parts.next(), None);
    }
}
