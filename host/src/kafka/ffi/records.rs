//! The records of a consumer in a queue of their own, apart from its events.
//!
//! rust-rdkafka returns one record per poll, with an event and a reference count for each, and from the same queue as
//! rebalances and errors. Here one call takes as many records as the caller has space for, and a consumer that takes no
//! records still gets its events. `rd_kafka_consume_batch_queue` would do as well, but up to librdkafka 2.13.1 it moves the
//! position past a record that could not be read, and it returns records that the caller may have no space for.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;
use std::{ptr, slice};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;
use rdkafka_sys as sys;

use super::RawHeaders;

/// A record in librdkafka's fetch buffer.
pub struct FetchedRecord<'q>(&'q sys::rd_kafka_message_t);

/// Why a partition cannot be read.
pub(in crate::kafka) struct FetchError {
    pub(in crate::kafka) code: RDKafkaErrorCode,
    pub(in crate::kafka) reason: String,
}

/// The queue with the records of all partitions that were attached to it. It must be dropped before its consumer.
pub(in crate::kafka) struct RecordQueue {
    client: *mut sys::rd_kafka_t,
    records: *mut sys::rd_kafka_queue_t,
    /// The consumer's own queue. A consumer with a group always has one.
    events: *mut sys::rd_kafka_queue_t,
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
        Self { client, records, events }
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

    /// Passes records and errors to `take`, in order, until it breaks or the queue is empty. Waits up to `timeout` for the
    /// first; may return early. Only one thread may read.
    pub(in crate::kafka) fn read<F>(&self, timeout: Duration, take: F)
    where
        F: FnMut(Result<FetchedRecord<'_>, FetchError>) -> ControlFlow<()>,
    {
        let timeout = i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let reader = Reader { client: self.client, take: RefCell::new(take), panic: RefCell::new(None) };
        // SAFETY: the queue lives as long as `self`. `on_message` gets a pointer to the reader, which outlives the call, and
        // is called on this thread only.
        unsafe {
            let opaque = (&raw const reader).cast_mut().cast();
            sys::rd_kafka_consume_callback_queue(self.records, timeout, Some(on_message::<F>), opaque);
        }
        if let Some(panic) = reader.panic.take() {
            resume_unwind(panic);
        }
    }
}

impl Drop for RecordQueue {
    fn drop(&mut self) {
        // SAFETY: the client is still alive, as the type demands. Without the callback, nothing refers to `records` any more
        // but partitions, which hold references of their own.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.events, None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.events);
            sys::rd_kafka_queue_destroy(self.records);
        }
    }
}

/// What [`on_message`] needs.
struct Reader<F> {
    client: *mut sys::rd_kafka_t,
    take: RefCell<F>,
    /// A panic must not unwind through librdkafka.
    panic: RefCell<Option<Box<dyn Any + Send>>>,
}

unsafe extern "C" fn on_message<F>(message: *mut sys::rd_kafka_message_t, opaque: *mut c_void)
where
    F: FnMut(Result<FetchedRecord<'_>, FetchError>) -> ControlFlow<()>,
{
    // SAFETY: `read` passes a pointer to a reader that outlives the call, and the message is valid until this returns.
    let (reader, message) = unsafe { (&*opaque.cast_const().cast::<Reader<F>>(), &*message) };
    let item = match message.err {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(FetchedRecord(message)),
        code => Err(FetchError { code: code.into(), reason: reason(message) }),
    };
    let step = catch_unwind(AssertUnwindSafe(|| (reader.take.borrow_mut())(item)));
    if matches!(step, Ok(ControlFlow::Continue(()))) {
        return;
    }
    *reader.panic.borrow_mut() = step.err();
    // SAFETY: the client is alive. The records that are left go back to the head of the queue.
    unsafe { sys::rd_kafka_yield(reader.client) }
}

fn reason(message: &sys::rd_kafka_message_t) -> String {
    // SAFETY: the message is alive, and so is the text that is returned, which ends in NUL.
    let text = unsafe { CStr::from_ptr(sys::rd_kafka_message_errstr(message)) };
    text.to_string_lossy().into_owned()
}

/// Called by librdkafka when its queue of events is no longer empty.
unsafe extern "C" fn wake_reader(_: *mut sys::rd_kafka_t, records: *mut c_void) {
    // SAFETY: the callback is removed before the queue is destroyed.
    unsafe { sys::rd_kafka_queue_yield(records.cast()) }
}

impl<'q> FetchedRecord<'q> {
    pub fn topic(&self) -> &'q str {
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
