//! A consumer of all partitions of a topic that takes records from librdkafka in batches.

use std::{
    ffi::{CStr, CString},
    ptr, slice,
};

use rdkafka_sys::{
    RDKafka, RDKafkaConf, RDKafkaConfRes, RDKafkaErrorCode, RDKafkaMessage, RDKafkaQueue, RDKafkaType,
    rd_kafka_assign, rd_kafka_conf_new, rd_kafka_conf_set, rd_kafka_consume_batch_queue,
    rd_kafka_message_destroy, rd_kafka_new, rd_kafka_poll_set_consumer, rd_kafka_queue_get_consumer,
    rd_kafka_topic_partition_list_add_range, rd_kafka_topic_partition_list_destroy,
    rd_kafka_topic_partition_list_new, rd_kafka_topic_partition_list_set_offset,
};

const BATCH: usize = 1000;
const BEGINNING: i64 = -2;

/// Settings with which librdkafka does not wait while there are records, within 64 MiB of prefetched records.
const SETTINGS: [(&CStr, &CStr); 5] = [
    (c"group.id", c"bare"),
    (c"enable.auto.commit", c"false"),
    (c"queued.max.messages.kbytes", c"65536"),
    (c"queued.min.messages", c"1000000"),
    (c"fetch.queue.backoff.ms", c"5"),
];

/// A consumer, which lives as long as the process.
pub(crate) struct Consumer {
    queue: *mut RDKafkaQueue,
}

/// Records, which are returned to librdkafka when this is dropped.
pub(crate) struct Batch(Vec<*mut RDKafkaMessage>);

impl Consumer {
    /// A consumer that reads all partitions from their beginning.
    pub(crate) fn new(servers: &str, topic: &str, partitions: i32) -> Result<Self, String> {
        let text = |text: &str| CString::new(text).map_err(|error| error.to_string());
        let (servers, topic) = (text(servers)?, text(topic)?);
        // SAFETY: the configuration is new; librdkafka owns it when the client exists.
        let client = unsafe {
            let config = rd_kafka_conf_new();
            set(config, c"bootstrap.servers", &servers)?;
            for (name, value) in SETTINGS {
                set(config, name, value)?;
            }
            create(config)?
        };
        // SAFETY: the client is valid; librdkafka copies the list.
        let queue = unsafe {
            rd_kafka_poll_set_consumer(client);
            let list = rd_kafka_topic_partition_list_new(partitions);
            rd_kafka_topic_partition_list_add_range(list, topic.as_ptr(), 0, partitions - 1);
            for partition in 0..partitions {
                rd_kafka_topic_partition_list_set_offset(list, topic.as_ptr(), partition, BEGINNING);
            }
            rd_kafka_assign(client, list);
            rd_kafka_topic_partition_list_destroy(list);
            rd_kafka_queue_get_consumer(client)
        };
        Ok(Self { queue })
    }

    /// Up to a thousand records; none if there are none for a second.
    pub(crate) fn next_batch(&self) -> Result<Batch, String> {
        let mut messages = vec![ptr::null_mut(); BATCH];
        // SAFETY: the array has room for the size that is stated.
        let count = unsafe { rd_kafka_consume_batch_queue(self.queue, 1000, messages.as_mut_ptr(), BATCH) };
        messages.truncate(usize::try_from(count).map_err(|_| "reading records failed".to_owned())?);
        Ok(Batch(messages))
    }
}

impl Batch {
    /// The values; those of tombstones are empty.
    pub(crate) fn values(&self) -> impl Iterator<Item = &[u8]> {
        // SAFETY: librdkafka filled the array with messages, which stay valid until they are destroyed.
        let messages = self.0.iter().map(|message| unsafe { &**message });
        let records = messages.filter(|message| message.err as i32 == RDKafkaErrorCode::NoError as i32);
        records.map(|message| match message.payload.is_null() {
            true => &[][..],
            // SAFETY: a message has this number of bytes at this address.
            false => unsafe { slice::from_raw_parts(message.payload.cast::<u8>(), message.len) },
        })
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for message in &self.0 {
            // SAFETY: each message is destroyed once.
            unsafe { rd_kafka_message_destroy(*message) };
        }
    }
}

/// # Safety
/// The configuration must be valid.
unsafe fn set(config: *mut RDKafkaConf, name: &CStr, value: &CStr) -> Result<(), String> {
    // SAFETY: without a buffer for it, librdkafka writes no error text.
    let result = unsafe { rd_kafka_conf_set(config, name.as_ptr(), value.as_ptr(), ptr::null_mut(), 0) };
    match result {
        RDKafkaConfRes::RD_KAFKA_CONF_OK => Ok(()),
        _ => Err(format!("librdkafka rejects {name:?} = {value:?}")),
    }
}

/// # Safety
/// The configuration must be valid, and is not used again.
unsafe fn create(config: *mut RDKafkaConf) -> Result<*mut RDKafka, String> {
    // SAFETY: without a buffer for it, librdkafka writes no error text.
    let client = unsafe { rd_kafka_new(RDKafkaType::RD_KAFKA_CONSUMER, config, ptr::null_mut(), 0) };
    if client.is_null() { Err("librdkafka creates no client".to_owned()) } else { Ok(client) }
}
