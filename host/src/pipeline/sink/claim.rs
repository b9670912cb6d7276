//! Claims: the sink takes over assigned partitions, and returns their start offsets if it stores offsets.

use std::{collections::HashMap, sync::Arc, time::Instant};

use super::{OpenSink, Owned, lost_position};
use crate::{
    formats,
    kafka::consumer::{ConsumerError, Positions, ResolvedStarts, StartAt, TopicPartition},
    pipeline::{
        channels::{Claimed, States},
        error::TaskError,
    },
    plugins::{CallError, SinkInstance, StoredClaim},
};

impl OpenSink<'_> {
    /// Claims partitions and determines their start offsets: at the sink's offset, else at that in `committable`, else
    /// at the group's, else `source.start`. Returns `None` when the consumer is closed in the meantime.
    pub(super) fn claim(
        &mut self,
        generation: u64,
        partitions: &[TopicPartition],
        committable: &Positions,
        mut states: States,
    ) -> Result<Option<Claimed>, TaskError> {
        let claims = self.claim_from_sink(partitions)?;
        let mut stored = HashMap::new();
        for (at, StoredClaim { next_offset, epoch, state }) in partitions.iter().zip(claims) {
            self.stores_offsets |= next_offset.is_some() || epoch > 0;
            let owned = Owned { generation, epoch, has_failed: false };
            self.owned.entry(at.topic.clone()).or_default().insert(at.partition, owned);
            if let Some(offset) = next_offset {
                stored.insert(at.clone(), offset);
                // The decoder's state may belong to another offset than the sink's.
                states.remove(at);
            }
            if !state.is_empty() {
                states.insert(at.clone(), state.into());
            }
        }
        match self.resolve_starts(generation, partitions, &stored, committable, states) {
            Err(TaskError::Consumer(ConsumerError::Closed)) => Ok(None),
            claimed => claimed.map(Some),
        }
    }

    /// Claims partitions from the sink; returns its result for each.
    pub(super) fn claim_from_sink(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<StoredClaim>, TaskError> {
        let named = named(partitions);
        self.call_with_retries(|sink| sink.claim(&named))
    }

    fn resolve_starts(
        &mut self,
        generation: u64,
        partitions: &[TopicPartition],
        stored: &HashMap<TopicPartition, i64>,
        committable: &Positions,
        mut states: States,
    ) -> Result<Claimed, TaskError> {
        let worker = self.worker;
        let (settings, offset_resolver) = (&worker.settings, &worker.offset_resolver);
        let deadline = Instant::now() + settings.errors.retry.timeout;
        let mut known = stored.clone();
        for (at, offset) in committable {
            known.entry(at.clone()).or_insert(*offset);
        }
        let mut resolved = offset_resolver.resolve_starts(partitions, &known, settings.start, deadline)?;
        if !stored.is_empty() {
            resolved.committed.extend(offset_resolver.committed(stored.keys(), deadline)?);
            lost_position::warn_of_other_commits(stored, &resolved.committed);
        }
        let topics = offset_resolver.topic_ids(partitions, deadline)?;
        add_committed_states(&resolved, &mut states);
        self.check_positions(&mut resolved, stored, &mut states, &topics, deadline)?;
        for at in partitions {
            if let Some(ids) = lost_position::identity(&topics, &at.topic) {
                let state = formats::with_ids(states.get(at).map(|state| &**state), ids);
                states.insert(at.clone(), state);
            }
        }
        let (mut ends, mut total) = (HashMap::new(), None);
        if settings.until_end {
            for at in partitions {
                let (low, high) = offset_resolver.watermarks(at, deadline)?;
                // A log whose records were all deleted is at its end, too.
                ends.insert(at.clone(), if low < high { high } else { 0 });
            }
            let named = offset_resolver.named_partitions(&settings.consumer.topics, deadline)?;
            total = named.map(|total| total as u32);
        }
        let ResolvedStarts { starts, origins, .. } = resolved;
        let stores_offsets = self.stores_offsets;
        Ok(Claimed { generation, starts, origins, states, ends, total, stores_offsets })
    }

    /// Calls the sink, and retries retriable errors. The call contains no record that could be rejected.
    pub(super) fn call_with_retries<T>(
        &mut self,
        mut call: impl FnMut(&mut SinkInstance) -> Result<T, CallError>,
    ) -> Result<T, TaskError> {
        let Self { worker, sink, stage, .. } = self;
        let outcome =
            worker.retrier.call(stage, || worker.clock.time(stage, sink.context(), || call(sink)))?;
        outcome.map_err(|source| TaskError::Call { stage: stage.clone(), source })
    }
}

/// Adds the states that the group has. Where the sink stores offsets but no states, they count only if the group has the same
/// offset; the ids of cluster and topic count in any case.
fn add_committed_states(resolved: &ResolvedStarts, states: &mut States) {
    for (at, start) in &resolved.starts {
        let Some(commit) = resolved.committed.get(at).filter(|commit| !commit.metadata.is_empty()) else {
            continue;
        };
        if *start == StartAt::Offset(commit.offset) {
            states.entry(at.clone()).or_insert_with(|| Arc::clone(&commit.metadata));
        } else if let Some(ids) = formats::ids(&commit.metadata)
            && !states.contains_key(at)
        {
            states.insert(at.clone(), formats::with_ids(None, ids));
        }
    }
}

/// Partitions as topic and number.
pub(super) fn named(partitions: &[TopicPartition]) -> Vec<(&str, i32)> {
    partitions.iter().map(|at| (at.topic.as_str(), at.partition)).collect()
}
