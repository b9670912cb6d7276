//! One record of a batch, as it lies in the host's record table.

use super::{Bytes, ChangeView, Node, SchemaView};

/// `RecordView::timestamp_ms` of a record without a timestamp.
pub const NO_TIMESTAMP: i64 = i64::MIN;

/// Bits of [`RecordView::flags`].
pub mod record_flags {
    /// `key` was decoded (otherwise it is null and only the raw bytes are there).
    pub const KEY_DECODED: u32 = 1;
    /// `value` was decoded.
    pub const VALUE_DECODED: u32 = 2;
}

/// One record. Append-only: a plugin steps by `BatchView::record_size`, so it never sees the fields of a newer host.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RecordView {
    /// Kafka topic, or what a transform routed the record to; UTF-8.
    pub topic: Bytes,
    /// Kafka offset.
    pub offset: i64,
    /// Milliseconds since the epoch, or [`NO_TIMESTAMP`].
    pub timestamp_ms: i64,
    /// Kafka partition.
    pub partition: i32,
    /// Index of the consumed record that this one came from.
    pub input: u32,
    /// The key as it came from Kafka.
    pub raw_key: Bytes,
    /// The value as it came from Kafka; absent for a tombstone.
    pub raw_value: Bytes,
    /// Headers.
    pub headers: *const HeaderView,
    /// How many headers.
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
    /// Kafka topic that the record was read from, whatever it was routed to since; UTF-8.
    pub source_topic: Bytes,
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

// SAFETY: shared borrows of memory that the batch owns and nobody changes while it is lent.
unsafe impl Send for RecordView {}
// SAFETY: as above.
unsafe impl Sync for RecordView {}
