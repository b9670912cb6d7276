//! Traces of the batches of a task. They pass the stages beside the batches, in the same order.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tidegate_abi::host::Batch;

use super::{error::TaskError, settings::TaskSettings};
use crate::telemetry::{self, BatchTrace, Sampler, TraceOptions, TracedTask};

/// Written batches whose traces wait for a commit at most; the oldest are exported without it.
const MAX_WRITTEN: usize = 100;
/// The header that names the span that a record comes from.
const TRACEPARENT: &[u8] = b"traceparent";

/// The traces of a task; nothing if batches are not traced.
pub(super) struct TaskTraces(Option<Recorder>);

struct Recorder {
    task: TracedTask,
    waiting: Mutex<Waiting>,
}

/// Traces between two stages. `None` stands for a batch that is not traced.
struct Waiting {
    sampler: Sampler,
    polled: VecDeque<Option<BatchTrace>>,
    transformed: VecDeque<Option<BatchTrace>>,
    /// Written, and not flushed yet if the sink is durable on flush.
    written: VecDeque<BatchTrace>,
    settled: VecDeque<BatchTrace>,
    /// Part of the commit that is not answered yet.
    committing: Vec<BatchTrace>,
    /// A part of the batch that the sink worker has is settled.
    part_is_settled: bool,
    /// The commit that has begun since then.
    early_commit: Option<EarlyCommit>,
}

impl Waiting {
    fn new(ratio: f64) -> Self {
        Self {
            sampler: Sampler::new(ratio),
            polled: VecDeque::new(),
            transformed: VecDeque::new(),
            written: VecDeque::new(),
            settled: VecDeque::new(),
            committing: Vec::new(),
            part_is_settled: false,
            early_commit: None,
        }
    }
}

/// A commit of a batch that the sink worker has not finished yet.
enum EarlyCommit {
    Begun,
    Answered { began: Instant, ended: Instant, error: Option<String> },
}

/// The trace of the batch that a worker processes.
pub(super) type CurrentTrace = Option<BatchTrace>;

impl TaskTraces {
    /// Traces the batches of a task, if traces are exported.
    pub(super) fn new(settings: &TaskSettings) -> Self {
        Self(telemetry::trace_options().map(|TraceOptions { ratio }| Recorder {
            task: TracedTask {
                connector: settings.connector.clone(),
                task: settings.task,
                group: settings.consumer.group_id.clone(),
            },
            waiting: Mutex::new(Waiting::new(ratio)),
        }))
    }

