//! Traces that wait to be exported: a bounded queue. In a child process, the host takes them.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use super::batch_trace::BatchSpans;

/// Batches whose traces wait at most. Each has up to 64 links and a span per stage, so they take a few megabytes at most.
const CAPACITY: usize = 1_000;
/// So many waiting batches are exported at once.
const MANY: usize = 200;
/// How long a trace waits for others, so that they are exported together.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

static QUEUE: OnceLock<TraceQueue> = OnceLock::new();

/// The queue of traces, and the signal that ends its exporter.
#[derive(Debug, Default)]
pub(super) struct TraceQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    waiting: VecDeque<BatchSpans>,
    /// When the first of them was added.
    since: Option<Instant>,
    /// Traces that were left out because too many were waiting.
    dropped: u64,
    pub(super) is_ending: bool,
}

/// Traces are exported from now on.
pub(super) fn open() -> &'static TraceQueue {
    QUEUE.get_or_init(TraceQueue::default)
}

/// The queue, if traces are exported.
pub(super) fn get() -> Option<&'static TraceQueue> {
    QUEUE.get()
}

/// Adds the trace of a batch, if traces are exported.
pub(super) fn export(spans: BatchSpans) {
    if let Some(queue) = QUEUE.get() {
        queue.push(spans, Instant::now());
    }
}

impl TraceQueue {
    fn push(&self, spans: BatchSpans, now: Instant) {
        let mut state = self.lock();
        if state.waiting.len() >= CAPACITY {
            state.waiting.pop_front();
            state.dropped += 1;
        }
        state.waiting.push_back(spans);
        state.since.get_or_insert(now);
        if matches!(state.waiting.len(), 1 | MANY) {
            self.changed.notify_all();
        }
    }

    /// Takes up to [`MANY`] traces, and the number of those that were left out since the last call.
    pub(super) fn take(&self) -> (Vec<BatchSpans>, u64) {
        let mut state = self.lock();
        let count = state.waiting.len().min(MANY);
        let taken = state.waiting.drain(..count).collect();
        if state.waiting.is_empty() {
            state.since = None;
        }
        (taken, std::mem::take(&mut state.dropped))
    }

    /// Makes the exporter send what is left, and end.
    pub(super) fn end(&self) {
        self.lock().is_ending = true;
        self.changed.notify_all();
    }

    /// Waits until `until`, or until the exporter has to end; with `for_traces`, also until traces are to be exported.
    pub(super) fn wait(&self, until: Instant, for_traces: bool) -> bool {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let due = state.due().filter(|_| for_traces).map_or(until, |due| due.min(until));
            if state.is_ending || now >= due {
                return state.is_ending;
            }
            let wait = due.saturating_duration_since(now);
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether traces are to be exported.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.lock().due().is_some_and(|due| now >= due)
    }

    /// Whether no traces wait.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// When traces are to be exported, if any wait.
    fn due(&self) -> Option<Instant> {
        let since = self.since?;
        Some(if self.waiting.len() >= MANY { since } else { since + LONGEST_WAIT })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::batch_trace::{BatchTrace, Sampler, TracedTask, spans_of},
        *,
    };

    fn batch() -> BatchSpans {
        let task = TracedTask { connector: "a".to_owned(), task: 0, group: "g".to_owned() };
        let trace = BatchTrace::begin(&task, &mut Sampler::new(1.0), 1, None, Instant::now());
        spans_of(trace.expect("every batch is traced"))
    }

    #[test]
    fn traces_wait_for_others_and_are_bounded() {
        let (queue, now) = (TraceQueue::default(), Instant::now());
        assert!(!queue.is_due(now + LONGEST_WAIT));
        queue.push(batch(), now);
        assert!(!queue.is_due(now) && queue.is_due(now + LONGEST_WAIT));
        for _ in 1..MANY {
            queue.push(batch(), now);
        }
        assert!(queue.is_due(now), "there are many");
        for _ in 0..CAPACITY {
            queue.push(batch(), now);
        }
        let mut taken = Vec::new();
        let mut dropped = 0;
        while !queue.is_empty() {
            let (batches, left_out) = queue.take();
            assert!(batches.len() <= MANY);
            taken.extend(batches);
            dropped += left_out;
        }
        assert_eq!((taken.len(), dropped), (CAPACITY, MANY as u64));
        assert!(!queue.is_due(now + LONGEST_WAIT));
    }
}
