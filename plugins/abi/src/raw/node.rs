//! One value: a kind, flags and opaque payload words. Frozen at 24 bytes.

use abi_stable::StableAbi;

/// Kind of a [`Node`]. Open: a kind that this build does not know reads as "unsupported".
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind(pub u8);

#[expect(missing_docs, reason = "each is explained at `Node`, where its payload is")]
impl Kind {
    pub const NULL: Self = Self(0);
    pub const BOOL: Self = Self(1);
    pub const INT: Self = Self(2);
    pub const UINT: Self = Self(3);
    pub const FLOAT: Self = Self(4);
    pub const NUMBER: Self = Self(5);
    pub const DECIMAL: Self = Self(6);
    pub const STRING: Self = Self(7);
    pub const BYTES: Self = Self(8);
    pub const DATE: Self = Self(9);
    pub const TIME: Self = Self(10);
    pub const TIMESTAMP: Self = Self(11);
    pub const INTERVAL: Self = Self(12);
    pub const UUID: Self = Self(13);
    pub const JSON: Self = Self(14);
    pub const LIST: Self = Self(15);
    pub const STRUCT: Self = Self(16);
    pub const UNAVAILABLE: Self = Self(17);
}

/// Bits of [`Node::flags`].
pub mod node_flags {
    /// A time or timestamp carries its offset from UTC in `word1`.
    pub const HAS_OFFSET: u8 = 1;
}

/// One value of a tree. Frozen: kinds may be added, fields may not.
///
/// | kind | `len` | `word0` | `word1` |
/// |---|---|---|---|
/// | null, unavailable | | | |
/// | bool | | 0 or 1 | |
/// | int, uint, float | | the 64 bits | |
/// | number, string, json | bytes | pointer to UTF-8 | |
/// | bytes | bytes | pointer | |
/// | decimal | bytes | pointer to the big-endian two's complement unscaled value | scale, sign-extended |
/// | date | | days since 1970-01-01, signed | |
/// | time | | nanoseconds since midnight | seconds east of UTC, if flagged |
/// | timestamp | nanoseconds | seconds since 1970-01-01T00:00:00, signed | seconds east of UTC, if flagged |
/// | interval | months, signed | days, signed | microseconds, signed |
/// | uuid | | first 8 bytes, big-endian | last 8 bytes |
/// | list | items | pointer to [`Node`]s | |
/// | struct | fields | pointer to [`FieldNode`]s | |
///
/// A timestamp without the flag is local time without a zone. With the flag, the seconds count from the epoch in
/// UTC, and the offset is the one that the source wrote.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Node {
    /// Meaning of the payload.
    pub kind: Kind,
    /// Bits of [`node_flags`].
    pub flags: u8,
    /// Reserved, zero.
    pub small: u16,
    /// See the table.
    pub len: u32,
    /// See the table. A pointer type, so that pointers keep their provenance; numbers are stored in its bits.
    pub word0: *const u8,
    /// See the table.
    pub word1: u64,
}

const _: () = assert!(size_of::<Node>() == 24 && align_of::<Node>() == 8, "a node is frozen at 24 bytes");
const _: () = assert!(size_of::<FieldNode>() == 40, "a field is frozen at 40 bytes");

impl Node {
    /// SQL's and JSON's null.
    pub const NULL: Self = Self::number(Kind::NULL, 0);

    /// A node whose payload is the 64 bits of `word0`.
    pub const fn number(kind: Kind, word0: u64) -> Self {
        // A pointer has 64 bits: `cursor.rs` does not compile on other targets.
        let word0 = std::ptr::without_provenance(word0 as usize);
        Self { kind, flags: 0, small: 0, len: 0, word0, word1: 0 }
    }

    /// A node whose payload is `len` items at `pointer`.
    pub const fn pointer(kind: Kind, pointer: *const u8, len: u32) -> Self {
        Self { kind, flags: 0, small: 0, len, word0: pointer, word1: 0 }
    }

    /// The bits of `word0` as a number.
    pub fn bits(&self) -> u64 {
        self.word0.addr() as u64
    }
}

/// A named value in a struct. Frozen.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct FieldNode {
    /// The name's UTF-8.
    pub name: *const u8,
    /// The name's length in bytes.
    pub name_len: u32,
    /// Reserved, zero.
    pub reserved: u32,
    /// The value.
    pub value: Node,
}

// SAFETY: a tree is immutable once built, and borrowed only as long as its batch lives.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}
// SAFETY: as above.
unsafe impl Send for FieldNode {}
// SAFETY: as above.
unsafe impl Sync for FieldNode {}
