//! The memory of an arena: chunks for bump allocation, reused for the next batch.

use std::{
    mem::MaybeUninit,
    ops::Range,
    ptr::{self, NonNull},
};

use crate::{arena::Arena, raw::Cursor};

const FIRST_CHUNK: usize = 64 << 10;
const LARGEST_CHUNK: usize = 1 << 20;

/// A chunk of memory. A raw pointer, not a box: cursors point into it while the list of chunks is accessed, and a box
/// would assert exclusive access.
struct Chunk(NonNull<[MaybeUninit<u8>]>);

impl Chunk {
    fn new(size: usize) -> Self {
        Self(NonNull::from(Box::leak(Box::new_uninit_slice(size))))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// Pointers to the first byte and one past the last.
    fn range(&self) -> Range<*mut u8> {
        let start = self.0.as_ptr().cast::<u8>();
        // SAFETY: one past the end of our own allocation.
        start..unsafe { start.add(self.len()) }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: leaked from a box in `new`, and not used afterwards.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// A position in the memory; see [`Chunks::rewind`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    chunk: usize,
    used: usize,
}

/// Chunked memory for bump allocation. Allocated values never move; [`Chunks::reset`] empties the memory and keeps the chunks.
pub struct Chunks {
    // A raw pointer, not a box: plugins hold a pointer to the cursor inside while the batch moves between threads, and a
    // box would assert exclusive access.
    inner: NonNull<Inner>,
}

struct Inner {
    cursor: Cursor,
    chunks: Vec<Chunk>,
    current: usize,
    first_chunk: usize,
    limit: usize,
    limit_reached: bool,
}

impl Chunks {
    /// Creates it without memory; the first allocation creates the first chunk.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_with(FIRST_CHUNK)
    }

    /// As [`Self::new`], with another size of the first chunk in bytes.
    pub(super) fn starting_with(first_chunk: usize) -> Self {
        let cursor = Cursor { ptr: ptr::null_mut(), end: ptr::null_mut(), ctx: ptr::null_mut(), grow };
        let inner = Box::new(Inner {
            cursor,
            chunks: Vec::new(),
            current: 0,
            first_chunk,
            limit: usize::MAX,
            limit_reached: false,
        });
        let inner = NonNull::from(Box::leak(inner));
        // SAFETY: just allocated, and not shared yet.
        unsafe { (*inner.as_ptr()).cursor.ctx = inner.as_ptr().cast() };
        Self { inner }
    }

    fn inner(&self) -> &Inner {
        // SAFETY: we own it, and the result borrows us.
        unsafe { self.inner.as_ref() }
    }

    fn inner_mut(&mut self) -> &mut Inner {
        // SAFETY: we own it, and the result borrows us.
        unsafe { self.inner.as_mut() }
    }

    /// Total bytes of all chunks.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.inner().capacity()
    }

    /// Bytes in use, including unused bytes at the ends of full chunks.
    #[must_use]
    pub fn used(&self) -> usize {
        let before: usize = self.inner().chunks.iter().take(self.inner().current).map(Chunk::len).sum();
        before + self.mark().used
    }

    /// Limits the total size of the chunks; allocations beyond `limit` fail.
    pub fn set_limit(&mut self, limit: usize) {
        let inner = self.inner_mut();
        (inner.limit, inner.limit_reached) = (limit, false);
    }

    /// Whether an allocation has failed since the limit was set.
    #[must_use]
    pub fn limit_reached(&self) -> bool {
        self.inner().limit_reached
    }

    /// Drops all values. Keeps chunks of at most `keep` bytes in total and frees the others.
    pub fn reset(&mut self, keep: usize) {
        let inner = self.inner_mut();
        let mut kept = 0;
        inner.chunks.retain(|chunk| {
            let fits = kept + chunk.len() <= keep;
            kept += if fits { chunk.len() } else { 0 };
            fits
        });
        inner.limit = usize::MAX;
        inner.enter(0);
    }

    /// The current position in the memory.
    pub(super) fn mark(&self) -> Mark {
        let inner = self.inner();
        let start = inner.chunks.get(inner.current).map_or(ptr::null_mut(), |chunk| chunk.range().start);
        Mark { chunk: inner.current, used: inner.cursor.ptr.addr() - start.addr() }
    }

    /// Drops all values that were allocated after `mark`; keeps the memory.
    ///
    /// # Panics
    /// If the memory was reset since `mark` and is smaller now.
    pub(super) fn rewind(&mut self, mark: Mark) {
        let inner = self.inner_mut();
        inner.enter(mark.chunk);
        assert!(
            mark.used <= inner.cursor.end.addr() - inner.cursor.ptr.addr(),
            "the mark is older than a reset"
        );
        // SAFETY: within the chunk, as just checked.
        inner.cursor.ptr = unsafe { inner.cursor.ptr.add(mark.used) };
    }

    /// The cursor, to be passed to a plugin.
    pub fn cursor(&mut self) -> *mut Cursor {
        // SAFETY: in bounds of our own allocation; no reference is created.
        unsafe { &raw mut (*self.inner.as_ptr()).cursor }
    }

