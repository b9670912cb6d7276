//! The records of a consumer in a queue of their own, apart from its events.
//!
//! rust-rdkafka returns one record per poll, with an event and a reference count for each, and from the same queue as
//! rebalances and errors. Here one call takes many records, and a consumer that takes no records still gets its events.
//!
//! `rd_kafka_consume_callback_queue` would need no array, but it takes everything out of the queue, and puts back what is left.
//! Meanwhile librdkafka takes the queue to be empty and fills it again, every time, without limit.

use std::collections::VecDeque;
use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{ptr, slice};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;
use rdkafka_sys as sys;

use super::RawHeaders;

/// Maximum number of records of one call. Those that the caller has no space for are kept, so this also limits how many.
const MAX_RECORDS: usize = 200;

/// A record in librdkafka's fetch buffer.
pub struct FetchedRecord<'q>(&'q sys::rd_kafka_message_t);

/// Why a partition cannot be read.
pub(in crate::kafka) struct FetchError {
    pub(in crate::kafka) topic: String,
    pub(in crate::kafka) partition: i32,
    /// The next offset to read; negative if librdkafka does not know it.
    pub(in crate::kafka) offset: i64,
    pub(in crate::kafka) code: RDKafkaErrorCode,
    pub(in crate::kafka) reason: String,
}

impl FetchError {
    /// What is wrong with a batch that was [skipped](super::UnpackingLimit), if this is the notice of it.
    pub(in crate::kafka) fn skipped(&self) -> Option<&str> {
        (self.code == RDKafkaErrorCode::BadCompression).then(|| self.reason.strip_prefix("skipped: "))?
    }
}

/// The queue with the records of all partitions that were attached to it. It must be dropped before its consumer.
pub(in crate::kafka) struct RecordQueue {
    client: *mut sys::rd_kafka_t,
    records: *mut sys::rd_kafka_queue_t,
    /// The consumer's own queue. A consumer with a group always has one.
    events: *mut sys::rd_kafka_queue_t,
    reader: Mutex<Reader>,
}

/// What the thread that reads knows.
#[derive(Default)]
struct Reader {
    /// Taken out of the queue, and not passed on yet.
    taken: VecDeque<Message>,
    /// For each partition, the offset after the last record that was passed on. The partition of the last record is first, since
    /// consecutive records are mostly of the same one.
    next: Vec<NextOffset>,
}

struct NextOffset {
    topic: String,
    partition: i32,
    offset: i64,
}

// SAFETY: librdkafka locks its queues, and the pointers are never changed.
unsafe impl Send for RecordQueue {}
// SAFETY: as above.
unsafe impl Sync for RecordQueue {}

impl RecordQueue {
    /// Creates the queue of a consumer.
    pub(in crate::kafka) fn new<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Self {
        let client = consumer.client().native_ptr();
        // SAFETY: the client is alive. The two queues are destroyed when `self` is dropped.
        let (records, events) =
            unsafe { (sys::rd_kafka_queue_new(client), sys::rd_kafka_queue_get_consumer(client)) };
        // SAFETY: an event ends a wait for records until the callback is removed, when `self` is dropped.
        unsafe { sys::rd_kafka_queue_cb_event_enable(events, Some(wake_reader), records.cast()) };
        Self { client, records, events, reader: Mutex::default() }
    }

    /// Sends the records of a partition to this queue from now on, until the partition is no longer assigned.
    pub(in crate::kafka) fn attach(&self, topic: &str, partition: i32) {
        // A topic's name has no NUL.
        let Ok(topic) = CString::new(topic) else { return };
        // SAFETY: the client outlives `self`, the name outlives the call, and the reference to the partition's queue is
        // dropped after its use.
        unsafe {
            let queue = sys::rd_kafka_queue_get_partition(self.client, topic.as_ptr(), partition);
            if !queue.is_null() {
                sys::rd_kafka_queue_forward(queue, self.records);
                sys::rd_kafka_queue_destroy(queue);
            }
        }
    }

