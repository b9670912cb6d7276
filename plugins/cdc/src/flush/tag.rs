//! Query tags of batches.

use tidegate_plugin::Batch;

/// The offsets of a batch, for the query tag.
pub(super) fn batch_tag(batch: &Batch<'_>) -> String {
    let mut text = String::new();
    for position in batch.positions() {
        let first = batch.iter().find(|record| {
            record.source_partition() == position.partition && record.source_topic() == position.topic
        });
        let from = first.map_or(position.next_offset, |record| record.offset());
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&format!("{}-{}@{from}-{}", position.topic, position.partition, position.next_offset));
    }
    text
}
