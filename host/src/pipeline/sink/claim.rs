//! Claims: the sink takes over assigned partitions, and returns their start offsets if it stores offsets.

use std::{collections::HashMap, time::Instant};

use super::{OpenSink, Owned};
use crate::{
    formats,
    kafka::consumer::{ConsumerError, OnLostPosition, Positions, StartAt, TopicPartition},
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
        let (mut starts, mut committed) =
            offset_resolver.resolve_starts(partitions, &known, settings.start, deadline)?;
        let without_state: Vec<_> = stored.keys().filter(|at| !states.contains_key(*at)).collect();
        if !without_state.is_empty() {
            // The sink stores no decoder states: the group has one, if it has the same offset.
            committed.extend(offset_resolver.committed(without_state, deadline)?);
        }
        for (at, start) in &starts {
            let commit = committed.remove(at).filter(|commit| *start == StartAt::Offset(commit.offset));
            if let Some(commit) = commit.filter(|commit| !commit.metadata.is_empty()) {
                states.entry(at.clone()).or_insert(commit.metadata);
            }
        }
        self.check(&mut starts, stored, &mut states, deadline)?;
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
        Ok(Claimed { generation, starts, states, ends, total })
    }

    /// Fails for positions outside their logs, before they are committed to the group, or replaces them according to
    /// `source.on_lost_position`. With the default, the consumer itself reports such positions of the group.
    fn check(
        &mut self,
        starts: &mut [(TopicPartition, StartAt)],
        stored: &HashMap<TopicPartition, i64>,
        states: &mut States,
        deadline: Instant,
    ) -> Result<(), TaskError> {
        let policy = self.worker.settings.consumer.on_lost_position;
        let mut over = Vec::new();
        for (at, start) in starts.iter_mut() {
            let StartAt::Offset(position) = *start else { continue };
            if policy == OnLostPosition::Fail && !stored.contains_key(at) {
                continue;
            }
            let (earliest, latest) = self.worker.offset_resolver.watermarks(at, deadline)?;
            if (earliest..=latest).contains(&position) {
                continue;
            }
            let (partition, group) = (at.clone(), self.worker.settings.consumer.group_id.clone());
            let lost = ConsumerError::OutOfRange { partition, position, earliest, latest, group };
            *start = match policy {
                OnLostPosition::Fail => return Err(lost.into()),
                OnLostPosition::Earliest => StartAt::Beginning,
                OnLostPosition::Latest => StartAt::Offset(latest),
            };
            tracing::warn!(partition = %at, position, earliest, latest, "position lost; reading continues according to source.on_lost_position");
            if position > latest {
                // The topic was created again: all of its records are newer than those before.
                let state = formats::state_of_new_topic(states.get(at).map(|state| &**state));
                state.into_iter().for_each(|state| drop(states.insert(at.clone(), state)));
            }
            if stored.contains_key(at) {
                over.push(at.clone());
            }
        }
        if over.is_empty() { Ok(()) } else { self.reset_offsets(&over) }
    }

    /// Resets the sink's offsets of logs that were deleted, so that it does not mistake new records for old ones.
    fn reset_offsets(&mut self, partitions: &[TopicPartition]) -> Result<(), TaskError> {
        let named = named(partitions);
        self.call_with_retries(|sink| sink.reset_offsets(&named))
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

/// Partitions as topic and number.
pub(super) fn named(partitions: &[TopicPartition]) -> Vec<(&str, i32)> {
    partitions.iter().map(|at| (at.topic.as_str(), at.partition)).collect()
}
