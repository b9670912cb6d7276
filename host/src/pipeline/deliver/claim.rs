//! Claims: the sink takes partitions over, and the log is asked where they start.

use std::{collections::HashMap, time::Instant};

use super::{OpenSink, Owned};
use crate::{
    formats,
    kafka::consumer::{ConsumerError, OnLostPosition, Positions, StartAt, TopicPartition},
    pipeline::{
        channels::{Claimed, States},
        error::TaskError,
        failure_policy::retry,
    },
    plugins::StoredClaim,
};

impl OpenSink<'_> {
    /// Claims partitions, and asks where they start: at the sink's offset, else at that in `settled`, else at the group's,
    /// else where new ones do. There is no answer when the consumer closes meanwhile.
    pub(super) fn claim(
        &mut self,
        generation: u64,
        partitions: &[TopicPartition],
        settled: &Positions,
        mut states: States,
    ) -> Result<Option<Claimed>, TaskError> {
        let claims = self.ask_to_claim(partitions)?;
        let mut stored = HashMap::new();
        for (at, StoredClaim { next_offset, epoch, state }) in partitions.iter().zip(claims) {
            self.stores_offsets |= next_offset.is_some() || epoch > 0;
            let owned = Owned { generation, epoch, set_back: false };
            self.owned.entry(at.topic.clone()).or_default().insert(at.partition, owned);
            if let Some(offset) = next_offset {
                stored.insert(at.clone(), offset);
                // What is known of settled records may be about another offset.
                states.remove(at);
            }
            if !state.is_empty() {
                states.insert(at.clone(), state.into());
            }
        }
        match self.look_up_starts(generation, partitions, &stored, settled, states) {
            Err(TaskError::Consumer(ConsumerError::Closed)) => Ok(None),
            claimed => claimed.map(Some),
        }
    }

    /// What the sink says to a claim, for each partition.
    pub(super) fn ask_to_claim(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<StoredClaim>, TaskError> {
        let Self { role, sink, stage, .. } = self;
        let named = named(partitions);
        let claims = retry(&role.settings.errors.retry, stage, &role.stop, || {
            role.clock.time(stage, sink.context(), || sink.claim(&named))
        })?;
        claims.map_err(|source| TaskError::Call { stage: stage.clone(), source })
    }

    fn look_up_starts(
        &mut self,
        generation: u64,
        partitions: &[TopicPartition],
        stored: &HashMap<TopicPartition, i64>,
        settled: &Positions,
        mut states: States,
    ) -> Result<Claimed, TaskError> {
        let role = self.role;
        let (settings, look_up) = (&role.settings, &role.look_up);
        let deadline = Instant::now() + settings.errors.retry.timeout;
        let mut known = stored.clone();
        for (at, offset) in settled {
            known.entry(at.clone()).or_insert(*offset);
        }
        let (mut starts, mut committed) =
            look_up.resolve_starts(partitions, &known, settings.start, deadline)?;
        let without_state: Vec<_> = stored.keys().filter(|at| !states.contains_key(*at)).collect();
        if !without_state.is_empty() {
            // The sink is older than the state: the group has it, if it is at the same offset.
            committed.extend(look_up.committed(without_state, deadline)?);
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
                let (low, high) = look_up.watermarks(at, deadline)?;
                // A log from which everything was deleted has nothing to wait for either.
                ends.insert(at.clone(), if low < high { high } else { 0 });
            }
            let named = look_up.named_partitions(&settings.consumer.topics, deadline)?;
            total = named.map(|total| total as u32);
        }
        Ok(Claimed { generation, starts, states, ends, total })
    }

    /// A position that the log does not have is said before it is committed to the group, or replaced as the connector
    /// says. Of positions that the group has, the consumer says so itself, unless they are to be replaced.
    fn check(
        &mut self,
        starts: &mut [(TopicPartition, StartAt)],
        stored: &HashMap<TopicPartition, i64>,
        states: &mut States,
        deadline: Instant,
    ) -> Result<(), TaskError> {
        let policy = self.role.settings.consumer.on_lost_position;
        let mut over = Vec::new();
        for (at, start) in starts.iter_mut() {
            let StartAt::Offset(position) = *start else { continue };
            if policy == OnLostPosition::Fail && !stored.contains_key(at) {
                continue;
            }
            let (earliest, latest) = self.role.look_up.watermarks(at, deadline)?;
            if (earliest..=latest).contains(&position) {
                continue;
            }
            let (partition, group) = (at.clone(), self.role.settings.consumer.group_id.clone());
            let lost = ConsumerError::OutOfRange { partition, position, earliest, latest, group };
            *start = match policy {
                OnLostPosition::Fail => return Err(lost.into()),
                OnLostPosition::Earliest => StartAt::Beginning,
                OnLostPosition::Latest => StartAt::Offset(latest),
            };
            tracing::warn!(partition = %at, position, earliest, latest, "position lost: reading goes on as source.on_lost_position says");
            if position > latest {
                // The log is another one under the same name: whatever it holds is newer than all before.
                let state = formats::state_of_new_topic(states.get(at).map(|state| &**state));
                state.into_iter().for_each(|state| drop(states.insert(at.clone(), state)));
            }
            if stored.contains_key(at) {
                over.push(at.clone());
            }
        }
        if over.is_empty() { Ok(()) } else { self.start_over(&over) }
    }

    /// The sink has stored offsets of a log that is gone, and must not take new records for old ones.
    fn start_over(&mut self, partitions: &[TopicPartition]) -> Result<(), TaskError> {
        let Self { role, sink, stage, .. } = self;
        let named = named(partitions);
        let done = retry(&role.settings.errors.retry, stage, &role.stop, || {
            role.clock.time(stage, sink.context(), || sink.start_over(&named))
        })?;
        done.map_err(|source| TaskError::Call { stage: stage.clone(), source })
    }
}

/// Partitions as the sink is told of them.
pub(super) fn named(partitions: &[TopicPartition]) -> Vec<(&str, i32)> {
    partitions.iter().map(|at| (at.topic.as_str(), at.partition)).collect()
}
