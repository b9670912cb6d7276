//! Deletes consumer groups and their offsets with librdkafka's admin interface, which rust-rdkafka wraps only in part.

use std::ffi::{CString, NulError};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;

use super::admin_request::{AdminRequest, check, partitions};

/// What is deleted.
#[derive(Clone, Copy)]
pub(in crate::kafka) enum Deletion<'p> {
    /// The group with all its offsets.
    Group,
    /// The offsets of these partitions.
    Offsets(&'p TopicPartitionList),
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
    let operation = match deletion {
        Deletion::Group => sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEGROUPS,
        Deletion::Offsets(_) => sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS,
    };
    let mut request = AdminRequest::new(client, operation, timeout);
    let AdminRequest { client: handle, queue, options, .. } = request;
    // SAFETY: the client outlives the call, and so its handle. The object is created for the request, is not shared, and is
    // freed after the call, which has copied what it needs.
    unsafe {
        match deletion {
            Deletion::Group => {
                let mut groups = [sys::rd_kafka_DeleteGroup_new(group.as_ptr())];
                sys::rd_kafka_DeleteGroups(handle, groups.as_mut_ptr(), 1, options, queue);
                sys::rd_kafka_DeleteGroup_destroy(groups[0]);
            }
            Deletion::Offsets(partitions) => {
                let mut offsets =
                    [sys::rd_kafka_DeleteConsumerGroupOffsets_new(group.as_ptr(), partitions.ptr())];
                sys::rd_kafka_DeleteConsumerGroupOffsets(handle, offsets.as_mut_ptr(), 1, options, queue);
                sys::rd_kafka_DeleteConsumerGroupOffsets_destroy(offsets[0]);
            }
        }
    }
    let event = request.answer()?;
    // SAFETY: the event answers a request for this deletion.
    unsafe { outcome(event, deletion) }
}

/// The error of the group, or of the first partition that has one.
///
/// # Safety
/// `event` is the answer to a request for this deletion.
unsafe fn outcome(event: *mut sys::rd_kafka_event_t, deletion: Deletion<'_>) -> Result<(), RDKafkaErrorCode> {
    // SAFETY: the caller passes an event of this kind; the results belong to it and are only read.
    unsafe {
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
        let list = sys::rd_kafka_group_result_partitions(group);
        partitions(list).iter().try_for_each(|element| check(element.err))
    }
}
