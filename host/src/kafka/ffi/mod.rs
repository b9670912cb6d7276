//! Calls that rust-rdkafka does not wrap: hooks into the mock cluster, OAuth tokens with SASL extensions, cached
//! watermarks, headers whose names are not text, times of records, records in batches ([`records`]), and requests of the admin
//! interface.
#![expect(unsafe_code, reason = "calls into librdkafka that rust-rdkafka has no safe wrapper for")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;
use std::net::SocketAddrV4;
use std::{ptr, slice};

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;
use rdkafka_sys as sys;

mod admin_request;
mod group_description;
mod groups;
mod new_topics;
mod records;
mod topics;
mod unpacking;

pub(super) use group_description::describe_group;
pub(super) use groups::{Deletion, delete};
pub(super) use new_topics::{AdminFailure, TopicSpec, create_topic, topic_config};
pub use records::FetchedRecord;
pub(super) use records::{FetchError, RecordQueue};
pub use topics::TopicId;
pub(super) use topics::{LogEnd, log_ends, topic_ids};
pub(super) use unpacking::UnpackingLimit;

unsafe extern "C" {
    fn tidegate_mock_install(cluster: *mut sys::rd_kafka_mock_cluster_t);
    fn tidegate_mock_set_address(cluster: *mut sys::rd_kafka_mock_cluster_t, address: u32, port: u16);
    fn tidegate_log_group(client: *mut sys::rd_kafka_t, is_logged: i32);
    fn tidegate_hook_records(client: *mut sys::rd_kafka_t) -> RDKafkaRespErr;
    fn tidegate_take_rejection_text(message: *mut sys::rd_kafka_message_t) -> *mut c_char;
}

/// Installs the hooks of `mock_hooks.c` into the mock cluster that `client` hosts, and lets its consumer groups
/// start without delay. Returns whether the client hosts one. Call it once, before any client knows the address.
pub(super) fn install_mock_hooks<C: ClientContext>(client: &Client<C>) -> bool {
    let Some(cluster) = mock_cluster(client) else {
        return false;
    };
    // SAFETY: the cluster lives as long as the client, which is borrowed for the whole call. No connection
    // exists yet, so the mock's thread does not read the table of handlers that is changed here.
    unsafe {
        tidegate_mock_install(cluster);
        sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
    }
    true
}

/// Moves the only broker of the mock cluster that `client` hosts to `address`. Returns whether it listens
/// there. The address must be free: librdkafka aborts the process when it cannot bind it.
pub(super) fn move_mock_broker<C: ClientContext>(client: &Client<C>, address: SocketAddrV4) -> bool {
    const BROKER: i32 = 1;
    let Some(cluster) = mock_cluster(client) else {
        return false;
    };
    // SAFETY: the cluster outlives the call (see above). The mock's thread reads the address only when it
    // handles the two commands below, which are sent through a locked queue after it is written, and when it
    // answers a client, of which there is none yet.
    unsafe {
        tidegate_mock_set_address(cluster, (*address.ip()).into(), address.port());
        sys::rd_kafka_mock_broker_set_down(cluster, BROKER) == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
            && sys::rd_kafka_mock_broker_set_up(cluster, BROKER) == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}

fn mock_cluster<C: ClientContext>(client: &Client<C>) -> Option<*mut sys::rd_kafka_mock_cluster_t> {
    // SAFETY: the pointer belongs to a live client; the call only reads a field.
    let cluster = unsafe { sys::rd_kafka_handle_mock_cluster(client.native_ptr()) };
    (!cluster.is_null()).then_some(cluster)
}

/// Returns a partition's first offset, 0 if unknown, and the offset after its last record, as reported by the last
/// fetch; `None` before the first fetch. Does not query the brokers.
pub(super) fn cached_ends<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partition: i32,
) -> Option<(i64, i64)> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (0, 0);
    // SAFETY: the client is live, the name ends in NUL and outlives the call, and both offsets are written to locals.
    let code = unsafe {
        sys::rd_kafka_get_watermark_offsets(
            client.native_ptr(),
            topic.as_ptr(),
            partition,
            &raw mut low,
            &raw mut high,
        )
    };
    (code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some((low.max(0), high))
}

