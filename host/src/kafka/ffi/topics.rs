//! The ids of topics (KIP-516) and the bounds of their logs, which rust-rdkafka does not return.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rdkafka::TopicPartitionList;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;

use super::admin_request::{AdminRequest, all, check};

/// The id that Kafka gave a topic when it was created. A topic of the same name that is created later has another one.
///
/// Displayed as Kafka's tools do, in URL-safe base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// Reads an id as librdkafka writes it in its log. Returns `None` for the id of all zeros, which stands for none.
    pub(in crate::kafka) fn from_log(text: &str) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
        bytes.try_into().ok().and_then(Self::known)
    }

    /// `None` for the id of all zeros, which stands for none.
    fn known(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// Returns the ids of those of `topics` that exist and that the user may see. Brokers before Kafka 2.8 return none. Blocks
/// for up to `timeout`.
///
/// # Errors
/// The error of the request as a whole.
pub(in crate::kafka) fn topic_ids<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    timeout: Duration,
) -> Result<HashMap<String, TopicId>, RDKafkaErrorCode> {
    let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(*topic).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    let mut request = AdminRequest::new(client, operation, timeout);
    // SAFETY: the names outlive both calls, which copy them. The collection is freed once, after its only use.
    unsafe {
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        sys::rd_kafka_DescribeTopics(request.client, topics, request.options, request.queue);
        sys::rd_kafka_TopicCollection_destroy(topics);
    }
    let event = request.answer()?;
    let mut count = 0;
    // SAFETY: the event answers this request, and lives as long as `request`; so do the descriptions, which are only read.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        Ok(all(topics.cast_const().cast(), count).iter().filter_map(|topic| described(*topic)).collect())
    }
}

/// # Safety
/// `topic` is a live description.
unsafe fn described(topic: *const sys::rd_kafka_TopicDescription_t) -> Option<(String, TopicId)> {
    // SAFETY: the name ends in NUL and, like the id, lives as long as the description.
    unsafe {
        let name = CStr::from_ptr(sys::rd_kafka_TopicDescription_name(topic));
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let high = sys::rd_kafka_Uuid_most_significant_bits(id);
        let low = sys::rd_kafka_Uuid_least_significant_bits(id);
        let bytes = (u128::from(high.cast_unsigned()) << 64) | u128::from(low.cast_unsigned());
        Some((name.to_str().ok()?.to_owned(), TopicId::known(bytes.to_be_bytes())?))
    }
}

/// Which end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum LogEnd {
    /// Its first offset.
    Earliest,
    /// Its high watermark, whatever transactions are open below it.
    Latest,
}

/// Returns one end of the log of each of `partitions`, without those whose leader did not return it. Blocks for up to
/// `timeout`.
///
/// # Errors
/// The error of the request as a whole.
pub(in crate::kafka) fn log_ends<C: ClientContext>(
    client: &Client<C>,
    partitions: &[(&str, i32)],
    end: LogEnd,
    timeout: Duration,
) -> Result<HashMap<(String, i32), i64>, RDKafkaErrorCode> {
    use sys::rd_kafka_OffsetSpec_t as Spec;
    let spec = match end {
        LogEnd::Earliest => Spec::RD_KAFKA_OFFSET_SPEC_EARLIEST,
        LogEnd::Latest => Spec::RD_KAFKA_OFFSET_SPEC_LATEST,
    };
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition_offset(topic, *partition, rdkafka::Offset::from_raw(spec as i64))
            .map_err(|_| RDKafkaErrorCode::InvalidArgument)?;
    }
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
    let mut request = AdminRequest::new(client, operation, timeout);
    // Without an isolation level in the options, the offsets are those of a reader of uncommitted records.
    // SAFETY: the list outlives the call, which copies it.
    unsafe { sys::rd_kafka_ListOffsets(request.client, list.ptr(), request.options, request.queue) };
    let event = request.answer()?;
    let mut count = 0;
    // SAFETY: the event answers this request, and lives as long as `request`; so do the results, which are only read.
    unsafe {
        let result = sys::rd_kafka_event_ListOffsets_result(event);
        let infos = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
        Ok(all(infos.cast_const().cast(), count).iter().filter_map(|info| listed(*info)).collect())
    }
}

/// # Safety
/// `info` is a live result.
unsafe fn listed(info: *const sys::rd_kafka_ListOffsetsResultInfo_t) -> Option<((String, i32), i64)> {
    // SAFETY: the partition lives as long as the result, and its topic's name ends in NUL.
    unsafe {
        let at = &*sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info);
        check(at.err).ok()?;
        let topic = CStr::from_ptr(at.topic).to_str().ok()?.to_owned();
        (at.offset >= 0).then_some(((topic, at.partition), at.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_the_log_and_shown_as_kafka_does() {
        let id = TopicId([0xfb, 0xff, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(id.to_string(), "-_8DBAUGBwgJCgsMDQ4PEA");
        assert_eq!(TopicId::from_log("+/8DBAUGBwgJCgsMDQ4PEA"), Some(id));
        assert_eq!(TopicId::from_log("-_8DBAUGBwgJCgsMDQ4PEA"), Some(id));
        assert_eq!(TopicId::from_log("AAAAAAAAAAAAAAAAAAAAAA"), None, "no id");
        assert_eq!(TopicId::from_log("short"), None);
    }
}
