//! The open batch, which records from Kafka are copied into, and the closed one that waits for the transform worker.

mod memory;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tidegate_abi::host::{Batch, NewRecord, Part, Partition, Rejection};

use super::partitions::{Partitions, Slot};
use crate::{
    config::BatchLimits,
    formats::{Format, SchemaLengths},
    pipeline::memory::TaskMemory,
};

/// What a value takes that a comma of JSON separates from the next one: a field with its name.
const BYTES_PER_COMMA: usize = 40;

/// Batches with fewer bytes say nothing about the memory of larger ones.
const MIN_SAMPLE_BYTES: usize = 64 << 10;

/// Estimates how much memory the decoded values of records take, before they are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum DecodedSize {
    /// No stage reads values, or they point to the record's bytes.
    Nothing,
    /// JSON: by its commas. Those in texts count too, which estimates too much.
    Json,
}

impl DecodedSize {
    pub(super) fn of(format: Format, reads_values: bool) -> Self {
        if reads_values && format == Format::Json { Self::Json } else { Self::Nothing }
    }

    fn estimate(self, value: Option<&[u8]>) -> usize {
        match (self, value) {
            (Self::Json, Some(value)) => (count_commas(value) + 1) * BYTES_PER_COMMA,
            _ => 0,
        }
    }
}

/// In chunks of 240, so that a `u8` does not overflow and the loop is vectorized.
fn count_commas(bytes: &[u8]) -> usize {
    let count = |chunk: &[u8]| chunk.iter().map(|byte| u8::from(*byte == b',')).sum::<u8>();
    bytes.chunks(240).map(|chunk| usize::from(count(chunk))).sum()
}

/// Taken for the size of records before the first one.
const UNKNOWN_RECORD_BYTES: usize = 64 << 10;

/// A record as the consumer returns it. It is borrowed from librdkafka, so it is copied once and dropped.
pub(in crate::pipeline) trait ConsumedRecord {
    fn topic(&self) -> &str;
    fn partition(&self) -> i32;
    fn offset(&self) -> i64;
    fn timestamp_ms(&self) -> Option<i64>;
    fn key(&self) -> Option<&[u8]>;
    fn value(&self) -> Option<&[u8]>;
    fn headers(&self) -> impl ExactSizeIterator<Item = (&[u8], Option<&[u8]>)>;
}

/// The open batch, and the closed one that waits for the transform worker.
pub(in crate::pipeline) struct OpenBatch {
    limits: BatchLimits,
    memory: usize,
    decoded_size: DecodedSize,
    /// What the records of the open batch are estimated to take once they are decoded.
    decoded_bytes: usize,
    /// Bytes of the schemas in the records of the open batch, which `batch.max_bytes` does not count: they take as much memory as
    /// the rest, but every record repeats them.
    schema_bytes: usize,
    schema_lengths: SchemaLengths,
    /// Rejected records are copied too, since they go to a dead-letter topic.
    keeps_rejected: bool,
    open: Batch,
    /// When the first record of the open batch was read.
    since: Option<Instant>,
    closed: Option<Batch>,
    /// When the first record of the batch was read that was closed last.
    closed_since: Option<Instant>,
    /// Emptied batches, kept to reuse their memory.
    spare: Vec<Batch>,
    /// The task's part of the memory that all tasks share.
    shared_memory: TaskMemory,
    /// The task may have no more of it for now.
    lacks_memory: bool,
    /// Since when the task has had no record.
    idle_since: Option<Instant>,
    /// What the batches before the open one are estimated to take, the oldest first.
    earlier_batches: VecDeque<usize>,
    /// What the sink worker keeps of unflushed records.
    unflushed: usize,
    /// What these and the empty batches take together.
    other_memory: usize,
    /// What the open batch took when it was empty.
    empty_open_memory: usize,
    /// Bytes that earlier batches took in the end, per byte of their records.
    expansion: f64,
    /// Mean size of the records of the batch before: as `batch.max_bytes` counts them, and with their schemas.
    record_bytes: [usize; 2],
    last: Option<LastSlot>,
    /// Records read.
    pub(super) read: u64,
    /// Bytes read.
    pub(super) bytes: u64,
}

/// The slot of the last record. Consecutive records are mostly of the same partition, which saves the lookup.
struct LastSlot {
    slot: Slot,
    partition: i32,
    index: usize,
}

