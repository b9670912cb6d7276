//! A borrowed run of bytes as it lies in records: pointer and length, null meaning "absent".

use std::slice;

use abi_stable::StableAbi;

/// Borrowed bytes. A null pointer is "absent" (a Kafka null), which is not the same as empty.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Bytes {
    ptr: *const u8,
    len: usize,
}

impl Bytes {
    /// No bytes at all, as opposed to zero bytes.
    pub const ABSENT: Self = Self { ptr: std::ptr::null(), len: 0 };

    /// Borrows `bytes`; whoever stores the result keeps them alive for as long as it is read.
    pub const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// Whether there are bytes, be they none.
    pub const fn is_present(self) -> bool {
        !self.ptr.is_null()
    }

    /// The bytes, or `None` when absent.
    ///
    /// # Safety
    /// The memory that was given to [`Bytes::new`] is alive and unchanged for `'a`.
    pub const unsafe fn get<'a>(self) -> Option<&'a [u8]> {
        if self.ptr.is_null() {
            return None;
        }
        // SAFETY: by the caller's promise; pointer and length came from one slice.
        Some(unsafe { slice::from_raw_parts(self.ptr, self.len) })
    }

    /// The text, or `""` when absent.
    ///
    /// # Safety
    /// As [`Bytes::get`], and the bytes came from a `str`.
    pub const unsafe fn text<'a>(self) -> &'a str {
        // SAFETY: by the caller's promise.
        match unsafe { self.get() } {
            // SAFETY: by the caller's promise: they were a `str`.
            Some(bytes) => unsafe { std::str::from_utf8_unchecked(bytes) },
            None => "",
        }
    }
}

// SAFETY: a shared borrow of immutable bytes; the lifetime is the holder's business.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}