/// Hands an OAuth token to a client that uses SASL/OAUTHBEARER; its connections authenticate with it from now
/// on. `expires_at_ms` is in milliseconds since the Unix epoch. Thread-safe. On failure returns librdkafka's
/// reason, which never holds the token.
pub(super) fn set_oauth_token<C: ClientContext>(
    client: &Client<C>,
    token: &str,
    principal: &str,
    expires_at_ms: i64,
    extensions: &[(String, String)],
) -> Result<(), String> {
    let c_string = |text: &str| CString::new(text).map_err(|_| "it holds a NUL byte".to_owned());
    let token = c_string(token)?;
    let principal = c_string(principal)?;
    let pairs: Vec<CString> = extensions
        .iter()
        .flat_map(|(name, value)| [name, value])
        .map(|s| c_string(s))
        .collect::<Result<_, _>>()?;
    let mut pointers: Vec<*const c_char> = pairs.iter().map(|s| s.as_ptr()).collect();
    let mut reason = [0_u8; 512];
    // SAFETY: all strings outlive the call and end in NUL; librdkafka copies them. `extension_size` counts
    // names and values. At most `reason.len()` bytes are written to `reason`, the last of them a NUL.
    let code = unsafe {
        sys::rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            token.as_ptr(),
            expires_at_ms,
            principal.as_ptr(),
            pointers.as_mut_ptr(),
            pointers.len(),
            reason.as_mut_ptr().cast(),
            reason.len(),
        )
    };
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    let end = reason.iter().position(|&byte| byte == 0).unwrap_or(reason.len());
    Err(String::from_utf8_lossy(&reason[..end]).into_owned())
}

/// The headers of a message, in order: names and values as bytes. rust-rdkafka panics at a name that is not UTF-8.
pub struct RawHeaders<'m> {
    list: *const sys::rd_kafka_headers_t,
    next: usize,
    count: usize,
    message: PhantomData<&'m ()>,
}

/// The headers of `message`.
pub fn raw_headers<'m>(message: &'m BorrowedMessage<'_>) -> RawHeaders<'m> {
    // SAFETY: the message is borrowed for as long as its headers, and a consumer's messages belong to one thread.
    unsafe { RawHeaders::of(message.ptr(), PhantomData) }
}

impl<'m> RawHeaders<'m> {
    /// # Safety
    /// The message must live for `'m` and belong to the calling thread.
    unsafe fn of(message: *const sys::rd_kafka_message_t, lifetime: PhantomData<&'m ()>) -> Self {
        let mut list = ptr::null_mut();
        // SAFETY: the message is alive. librdkafka parses its headers on the first call and keeps them with the message.
        let found = unsafe { sys::rd_kafka_message_headers(message, &raw mut list) };
        let found = found == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
        // SAFETY: the list was just returned.
        let count = if found { unsafe { sys::rd_kafka_header_cnt(list) } } else { 0 };
        Self { list, next: 0, count, message: lifetime }
    }
}

