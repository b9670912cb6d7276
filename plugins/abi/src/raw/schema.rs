//! Schemas of values: names, types, precision.

use super::{Bytes, Kind, Node};

/// Bits of [`FieldView::flags`].
pub mod field_flags {
    /// The field may be null.
    pub const OPTIONAL: u8 = 1;
    /// `scale` is set.
    pub const HAS_SCALE: u8 = 2;
    /// `default` is set.
    pub const HAS_DEFAULT: u8 = 4;
}

/// The schema of a struct. Append-only: `size` and `field_size` tell what the host has filled in. Lives as long as the batch.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SchemaView {
    /// Size of this struct in the host's version, in bytes.
    pub size: u32,
    /// Bytes from one field to the next.
    pub field_size: u32,
    /// Identifies the schema: those with the same id are equal.
    pub id: u64,
    /// The schema's name; may be absent.
    pub name: Bytes,
    /// The fields, `field_size` apart.
    pub fields: *const u8,
    /// Number of fields.
    pub field_count: u32,
    /// The schema's version, or 0.
    pub version: u32,
}

/// One field of a schema. Append-only.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FieldView {
    /// Name.
    pub name: Bytes,
    /// Name of the semantic type in the source, such as `io.debezium.time.Date`, or else the type of the column, such as `INET`, if the
    /// schema tells it; may be absent.
    pub semantic: Bytes,
    /// Kind of the decoded value.
    pub kind: Kind,
    /// Bits of [`field_flags`].
    pub flags: u8,
    /// Reserved, zero.
    pub reserved: u16,
    /// Total number of digits, or 0 if unknown.
    pub precision: u32,
    /// Digits after the decimal point, if flagged.
    pub scale: i32,
    /// Maximum length in characters, bytes or bits, or 0 if unknown. That of a whole number is its size in bits, with the sign: 8 to 64.
    pub length: u32,
    /// Schema of a nested struct, of a list's items or of a map's values, or null.
    pub nested: *const SchemaView,
    /// Default value of the field, if flagged.
    pub default: Node,
}

// SAFETY: a schema is immutable, and its owner sees to how long it lives.
unsafe impl Send for SchemaView {}
// SAFETY: as above.
unsafe impl Sync for SchemaView {}
// SAFETY: as above.
unsafe impl Send for FieldView {}
// SAFETY: as above.
unsafe impl Sync for FieldView {}
