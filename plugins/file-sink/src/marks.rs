//! Which records of a batch are in the files already.
//!
//! The host repeats a batch whose outcome it does not know, such as one whose commit reported an error and happened.

use tidegate_plugin::Record;

/// The partitions of a batch, each with the offset below which its records are in the files.
pub(crate) struct Marks<'b>(Vec<Mark<'b>>);

/// One partition.
pub(crate) struct Mark<'b> {
    /// Topic as Kafka has it.
    pub(crate) topic: &'b str,
    /// Partition.
    pub(crate) partition: i32,
    /// What is below this offset is written.
    pub(crate) written_below: i64,
}

impl<'b> FromIterator<Mark<'b>> for Marks<'b> {
    fn from_iter<I: IntoIterator<Item = Mark<'b>>>(marks: I) -> Self {
        Self(marks.into_iter().collect())
    }
}

impl Marks<'_> {
    /// Whether the record is in the files.
    pub(crate) fn is_written(&self, record: Record<'_>) -> bool {
        self.find(record.source_topic(), record.partition(), record.offset())
    }

    fn find(&self, topic: &str, partition: i32, offset: i64) -> bool {
        let mark = self.0.iter().find(|mark| mark.partition == partition && mark.topic == topic);
        mark.is_some_and(|mark| offset < mark.written_below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_matched_by_topic_and_partition() {
        let mark = |(topic, partition, written_below)| Mark { topic, partition, written_below };
        let marks: Marks<'_> = [("a", 0, 10), ("b", 0, 20), ("a", 1, 5)].into_iter().map(mark).collect();
        assert!(marks.find("a", 0, 9));
        assert!(!marks.find("a", 0, 10));
        assert!(marks.find("b", 0, 10));
        assert!(!marks.find("c", 0, 1));
    }
}
