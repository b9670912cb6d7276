//! What rust-rdkafka does not wrap: hooks into the mock cluster, OAuth tokens with SASL extensions, cached watermarks.
#![expect(unsafe_code, reason = "calls into librdkafka that rust-rdkafka has no safe wrapper for")]

use std::ffi::{CString, c_char};
use std::net::SocketAddrV4;

use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka_sys as sys;

unsafe extern "C" {
    fn tidegate_mock_install(cluster: *mut sys::rd_kafka_mock_cluster_t);
    fn tidegate_mock_set_address(cluster: *mut sys::rd_kafka_mock_cluster_t, address: u32, port: u16);
}

/// Installs the hooks of `mock_hooks.c` into the mock cluster that `client` hosts, and lets its consumer groups
/// start without delay. Returns whether the client hosts one. Call it once, before anybody knows the address.
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

/// Returns a partition's first offset, 0 if that is not known, and the one after its last, as the last fetch told them;
/// none before the first. Asks nobody.
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