    /// Ends a wait in [`Self::read`], the current one or the next.
    pub(in crate::kafka) fn wake(&self) {
        // SAFETY: the queue lives as long as `self`.
        unsafe { sys::rd_kafka_queue_yield(self.records) }
    }

    /// Whether the consumer has events that were not polled yet.
    pub(in crate::kafka) fn has_events(&self) -> bool {
        // SAFETY: the queue lives as long as `self`.
        unsafe { sys::rd_kafka_queue_length(self.events) > 0 }
    }

    /// Passes records and errors to `take`, in order, until it breaks, the queue is empty or an event comes. Waits up to `timeout` for the
    /// first; may return early. `count` is the number of records that `take` is expected to accept: those that it does not
    /// accept are kept for the next call.
    pub(in crate::kafka) fn read(
        &self,
        timeout: Duration,
        count: usize,
        mut take: impl FnMut(Result<FetchedRecord<'_>, FetchError>) -> ControlFlow<()>,
    ) {
        let mut reader = self.reader();
        if reader.taken.is_empty() {
            // librdkafka waits until it has as many records as it was asked for.
            self.fetch(timeout, 1, &mut reader.taken);
            // An event that came before these records may change what is read, for instance that the topic was created again.
            if self.has_events() {
                return;
            }
        }
        let mut left = count;
        while let Some(message) = reader.taken.pop_front() {
            if reader.is_next(&message) && take(message.read()).is_break() {
                return;
            }
            left = left.saturating_sub(1);
            if reader.taken.is_empty() && left > 0 {
                self.fetch(Duration::ZERO, left, &mut reader.taken);
                if self.has_events() {
                    return;
                }
            }
        }
    }

    /// Whether records were taken out of the queue and not passed on yet.
    pub(in crate::kafka) fn has_taken(&self) -> bool {
        !self.reader().taken.is_empty()
    }

    /// The offset of each partition's first record that was taken out of the queue and not passed on yet.
    pub(in crate::kafka) fn first_taken(&self) -> Vec<(String, i32, i64)> {
        let mut first: Vec<(String, i32, i64)> = Vec::new();
        for message in &self.reader().taken {
            let (topic, partition) = (message.topic(), message.partition());
            if !first.iter().any(|(known, number, _)| *number == partition && known == topic) {
                first.push((topic.to_owned(), partition, message.get().offset));
            }
        }
        first
    }

    /// Drops the records of a partition that were taken out of the queue: it is read again from another offset, or no more.
    pub(in crate::kafka) fn discard(&self, topic: &str, partition: i32) {
        let mut reader = self.reader();
        reader.taken.retain(|message| message.partition() != partition || message.topic() != topic);
        reader.next.retain(|next| next.partition != partition || next.topic != topic);
    }

    /// Takes up to `count` messages out of the queue, after waiting up to `timeout` for all of them.
    fn fetch(&self, timeout: Duration, count: usize, taken: &mut VecDeque<Message>) {
        let timeout = i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let mut messages = [ptr::null_mut(); MAX_RECORDS];
        let count = count.min(MAX_RECORDS);
        // SAFETY: the queue lives as long as `self`, and there is space for `count` messages. They become the caller's.
        let count =
            unsafe { sys::rd_kafka_consume_batch_queue(self.records, timeout, messages.as_mut_ptr(), count) };
        taken.extend(
            messages.iter().take(usize::try_from(count).unwrap_or(0)).map(|message| Message(*message)),
        );
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        // After a panic, messages are still whole.
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Whether the message is an error, or a record that was not passed on before. When librdkafka pauses partitions for a
    /// rebalance while records are taken out of its queue, it may return the same ones again.
    fn is_next(&mut self, message: &Message) -> bool {
        let Ok(record) = message.read() else { return true };
        let (topic, partition, offset) = (record.topic(), record.partition(), record.offset());
        let known = self.next.iter().position(|next| next.partition == partition && next.topic == topic);
        let Some(known) = known else {
            self.next.push(NextOffset { topic: topic.to_owned(), partition, offset: offset + 1 });
            return true;
        };
        self.next.swap(0, known);
        let next = &mut self.next[0].offset;
        let is_next = offset >= *next;
        *next = (*next).max(offset + 1);
        is_next
    }
}

impl Drop for RecordQueue {
    fn drop(&mut self) {
        self.reader().taken.clear();
        // SAFETY: the client is still alive, as the type demands. Without the callback, nothing refers to `records` any more
        // but partitions, which hold references of their own.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.events, None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.events);
            sys::rd_kafka_queue_destroy(self.records);
        }
    }
}

/// A message that is not librdkafka's any more.
struct Message(*mut sys::rd_kafka_message_t);

// SAFETY: nobody else has the message.
unsafe impl Send for Message {}

impl Message {
    fn get(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: the message is alive until it is dropped.
        unsafe { &*self.0 }
    }

