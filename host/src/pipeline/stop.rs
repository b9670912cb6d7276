//! The wish to stop, as the stages see it while they wait.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Tells waiting stages that the task is to stop, and until when they may go on trying.
#[derive(Debug, Default)]
pub(super) struct StopSignal {
    deadline: Mutex<Option<Instant>>,
    changed: Condvar,
}

impl StopSignal {
    /// Asks to stop until `deadline`; an earlier deadline wins.
    pub(super) fn ask(&self, deadline: Instant) {
        let mut current = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(current.map_or(deadline, |earlier| earlier.min(deadline)));
        self.changed.notify_all();
    }

    /// Waits, but not past the deadline. Returns false when the deadline has passed: give up.
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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn a_wait_ends_at_the_deadline() {
        let signal = Arc::new(StopSignal::default());
        assert!(signal.wait(Duration::from_millis(1)));
        let waiting = {
            let signal = Arc::clone(&signal);
            thread::spawn(move || signal.wait(Duration::from_secs(3600)))
        };
        signal.ask(Instant::now() + Duration::from_millis(10));
        assert!(!waiting.join().unwrap());
    }
}
