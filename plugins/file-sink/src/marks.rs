//! Which records of a batch are in the files already.
//!
//! The host repeats a batch whose outcome it does not know, such as one whose commit reported an error and happened.

use tidegate_plugin::{Error, Record, Result};

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
    pub(crate) fn is_written(&self, record: Record<'_>) -> Result<bool> {
        self.find(record.topic(), record.partition(), record.offset()).ok_or_else(|| {
            Error::fatal(format_args!(
                "{record:?} may be in the files already: its topic was changed, and several partitions of the batch have \
                 its number; start the connector anew, so that it goes on behind what was written"
            ))
        })
    }

    /// Whether an offset is written; `None` when that cannot be told.
    ///
    /// A transform may have given a record another topic, and the one that it came from is not told. Then all
    /// partitions of its number must agree.
    fn find(&self, topic: &str, partition: i32, offset: i64) -> Option<bool> {
        let mut candidates = self.0.iter().filter(|mark| mark.partition == partition);
        if let Some(mark) = candidates.clone().find(|mark| mark.topic == topic) {
            return Some(offset < mark.written_below);
        }
        let Some(first) = candidates.next() else { return Some(false) };
        let written = offset < first.written_below;
        candidates.all(|mark| (offset < mark.written_below) == written).then_some(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Marks<'static> {
        let mark = |(topic, partition, written_below)| Mark { topic, partition, written_below };
        [("a", 0, 10), ("b", 0, 20), ("a", 1, 5)].into_iter().map(mark).collect()
    }

    #[test]
    fn a_record_is_matched_by_topic_and_partition() {
        assert_eq!(marks().find("a", 0, 9), Some(true));
        assert_eq!(marks().find("a", 0, 10), Some(false));
        assert_eq!(marks().find("b", 0, 10), Some(true));
    }

    #[test]
    fn a_record_with_another_topic_is_matched_where_there_is_one_answer() {
        assert_eq!(marks().find("new", 1, 4), Some(true));
        assert_eq!(marks().find("new", 1, 5), Some(false));
        assert_eq!(marks().find("new", 0, 9), Some(true));
        assert_eq!(marks().find("new", 0, 20), Some(false));
        assert_eq!(marks().find("new", 0, 15), None);
        assert_eq!(marks().find("new", 7, 15), Some(false));
    }
}
