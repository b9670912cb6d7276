//! One record of a batch, as stored in the host's record table.

use super::{Bytes, ChangeView, Node, SchemaView};

/// `RecordView::timestamp_ms` of a record without a timestamp.
pub const NO_TIMESTAMP: i64 = i64::MIN;

/// Bits of [`RecordView::flags`].
pub mod record_flags {
    /// `key` was decoded. Otherwise it is null, and only the raw bytes are present.
    pub const KEY_DECODED: u32 = 1;
    /// `value` was decoded.
    pub const VALUE_DECODED: u32 = 2;
    /// `value` is a row that a transform has taken out of the change event, or null. Sinks see the record with its event,
    /// transforms without.
    pub const UNWRAPPED: u32 = 4;
    /// Headers are read as Connect's `SimpleHeaderConverter` reads them.
    pub const TYPED_HEADERS: u32 = 8;
    /// No transform has replaced the value: `raw_value` still holds it. An older host never sets this.
    pub const ORIGINAL_VALUE: u32 = 16;
    /// `raw_value` is JSON on one line, valid UTF-8, and `value` says the same. An older host never sets this.
    pub const JSON_TEXT: u32 = 32;
}

/// One record. Append-only: a plugin uses `BatchView::record_size` as the stride, so it skips the fields of a newer host.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RecordView {
    /// Kafka topic, or the topic that a transform has routed the record to; UTF-8.
    pub topic: Bytes,
    /// Kafka offset.
    pub offset: i64,
    /// Milliseconds since the epoch, or [`NO_TIMESTAMP`].
    pub timestamp_ms: i64,
    /// Kafka partition.
    pub partition: i32,
    /// Index of the consumed record that this one was made from.
    pub input: u32,
    /// The key's bytes from Kafka.
    pub raw_key: Bytes,
    /// The value's bytes from Kafka; absent for a tombstone.
    pub raw_value: Bytes,
    /// Headers.
    pub headers: *const HeaderView,
    /// Number of headers.
    pub header_count: u32,
    /// Bits of [`record_flags`].
    pub flags: u32,
    /// The decoded key.
    pub key: Node,
    /// The decoded value; null for a tombstone.
    pub value: Node,
    /// Schema of the key, or null.
    pub key_schema: *const SchemaView,
    /// Schema of the value, or null.
    pub value_schema: *const SchemaView,
    /// The change event in the value, or null.
    pub change: *const ChangeView,
    /// Kafka topic that the record was read from, even if a transform has changed `topic`; UTF-8.
    pub source_topic: Bytes,
    /// Kafka partition that the record was read from, even if a transform has changed `partition`.
    pub source_partition: i32,
    /// Reserved, zero.
    pub reserved: u32,
}

/// One header. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct HeaderView {
    /// Name, UTF-8.
    pub name: Bytes,
    /// Value; absent for Kafka's null.
    pub value: Bytes,
}

// SAFETY: shared borrows of memory that the batch owns and that does not change during the call.
unsafe impl Send for RecordView {}
// SAFETY: as above.
unsafe impl Sync for RecordView {}