    fn topic(&self) -> &str {
        FetchedRecord(self.get()).topic()
    }

    fn partition(&self) -> i32 {
        self.get().partition
    }

    fn read(&self) -> Result<FetchedRecord<'_>, FetchError> {
        match self.get().err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(FetchedRecord(self.get())),
            code => Err(FetchError {
                topic: self.topic().to_owned(),
                partition: self.partition(),
                offset: self.get().offset,
                code: code.into(),
                reason: self.reason(),
            }),
        }
    }

    fn reason(&self) -> String {
        // SAFETY: the message is alive, and so is the text that is returned, which ends in NUL.
        let text = unsafe { CStr::from_ptr(sys::rd_kafka_message_errstr(self.0)) };
        text.to_string_lossy().into_owned()
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: the message is dropped once, and before its consumer.
        unsafe { sys::rd_kafka_message_destroy(self.0) }
    }
}

/// Called by librdkafka when its queue of events is no longer empty.
unsafe extern "C" fn wake_reader(_: *mut sys::rd_kafka_t, records: *mut c_void) {
    // SAFETY: the callback is removed before the queue is destroyed.
    unsafe { sys::rd_kafka_queue_yield(records.cast()) }
}

impl<'q> FetchedRecord<'q> {
    pub fn topic(&self) -> &'q str {
        // An error may be of no topic.
        if self.0.rkt.is_null() {
            return "";
        }
        // SAFETY: the message refers to its topic, whose name ends in NUL.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.0.rkt)) };
        // Kafka allows only ASCII letters, digits, '.', '_' and '-'.
        name.to_str().unwrap_or_default()
    }

    pub fn partition(&self) -> i32 {
        self.0.partition
    }

    pub fn offset(&self) -> i64 {
        self.0.offset
    }

    /// Milliseconds since 1970; `None` if the record has no time.
    pub fn timestamp_ms(&self) -> Option<i64> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive, and the kind is written to a local.
        let time = unsafe { sys::rd_kafka_message_timestamp(self.0, &raw mut kind) };
        (kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && time != -1)
            .then_some(time)
    }

    pub fn key(&self) -> Option<&'q [u8]> {
        // SAFETY: the key has this length and lives as long as the message.
        unsafe { bytes(self.0.key, self.0.key_len) }
    }

    pub fn value(&self) -> Option<&'q [u8]> {
        // SAFETY: the value has this length and lives as long as the message.
        unsafe { bytes(self.0.payload, self.0.len) }
    }

    /// The headers, in order: names and values as bytes.
    pub fn headers(&self) -> RawHeaders<'q> {
        // SAFETY: the message is alive for `'q`, and belongs to this thread.
        unsafe { RawHeaders::of(self.0, PhantomData) }
    }
}

/// # Safety
/// `start` is null or points to `length` bytes that live for `'q`.
unsafe fn bytes<'q>(start: *const c_void, length: usize) -> Option<&'q [u8]> {
    // SAFETY: as demanded.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast(), length) })
}