impl OpenBatch {
    /// `memory` is the memory budget of one batch in bytes, with its tables and decoded values: many small records use it up
    /// too, and so do few with many values. `shared_memory` limits all batches together. `keeps_rejected` says that the bytes of
    /// rejected records are needed.
    pub(super) fn new(
        limits: BatchLimits,
        memory: usize,
        shared_memory: TaskMemory,
        decoded_size: DecodedSize,
        keeps_rejected: bool,
    ) -> Self {
        let (open, spare) = (Batch::new(), Vec::new());
        let max_records = limits.max_records.min(memory / Batch::RECORD_BYTES).max(1);
        let limits = BatchLimits { max_records, ..limits };
        Self {
            limits,
            memory,
            decoded_size,
            decoded_bytes: 0,
            schema_bytes: 0,
            schema_lengths: SchemaLengths::default(),
            keeps_rejected,
            open,
            since: None,
            closed: None,
            closed_since: None,
            spare,
            shared_memory,
            lacks_memory: false,
            idle_since: None,
            earlier_batches: VecDeque::new(),
            unflushed: 0,
            other_memory: 0,
            empty_open_memory: 0,
            expansion: 1.0,
            record_bytes: [UNKNOWN_RECORD_BYTES; 2],
            last: None,
            read: 0,
            bytes: 0,
        }
    }

    /// Copies a record into the open batch, unless its partition is no longer read: then it is read again by the next
    /// owner of the partition, or by this task once it has rewound the partition.
    pub(super) fn take(
        &mut self,
        record: &impl ConsumedRecord,
        partitions: &Partitions,
        now: impl FnOnce() -> Instant,
    ) {
        let (topic, partition) = (record.topic(), record.partition());
        let known =
            self.last.as_ref().filter(|last| last.partition == partition && *last.slot.topic == *topic);
        let slot = match known {
            Some(last) => last.slot.clone(),
            None => match partitions.slot(topic, partition) {
                Some(slot) => slot,
                None => return,
            },
        };
        let shape = Shape::of(record);
        self.read += 1;
        self.bytes += shape.bytes as u64;
        // While a closed batch waits, a record goes into the open one, whatever its size.
        let [of_key, of_value] = self.schemas_of(record);
        let schema_bytes = of_key + of_value;
        let decoded_bytes =
            self.decoded_size.estimate(record.value().map(|value| value.get(of_value..).unwrap_or_default()));
        let fits = self.counted_bytes() + shape.bytes - schema_bytes <= self.limits.max_bytes
            && self.used_memory() + shape.bytes + decoded_bytes <= self.memory;
        if self.open.input_count() > 0 && !fits && self.closed.is_none() {
            self.close();
        }
        self.decoded_bytes += decoded_bytes;
        self.schema_bytes += schema_bytes;
        self.since.get_or_insert_with(now);
        let index = self.slot_index(&slot, partition);
        let new = NewRecord {
            offset: record.offset(),
            timestamp_ms: record.timestamp_ms(),
            key: record.key(),
            value: record.value(),
        };
        match shape.rejection(self.limits.max_record_bytes) {
            None => {
                // `Shape` has checked that all names are UTF-8.
                let text = |name| std::str::from_utf8(name).unwrap_or_default();
                let headers = record.headers().map(|(name, value)| (text(name), value));
                self.open.push(index, new, headers);
            }
            Some(rejection) if self.keeps_rejected => {
                self.open.push_rejected(index, new, record.headers(), rejection);
            }
            Some(rejection) => {
                let bare = NewRecord { key: None, value: None, ..new };
                self.open.push_rejected(index, bare, std::iter::empty(), rejection);
            }
        }
        self.shared_memory.set(self.other_memory + self.open_memory());
        self.lacks_memory |= !self.shared_memory.may_grow();
    }

    /// Bytes of the schemas in the key and the value of a record.
    fn schemas_of(&mut self, record: &impl ConsumedRecord) -> [usize; 2] {
        if self.decoded_size != DecodedSize::Json {
            return [0, 0];
        }
        [record.key(), record.value()]
            .map(|bytes| bytes.map_or(0, |bytes| self.schema_lengths.before_payload(bytes)))
    }

    fn slot_index(&mut self, slot: &Slot, partition: i32) -> usize {
        if let Some(last) = &self.last
            && last.partition == partition
            && Arc::ptr_eq(&last.slot.topic, &slot.topic)
        {
            return last.index;
        }
        let index = self.open.slot(&slot.topic, partition, slot.generation);
        self.open.set_claimed_state(index, &slot.state);
        self.last = Some(LastSlot { slot: slot.clone(), partition, index });
        index
    }

