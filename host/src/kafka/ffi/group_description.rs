//! The state of a consumer group and the partitions of its members, as its coordinator describes them. rust-rdkafka asks all
//! brokers, and returns the partitions as bytes.

use std::ffi::{CStr, CString, NulError};
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;

use super::admin_request::{AdminRequest, check, partitions};

/// What the coordinator of a group says about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::kafka) struct GroupDescription {
    /// Whether it is between two rebalances.
    pub(in crate::kafka) is_stable: bool,
    /// The partitions of all members, by topic and number.
    pub(in crate::kafka) assigned: Vec<(String, i32)>,
}

/// Describes a group. Blocks for up to `timeout`.
///
/// # Errors
/// The error of the request or of the group.
pub(in crate::kafka) fn describe_group<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    timeout: Duration,
) -> Result<GroupDescription, RDKafkaErrorCode> {
    let group = CString::new(group).map_err(|_: NulError| RDKafkaErrorCode::InvalidGroupId)?;
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    let mut request = AdminRequest::new(client, operation, timeout);
    let mut names = [group.as_ptr()];
    // SAFETY: the client and the name outlive the call, which copies the name.
    unsafe {
        sys::rd_kafka_DescribeConsumerGroups(
            request.client,
            names.as_mut_ptr(),
            names.len(),
            request.options,
            request.queue,
        );
    }
    let event = request.answer()?;
    let mut count = 0;
    // SAFETY: the event answers this request, and lives as long as `request`; so does the description, which is only read.
    unsafe {
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event);
        let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        if groups.is_null() || count == 0 {
            return Err(RDKafkaErrorCode::GroupIdNotFound);
        }
        described(*groups)
    }
}

/// # Safety
/// `group` is a live description.
unsafe fn described(
    group: *const sys::rd_kafka_ConsumerGroupDescription_t,
) -> Result<GroupDescription, RDKafkaErrorCode> {
    use sys::rd_kafka_consumer_group_state_t::RD_KAFKA_CONSUMER_GROUP_STATE_STABLE as STABLE;
    // SAFETY: the members belong to the description, and indices are below their number.
    unsafe {
        let error = sys::rd_kafka_ConsumerGroupDescription_error(group);
        if !error.is_null() {
            check(sys::rd_kafka_error_code(error))?;
        }
        let is_stable = sys::rd_kafka_ConsumerGroupDescription_state(group) == STABLE;
        let mut assigned = Vec::new();
        for index in 0..sys::rd_kafka_ConsumerGroupDescription_member_count(group) {
            let member = sys::rd_kafka_ConsumerGroupDescription_member(group, index);
            assigned.extend(partitions_of(member));
        }
        Ok(GroupDescription { is_stable, assigned })
    }
}

/// # Safety
/// `member` is a live description of a member.
unsafe fn partitions_of(member: *const sys::rd_kafka_MemberDescription_t) -> Vec<(String, i32)> {
    // SAFETY: the assignment and its list belong to the member, and the names of topics end in NUL.
    unsafe {
        let assignment = sys::rd_kafka_MemberDescription_assignment(member);
        if assignment.is_null() {
            return Vec::new();
        }
        let list = sys::rd_kafka_MemberAssignment_partitions(assignment);
        let name =
            |at: &sys::rd_kafka_topic_partition_t| CStr::from_ptr(at.topic).to_string_lossy().into_owned();
        partitions(list).iter().map(|at| (name(at), at.partition)).collect()
    }
}
