//! When to try again to send something: a state machine without a clock.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// What a collector may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// The delays between attempts, which double with every failure.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// An attempt has failed. Returns how long to wait: as long as the collector has `asked` for, or else about one second, two,
    /// four, up to a minute. `random`, from 0 to 1, spreads the attempts of several hosts.
    pub(super) fn failed(&mut self, asked: Option<Duration>, random: f64) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        match asked {
            Some(asked) => asked.min(LONGEST_ASKED),
            None => doubled.mul_f64(0.5 + random / 2.0),
        }
    }

    /// An attempt has succeeded.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Whether the last attempt has failed, and no other one before: only this is worth a line in the log.
    pub(super) fn has_just_begun(&self) -> bool {
        self.failures == 1
    }

    /// Whether attempts have failed since the last success.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_minute_and_start_over_after_a_success() {
        let mut backoff = Backoff::default();
        let delays: Vec<u64> = (0..8).map(|_| backoff.failed(None, 1.0).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.succeeded();
        assert_eq!(backoff.failed(None, 0.0), FIRST / 2);
        assert!(backoff.has_just_begun());
    }

    #[test]
    fn a_collector_may_ask_for_a_delay() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(Some(Duration::from_secs(7)), 0.3), Duration::from_secs(7));
        assert_eq!(backoff.failed(Some(Duration::from_secs(86_400)), 0.3), LONGEST_ASKED);
    }
}
