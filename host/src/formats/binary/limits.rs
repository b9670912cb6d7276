//! Bounds of what one value may make a decoder do, whatever its schema and its data say.

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::formats::json::MAX_DEPTH;

/// Bounds of what one value may make the decoder do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DecodeLimits {
    /// Levels of records, lists and maps within each other.
    pub max_depth: u32,
    /// Records, and items of lists and maps. They may take no bytes at all, so that the data does not bound their number.
    pub max_items: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { max_depth: MAX_DEPTH, max_items: 1_000_000 }
    }
}

/// What is left of the limits.
pub(crate) struct Bounds {
    limits: DecodeLimits,
    depth: u32,
    items: u64,
}

impl Bounds {
    pub(crate) const fn new(limits: DecodeLimits) -> Self {
        Self { limits, depth: limits.max_depth, items: limits.max_items }
    }

    /// Enters a record, a list or a map.
    #[inline]
    pub(crate) fn enter(&mut self) -> Result<(), Fault> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(Fault::Depth(self.limits.max_depth));
        };
        self.depth = depth;
        self.take(1)
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        self.depth += 1;
    }

    /// Takes so many items.
    #[inline]
    pub(crate) fn take(&mut self, items: u64) -> Result<(), Fault> {
        let Some(items) = self.items.checked_sub(items) else {
            return Err(Fault::Items(self.limits.max_items));
        };
        self.items = items;
        Ok(())
    }
}
