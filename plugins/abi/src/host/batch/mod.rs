//! A batch of records on its way from the poll loop to the sink.

use std::sync::Arc;

mod input;
mod rejected;
mod state;
mod transform;

use self::{input::Input, state::SlotState};
pub use self::{input::Original, rejected::RejectedRecord, state::HostState};
use super::{
    chunks::Chunks,
    decode::{Decode, Decoded, Rejection},
    kept::KeptItems,
    outputs::OutputTable,
};
use crate::{
    arena::Arena,
    raw::{
        BatchView, Bytes, HeaderView, NO_TIMESTAMP, Node, OutRecord, PositionView, RecordView, record_flags,
    },
    record::Record,
    schema::Schema,
};

/// A consumed record to copy into a batch.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// Kafka offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// Key; `None` for Kafka's null.
    pub key: Option<&'a [u8]>,
    /// Value; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A partition that has records in the batch.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Number of the assignment during which the records were read.
    pub generation: u64,
    /// One past the last offset in the batch.
    pub next_offset: i64,
    state: SlotState,
}

/// The position of a partition after some records are settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionPosition {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Number of the assignment during which the records were read.
    pub generation: u64,
    /// Next offset to read.
    pub next_offset: i64,
    /// State of the host as of that offset.
    pub state: HostState,
}

/// Records with their bytes, their values, and the index of the consumed record that each was made from.
///
/// All data is in the batch's own chunks, so a batch is `Send`, and resetting it frees no memory.
pub struct Batch {
    chunks: Chunks,
    kept: KeptItems,
    partitions: Vec<Partition>,
    inputs: Vec<Input>,
    records: Vec<RecordView>,
    // Buffer of `transform`, kept for its capacity.
    spare: Vec<RecordView>,
    selected: Vec<RecordView>,
    selected_at: Vec<u32>,
    outputs: OutputTable,
    rejected: Vec<RejectedRecord>,
    payload_bytes: usize,
    memory_limit_hit: bool,
}

// SAFETY: the batch owns everything that the record table points to: its chunks, the topics in `partitions`, and a share of
// what it keeps.
unsafe impl Send for Batch {}
// SAFETY: `&Batch` only reads.
unsafe impl Sync for Batch {}

impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (records, inputs) = (self.records.len(), self.inputs.len());
        formatter
            .debug_struct("Batch")
            .field("records", &records)
            .field("inputs", &inputs)
            .finish_non_exhaustive()
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// Maximum bytes per record in addition to its payload and values: its entries in all tables.
    pub const RECORD_BYTES: usize = 3 * size_of::<RecordView>() + size_of::<OutRecord>() + size_of::<Input>();

    /// An empty batch without memory.
    #[must_use]
    pub fn new() -> Self {
        Self {
            chunks: Chunks::new(),
            kept: KeptItems::default(),
            partitions: Vec::new(),
            inputs: Vec::new(),
            records: Vec::new(),
            spare: Vec::new(),
            selected: Vec::new(),
            selected_at: Vec::new(),
            outputs: OutputTable::new(),
            rejected: Vec::new(),
            payload_bytes: 0,
            memory_limit_hit: false,
        }
    }

    /// Empties the batch, and keeps up to `keep_bytes` of its memory.
    pub fn reset(&mut self, keep_bytes: usize) {
        self.records.clear();
        self.spare.clear();
        self.selected.clear();
        self.inputs.clear();
        self.partitions.clear();
        self.rejected.clear();
        self.payload_bytes = 0;
        self.chunks.reset(keep_bytes);
        self.kept.clear();
    }

    /// Number of consumed records, including filtered and rejected ones.
    #[must_use]
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// Number of records to write.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no records to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of the keys, values and headers of the consumed records.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Allocated memory in bytes, including unused capacity and the schemas that the batch keeps.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let tables = self.records.capacity() + self.spare.capacity() + self.selected.capacity();
        self.chunks.capacity() + self.kept.bytes() + tables * size_of::<RecordView>()
    }

    /// Bytes in use: payloads, values, and the table of records.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.chunks.used() + self.kept.bytes() + self.records.len() * size_of::<RecordView>()
    }

    /// The slot of a partition for one assignment, for [`Batch::push`].
    pub fn slot(&mut self, topic: &Arc<str>, partition: i32, generation: u64) -> usize {
        let found = self.partitions.iter().rposition(|slot| {
            slot.partition == partition && slot.generation == generation && Arc::ptr_eq(&slot.topic, topic)
        });
        found.unwrap_or_else(|| {
            self.partitions.push(Partition {
                topic: Arc::clone(topic),
                partition,
                generation,
                next_offset: 0,
                state: SlotState::default(),
            });
            self.partitions.len() - 1
        })
    }

    /// Copies a consumed record into the batch. Offsets of a slot must ascend.
    ///
    /// # Panics
    /// If `slot` was not returned by [`Batch::slot`] since the last reset.
    pub fn push<'h>(
        &mut self,
        slot: usize,
        record: NewRecord<'_>,
        headers: impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) {
        let input = self.copy(slot, record, headers.map(|(name, value)| (name.as_bytes(), value)));
        let partition = &self.partitions[slot];
        self.records.push(RecordView {
            topic: Bytes::new(partition.topic.as_bytes()),
            offset: record.offset,
            timestamp_ms: input.timestamp_ms,
            partition: partition.partition,
            input: self.inputs.len() as u32,
            raw_key: input.key,
            raw_value: input.value,
            headers: input.headers,
            header_count: input.header_count,
            flags: record_flags::ORIGINAL_VALUE,
            key: Node::NULL,
            value: Node::NULL,
            key_schema: std::ptr::null(),
            value_schema: std::ptr::null(),
            change: std::ptr::null(),
            source_topic: Bytes::new(partition.topic.as_bytes()),
            source_partition: partition.partition,
            reserved: 0,
        });
        self.inputs.push(input);
    }

    /// Adds a consumed record that is rejected before decoding. Its bytes are copied, so that it can be written to a
    /// dead-letter topic; header names need not be UTF-8.
    ///
    /// # Panics
    /// If `slot` was not returned by [`Batch::slot`] since the last reset.
    pub fn push_rejected<'h>(
        &mut self,
        slot: usize,
        record: NewRecord<'_>,
        headers: impl ExactSizeIterator<Item = (&'h [u8], Option<&'h [u8]>)>,
        rejection: Rejection,
    ) {
        let input = Input { rejected: true, ..self.copy(slot, record, headers) };
        self.rejected.push(RejectedRecord::new(self.inputs.len() as u32, rejection));
        self.inputs.push(input);
    }

    /// Copies the bytes of a consumed record.
    fn copy<'h>(
        &mut self,
        slot: usize,
        record: NewRecord<'_>,
        headers: impl ExactSizeIterator<Item = (&'h [u8], Option<&'h [u8]>)>,
    ) -> Input {
        // SAFETY: allocated values are only reachable through the tables, which are cleared with the chunks.
        let arena = unsafe { self.chunks.arena() };
        let mut bytes = 0;
        let mut copy = |field: Option<&[u8]>| {
            field.map_or(Bytes::ABSENT, |field| {
                bytes += field.len();
                Bytes::new(arena.slice(field))
            })
        };
        let (key, value) = (copy(record.key), copy(record.value));
        let headers = arena
            .collect(headers.map(|(name, value)| HeaderView { name: copy(Some(name)), value: copy(value) }));
        self.partitions[slot].next_offset = record.offset + 1;
        self.payload_bytes += bytes;
        Input {
            slot: slot as u32,
            rejected: false,
            outputs: 0,
            offset: record.offset,
            timestamp_ms: record.timestamp_ms.unwrap_or(NO_TIMESTAMP),
            key,
            value,
            headers: headers.as_ptr(),
            header_count: headers.len() as u32,
        }
    }

    /// Partitions that have records in the batch.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Removes the records of partitions for which `keep` is false, as if they had not been read.
    pub fn retain_partitions(&mut self, keep: impl FnMut(&Partition) -> bool) {
        let kept: Vec<bool> = self.partitions.iter().map(keep).collect();
        if kept.iter().all(|kept| *kept) {
            return;
        }
        self.retain_inputs(|input| kept[input.slot as usize]);
        let mut slots = kept.iter().scan(0, |next, kept| {
            let slot = *next;
            *next += u32::from(*kept);
            Some(slot)
        });
        let renumbered: Vec<u32> = slots.by_ref().collect();
        self.inputs.iter_mut().for_each(|input| input.slot = renumbered[input.slot as usize]);
        let mut kept = kept.into_iter();
        self.partitions.retain(|_| kept.next().unwrap_or(false));
    }

    /// Removes the record at `index` and all later records of its partition, as if they had not been read.
    /// Returns the partition and the number of the assignment during which they were read.
    pub fn drop_partition_from(&mut self, index: usize) -> Option<PartitionPosition> {
        let first = self.inputs[self.records.get(index)?.input as usize];
        self.retain_inputs(|input| input.slot != first.slot || input.offset < first.offset);
        let partition = &mut self.partitions[first.slot as usize];
        partition.next_offset = first.offset;
        let Partition { topic, partition, generation, next_offset, .. } = partition.clone();
        // A partition that is read again is claimed again, which brings back its state.
        Some(PartitionPosition { topic, partition, generation, next_offset, state: None })
    }

    fn retain_inputs(&mut self, keep: impl Fn(&Input) -> bool) {
        let inputs = &self.inputs;
        let keeps = |input: u32| keep(&inputs[input as usize]);
        self.records.retain(|record| keeps(record.input));
        self.rejected.retain(|rejected| keeps(rejected.input));
        let mut new_index = vec![0; inputs.len()];
        let mut remaining = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.iter().enumerate() {
            if keep(input) {
                new_index[index] = remaining.len() as u32;
                remaining.push(*input);
            }
        }
        self.records.iter_mut().for_each(|record| record.input = new_index[record.input as usize]);
        self.rejected.iter_mut().for_each(|rejected| rejected.input = new_index[rejected.input as usize]);
        self.inputs = remaining;
    }

    /// Sorts the records from index `start` by partition, and keeps the order within a partition. Returns the number of
    /// records of each of these partitions.
    pub fn group_by_partition(&mut self, start: usize) -> Vec<usize> {
        let inputs = &self.inputs;
        let slot = |record: &RecordView| inputs[record.input as usize].slot;
        let Some(records) = self.records.get_mut(start..) else { return Vec::new() };
        records.sort_by_key(slot);
        records.chunk_by(|left, right| slot(left) == slot(right)).map(<[_]>::len).collect()
    }

    /// The records to write, in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.records.iter().enumerate().map(|(index, view)| {
            // SAFETY: the table and all that it points to live, unchanged, as long as `self` is borrowed.
            unsafe { Record::from_view(view, index as u32) }
        })
    }

    /// The record at `index`.
    #[must_use]
    pub fn record(&self, index: usize) -> Option<Record<'_>> {
        // SAFETY: as in `records`.
        self.records.get(index).map(|view| unsafe { Record::from_view(view, index as u32) })
    }

    /// A consumed record in its original form, even if it was filtered or rejected.
    #[must_use]
    pub fn original(&self, input: u32) -> Option<Original<'_>> {
        let input = self.inputs.get(input as usize)?;
        let partition = &self.partitions[input.slot as usize];
        // SAFETY: the bytes are in the chunks, which do not change as long as `self` is borrowed.
        Some(unsafe { input.original(partition) })
    }

    /// Decodes every record; a message may hold several, or none that is passed on. Rejects records that cannot be decoded.
    pub fn decode(&mut self, decoder: &mut impl Decode) {
        let Self { chunks, kept, records, spare, rejected, .. } = self;
        // SAFETY: allocated values are only reachable through the record table, which is cleared with the chunks.
        let arena = unsafe { chunks.arena() };
        // SAFETY: as above, and only the decoder uses it.
        let kept = unsafe { kept.lend() };
        spare.clear();
        let flags = if decoder.types_headers() { record_flags::TYPED_HEADERS } else { 0 };
        for (view, index) in records.iter_mut().zip(0..) {
            view.flags |= flags;
            let view = &*view;
            // SAFETY: neither `records` nor the bytes that it points to change in this loop.
            let record = unsafe { Record::from_view(view, index) };
            match decoder.decode(record, arena, kept) {
                Ok(decoded) if decoded.is_filtered => {}
                Ok(decoded) => {
                    spare.push(decoded_view(view, &decoded, arena));
                    spare.extend(decoded.further.iter().map(|further| decoded_view(view, further, arena)));
                }
                Err(rejection) => rejected.push(RejectedRecord::new(view.input, rejection)),
            }
        }
        std::mem::swap(records, spare);
    }

    /// Number of consumed records that have no output and were not rejected: transforms have filtered them.
    #[must_use]
    pub fn filtered_count(&self) -> usize {
        let mut alive = vec![false; self.inputs.len()];
        self.records.iter().for_each(|record| alive[record.input as usize] = true);
        self.rejected.iter().for_each(|rejected| alive[rejected.input as usize] = true);
        alive.iter().filter(|alive| !**alive).count()
    }

    /// End of the records that were made from the same consumed record as the one at `index`. The batch may be split there.
    #[must_use]
    pub fn input_end(&self, index: usize) -> usize {
        let Some(record) = self.records.get(index) else { return self.records.len() };
        self.records[index..]
            .iter()
            .position(|other| other.input != record.input)
            .map_or(self.records.len(), |n| index + n)
    }

    /// The position of every partition if exactly the records before `end` are settled. `replay` computes the state
    /// of a slot at an offset inside the batch: see [`Batch::set_states`].
    pub fn positions_before(
        &self,
        end: usize,
        mut replay: impl FnMut(usize, i64) -> HostState,
    ) -> Vec<PartitionPosition> {
        let mut first_open: Vec<Option<i64>> = vec![None; self.partitions.len()];
        for record in self.records.get(end..).unwrap_or_default() {
            let input = self.inputs[record.input as usize];
            first_open[input.slot as usize].get_or_insert(input.offset);
        }
        self.partitions
            .iter()
            .zip(first_open)
            .enumerate()
            .map(|(index, (slot, open))| {
                let next_offset = open.unwrap_or(slot.next_offset);
                PartitionPosition {
                    topic: Arc::clone(&slot.topic),
                    partition: slot.partition,
                    generation: slot.generation,
                    next_offset,
                    state: self.state_at(index, next_offset, &mut replay),
                }
            })
            .collect()
    }

    /// Passes the records `range` to a sink, with the `positions` after them, as returned by [`Batch::positions_before`].
    /// `epoch` returns the epoch with which a partition was claimed.
    pub fn lend_to_sink<T>(
        &self,
        range: std::ops::Range<usize>,
        positions: &[PartitionPosition],
        epoch: impl Fn(&str, i32) -> u64,
        call: impl FnOnce(&BatchView) -> T,
    ) -> T {
        let positions: Vec<PositionView> = positions
            .iter()
            .map(|position| PositionView {
                topic: Bytes::new(position.topic.as_bytes()),
                partition: position.partition,
                reserved: 0,
                next_offset: position.next_offset,
                epoch: epoch(&position.topic, position.partition),
                state: position.state.as_deref().map_or(Bytes::ABSENT, Bytes::new),
            })
            .collect();
        call(&lend(&self.records[range], &positions, std::ptr::null_mut()))
    }
}

