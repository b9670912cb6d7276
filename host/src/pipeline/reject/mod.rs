//! What happens to rejected records: the task stops, they are dropped, or they go to a dead-letter topic.

mod dead_letters;

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tidegate_abi::host::{Batch, Original, Part, RejectedRecord};

pub(super) use self::dead_letters::DeadLetterWriter;
use super::{
    error::{Stage, TaskError},
    settings::TaskSettings,
};
use crate::{
    config::{ErrorPolicy, OnReject},
    telemetry::scrub,
};

/// Handles rejected records as the connector's error policy says. Both workers of a task share it, so that
/// `errors.max_rejected` counts the rejections of both.
pub(super) struct RejectionHandler {
    settings: Arc<TaskSettings>,
    state: Mutex<State>,
}

struct State {
    recent: Recent,
    dead_letters: Option<DeadLetterWriter>,
}

/// The rejections of a batch that are not handled yet, as ranges by the stage that rejected.
#[derive(Debug, Default)]
pub(super) struct Unhandled(Vec<(Stage, Range<usize>)>);

/// A rejected record, with the stage that rejected it.
pub(super) struct FailedRecord<'b> {
    pub(super) stage: Stage,
    pub(super) original: Original<'b>,
    pub(super) rejected: &'b RejectedRecord,
}

impl RejectionHandler {
    /// `dead_letters` is the writer, if the policy has a dead-letter topic.
    pub(super) fn new(settings: Arc<TaskSettings>, dead_letters: Option<DeadLetterWriter>) -> Self {
        let recent = Recent::new(&settings.errors);
        Self { settings, state: Mutex::new(State { recent, dead_letters }) }
    }

    /// Checks the records of `batch` that `stage` has just rejected against the policy, and adds them to `unhandled`.
    ///
    /// # Errors
    /// When the policy stops the task, or too many records were rejected within the window. Then none of these is
    /// handled.
    pub(super) fn admit(
        &self,
        stage: &Stage,
        batch: &Batch,
        unhandled: &mut Unhandled,
    ) -> Result<(), TaskError> {
        let from = unhandled.count();
        let count = batch.rejected().len();
        if from == count {
            return Ok(());
        }
        unhandled.0.push((stage.clone(), from..count));
        let mut state = self.state();
        for record in unhandled.since(batch, from) {
            let reason = scrub(&record.rejected.reason);
            let Original { topic, partition, offset, .. } = record.original;
            match self.settings.errors.on_reject {
                OnReject::Fail => {
                    let (topic, reason) = (topic.to_string(), reason.into_owned());
                    return Err(TaskError::Rejected {
                        stage: record.stage,
                        topic,
                        partition,
                        offset,
                        reason,
                    });
                }
                OnReject::Drop => {
                    state.recent.count(|| format!("{topic}-{partition} offset {offset}: {reason}"))?;
                    tracing::warn!(stage = %record.stage, topic = &**topic, partition, offset, "record skipped: {reason}");
                }
                OnReject::DeadLetter(_) => {
                    state.recent.count(|| format!("{topic}-{partition} offset {offset}: {reason}"))?;
                }
            }
        }
        Ok(())
    }

    /// Handles the admitted rejections. When this returns, the dead letters are acknowledged.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn handle(&self, batch: &Batch, unhandled: &Unhandled) -> Result<(), TaskError> {
        if unhandled.0.is_empty() {
            return Ok(());
        }
        let mut state = self.state();
        let Some(writer) = &mut state.dead_letters else { return Ok(()) };
        let mut rejected: Vec<FailedRecord<'_>> = unhandled.since(batch, unhandled.start()).collect();
        // In the order of offsets, like the records of the partition.
        rejected.sort_by_key(|record| record.rejected.input);
        writer.write(&rejected)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unhandled {
    /// The first `handled` rejections of a batch are handled.
    pub(super) fn after(handled: usize) -> Self {
        Self(vec![(Stage::Source, handled..handled)])
    }

    /// Number of rejections of the batch that were admitted.
    fn count(&self) -> usize {
        self.0.last().map_or(0, |(_, range)| range.end)
    }

    fn start(&self) -> usize {
        self.0.first().map_or(0, |(_, range)| range.start)
    }

    fn since<'b>(&self, batch: &'b Batch, from: usize) -> impl Iterator<Item = FailedRecord<'b>> {
        let spans = self.0.iter().flat_map(|(stage, range)| range.clone().map(move |index| (stage, index)));
        spans.filter(move |(_, index)| *index >= from).filter_map(|(stage, index)| {
            let rejected = batch.rejected().get(index)?;
            let original = batch.original(rejected.input)?;
            Some(FailedRecord { stage: detailed(stage, rejected.part), original, rejected })
        })
    }
}

/// The poll loop rejects records that are too large and headers that cannot be read, the decoder keys and values.
fn detailed(stage: &Stage, part: Part) -> Stage {
    match (stage, part) {
        (Stage::Source, Part::Headers) | (Stage::Decode(_), _) => Stage::Decode(part),
        _ => stage.clone(),
    }
}

/// The rejections within `errors.window`.
struct Recent {
    limit: u64,
    window: Duration,
    times: VecDeque<Instant>,
}

impl Recent {
    fn new(policy: &ErrorPolicy) -> Self {
        Self { limit: policy.max_rejected, window: policy.window, times: VecDeque::new() }
    }

    fn count(&mut self, last: impl FnOnce() -> String) -> Result<(), TaskError> {
        let Self { limit, window, times } = self;
        let now = Instant::now();
        while times.front().is_some_and(|at| now.duration_since(*at) > *window) {
            times.pop_front();
        }
        times.push_back(now);
        let count = times.len() as u64;
        if count > *limit {
            return Err(TaskError::TooManyRejected { count, limit: *limit, window: *window, last: last() });
        }
        Ok(())
    }
}