    fn waiting(&self) -> Option<MutexGuard<'_, Waiting>> {
        Some(self.0.as_ref()?.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A batch, whose first record was read `took` ago, is sent to the transform worker.
    pub(super) fn polled(&self, batch: &Batch, took: Duration) {
        let (Some(Recorder { task, .. }), Some(mut waiting)) = (&self.0, self.waiting()) else { return };
        let now = Instant::now();
        let began = now.checked_sub(took).unwrap_or(now);
        let mut topics = batch.partitions().iter().map(|partition| &*partition.topic);
        let topic = topics.next().filter(|first| topics.all(|topic| topic == *first));
        let trace = BatchTrace::begin(task, &mut waiting.sampler, batch.input_count(), topic, began);
        waiting.polled.push_back(trace);
    }

    /// The trace of the batch that the transform worker has received, linked to where its records come from.
    pub(super) fn transforming(&self, batch: &Batch) -> CurrentTrace {
        let mut trace = self.waiting()?.polled.pop_front().flatten()?;
        for input in 0..batch.input_count() as u32 {
            let Some(original) = batch.original(input) else { break };
            let parents = original.headers().filter(|(name, _)| *name == TRACEPARENT);
            parents.filter_map(|(_, value)| value).for_each(|value| trace.link(value));
        }
        Some(trace)
    }

    /// The batch is sent to the sink worker.
    pub(super) fn transformed(&self, trace: CurrentTrace) {
        if let Some(mut waiting) = self.waiting() {
            waiting.transformed.push_back(trace);
        }
    }

    /// The trace of the batch that the sink worker has received.
    pub(super) fn writing(&self) -> CurrentTrace {
        let mut waiting = self.waiting()?;
        (waiting.part_is_settled, waiting.early_commit) = (false, None);
        waiting.transformed.pop_front().flatten()
    }

    /// A part of the batch that the sink worker has is about to be settled, so that the next commit concerns the batch.
    pub(super) fn part_settled(&self) {
        if let Some(mut waiting) = self.waiting() {
            waiting.part_is_settled = true;
        }
    }

    /// The batch is written, and settled, or, with `until_flush`, will be with the next flush.
    pub(super) fn written(&self, trace: CurrentTrace, until_flush: bool) {
        let (Some(mut trace), Some(mut waiting)) = (trace, self.waiting()) else { return };
        trace.end();
        waiting.part_is_settled = false;
        match waiting.early_commit.take() {
            Some(EarlyCommit::Begun) => return waiting.committing.push(trace),
            Some(EarlyCommit::Answered { began, ended, error }) => {
                // Exported without the lock.
                drop(waiting);
                return trace.stage_until("commit", None, (began, ended), error.as_deref());
            }
            None => {}
        }
        let Waiting { written, settled, .. } = &mut *waiting;
        let queue = if until_flush { written } else { settled };
        let oldest = if queue.len() >= MAX_WRITTEN { queue.pop_front() } else { None };
        queue.push_back(trace);
        drop(waiting);
        drop(oldest);
    }

    /// The sink was flushed: what was written is settled.
    pub(super) fn flushed(&self, plugin: &str, began: Instant) {
        let Some(mut waiting) = self.waiting() else { return };
        let mut flushed = std::mem::take(&mut waiting.written);
        flushed.iter_mut().for_each(|trace| trace.stage("flush", Some(plugin), began, None));
        waiting.settled.extend(flushed);
    }

    /// A commit of what is settled begins.
    pub(super) fn committing(&self) {
        if let Some(mut waiting) = self.waiting() {
            let settled = std::mem::take(&mut waiting.settled);
            waiting.committing.extend(settled);
            if waiting.part_is_settled {
                waiting.early_commit = Some(EarlyCommit::Begun);
            }
        }
    }

    /// The commit that began then was answered.
    pub(super) fn committed(&self, began: Instant, error: Option<&str>) {
        let Some(mut waiting) = self.waiting() else { return };
        let committed = std::mem::take(&mut waiting.committing);
        if let Some(early @ EarlyCommit::Begun) = &mut waiting.early_commit {
            let (ended, error) = (Instant::now(), error.map(str::to_owned));
            *early = EarlyCommit::Answered { began, ended, error };
        }
        drop(waiting);
        for mut trace in committed {
            trace.stage("commit", None, began, error);
        }
    }

    /// Exports what waits for nothing any more: the task ends.
    pub(super) fn end(&self) {
        let Some(mut waiting) = self.waiting() else { return };
        let Waiting { written, settled, committing, .. } = &mut *waiting;
        let left = (std::mem::take(written), std::mem::take(settled), std::mem::take(committing));
        // Exported without the lock.
        drop(waiting);
        drop(left);
    }
}

/// Adds a stage of the batch that began then and has ended now.
pub(super) fn stage<T>(
    trace: &mut CurrentTrace,
    name: &str,
    plugin: Option<&str>,
    began: Instant,
    outcome: &Result<T, TaskError>,
) {
    if let Some(trace) = trace {
        let error = outcome.as_ref().err().map(ToString::to_string);
        trace.stage(name, plugin, began, error.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl TaskTraces {
        /// Traces every batch, although traces are not exported.
        fn of(connector: &str) -> Self {
            telemetry::open_trace_queue();
            let task = TracedTask { connector: connector.to_owned(), task: 0, group: "g".to_owned() };
            Self(Some(Recorder { task, waiting: Mutex::new(Waiting::new(1.0)) }))
        }

        /// A batch arrives at the sink worker.
        fn reach_sink(&self) -> CurrentTrace {
            let batch = Batch::new();
            self.polled(&batch, Duration::ZERO);
            self.transformed(self.transforming(&batch));
            self.writing()
        }
    }

    /// The stages of the batches that were exported since the last call.
    fn exported() -> Vec<Vec<String>> {
        telemetry::take_traces().iter().map(telemetry::BatchSpans::stages).collect()
    }

    #[test]
    fn a_batch_has_the_commit_that_begins_after_it_is_settled() {
        let (traces, now) = (TaskTraces::of("a"), Instant::now());
        let with_commit = [["poll", "commit"].map(str::to_owned).to_vec()];

        let trace = traces.reach_sink();
        traces.part_settled();
        traces.written(trace, false);
        traces.committing();
        assert_eq!(exported(), Vec::<Vec<String>>::new());
        traces.committed(now, None);
        assert_eq!(exported(), with_commit);

        // The poll loop may be faster than the sink worker.
        let trace = traces.reach_sink();
        traces.part_settled();
        traces.committing();
        traces.written(trace, false);
        traces.committed(now, Some("refused"));
        assert_eq!(exported(), with_commit);

        let trace = traces.reach_sink();
        traces.part_settled();
        traces.committing();
        traces.committed(now, None);
        traces.written(trace, false);
        assert_eq!(exported(), with_commit);

        // This commit is one of earlier batches.
        let trace = traces.reach_sink();
        traces.committing();
        traces.part_settled();
        traces.committed(now, None);
        traces.written(trace, false);
        traces.end();
        assert_eq!(exported(), [["poll".to_owned()]]);

        // Nothing is settled before the flush.
        let trace = traces.reach_sink();
        traces.written(trace, true);
        traces.committing();
        traces.committed(now, None);
        traces.flushed("lake", now);
        traces.committing();
        traces.committed(now, None);
        assert_eq!(exported(), [["poll", "flush", "commit"].map(str::to_owned)]);

        drop(traces.reach_sink());
        assert_eq!(exported(), [["poll".to_owned()]], "a batch that was not written is exported as well");
    }
}
