//! One request of librdkafka's admin interface: its options, its queue, and the event that answers it.

use std::time::Duration;
use std::{ptr, slice};

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;
use rdkafka_sys as sys;

/// A request, and what it has allocated.
pub(super) struct AdminRequest {
    pub(super) client: *mut sys::rd_kafka_t,
    pub(super) queue: *mut sys::rd_kafka_queue_t,
    pub(super) options: *mut sys::rd_kafka_AdminOptions_t,
    event: *mut sys::rd_kafka_event_t,
    timeout_ms: i32,
}

impl AdminRequest {
    /// Prepares a request that fails after `timeout`. It must be dropped before the client.
    pub(super) fn new<C: ClientContext>(
        client: &Client<C>,
        operation: sys::rd_kafka_admin_op_t,
        timeout: Duration,
    ) -> Self {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let client = client.native_ptr();
        let mut text = [0; 256];
        // SAFETY: the client is alive. The queue and the options are freed once, when `self` is dropped, and at most
        // `text.len()` bytes are written to `text`.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(client, operation);
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options,
                timeout_ms,
                text.as_mut_ptr(),
                text.len(),
            );
            Self {
                client,
                queue: sys::rd_kafka_queue_new(client),
                options,
                event: ptr::null_mut(),
                timeout_ms,
            }
        }
    }

    /// Waits for the answer to what was sent with this request's queue.
    ///
    /// # Errors
    /// The error of the request as a whole, or that no answer came in time.
    pub(super) fn answer(&mut self) -> Result<*mut sys::rd_kafka_event_t, RDKafkaErrorCode> {
        // librdkafka answers within the request's own timeout, so the second is never waited for.
        // SAFETY: the queue lives as long as `self`. The event becomes ours, and is freed with `self`.
        self.event = unsafe { sys::rd_kafka_queue_poll(self.queue, self.timeout_ms.saturating_add(1000)) };
        if self.event.is_null() {
            return Err(RDKafkaErrorCode::OperationTimedOut);
        }
        // SAFETY: the event is alive.
        check(unsafe { sys::rd_kafka_event_error(self.event) })?;
        Ok(self.event)
    }
}

impl Drop for AdminRequest {
    fn drop(&mut self) {
        // SAFETY: each pointer was returned by librdkafka to be freed with the function for it, and is not used afterwards.
        // Only the event may be null, if no answer came.
        unsafe {
            if !self.event.is_null() {
                sys::rd_kafka_event_destroy(self.event);
            }
            sys::rd_kafka_AdminOptions_destroy(self.options);
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}

/// An error code as a result.
pub(super) fn check(code: RDKafkaRespErr) -> Result<(), RDKafkaErrorCode> {
    match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(code.into()),
    }
}

/// An array of librdkafka's as a slice.
///
/// # Safety
/// `first` is null, or points to `count` items that live for `'a`.
pub(super) unsafe fn all<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if first.is_null() {
        return &[];
    }
    // SAFETY: as demanded.
    unsafe { slice::from_raw_parts(first, count) }
}

/// The partitions of a list.
///
/// # Safety
/// `list` is null, or points to a list that lives for `'a`.
pub(super) unsafe fn partitions<'a>(
    list: *const sys::rd_kafka_topic_partition_list_t,
) -> &'a [sys::rd_kafka_topic_partition_t] {
    // SAFETY: the list is alive, and has as many elements as it says.
    unsafe {
        match list.as_ref() {
            Some(list) => all(list.elems, usize::try_from(list.cnt).unwrap_or(0)),
            None => &[],
        }
    }
}
