//! Deletes consumer groups and their offsets with librdkafka's admin interface, which rust-rdkafka wraps only in part.

use std::ffi::{CString, NulError};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;
use rdkafka_sys as sys;

/// What is deleted.
#[derive(Clone, Copy)]
pub(in crate::kafka) enum Deletion<'p> {
    /// The group with all its offsets.
    Group,
    /// The offsets of these partitions.
    Offsets(&'p TopicPartitionList),
}

/// Frees what one request has allocated.
struct Request {
    queue: *mut sys::rd_kafka_queue_t,
    options: *mut sys::rd_kafka_AdminOptions_t,
    event: *mut sys::rd_kafka_event_t,
}

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: each pointer was returned by librdkafka to be freed with the function for it, and is not used afterwards. All of
        // them accept null except the queue's, which is never null.
        unsafe {
            if !self.event.is_null() {
                sys::rd_kafka_event_destroy(self.event);
            }
            if !self.options.is_null() {
                sys::rd_kafka_AdminOptions_destroy(self.options);
            }
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}

/// Deletes a group or offsets of it. Blocks for up to `timeout`.
///
/// # Errors
/// The broker's error, such as that the group has members.
pub(in crate::kafka) fn delete<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    deletion: Deletion<'_>,
    timeout: Duration,
) -> Result<(), RDKafkaErrorCode> {
    let group = CString::new(group).map_err(|_: NulError| RDKafkaErrorCode::InvalidGroupId)?;
    let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client outlives the call, and so its handle. The request's objects are created for it, are not shared, and are
    // freed after the call, which has copied what it needs. `Request` frees queue, options and event once.
    unsafe {
        let handle = client.native_ptr();
        let operation = match deletion {
            Deletion::Group => sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEGROUPS,
            Deletion::Offsets(_) => sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS,
        };
        let mut request = Request {
            queue: sys::rd_kafka_queue_new(handle),
            options: sys::rd_kafka_AdminOptions_new(handle, operation),
            event: std::ptr::null_mut(),
        };
        let mut text = [0; 256];
        sys::rd_kafka_AdminOptions_set_request_timeout(
            request.options,
            milliseconds,
            text.as_mut_ptr(),
            text.len(),
        );
        match deletion {
            Deletion::Group => {
                let mut groups = [sys::rd_kafka_DeleteGroup_new(group.as_ptr())];
                sys::rd_kafka_DeleteGroups(handle, groups.as_mut_ptr(), 1, request.options, request.queue);
                sys::rd_kafka_DeleteGroup_destroy(groups[0]);
            }
            Deletion::Offsets(partitions) => {
                let mut offsets =
                    [sys::rd_kafka_DeleteConsumerGroupOffsets_new(group.as_ptr(), partitions.ptr())];
                sys::rd_kafka_DeleteConsumerGroupOffsets(
                    handle,
                    offsets.as_mut_ptr(),
                    1,
                    request.options,
                    request.queue,
                );
                sys::rd_kafka_DeleteConsumerGroupOffsets_destroy(offsets[0]);
            }
        }
        request.event = sys::rd_kafka_queue_poll(request.queue, milliseconds.saturating_add(1000));
        if request.event.is_null() {
            return Err(RDKafkaErrorCode::OperationTimedOut);
        }
        outcome(request.event, deletion)
    }
}

/// The error of the request, of the group, or of the first partition that has one.
///
/// # Safety
/// `event` is the answer to a request for this deletion.
unsafe fn outcome(event: *mut sys::rd_kafka_event_t, deletion: Deletion<'_>) -> Result<(), RDKafkaErrorCode> {
    let check = |code: RDKafkaRespErr| match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(RDKafkaErrorCode::from(code)),
    };
    // SAFETY: the caller passes an event of this kind; the results belong to it and are only read.
    unsafe {
        check(sys::rd_kafka_event_error(event))?;
        let mut count = 0;
        let groups = match deletion {
            Deletion::Group => {
                let result = sys::rd_kafka_event_DeleteGroups_result(event);
                sys::rd_kafka_DeleteGroups_result_groups(result, &mut count)
            }
            Deletion::Offsets(_) => {
                let result = sys::rd_kafka_event_DeleteConsumerGroupOffsets_result(event);
                sys::rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, &mut count)
            }
        };
        if groups.is_null() || count == 0 {
            return Ok(());
        }
        let group = *groups;
        let error = sys::rd_kafka_group_result_error(group);
        if !error.is_null() {
            check(sys::rd_kafka_error_code(error))?;
        }
        let partitions = sys::rd_kafka_group_result_partitions(group);
        if partitions.is_null() {
            return Ok(());
        }
        let list = &*partitions;
        let elements = match list.elems.is_null() {
            true => &[][..],
            false => std::slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or(0)),
        };
        elements.iter().try_for_each(|element| check(element.err))
    }
}
