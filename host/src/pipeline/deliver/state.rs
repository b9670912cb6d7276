//! Where partitions stand within a batch, with what is known of the records before.

use tidegate_abi::host::{Batch, HostState, NewRecord, PartitionPosition};

use crate::formats::{DecoderOptions, Reading, RecordDecoder};

/// Records that are decoded at once to make a state again.
const CHUNK: usize = 256;

/// Where every partition stands once all records before `end` are settled, and nothing after.
pub(super) fn positions_before(
    options: &DecoderOptions,
    batch: &Batch,
    end: usize,
) -> Vec<PartitionPosition> {
    batch.positions_before(end, |slot, next_offset| replayed(options, batch, slot, next_offset))
}

/// What is known of the records of a slot below `next_offset`. A batch has the state before and after all its records;
/// where the sink refuses some and it is written in parts, the states in between are made again from the records.
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
    // What was refused before it was decoded left no trace.
    let mut originals = originals.filter(|original| !original.refused).peekable();
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