    /// Closes the open batch and opens another.
    fn close(&mut self) {
        debug_assert!(self.closed.is_none(), "one batch waits at a time");
        let count = self.open.input_count().max(1);
        self.record_bytes = [self.counted_bytes() / count, self.open.payload_bytes() / count];
        self.earlier_batches.push_back(self.open_memory());
        let next = self.spare.pop().unwrap_or_default();
        self.closed = Some(std::mem::replace(&mut self.open, next));
        (self.decoded_bytes, self.schema_bytes) = (0, 0);
        self.closed_since = self.since.take();
        self.last = None;
        self.count_memory();
    }

    /// The bytes of the open batch that `batch.max_bytes` counts.
    fn counted_bytes(&self) -> usize {
        self.open.payload_bytes().saturating_sub(self.schema_bytes)
    }

    /// What the open batch takes, or will take once it is decoded.
    fn used_memory(&self) -> usize {
        self.open.payload_bytes() + self.decoded_bytes
    }

    /// Whether the limits allow another record.
    pub(super) fn has_space(&self) -> bool {
        self.closed.is_none()
            && !self.lacks_memory
            && self.open.input_count() < self.limits.max_records
            && self.counted_bytes() < self.limits.max_bytes
            && self.used_memory() < self.memory
    }

    /// About how many more records the limits allow, by the mean size of those in this batch and in the one before; at least
    /// one.
    pub(super) fn space(&self) -> usize {
        let fitting = |used: usize, limit: usize, bytes: usize, before: usize| {
            let mean = bytes.checked_div(self.open.input_count()).unwrap_or(0).max(before).max(1);
            limit.saturating_sub(used) / mean
        };
        let [counted_before, before] = self.record_bytes;
        let counted = self.counted_bytes();
        let by_limit = fitting(counted, self.limits.max_bytes, counted, counted_before);
        let by_memory = fitting(self.used_memory(), self.memory, self.open.payload_bytes(), before);
        let records = self.limits.max_records.saturating_sub(self.open.input_count());
        records.min(by_limit).min(by_memory).max(1)
    }

    /// How long the open batch may still wait for more records; `None` while it is empty.
    pub(super) fn time_left(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| self.limits.max_wait.saturating_sub(now.saturating_duration_since(since)))
    }

    /// Whether the open batch waits for all of `batch.max_wait`, even while the sink is idle.
    pub(super) fn lingers(&self) -> bool {
        self.limits.lingers
    }

    /// Returns the batch that is to be processed next: the closed one, else the open one if it is full or has waited for
    /// `batch.max_wait`. With `at_once`, the open one even if it is neither.
    pub(super) fn due(&mut self, at_once: bool, now: Instant) -> Option<Batch> {
        if self.closed.is_none() {
            let waited = self.time_left(now).is_some_and(|left| left.is_zero());
            if self.open.input_count() == 0 || !(at_once || waited || !self.has_space()) {
                return None;
            }
            self.close();
        }
        self.closed.take()
    }

    /// Bytes that are kept of the next batch, or of what it consists of so far, until it is flushed.
    pub(super) fn next_original_bytes(&self, with_payload: bool) -> usize {
        self.closed.as_ref().unwrap_or(&self.open).original_bytes(with_payload)
    }

    /// When the first record of the batch was read that [`Self::due`] has returned last.
    pub(super) fn since_of_last(&self) -> Option<Instant> {
        self.closed_since
    }

    /// How full the open batch is, from 0 to 1; 1 while another one waits or memory is short.
    pub(super) fn fill_ratio(&self) -> f64 {
        if !self.has_space() {
            return 1.0;
        }
        let of = |used: usize, limit: usize| used as f64 / limit.max(1) as f64;
        let records = of(self.open.input_count(), self.limits.max_records);
        let bytes = of(self.counted_bytes(), self.limits.max_bytes);
        records.max(bytes).max(of(self.used_memory(), self.memory)).min(1.0)
    }

    /// Whether no record waits to be processed.
    pub(super) fn is_empty(&self) -> bool {
        self.open.input_count() == 0 && self.closed.is_none()
    }

    /// Takes a settled batch back to reuse its memory: as much as its payload and three times that for its values, within the
    /// memory budget.
    pub(super) fn recycle(&mut self, mut batch: Batch) {
        self.earlier_batches.pop_front();
        if batch.payload_bytes() >= MIN_SAMPLE_BYTES {
            let expansion = batch.used_bytes() as f64 / batch.payload_bytes() as f64;
            self.expansion = expansion.max((self.expansion + expansion) / 2.0);
        }
        // Counted without the batch: it is kept only if the other tasks need its memory less.
        self.count_memory();
        if !self.shared_memory.is_short() {
            batch.reset(self.keep());
            self.spare.push(batch);
            self.count_memory();
        }
    }

    fn keep(&self) -> usize {
        self.limits.max_bytes.saturating_mul(4).min(self.memory)
    }

    /// Drops the records of all partitions but those that `keep` names.
    pub(super) fn retain(&mut self, keep: impl Fn(&Partition) -> bool) {
        self.last = None;
        self.open.retain_partitions(&keep);
        if self.open.input_count() == 0 {
            // The bytes of dropped records count until the batch is reset: it would stay full and never be due.
            self.open.reset(self.keep());
            (self.decoded_bytes, self.schema_bytes) = (0, 0);
            self.since = None;
        }
        if let Some(closed) = &mut self.closed {
            closed.retain_partitions(&keep);
            if closed.input_count() == 0 {
                self.closed = None;
                self.earlier_batches.pop_back();
            }
        }
        self.count_memory();
    }
}

