//! The stop signal of a task, which ends the waits of its stages.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Signals the stages that the task must stop, and until when they may retry.
#[derive(Debug, Default)]
pub(super) struct StopSignal {
    deadline: Mutex<Option<Instant>>,
    changed: Condvar,
    ended: AtomicBool,
}

impl StopSignal {
    /// Requests a stop by `deadline`; an earlier deadline takes precedence.
    pub(super) fn request(&self, deadline: Instant) {
        let mut current = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(current.map_or(deadline, |earlier| earlier.min(deadline)));
        self.changed.notify_all();
    }

    /// Whether a stop was requested.
    pub(super) fn is_requested(&self) -> bool {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether the deadline has passed.
    pub(super) fn is_late(&self) -> bool {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Ends the task. A stage that is still in a call was abandoned: it must not begin another one, since the next
    /// owner of the partitions may have written later records.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.request(Instant::now());
    }

    /// Whether the task has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Waits, but not past the deadline. Returns false when the deadline has passed.
    pub(super) fn wait(&self, delay: Duration) -> bool {
        let until = Instant::now() + delay;
        let mut current = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            if current.is_some_and(|deadline| now >= deadline) {
                return false;
            }
            let end = current.map_or(until, |deadline| deadline.min(until));
            if now >= until {
                return true;
            }
            current = self.changed.wait_timeout(current, end - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Ends the task's stages when the poll loop ends, also by a panic.
pub(super) struct EndOnDrop(pub(super) Arc<StopSignal>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_wait_ends_at_the_deadline() {
        let signal = Arc::new(StopSignal::default());
        assert!(signal.wait(Duration::from_millis(1)));
        let waiting = {
            let signal = Arc::clone(&signal);
            thread::spawn(move || signal.wait(Duration::from_secs(3600)))
        };
        signal.request(Instant::now() + Duration::from_millis(10));
        assert!(!waiting.join().unwrap());
    }
}
