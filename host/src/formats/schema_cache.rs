//! The schemas that a decoder has compiled: as many as fit into its share of the memory. The least recently used are dropped.

use std::{collections::HashMap, hash::Hash};

/// Bytes that an entry takes beside its content.
const ENTRY_BYTES: usize = 128;

/// Items with their size. Those of the current batch stay, whatever they take, so that what was prepared can be decoded.
pub(super) struct SchemaCache<K, V> {
    entries: HashMap<K, Entry<V>>,
    bytes: usize,
    limit: usize,
    /// Counts the uses.
    now: u64,
    /// When the current batch began.
    batch: u64,
    has_dropped: bool,
}

struct Entry<V> {
    item: V,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> SchemaCache<K, V> {
    /// Holds up to `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), bytes: 0, limit, now: 1, batch: 0, has_dropped: false }
    }

    /// Bytes that it may hold.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Protects what is used from now on until the next call, and drops what is too much.
    pub(super) fn begin_batch(&mut self) {
        self.now += 1;
        self.batch = self.now;
        self.shrink();
    }

    /// The item under `key`.
    pub(super) fn get<Q>(&mut self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entry = self.entries.get_mut(key)?;
        self.now += 1;
        entry.used = self.now;
        Some(&entry.item)
    }

    /// Adds or replaces an item of `bytes`, and returns those that were dropped for it.
    pub(super) fn insert(&mut self, key: K, item: V, bytes: usize) -> Vec<V> {
        self.now += 1;
        let bytes = bytes.saturating_add(ENTRY_BYTES);
        self.bytes += bytes;
        let replaced = self.entries.insert(key, Entry { item, bytes, used: self.now });
        let mut dropped: Vec<V> = replaced.map(|entry| self.forget(entry)).into_iter().collect();
        dropped.extend(self.shrink());
        dropped
    }

    /// Whether items were dropped since the last call.
    pub(super) const fn take_dropped(&mut self) -> bool {
        std::mem::replace(&mut self.has_dropped, false)
    }

    fn forget(&mut self, entry: Entry<V>) -> V {
        self.bytes -= entry.bytes;
        entry.item
    }

    fn shrink(&mut self) -> Vec<V> {
        let mut dropped = Vec::new();
        while self.bytes > self.limit {
            let current = if self.batch == 0 { self.now } else { self.batch };
            let old = self.entries.iter().filter(|(_, entry)| entry.used < current);
            let oldest = old.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            let Some(entry) = oldest.and_then(|key| self.entries.remove(&key)) else { break };
            dropped.push(self.forget(entry));
        }
        self.has_dropped |= !dropped.is_empty();
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(items: usize) -> SchemaCache<u32, u32> {
        SchemaCache::new(items * (ENTRY_BYTES + 100))
    }

    #[test]
    fn the_least_recently_used_is_dropped() {
        let mut cache = cache(3);
        for key in 1..=3 {
            assert!(cache.insert(key, key, 100).is_empty());
        }
        assert_eq!(cache.get(&1), Some(&1));
        assert!(!cache.take_dropped());
        assert_eq!(cache.insert(4, 4, 100), [2]);
        assert!(cache.take_dropped() && !cache.take_dropped());
        assert_eq!(cache.insert(5, 5, 200), [3, 1]);
        let found = [1, 4, 5].map(|key| cache.get(&key).copied());
        assert_eq!(found, [None, Some(4), Some(5)]);
    }

    #[test]
    fn replacing_counts_the_new_size_only() {
        let mut cache = cache(2);
        for _ in 0..10 {
            cache.insert(1, 1, 100);
        }
        assert!(cache.insert(2, 2, 100).is_empty());
    }

    #[test]
    fn what_the_current_batch_uses_stays_until_the_next_one() {
        let mut cache = cache(2);
        cache.insert(0, 0, 100);
        cache.begin_batch();
        let dropped: Vec<u32> = (1..=5).flat_map(|key| cache.insert(key, key, 100)).collect();
        assert_eq!(dropped, [0]);
        assert_eq!(cache.entries.len(), 5);
        cache.begin_batch();
        assert_eq!(cache.entries.len(), 2);
        let found = [3, 4, 5].map(|key| cache.get(&key).copied());
        assert_eq!(found, [None, Some(4), Some(5)]);
    }

    #[test]
    fn an_item_larger_than_the_limit_is_the_only_one() {
        let mut cache = cache(2);
        cache.insert(1, 1, 100);
        assert_eq!(cache.insert(2, 2, 10_000), [1]);
        assert_eq!(cache.get(&2), Some(&2));
    }
}