/// Properties of a record that are checked before it is copied.
struct Shape {
    /// Of key, value and headers.
    bytes: usize,
    /// The name of a header is not UTF-8.
    bad_header: bool,
}

impl Shape {
    fn of(record: &impl ConsumedRecord) -> Self {
        let bytes = record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len);
        let mut shape = Self { bytes, bad_header: false };
        for (name, value) in record.headers() {
            shape.bytes += name.len() + value.map_or(0, <[u8]>::len);
            shape.bad_header |= std::str::from_utf8(name).is_err();
        }
        shape
    }

    #[inline]
    fn rejection(&self, max_record_bytes: usize) -> Option<Rejection> {
        if self.bytes > max_record_bytes {
            let bytes = self.bytes;
            let reason =
                format!("it has {bytes} bytes, more than batch.max_record_bytes = {max_record_bytes} allows");
            return Some(Rejection::too_large(Part::Record, reason));
        }
        let reason = "the name of a header is not valid UTF-8";
        self.bad_header.then(|| Rejection::new(Part::Headers, reason))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{
        formats::{DecoderOptions, RecordDecoder},
        kafka::consumer::{StartAt, TopicPartition},
        pipeline::{channels::States, memory::MemoryPool},
    };

    const LIMITS: BatchLimits = BatchLimits {
        max_records: 100,
        max_bytes: 1000,
        max_wait: Duration::from_secs(3600),
        lingers: true,
        max_record_bytes: 1 << 20,
    };

    fn fill(batch: &mut Batch, partition: i32, bytes: usize) {
        let slot = batch.slot(&Arc::from("t"), partition, 1);
        let value = vec![0; bytes];
        let record = NewRecord { offset: 0, timestamp_ms: None, key: None, value: Some(&value) };
        batch.push(slot, record, std::iter::empty());
    }

    #[test]
    fn all_commas_are_counted() {
        for length in [0, 1, 239, 240, 241, 1000] {
            assert_eq!(count_commas(&vec![b','; length]), length);
            assert_eq!(count_commas(&vec![b'x'; length]), 0);
        }
    }

    #[test]
    fn a_full_batch_whose_partitions_are_gone_has_space_again() {
        let mut batches = OpenBatch::new(LIMITS, 1 << 20, TaskMemory::default(), DecodedSize::Nothing, false);
        fill(&mut batches.open, 0, 1000);
        assert!(!batches.has_space());
        batches.retain(|_| false);
        assert!(batches.has_space() && batches.is_empty());
        assert!(batches.due(true, Instant::now()).is_none());
    }

    #[test]
    fn what_is_left_of_a_full_batch_is_due() {
        let mut batches = OpenBatch::new(LIMITS, 1 << 20, TaskMemory::default(), DecodedSize::Nothing, false);
        fill(&mut batches.open, 0, 500);
        fill(&mut batches.open, 1, 500);
        batches.retain(|slot| slot.partition == 1);
        assert_eq!(batches.due(false, Instant::now()).unwrap().input_count(), 1);
    }

    #[test]
    fn many_empty_records_fill_the_memory_too() {
        let mut batches = {
            let limits = BatchLimits { max_records: 1_000_000, ..LIMITS };
            OpenBatch::new(limits, 1 << 20, TaskMemory::default(), DecodedSize::Nothing, false)
        };
        let mut count = 0;
        while batches.has_space() {
            fill(&mut batches.open, 0, 0);
            count += 1;
        }
        assert!(count * Batch::RECORD_BYTES <= 1 << 20, "{count}");
    }

    #[test]
    fn a_batch_that_gets_no_more_memory_is_due_and_is_not_kept_afterwards() {
        let pool = MemoryPool::new(8 << 20, 2);
        let limits = BatchLimits { max_records: 1_000_000, max_bytes: 64 << 20, ..LIMITS };
        let mut batches =
            OpenBatch::new(limits, 64 << 20, TaskMemory::of(&pool), DecodedSize::Nothing, false);
        let mut other = TaskMemory::of(&pool);
        other.set(8 << 20);
        let mut partitions = Partitions::default();
        let start = (TopicPartition::new("t", 0), StartAt::Offset(0));
        partitions.add(1, &[start], &States::new(), &HashMap::new());
        let record = NumberList("x".repeat(10_000));
        while batches.has_space() {
            batches.take(&record, &partitions, Instant::now);
        }
        let batch = batches.due(false, Instant::now()).expect("it cannot grow");
        assert!((100_000..2 << 20).contains(&batch.payload_bytes()), "{}", batch.payload_bytes());
        assert!(!batches.has_space(), "the memory is taken until the batch is written");
        batches.recycle(batch);
        batches.look_after_memory(Instant::now());
        assert!(batches.has_space() && batches.spare.is_empty());
        drop(other);
        batches.take(&record, &partitions, Instant::now);
        let batch = batches.due(true, Instant::now()).expect("it has a record");
        batches.recycle(batch);
        assert_eq!(batches.spare.len(), 1, "with enough memory it is reused");
        let now = Instant::now();
        batches.look_after_memory(now);
        assert_eq!(batches.spare.len(), 1);
        batches.look_after_memory(now + Duration::from_secs(60));
        assert!(batches.spare.is_empty(), "it is freed after a while");
    }

    struct NumberList(String);

    impl ConsumedRecord for NumberList {
        fn topic(&self) -> &str {
            "t"
        }

        fn partition(&self) -> i32 {
            0
        }

        fn offset(&self) -> i64 {
            0
        }

        fn timestamp_ms(&self) -> Option<i64> {
            None
        }

        fn key(&self) -> Option<&[u8]> {
            None
        }

        fn value(&self) -> Option<&[u8]> {
            Some(self.0.as_bytes())
        }

        fn headers(&self) -> impl ExactSizeIterator<Item = (&[u8], Option<&[u8]>)> {
            std::iter::empty()
        }
    }

    fn partition_0() -> Partitions {
        let mut partitions = Partitions::default();
        let start = (TopicPartition::new("t", 0), StartAt::Offset(0));
        partitions.add(1, &[start], &States::new(), &HashMap::new());
        partitions
    }

    /// The batch of records with and without a schema of 3,000 bytes, within a memory of this size.
    fn filled(schema: &str, memory: usize) -> Batch {
        let limits = BatchLimits { max_records: 100_000, max_bytes: 64 << 10, ..LIMITS };
        let mut batches =
            OpenBatch::new(limits, memory, TaskMemory::default(), DecodedSize::of(Format::Json, true), false);
        let partitions = partition_0();
        let record = NumberList(format!("{schema}{{\"id\":1,\"name\":\"{}\"}}", "x".repeat(400)));
        while batches.has_space() {
            batches.take(&record, &partitions, Instant::now);
        }
        batches.due(false, Instant::now()).unwrap()
    }

    #[test]
    fn schemas_do_not_count_for_the_size_of_a_batch_and_do_for_its_memory() {
        let fields = format!("[{}]", vec![r#"{"field":"a","type":"string"}"#; 100].join(","));
        let schema = format!(r#"{{"schema":{{"type":"struct","fields":{fields}}},"payload":"#);
        let (plain, with_schema) = (filled("", 64 << 20), filled(&schema, 64 << 20));
        assert!(plain.input_count() > 100, "{}", plain.input_count());
        assert_eq!(plain.input_count(), with_schema.input_count());
        let tight = filled(&schema, 128 << 10);
        assert!(tight.input_count() < 50 && tight.payload_bytes() <= 128 << 10, "{}", tight.input_count());
    }

    #[test]
    fn a_batch_of_many_small_numbers_stays_within_its_memory_once_it_is_decoded() {
        const MEMORY: usize = 1 << 20;
        let limits = BatchLimits { max_records: 100_000, max_bytes: MEMORY, ..LIMITS };
        let mut batches =
            OpenBatch::new(limits, MEMORY, TaskMemory::default(), DecodedSize::of(Format::Json, true), false);
        let partitions = partition_0();
        let record = NumberList(format!("[{}1]", "1,".repeat(1000)));
        while batches.has_space() {
            batches.take(&record, &partitions, Instant::now);
        }
        let mut batch = batches.due(false, Instant::now()).unwrap();
        batch.decode(&mut RecordDecoder::new(DecoderOptions::default()));
        assert!(batch.input_count() > 5, "{}", batch.input_count());
        assert!(batch.memory_bytes() <= MEMORY + MEMORY / 2, "{}", batch.memory_bytes());
    }
}