    /// The arena, for the owner of the batch.
    ///
    /// # Safety
    /// No allocated value is used after the chunks are reset or dropped, and nothing else allocates at the same time.
    pub unsafe fn arena<'b>(&mut self) -> Arena<'b> {
        // SAFETY: guaranteed by the caller.
        unsafe { Arena::from_cursor(self.cursor()) }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        // SAFETY: leaked from a box in `new`, and not used afterwards.
        drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
    }
}

impl Default for Chunks {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn capacity(&self) -> usize {
        self.chunks.iter().map(Chunk::len).sum()
    }

    /// Makes chunk `index` the current one, with all of it free.
    fn enter(&mut self, index: usize) {
        self.current = index;
        let range = self.chunks.get(index).map_or(ptr::null_mut()..ptr::null_mut(), Chunk::range);
        (self.cursor.ptr, self.cursor.end) = (range.start, range.end);
    }

    fn grow(&mut self, size: usize, align: usize) -> *mut u8 {
        let Some(needed) = size.checked_add(align) else { return ptr::null_mut() };
        let next = if self.cursor.ptr.is_null() { 0 } else { self.current + 1 };
        if self.chunks.get(next).is_none_or(|chunk| chunk.len() < needed) {
            let capacity = self.capacity();
            let wanted = capacity.clamp(self.first_chunk, LARGEST_CHUNK).max(needed);
            if capacity.saturating_add(wanted) > self.limit {
                self.limit_reached = true;
                return ptr::null_mut();
            }
            self.chunks.insert(next, Chunk::new(wanted));
        }
        self.enter(next);
        let start = self.cursor.ptr;
        let padding = start.align_offset(align);
        // SAFETY: the chunk holds at least `size + align` bytes.
        unsafe {
            self.cursor.ptr = start.add(padding + size);
            start.add(padding)
        }
    }
}

unsafe extern "C" fn grow(cursor: *mut Cursor, size: usize, align: usize) -> *mut u8 {
    // SAFETY: `cursor` is the one in `Inner`, whose context points to that `Inner`; only one thread allocates.
    let inner = unsafe { &mut *(*cursor).ctx.cast::<Inner>() };
    inner.grow(size, align)
}

// SAFETY: the chunks are owned, and their pointers are only dereferenced through `&mut Chunks`.
unsafe impl Send for Chunks {}
// SAFETY: `&Chunks` only allows reading the capacity.
unsafe impl Sync for Chunks {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_move_while_the_arena_grows() {
        let mut chunks = Chunks::new();
        // SAFETY: nothing is used after `chunks` is dropped.
        let arena = unsafe { chunks.arena() };
        let texts: Vec<&str> = (0..50_000).map(|n| arena.str(&format!("value {n}"))).collect();
        let large = arena.slice(&vec![7u8; 3 << 20]);
        assert!(texts.iter().enumerate().all(|(n, text)| *text == format!("value {n}")));
        assert!(large.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn a_reset_reuses_the_memory() {
        let mut chunks = Chunks::new();
        for _ in 0..3 {
            for _ in 0..1000 {
                // SAFETY: the slice is dropped at once.
                let _ = unsafe { chunks.arena() }.slice(&[1u64; 64]);
            }
            chunks.reset(usize::MAX);
        }
        let capacity = chunks.capacity();
        assert!((512_000..2_000_000).contains(&capacity), "{capacity}");
        chunks.reset(0);
        assert_eq!(chunks.capacity(), 0);
    }

    #[test]
    fn rewinding_drops_later_values_and_keeps_earlier_ones() {
        let mut chunks = Chunks::new();
        // SAFETY: values that are used after rewinding were allocated before the mark.
        let arena = unsafe { chunks.arena() };
        let empty = chunks.mark();
        let _ = arena.slice(&[0u8; 100_000]);
        chunks.rewind(empty);
        let kept = arena.str("kept");
        let mark = chunks.mark();
        for _ in 0..100 {
            let _ = arena.slice(&[7u8; 60_000]);
            chunks.rewind(mark);
        }
        let _ = arena.slice(&[7u8; 60_000]);
        assert_eq!(kept, "kept");
        assert!(chunks.capacity() < 400_000, "{}", chunks.capacity());
    }

    #[test]
    fn zero_sized_values_need_no_memory() {
        let mut chunks = Chunks::new();
        // SAFETY: the slice is dropped at once.
        assert_eq!(unsafe { chunks.arena() }.slice(&[(), ()]).len(), 2);
        assert_eq!(chunks.capacity(), 0);
    }

    #[test]
    #[should_panic(expected = "memory limit")]
    fn allocating_beyond_the_limit_panics() {
        let mut chunks = Chunks::new();
        chunks.set_limit(256 << 10);
        for _ in 0..100 {
            // SAFETY: the slice is dropped at once.
            let _ = unsafe { chunks.arena() }.slice(&[1u8; 10_000]);
        }
    }
}
