//! Partitions that cannot be written for now, with a sink that writes partitions independently.

use std::collections::HashMap;

use tidegate_abi::host::Batch;

use super::{OpenSink, parts::Parts};
use crate::{
    kafka::consumer::TopicPartition,
    pipeline::{
        channels::{PartitionFailure, PollMessage},
        retry::count_retry,
    },
    plugins::CallError,
};

impl OpenSink<'_> {
    /// Whether other partitions continue when one fails.
    pub(super) fn isolates_partitions(&self) -> bool {
        let partitions: usize = self.owned.values().map(HashMap::len).sum();
        self.plugins.sink.manifest.isolates_partitions && partitions > 1
    }

    /// A part could not be written for now. The rest of the batch is written partition by partition; a partition that fails on
    /// its own is dropped from the batch and reported to the poll loop, which pauses it and reads it again later.
    pub(super) fn isolate_partition(
        &mut self,
        batch: &mut Batch,
        parts: &mut Parts,
        error: CallError,
        grouped: &mut bool,
    ) {
        if !*grouped {
            *grouped = true;
            let lengths = batch.group_by_partition(parts.start());
            let has_others = lengths.len() > 1;
            parts.recut(lengths);
            if has_others {
                return;
            }
        }
        let dropped = batch.drop_partition_from(parts.start());
        // Parts of the same partition may have followed.
        parts.recut(batch.group_by_partition(parts.start()));
        let Some(at) = dropped else { return };
        let owned = self.owned.get_mut(&*at.topic).and_then(|topic| topic.get_mut(&at.partition));
        owned.into_iter().for_each(|owned| owned.has_failed = true);
        let partition = TopicPartition::new(&*at.topic, at.partition);
        let (generation, stage) = (at.generation, self.stage.clone());
        count_retry(&self.worker.settings, &stage);
        let failure = PartitionFailure { partition, generation, stage, error };
        let _ended = self.worker.poll.send(PollMessage::PartitionFailed(failure)).is_err();
    }
}
