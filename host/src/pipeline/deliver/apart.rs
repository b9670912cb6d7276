//! Trouble with one partition, for a sink that can go on with the others.

use std::collections::HashMap;

use tidegate_abi::host::Batch;

use super::OpenSink;
use crate::{
    kafka::consumer::TopicPartition,
    pipeline::{
        channels::{Inbox, SetBack},
        split::Parts,
    },
    plugins::CallError,
};

impl OpenSink<'_> {
    /// Whether trouble with one partition leaves others that can go on.
    pub(super) fn takes_partitions_apart(&self) -> bool {
        let partitions: usize = self.owned.values().map(HashMap::len).sum();
        self.role.settings.sink.manifest.partitions_apart && partitions > 1
    }

    /// A part could not be written for now: what is left is written partition by partition, and a partition that fails by
    /// itself is set back, so that the others go on.
    pub(super) fn take_apart(
        &mut self,
        batch: &mut Batch,
        parts: &mut Parts,
        error: CallError,
        grouped: &mut bool,
    ) {
        if !*grouped {
            *grouped = true;
            let lengths = batch.group_by_partition(parts.start());
            let apart = lengths.len() > 1;
            parts.recut(lengths);
            if apart {
                return;
            }
        }
        let set_back = batch.set_back(parts.start());
        // Parts of the same partition may have followed.
        parts.recut(batch.group_by_partition(parts.start()));
        let Some(at) = set_back else { return };
        let owned = self.owned.get_mut(&*at.topic).and_then(|topic| topic.get_mut(&at.partition));
        owned.into_iter().for_each(|owned| owned.set_back = true);
        let partition = TopicPartition::new(&*at.topic, at.partition);
        let (generation, stage) = (at.generation, self.stage.clone());
        let set_back = SetBack { partition, generation, stage, error };
        let _ended = self.role.poll.send(Inbox::SetBack(set_back)).is_err();
    }
}
