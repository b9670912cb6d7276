//! What is known of topics with flattened rows: what their tombstones mean.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What the rows of a partition have shown, and what its tombstones therefore mean.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FlattenedTopic {
    /// Deletes come as rows, with `__deleted` or with an operation: a tombstone only repeats one.
    pub(crate) announces_deletes: bool,
    /// The rows are MongoDB's documents, whose keys call the field `_id` just `id`.
    pub(crate) has_documents: bool,
    /// Rows of more than one table were seen, so that a key alone does not say whose row it is.
    pub(crate) has_several_tables: bool,
    /// Database of the last row; may be empty.
    pub(crate) database: Box<str>,
    /// Schema of the last row; may be empty.
    pub(crate) schema: Box<str>,
    /// Table of the last row.
    pub(crate) table: Box<str>,
}

/// What one row shows.
#[derive(Clone, Copy)]
pub(super) struct RowFlags<'b> {
    pub(super) announces_deletes: bool,
    pub(super) has_documents: bool,
    pub(super) database: &'b str,
    pub(super) schema: &'b str,
    pub(super) table: &'b str,
}

/// The partitions in which flattened rows were seen, and how many tombstones came before the first.
#[derive(Default)]
pub(crate) struct FlattenedTopics {
    known: HashMap<Box<str>, Vec<(i32, FlattenedTopic)>>,
    passed_over: HashMap<Box<str>, Vec<(i32, u64)>>,
}

impl FlattenedTopics {
    /// What is known of a partition, to be stored with its offset.
    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<&FlattenedTopic> {
        if self.known.is_empty() {
            return None;
        }
        self.known.get(topic)?.iter().find(|(known, _)| *known == partition).map(|(_, topic)| topic)
    }

    /// Sets what was known of a partition when its offset was stored; `None` forgets it.
    pub(crate) fn set(&mut self, topic: &str, partition: i32, known: Option<FlattenedTopic>) {
        let partitions = match self.known.get_mut(topic) {
            Some(partitions) => partitions,
            None if known.is_none() => return,
            None => self.known.entry(topic.into()).or_default(),
        };
        partitions.retain(|(other, _)| *other != partition);
        partitions.extend(known.map(|known| (partition, known)));
    }

    /// An event in an envelope: the topic's tombstones repeat deletes.
    #[inline]
    pub(in crate::formats::change) fn see_envelope(&mut self, topic: &str, partition: i32) {
        if self.get(topic, partition).is_some() {
            self.set(topic, partition, None);
        }
    }

    /// A flattened row. Gives the number of tombstones that were passed over before it and were deletes.
    pub(super) fn see_row(&mut self, topic: &str, partition: i32, shown: RowFlags<'_>) -> u64 {
        let partitions = match self.known.get_mut(topic) {
            Some(partitions) => partitions,
            None => self.known.entry(topic.into()).or_default(),
        };
        if let Some((_, known)) = partitions.iter_mut().find(|(known, _)| *known == partition) {
            known.see(shown);
            return 0;
        }
        let mut first = FlattenedTopic::default();
        first.rename(shown);
        first.see(shown);
        partitions.push((partition, first));
        let passed_over = self.take_passed_over(topic, partition);
        if shown.announces_deletes { 0 } else { passed_over }
    }

    /// A tombstone of which nothing says whether it is a delete.
    pub(super) fn pass_over(&mut self, topic: &str, partition: i32) {
        let partitions = match self.passed_over.get_mut(topic) {
            Some(partitions) => partitions,
            None => self.passed_over.entry(topic.into()).or_default(),
        };
        match partitions.iter_mut().find(|(known, _)| *known == partition) {
            Some((_, count)) => *count += 1,
            None => partitions.push((partition, 1)),
        }
    }

    fn take_passed_over(&mut self, topic: &str, partition: i32) -> u64 {
        let Some(partitions) = self.passed_over.get_mut(topic) else { return 0 };
        let found = partitions.iter().position(|(known, _)| *known == partition);
        found.map_or(0, |index| partitions.swap_remove(index).1)
    }
}

impl FlattenedTopic {
    fn see(&mut self, shown: RowFlags<'_>) {
        self.announces_deletes |= shown.announces_deletes;
        self.has_documents |= shown.has_documents;
        let names = [shown.database, shown.schema, shown.table];
        if names != [&*self.database, &*self.schema, &*self.table] {
            self.has_several_tables = true;
            self.rename(shown);
        }
    }

    fn rename(&mut self, shown: RowFlags<'_>) {
        self.database = shown.database.into();
        self.schema = shown.schema.into();
        self.table = shown.table.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: RowFlags<'_> = RowFlags {
        announces_deletes: false,
        has_documents: false,
        database: "shop",
        schema: "public",
        table: "items",
    };

    #[test]
    fn what_was_stored_is_known_again() {
        let mut topics = FlattenedTopics::default();
        assert_eq!(topics.get("t", 0), None);
        topics.see_row("t", 0, RowFlags { announces_deletes: true, ..ROW });
        let stored = topics.get("t", 0).cloned().unwrap();
        assert!(stored.announces_deletes && !stored.has_several_tables);
        assert_eq!((&*stored.database, &*stored.schema, &*stored.table), ("shop", "public", "items"));
        let text = serde_json::to_string(&stored).unwrap();
        let mut later = FlattenedTopics::default();
        later.set("t", 0, serde_json::from_str(&text).unwrap());
        assert_eq!((later.get("t", 0), later.get("t", 1), later.get("u", 0)), (Some(&stored), None, None));
        later.see_envelope("t", 0);
        assert_eq!(later.get("t", 0), None);
    }

    #[test]
    fn tombstones_before_the_first_row_are_counted_unless_they_repeat_deletes() {
        let mut topics = FlattenedTopics::default();
        topics.pass_over("t", 0);
        topics.pass_over("t", 0);
        topics.pass_over("t", 1);
        assert_eq!(topics.see_row("t", 0, ROW), 2);
        assert_eq!(topics.see_row("t", 0, ROW), 0);
        assert_eq!(topics.see_row("t", 1, RowFlags { announces_deletes: true, ..ROW }), 0);
    }

    #[test]
    fn a_second_table_is_remembered() {
        let mut topics = FlattenedTopics::default();
        topics.see_row("t", 0, ROW);
        topics.see_row("t", 0, RowFlags { table: "others", ..ROW });
        assert!(topics.get("t", 0).unwrap().has_several_tables);
    }
}
