//! Bump allocation in a batch's memory, inlined on both sides of the boundary.

use std::{marker::PhantomData, slice};

use crate::{
    change::ChangeParts,
    raw::{ChangeView, Cursor},
    value::{Field, Value},
};

/// Allocator for the new values of a batch. Allocated values live as long as the call, `'b`.
///
/// `'b` is invariant and different for every call, so values of one batch cannot be used in another.
#[derive(Clone, Copy)]
pub struct Arena<'b> {
    cursor: *mut Cursor,
    batch: PhantomData<fn(&'b ()) -> &'b ()>,
}

impl<'b> Arena<'b> {
    /// Wraps a cursor.
    ///
    /// # Safety
    /// `cursor` is valid for `'b`, only this thread uses it during that time, and allocated memory is neither moved nor
    /// freed before `'b` ends.
    #[must_use]
    pub const unsafe fn from_cursor(cursor: *mut Cursor) -> Self {
        Self { cursor, batch: PhantomData }
    }

    /// Allocates `size` uninitialised bytes aligned to `align`, a power of two. Zero bytes need no memory.
    ///
    /// # Panics
    /// If the memory limit of the batch is reached. The SDK turns the panic into an error of the call.
    #[inline]
    fn allocate(self, size: usize, align: usize) -> *mut u8 {
        if size == 0 {
            return std::ptr::without_provenance_mut(align);
        }
        // SAFETY: guaranteed by the contract of `from_cursor`; no reference to the cursor is kept.
        unsafe {
            let ptr = (*self.cursor).ptr;
            let padding = ptr.align_offset(align);
            let free = (*self.cursor).end.addr() - ptr.addr();
            if padding.saturating_add(size) <= free {
                (*self.cursor).ptr = ptr.add(padding + size);
                return ptr.add(padding);
            }
        }
        self.grow(size, align)
    }

    #[cold]
    #[inline(never)]
    fn grow(self, size: usize, align: usize) -> *mut u8 {
        // SAFETY: guaranteed by the contract of `from_cursor`; no reference to the cursor is kept.
        let memory = unsafe { ((*self.cursor).grow)(self.cursor, size, align) };
        assert!(
            !memory.is_null(),
            "the memory limit of the batch is reached: allocate less per record, or raise limits.memory"
        );
        memory
    }

    /// Copies `items` into the arena.
    ///
    /// # Panics
    /// If the memory limit of the batch is reached.
    #[must_use]
    #[inline]
    pub fn slice<T: Copy + 'b>(self, items: &[T]) -> &'b [T] {
        if items.is_empty() {
            return &[];
        }
        let to = self.allocate(size_of_val(items), align_of::<T>()).cast::<T>();
        // SAFETY: `to` has space for the items, is aligned, and lives for `'b`; `T: Copy` needs no drop.
        unsafe {
            std::ptr::copy_nonoverlapping(items.as_ptr(), to, items.len());
            slice::from_raw_parts(to, items.len())
        }
    }

    /// Collects `items` into the arena without a temporary list on the heap.
    ///
    /// # Panics
    /// If the memory limit of the batch is reached, or the iterator yields fewer items than its length.
    #[must_use]
    pub fn collect<T: Copy + 'b>(self, items: impl ExactSizeIterator<Item = T>) -> &'b [T] {
        let len = items.len();
        if len == 0 {
            return &[];
        }
        let to = self.allocate(size_of::<T>().saturating_mul(len), align_of::<T>()).cast::<T>();
        let mut written = 0;
        for item in items.take(len) {
            // SAFETY: `written < len`, and `to` has space for `len` items.
            unsafe { to.add(written).write(item) };
            written += 1;
        }
        assert_eq!(written, len, "an ExactSizeIterator must yield exactly len() items");
        // SAFETY: all `len` items are written, and live for `'b`.
        unsafe { slice::from_raw_parts(to, len) }
    }

    /// Copies the items for which `keep` is true into the arena, without a temporary list on the heap. Returns the list itself
    /// if that is all of them.
    ///
    /// # Panics
    /// If the memory limit of the batch is reached.
    #[must_use]
    pub fn filter<T: Copy + 'b>(self, items: &'b [T], keep: impl Fn(&T) -> bool) -> &'b [T] {
        let count = items.iter().filter(|item| keep(item)).count();
        if count == items.len() {
            return items;
        }
        let Some(first) = items.iter().copied().find(|item| keep(item)) else { return &[] };
        let mut kept = items.iter().copied().filter(|item| keep(item));
        self.collect((0..count).map(|_| kept.next().unwrap_or(first)))
    }

    /// Copies `item` into the arena.
    ///
    /// # Panics
    /// If the memory limit of the batch is reached.
    #[must_use]
    #[inline]
    pub fn alloc<T: Copy + 'b>(self, item: T) -> &'b T {
        &self.slice(slice::from_ref(&item))[0]
    }

    /// Copies `text` into the arena.
    ///
    /// # Panics
    /// If the memory limit of the batch is reached.
    #[must_use]
    #[inline]
    pub fn str(self, text: &str) -> &'b str {
        // SAFETY: a copy of valid UTF-8.
        unsafe { std::str::from_utf8_unchecked(self.slice(text.as_bytes())) }
    }

    /// Creates a string value from a copy of `text`. For text that is already in the arena, use [`Value::string`].
    #[must_use]
    #[inline]
    pub fn string(self, text: &str) -> Value<'b> {
        Value::string(self.str(text))
    }

    /// Creates a bytes value from a copy of `bytes`.
    #[must_use]
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Value<'b> {
        Value::bytes(self.slice(bytes))
    }

    /// Creates a list value.
    #[must_use]
    #[inline]
    pub fn list(self, items: &[Value<'b>]) -> Value<'b> {
        Value::list(self.slice(items))
    }

    /// Creates a struct value. The names must already be in the arena, or static.
    #[must_use]
    #[inline]
    pub fn object(self, fields: &[Field<'b>]) -> Value<'b> {
        Value::object(self.slice(fields))
    }

    /// Creates a change event, for formats and for transforms.
    #[must_use]
    pub fn change(self, parts: &ChangeParts<'b>) -> &'b ChangeView {
        self.alloc(parts.to_view())
    }
}
