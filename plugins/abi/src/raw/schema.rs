//! What a format knows about a value before reading it: names, types, precision.

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

/// The schema of a struct. Append-only: `size` and `field_size` say what the host filled. Lives as long as the process.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SchemaView {
    /// Bytes of this struct as the host knows it.
    pub size: u32,
    /// Bytes from one field to the next.
    pub field_size: u32,
    /// The same for equal schemas, for as long as the process runs.
    pub id: u64,
    /// The schema's name; may be absent.
    pub name: Bytes,
    /// The fields, `field_size` apart.
    pub fields: *const u8,
    /// How many fields.
    pub field_count: u32,
    /// The schema's version, 0 when it has none.
    pub version: u32,
}

/// One field of a schema. Append-only.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FieldView {
    /// Name.
    pub name: Bytes,
    /// The semantic type's name as the source wrote it, such as `io.debezium.time.Date`; may be absent.
    pub semantic: Bytes,
    /// Kind of the decoded value.
    pub kind: Kind,
    /// Bits of [`field_flags`].
    pub flags: u8,
    /// Reserved, zero.
    pub reserved: u16,
    /// Digits in all, 0 when unknown.
    pub precision: u32,
    /// Digits after the point, if flagged.
    pub scale: i32,
    /// Longest length in characters, bytes or bits, 0 when unknown.
    pub length: u32,
    /// Schema of a nested struct, of a list's items or of a map's values, or null.
    pub nested: *const SchemaView,
    /// Value of a field that is absent, if flagged.
    pub default: Node,
}

// SAFETY: a schema is immutable and lives as long as the process.
unsafe impl Send for SchemaView {}
// SAFETY: as above.
unsafe impl Sync for SchemaView {}
// SAFETY: as above.
unsafe impl Send for FieldView {}
// SAFETY: as above.
unsafe impl Sync for FieldView {}
