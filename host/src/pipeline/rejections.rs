//! What happens to refused records: the task stops, they are dropped, or they go to a dead-letter topic.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tidegate_abi::host::{Batch, Original, Part, Rejected};

use super::{
    error::{Stage, TaskError},
    letters::Letters,
    settings::TaskSettings,
};
use crate::{
    config::{ErrorPolicy, OnReject},
    telemetry::scrub,
};

/// Settles refused records as the connector file says. The stages of a task share it, so that they count together.
pub(super) struct Rejections {
    settings: Arc<TaskSettings>,
    state: Mutex<State>,
}

struct State {
    recent: Recent,
    letters: Option<Letters>,
}

/// What stages refused of a batch and is not settled yet: which of its rejections each of them made.
#[derive(Debug, Default)]
pub(super) struct Unsettled(Vec<(Stage, Range<usize>)>);

/// A rejection with what is to be known of it.
pub(super) struct Refused<'b> {
    pub(super) stage: Stage,
    pub(super) original: Original<'b>,
    pub(super) rejected: &'b Rejected,
}

impl Rejections {
    /// `letters` writes dead letters, where the policy has them.
    pub(super) fn new(settings: Arc<TaskSettings>, letters: Option<Letters>) -> Self {
        let recent = Recent::new(&settings.errors);
        Self { settings, state: Mutex::new(State { recent, letters }) }
    }

    /// Takes note of what `stage` has just refused of `batch`: all rejections that are not in `unsettled` yet.
    ///
    /// # Errors
    /// When the policy is to stop, or too many records were refused lately: nothing of them is settled then.
    pub(super) fn admit(
        &self,
        stage: &Stage,
        batch: &Batch,
        unsettled: &mut Unsettled,
    ) -> Result<(), TaskError> {
        let from = unsettled.count();
        let count = batch.rejected().len();
        if from == count {
            return Ok(());
        }
        unsettled.0.push((stage.clone(), from..count));
        let mut state = self.state();
        for refused in unsettled.since(batch, from) {
            let reason = scrub(&refused.rejected.reason);
            let Original { topic, partition, offset, .. } = refused.original;
            match self.settings.errors.on_reject {
                OnReject::Fail => {
                    let (topic, reason) = (topic.to_string(), reason.into_owned());
                    return Err(TaskError::Rejected {
                        stage: refused.stage,
                        topic,
                        partition,
                        offset,
                        reason,
                    });
                }
                OnReject::Drop => {
                    state.recent.count(|| format!("{topic}[{partition}] offset {offset}: {reason}"))?;
                    tracing::warn!(stage = %refused.stage, topic = &**topic, partition, offset, "record skipped: {reason}");
                }
                OnReject::DeadLetter(_) => {
                    state.recent.count(|| format!("{topic}[{partition}] offset {offset}: {reason}"))?;
                }
            }
        }
        Ok(())
    }

    /// Settles what was admitted: when this returns, dead letters are acknowledged.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn settle(&self, batch: &Batch, unsettled: &Unsettled) -> Result<(), TaskError> {
        if unsettled.0.is_empty() {
            return Ok(());
        }
        let mut state = self.state();
        let Some(letters) = &mut state.letters else { return Ok(()) };
        let mut refused: Vec<Refused<'_>> = unsettled.since(batch, unsettled.start()).collect();
        // In the order in which they were read: that of their partition's offsets.
        refused.sort_by_key(|refused| refused.rejected.input);
        letters.write(&refused)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unsettled {
    /// Nothing is unsettled of a batch whose first `settled` rejections are.
    pub(super) fn after(settled: usize) -> Self {
        Self(vec![(Stage::Source, settled..settled)])
    }

    /// How many of the batch's rejections were looked at.
    fn count(&self) -> usize {
        self.0.last().map_or(0, |(_, range)| range.end)
    }

    fn start(&self) -> usize {
        self.0.first().map_or(0, |(_, range)| range.start)
    }

    fn since<'b>(&self, batch: &'b Batch, from: usize) -> impl Iterator<Item = Refused<'b>> {
        let spans = self.0.iter().flat_map(|(stage, range)| range.clone().map(move |index| (stage, index)));
        spans.filter(move |(_, index)| *index >= from).filter_map(|(stage, index)| {
            let rejected = batch.rejected().get(index)?;
            let original = batch.original(rejected.input)?;
            Some(Refused { stage: detailed(stage, rejected.part), original, rejected })
        })
    }
}

/// The poll loop refuses what is too large, and headers that cannot be read; the decoder keys and values.
fn detailed(stage: &Stage, part: Part) -> Stage {
    match (stage, part) {
        (Stage::Source, Part::Headers) | (Stage::Decode(_), _) => Stage::Decode(part),
        _ => stage.clone(),
    }
}

/// How many records were refused lately.
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