fn lend(records: &[RecordView], positions: &[PositionView], cursor: *mut crate::raw::Cursor) -> BatchView {
    BatchView {
        records: records.as_ptr().cast(),
        len: records.len(),
        record_size: size_of::<RecordView>() as u32,
        position_size: size_of::<PositionView>() as u32,
        positions: positions.as_ptr().cast(),
        position_count: positions.len(),
        cursor,
        reserved: [0; 6],
    }
}

/// The record with its decoded values.
fn decoded_view<'b>(view: &RecordView, decoded: &Decoded<'b>, arena: Arena<'b>) -> RecordView {
    let pointer = |schema: Option<Schema<'_>>| schema.map_or(std::ptr::null(), Schema::as_ptr);
    let text = if decoded.is_json_text { record_flags::JSON_TEXT } else { 0 };
    let change =
        decoded.change.as_ref().map_or(std::ptr::null(), |parts| std::ptr::from_ref(arena.change(parts)));
    RecordView {
        key: decoded.key.node(),
        value: decoded.value.node(),
        key_schema: pointer(decoded.key_schema),
        value_schema: pointer(decoded.value_schema),
        change,
        flags: view.flags | record_flags::KEY_DECODED | record_flags::VALUE_DECODED | text,
        ..*view
    }
}

#[cfg(test)]
mod tests;
