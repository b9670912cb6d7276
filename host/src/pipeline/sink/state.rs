//! The positions of partitions within a batch, with the decoder's states there.

use tidegate_abi::host::{Batch, HostState, NewRecord, PartitionPosition};

use crate::formats::{DecoderOptions, Reading, RecordDecoder};

/// Number of records per step when a state is rebuilt.
const CHUNK: usize = 256;

/// The position of every partition once all records before `end` are settled, and none after.
pub(super) fn positions_before(
    options: &DecoderOptions,
    batch: &Batch,
    end: usize,
) -> Vec<PartitionPosition> {
    batch.positions_before(end, |slot, next_offset| replayed(options, batch, slot, next_offset))
}

/// The decoder's state after the records of a slot below `next_offset`. A batch has the states before and after all of
/// its records; when it is written in parts, the states in between are rebuilt from the records.
fn replayed(options: &DecoderOptions, batch: &Batch, slot: usize, next_offset: i64) -> HostState {
    let partition = batch.partitions().get(slot)?;
    let state = batch.state_before(slot);
    let mut originals = batch.originals_below(slot, next_offset).peekable();
    let reading = Reading {
        topic: &partition.topic,
        partition: partition.partition,
        assignment: 1,
        offset: originals.peek()?.offset,
        state: state.as_deref(),
    };
    let mut decoder = RecordDecoder::new(options.clone());
    decoder.open(&reading);
    let mut copy = Batch::new();
    // Records that were rejected before they were decoded have not changed the state.
    let mut originals = originals.filter(|original| !original.rejected).peekable();
    while originals.peek().is_some() {
        copy.reset(usize::MAX);
        let index = copy.slot(&partition.topic, partition.partition, 1);
        for original in originals.by_ref().take(CHUNK) {
            let (offset, timestamp_ms) = (original.offset, original.timestamp_ms);
            let record = NewRecord { offset, timestamp_ms, key: original.key, value: original.value };
            let headers =
                original.headers().map(|(name, value)| (str::from_utf8(name).unwrap_or_default(), value));
            copy.push(index, record, headers);
        }
        copy.decode(&mut decoder);
    }
    decoder.state(&partition.topic, partition.partition)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn event(lsn: u64) -> String {
        format!(
            r#"{{"op":"u","before":null,"after":{{"id":1}},"source":{{"connector":"postgresql","table":"t","lsn":{lsn}}}}}"#
        )
    }

    /// A batch of events, read as the work role reads it, and the state behind each of them.
    fn read(lsns: &[u64]) -> (Batch, Vec<HostState>) {
        let options = DecoderOptions::default();
        let (mut batch, mut states) = (Batch::new(), Vec::new());
        let slot = batch.slot(&Arc::from("t"), 0, 7);
        let mut one_by_one = RecordDecoder::new(options.clone());
        let reading = Reading { topic: "t", partition: 0, assignment: 7, offset: 10, state: None };
        one_by_one.open(&reading);
        states.push(one_by_one.state("t", 0));
        for (lsn, offset) in lsns.iter().zip(10..) {
            let text = event(*lsn);
            let record = NewRecord { offset, timestamp_ms: None, key: None, value: Some(text.as_bytes()) };
            batch.push(slot, record, std::iter::empty());
            let mut single = Batch::new();
            let index = single.slot(&Arc::from("t"), 0, 7);
            single.push(index, record, std::iter::empty());
            single.decode(&mut one_by_one);
            states.push(one_by_one.state("t", 0));
        }
        let mut decoder = RecordDecoder::new(options);
        decoder.open(&reading);
        let before = decoder.state("t", 0);
        batch.decode(&mut decoder);
        let after = decoder.state("t", 0);
        batch.set_states(slot, before, after);
        (batch, states)
    }

    #[test]
    fn the_state_within_a_batch_is_that_of_the_records_before() {
        let (batch, states) = read(&[100, 200, 300, 150, 160]);
        for (end, expected) in states.iter().enumerate() {
            let positions = positions_before(&DecoderOptions::default(), &batch, end);
            assert_eq!(positions[0].next_offset, 10 + end as i64);
            assert_eq!(positions[0].state, *expected, "behind {end} records");
        }
        let changes: Vec<bool> = states.windows(2).map(|pair| pair[0] != pair[1]).collect();
        assert_eq!(changes, [true; 5], "every event changes it");
    }
}