impl<'m> Iterator for RawHeaders<'m> {
    type Item = (&'m [u8], Option<&'m [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.count {
            return None;
        }
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list lives as long as the message, `'m`, and so do the names and values in it.
        unsafe {
            let got = sys::rd_kafka_header_get_all(
                self.list,
                self.next,
                &raw mut name,
                &raw mut value,
                &raw mut size,
            );
            if got != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
            self.next += 1;
            let value = (!value.is_null()).then(|| slice::from_raw_parts(value.cast::<u8>(), size));
            Some((CStr::from_ptr(name).to_bytes(), value))
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for RawHeaders<'_> {}

/// The time of a record without one, as in Kafka's protocol.
pub const NO_TIMESTAMP: i64 = -1;

/// Installs the hooks of `record_hooks.c` into a new producer: it can then write records with the time 0, and keeps the texts of
/// rejections for [`rejection_text`]. Call it before the first record.
pub(super) fn hook_records<C: ClientContext>(client: &Client<C>) {
    // SAFETY: the client is live, and no record is produced during the call, as its only caller guarantees.
    let code = unsafe { tidegate_hook_records(client.native_ptr()) };
    debug_assert_eq!(code, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, "the only interceptors of this name");
}

/// The broker's text for a record that it has rejected, if it has sent one; empty the second time. The message is of a delivery
/// report of a producer with [hooks](hook_records).
pub(super) fn rejection_text(message: &BorrowedMessage<'_>) -> Option<String> {
    // SAFETY: the message is live and used by this thread alone. The text ends in NUL, was allocated by librdkafka with malloc for
    // the caller, and is freed once.
    unsafe {
        let text = tidegate_take_rejection_text(message.ptr());
        if text.is_null() {
            return None;
        }
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        sys::rd_kafka_mem_free(ptr::null_mut(), text.cast());
        Some(copy)
    }
}

/// Whether a client's debug log contains what brokers answer to a consumer that waits for its group, from now on.
pub(super) fn log_group<C: ClientContext>(client: &Client<C>, is_logged: bool) {
    // SAFETY: the client is live. The call sets bits of a number that librdkafka only tests.
    unsafe { tidegate_log_group(client.native_ptr(), is_logged.into()) }
}

/// The epoch of a group member, or its generation with the classic protocol; `None` for a client without a group. 0 or less
/// means that the group has not taken it yet.
pub(super) fn member_epoch<C: ClientContext>(client: &Client<C>) -> Option<i32> {
    // SAFETY: the client is live, and the metadata is freed after its use.
    unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(client.native_ptr());
        if metadata.is_null() {
            return None;
        }
        let epoch = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        Some(epoch)
    }
}

/// A record to be produced.
pub(super) struct Produced<'r> {
    pub(super) topic: &'r CStr,
    pub(super) partition: Option<i32>,
    /// Milliseconds since 1970; `None` for now.
    pub(super) timestamp_ms: Option<i64>,
    pub(super) key: Option<&'r [u8]>,
    pub(super) value: Option<&'r [u8]>,
    pub(super) headers: &'r [(&'r [u8], Option<&'r [u8]>)],
}

/// The time as librdkafka takes it: 0 for now, and for the time 0 the replacement of `record_hooks.c`.
fn native_time(timestamp_ms: Option<i64>) -> i64 {
    match timestamp_ms {
        None => 0,
        Some(0) => i64::MIN,
        Some(time) => time,
    }
}

/// Copies a record into the queue of a producer. `opaque` comes back with its delivery report.
pub(super) fn produce<C: ClientContext>(
    client: &Client<C>,
    record: &Produced<'_>,
    opaque: usize,
) -> Result<(), RDKafkaErrorCode> {
    use sys::rd_kafka_vtype_t as Kind;
    type Value = sys::rd_kafka_vu_s__bindgen_ty_1;
    type Memory = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1;
    let memory = |bytes: Option<&[u8]>| Value {
        mem: bytes.map_or(Memory { ptr: ptr::null_mut(), size: 0 }, |bytes| Memory {
            ptr: bytes.as_ptr().cast_mut().cast(),
            size: bytes.len(),
        }),
    };
    let headers = own_headers(record.headers);
    let part = |vtype, u| sys::rd_kafka_vu_t { vtype, u };
    let parts = [
        part(Kind::RD_KAFKA_VTYPE_TOPIC, Value { cstr: record.topic.as_ptr() }),
        part(Kind::RD_KAFKA_VTYPE_PARTITION, Value { i32_: record.partition.unwrap_or(-1) }),
        part(Kind::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: sys::RD_KAFKA_MSG_F_COPY }),
        part(Kind::RD_KAFKA_VTYPE_KEY, memory(record.key)),
        part(Kind::RD_KAFKA_VTYPE_VALUE, memory(record.value)),
        part(Kind::RD_KAFKA_VTYPE_TIMESTAMP, Value { i64_: native_time(record.timestamp_ms) }),
        part(Kind::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: ptr::without_provenance_mut::<c_void>(opaque) }),
        part(Kind::RD_KAFKA_VTYPE_HEADERS, Value { headers }),
    ];
    // SAFETY: each part sets the union member that its kind requires. The record outlives the call, and librdkafka
    // copies it (`F_COPY`). The headers become the client's if it accepts the record, and stay ours otherwise.
    unsafe {
        let error = sys::rd_kafka_produceva(client.native_ptr(), parts.as_ptr(), parts.len());
        if error.is_null() {
            return Ok(());
        }
        let code = sys::rd_kafka_error_code(error);
        sys::rd_kafka_error_destroy(error);
        sys::rd_kafka_headers_destroy(headers);
        Err(code.into())
    }
}

/// Creates a list of headers, owned by the caller.
fn own_headers(headers: &[(&[u8], Option<&[u8]>)]) -> *mut sys::rd_kafka_headers_t {
    // SAFETY: names and values outlive the calls, which copy them; a null value is Kafka's null.
    unsafe {
        let list = sys::rd_kafka_headers_new(headers.len());
        for (name, value) in headers {
            let (at, size) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
            sys::rd_kafka_header_add(
                list,
                name.as_ptr().cast(),
                name.len() as isize,
                at.cast(),
                size as isize,
            );
        }
        list
    }
}
