//! Creates topics and reads their properties. rust-rdkafka drops the texts of the brokers' errors, which name what collides
//! or which policy is violated.

use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;
use rdkafka_sys as sys;

use super::admin_request::AdminRequest;

/// A topic to be created.
pub(in crate::kafka) struct TopicSpec<'t> {
    pub(in crate::kafka) name: &'t str,
    pub(in crate::kafka) partitions: i32,
    /// -1 for the brokers' default.
    pub(in crate::kafka) replication: i32,
    /// Properties of the topic.
    pub(in crate::kafka) config: &'t [(&'static str, String)],
}

/// Why an admin request failed.
#[derive(Debug)]
pub(in crate::kafka) struct AdminFailure {
    pub(in crate::kafka) code: RDKafkaErrorCode,
    /// The broker's text, if it has sent one.
    pub(in crate::kafka) text: Option<String>,
}

impl From<RDKafkaErrorCode> for AdminFailure {
    fn from(code: RDKafkaErrorCode) -> Self {
        Self { code, text: None }
    }
}

/// Creates a topic. Blocks for up to `timeout`.
///
/// # Errors
/// When the brokers do not create it, or do not answer in time.
pub(in crate::kafka) fn create_topic<C: ClientContext>(
    client: &Client<C>,
    topic: &TopicSpec<'_>,
    timeout: Duration,
) -> Result<(), AdminFailure> {
    let name = c_string(topic.name)?;
    let config = topic.config.iter().map(|(name, value)| Ok((c_string(name)?, c_string(value)?)));
    let config = config.collect::<Result<Vec<_>, AdminFailure>>()?;
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS;
    let mut text: [c_char; 512] = [0; 512];
    // SAFETY: the client and all strings outlive the call, which copies what it needs. The topic is freed after the request was
    // queued. At most `text.len()` bytes are written to `text`, the last of them a NUL.
    unsafe {
        let mut request = AdminRequest::new(client, operation, timeout);
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        sys::rd_kafka_AdminOptions_set_operation_timeout(
            request.options,
            milliseconds,
            text.as_mut_ptr(),
            text.len(),
        );
        let new = sys::rd_kafka_NewTopic_new(
            name.as_ptr(),
            topic.partitions,
            topic.replication,
            text.as_mut_ptr(),
            text.len(),
        );
        if new.is_null() {
            let text = CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned();
            return Err(AdminFailure { code: RDKafkaErrorCode::InvalidArgument, text: Some(text) });
        }
        for (name, value) in &config {
            sys::rd_kafka_NewTopic_set_config(new, name.as_ptr(), value.as_ptr());
        }
        let mut topics = [new];
        sys::rd_kafka_CreateTopics(request.client, topics.as_mut_ptr(), 1, request.options, request.queue);
        sys::rd_kafka_NewTopic_destroy(new);
        let answer = request.answer()?;
        let result = sys::rd_kafka_event_CreateTopics_result(answer);
        let mut count = 0;
        let results = sys::rd_kafka_CreateTopics_result_topics(result, &raw mut count);
        if results.is_null() || count == 0 {
            return Ok(());
        }
        let result = *results;
        outcome(sys::rd_kafka_topic_result_error(result), sys::rd_kafka_topic_result_error_string(result))
    }
}

/// The properties of a topic, without those that have no value. Blocks for up to `timeout`.
///
/// # Errors
/// When the brokers do not describe it, for example because the user lacks DESCRIBE_CONFIGS, or do not answer in time.
pub(in crate::kafka) fn topic_config<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Vec<(String, String)>, AdminFailure> {
    let name = c_string(topic)?;
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
    let kind = sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
    // SAFETY: the client and the name outlive the call, which copies what it needs. The results belong to the answer, which lives
    // until the request is dropped, and are only read.
    unsafe {
        let mut request = AdminRequest::new(client, operation, timeout);
        let resource = sys::rd_kafka_ConfigResource_new(kind, name.as_ptr());
        let mut resources = [resource];
        sys::rd_kafka_DescribeConfigs(
            request.client,
            resources.as_mut_ptr(),
            1,
            request.options,
            request.queue,
        );
        sys::rd_kafka_ConfigResource_destroy(resource);
        let answer = request.answer()?;
        let result = sys::rd_kafka_event_DescribeConfigs_result(answer);
        let mut count = 0;
        let described = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        if described.is_null() || count == 0 {
            return Ok(Vec::new());
        }
        let described = *described;
        outcome(
            sys::rd_kafka_ConfigResource_error(described),
            sys::rd_kafka_ConfigResource_error_string(described),
        )?;
        let entries = sys::rd_kafka_ConfigResource_configs(described, &raw mut count);
        if entries.is_null() {
            return Ok(Vec::new());
        }
        let entries = std::slice::from_raw_parts(entries, count);
        let entry = |entry: &*const sys::rd_kafka_ConfigEntry_t| {
            let value = sys::rd_kafka_ConfigEntry_value(*entry);
            let name = sys::rd_kafka_ConfigEntry_name(*entry);
            (!value.is_null()).then(|| (text_at(name), text_at(value)))
        };
        Ok(entries.iter().filter_map(entry).collect())
    }
}

/// # Safety
/// `text` is null or ends in NUL.
unsafe fn outcome(code: RDKafkaRespErr, text: *const c_char) -> Result<(), AdminFailure> {
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    // SAFETY: as demanded, and librdkafka's own text for the code is static.
    unsafe {
        let standard = text_at(sys::rd_kafka_err2str(code));
        let text = (!text.is_null()).then(|| text_at(text)).filter(|text| *text != standard);
        Err(AdminFailure { code: code.into(), text })
    }
}

/// # Safety
/// `text` ends in NUL.
unsafe fn text_at(text: *const c_char) -> String {
    // SAFETY: as demanded.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn c_string(text: &str) -> Result<CString, AdminFailure> {
    CString::new(text).map_err(|_| RDKafkaErrorCode::InvalidArgument.into())
}
