//! Detects records of a batch that are already in the files.
//!
//! The host writes a batch again if it does not know the outcome, for example if the commit succeeded but returned an
//! error.

use tidegate_plugin::Record;

/// The written offsets of the partitions of a batch.
pub(crate) struct WrittenOffsets<'b>(Vec<WrittenOffset<'b>>);

/// The written offset of one partition.
pub(crate) struct WrittenOffset<'b> {
    /// Kafka topic.
    pub(crate) topic: &'b str,
    pub(crate) partition: i32,
    /// Records below this offset are in the files.
    pub(crate) next_offset: i64,
}

impl<'b> FromIterator<WrittenOffset<'b>> for WrittenOffsets<'b> {
    fn from_iter<I: IntoIterator<Item = WrittenOffset<'b>>>(offsets: I) -> Self {
        Self(offsets.into_iter().collect())
    }
}

impl WrittenOffsets<'_> {
    /// Whether the record is in the files.
    pub(crate) fn contains(&self, record: Record<'_>) -> bool {
        self.is_written(record.source_topic(), record.source_partition(), record.offset())
    }

    fn is_written(&self, topic: &str, partition: i32, offset: i64) -> bool {
        let written = self.0.iter().find(|written| written.partition == partition && written.topic == topic);
        written.is_some_and(|written| offset < written.next_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_matched_by_topic_and_partition() {
        let written = |(topic, partition, next_offset)| WrittenOffset { topic, partition, next_offset };
        let offsets: WrittenOffsets<'_> =
            [("a", 0, 10), ("b", 0, 20), ("a", 1, 5)].into_iter().map(written).collect();
        assert!(offsets.is_written("a", 0, 9));
        assert!(!offsets.is_written("a", 0, 10));
        assert!(offsets.is_written("b", 0, 10));
        assert!(!offsets.is_written("c", 0, 1));
    }
}
