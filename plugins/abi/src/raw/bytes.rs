//! Borrowed bytes in records: pointer and length. Null means "absent".

use std::slice;

use abi_stable::StableAbi;

/// Borrowed bytes. A null pointer means "absent" (a Kafka null), which is different from empty.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Bytes {
    ptr: *const u8,
    len: usize,
}

impl Bytes {
    /// Absent, as opposed to empty.
    pub const ABSENT: Self = Self { ptr: std::ptr::null(), len: 0 };

    /// Borrows `bytes`. The caller must keep them alive as long as the result is used.
    pub const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// Whether the bytes are present, even if empty.
    pub const fn is_present(self) -> bool {
        !self.ptr.is_null()
    }

    /// The bytes, or `None` when absent.
    ///
    /// # Safety
    /// The memory that was passed to [`Bytes::new`] is alive and unchanged for `'a`.
    pub const unsafe fn get<'a>(self) -> Option<&'a [u8]> {
        if self.ptr.is_null() {
            return None;
        }
        // SAFETY: guaranteed by the caller; pointer and length are those of one slice.
        Some(unsafe { slice::from_raw_parts(self.ptr, self.len) })
    }

    /// The text, or `""` when absent.
    ///
    /// # Safety
    /// As for [`Bytes::get`], and the bytes are those of a `str`.
    pub const unsafe fn text<'a>(self) -> &'a str {
        // SAFETY: guaranteed by the caller.
        match unsafe { self.get() } {
            // SAFETY: guaranteed by the caller: the bytes are those of a `str`.
            Some(bytes) => unsafe { std::str::from_utf8_unchecked(bytes) },
            None => "",
        }
    }
}

// SAFETY: a shared borrow of immutable bytes; the holder ensures the lifetime.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}
