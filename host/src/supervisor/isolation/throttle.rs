//! Limits the CPU use of a process by stopping it briefly whenever it has used more than its share.

use std::time::{Duration, Instant};

/// The longest stop. The process has to be able to answer Kafka brokers in between.
const MAX_STOP: Duration = Duration::from_millis(400);
/// Check interval for a process that uses much CPU, and for one that uses little.
const BUSY_INTERVAL: Duration = Duration::from_millis(20);
const IDLE_INTERVAL: Duration = Duration::from_millis(100);
/// The shortest time to let the process run, given the resolution of timers.
const MIN_RUN: Duration = Duration::from_millis(5);
/// Limits of the balance, in seconds of the CPU limit: credit that can be saved for a burst, and debt.
const MAX_CREDIT: f64 = 0.1;
const MAX_DEBT: f64 = 1.0;

/// What to do with the process, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Let it run, and check again after this time.
    Run(Duration),
    /// Stop it for this time.
    Stop(Duration),
}

/// A token bucket: elapsed time adds to the balance, CPU use subtracts from it.
#[derive(Debug)]
pub(super) struct Throttle {
    /// The limit, in cores.
    cores: f64,
    /// Seconds of CPU time.
    balance: f64,
    /// Cores used when the process last ran.
    rate: f64,
    is_stopped: bool,
    last: Option<(Instant, Duration)>,
}

impl Throttle {
    pub(super) fn new(millicores: u32) -> Self {
        Self {
            cores: f64::from(millicores.max(1)) / 1000.0,
            balance: 0.0,
            rate: 0.0,
            is_stopped: false,
            last: None,
        }
    }

    /// `used` is the total CPU time of the process so far. It is running, or its stop is over.
    pub(super) fn step(&mut self, now: Instant, used: Duration) -> Step {
        let Some((then, before)) = self.last.replace((now, used)) else { return Step::Run(BUSY_INTERVAL) };
        let elapsed = now.saturating_duration_since(then).as_secs_f64();
        let spent = used.saturating_sub(before).as_secs_f64();
        let (max_debt, max_credit) = (MAX_DEBT * self.cores, MAX_CREDIT * self.cores);
        self.balance = (self.balance + elapsed * self.cores - spent).clamp(-max_debt, max_credit);
        if !self.is_stopped {
            self.rate = spent / elapsed.max(0.001);
        }
        self.is_stopped = self.balance < 0.0;
        if self.is_stopped {
            let stop = Duration::from_secs_f64(-self.balance / self.cores);
            return Step::Stop(stop.clamp(Duration::from_millis(1), MAX_STOP));
        }
        if self.rate < self.cores / 4.0 {
            return Step::Run(IDLE_INTERVAL);
        }
        // CPU time used until the next check must be recoverable with one stop.
        let run = MAX_STOP.mul_f64(self.cores / self.rate.max(self.cores));
        Step::Run(run.clamp(MIN_RUN, BUSY_INTERVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates a process that would use `wants` cores. Returns the cores that it got, and its longest stop.
    fn simulate(millicores: u32, wants: f64, seconds: f64) -> (f64, Duration) {
        let mut throttle = Throttle::new(millicores);
        let (start, mut used, mut longest) = (Instant::now(), 0.0, Duration::ZERO);
        let mut now = start;
        while (now - start).as_secs_f64() < seconds {
            match throttle.step(now, Duration::from_secs_f64(used)) {
                Step::Run(wait) => {
                    now += wait;
                    used += wants * wait.as_secs_f64();
                }
                Step::Stop(wait) => {
                    now += wait;
                    longest = longest.max(wait);
                }
            }
        }
        (used / (now - start).as_secs_f64(), longest)
    }

    #[test]
    fn a_busy_process_gets_its_share() {
        for (millicores, wants) in [(500, 1.0), (500, 2.0), (1500, 4.0), (100, 1.0), (250, 8.0)] {
            let (got, longest) = simulate(millicores, wants, 60.0);
            let share = f64::from(millicores) / 1000.0;
            assert!((share * 0.9..share * 1.1).contains(&got), "{got} of {share}");
            assert!(longest <= MAX_STOP, "{longest:?}");
        }
    }

    #[test]
    fn a_process_below_its_limit_is_never_stopped() {
        let (got, longest) = simulate(500, 0.4, 60.0);
        assert!((0.39..0.41).contains(&got), "{got}");
        assert_eq!(longest, Duration::ZERO);
    }

    #[test]
    fn the_debt_is_bounded() {
        let mut throttle = Throttle::new(500);
        let start = Instant::now();
        throttle.step(start, Duration::ZERO);
        let mut now = start + Duration::from_secs(1);
        let used = Duration::from_secs(64);
        let mut stops = 0;
        while let Step::Stop(wait) = throttle.step(now, used) {
            now += wait;
            stops += 1;
        }
        assert_eq!(stops, 3);
    }
}
