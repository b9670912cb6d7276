//! What the records of a batch borrow from others, such as schemas: shared, and kept until the batch is reset.

use std::{any::Any, marker::PhantomData, ptr, sync::Arc};

/// How many of the last items are compared before one is kept again. Records of a batch mostly share a few schemas.
const RECENT: usize = 8;

/// Something that records can borrow.
pub trait Keep: Any + Send + Sync {
    /// Bytes of memory that it takes.
    fn bytes(&self) -> usize;
}

/// The items of one batch.
#[derive(Default)]
pub(super) struct KeptItems {
    items: Vec<Arc<dyn Keep>>,
    bytes: usize,
}

impl KeptItems {
    /// Drops what the batch holds.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    /// Bytes of all items.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets a decoder keep items.
    ///
    /// # Safety
    /// For `'b`, the items are neither dropped nor used in another way than through the result and its copies, by one thread.
    pub(super) unsafe fn lend<'b>(&mut self) -> Kept<'b> {
        Kept { items: ptr::from_mut(self), batch: PhantomData }
    }
}

/// Keeps items as long as the batch holds its records, `'b`.
#[derive(Clone, Copy)]
pub struct Kept<'b> {
    items: *mut KeptItems,
    batch: PhantomData<fn(&'b ()) -> &'b ()>,
}

impl<'b> Kept<'b> {
    /// Shares `item` with the batch.
    #[must_use]
    pub fn keep<T: Keep>(self, item: &Arc<T>) -> &'b T {
        // SAFETY: by the contract of `lend`, nobody else uses the items, and this reference ends with the function.
        let kept = unsafe { &mut *self.items };
        let address = Arc::as_ptr(item);
        let is_kept =
            kept.items.iter().rev().take(RECENT).any(|known| ptr::addr_eq(Arc::as_ptr(known), address));
        if !is_kept {
            kept.bytes += item.bytes();
            kept.items.push(Arc::<T>::clone(item));
        }
        // SAFETY: the batch holds a share of the item for `'b`, and what is shared never moves.
        unsafe { &*address }
    }
}
