//! Holds a process to a share of the processors: it is stopped for a moment whenever it has used more than that.

use std::time::{Duration, Instant};

/// The longest stop: the process has to answer Kafka's brokers in between.
const LONGEST_STOP: Duration = Duration::from_millis(400);
/// How soon a process is looked at again that uses much, and one that uses little.
const BUSY: Duration = Duration::from_millis(20);
const IDLE: Duration = Duration::from_millis(100);
/// The shortest time to let it run: system calls and timers are not finer.
const SHORTEST_RUN: Duration = Duration::from_millis(5);
/// What may be saved up for a burst, and owed, in seconds of the limit.
const MOST_SAVED: f64 = 0.1;
const MOST_OWED: f64 = 1.0;

/// What is to be done with the process, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Let it run, and look again after this time.
    Run(Duration),
    /// Stop it for this time.
    Stop(Duration),
}

/// The account of a process: time pays in, use is paid from it.
#[derive(Debug)]
pub(super) struct Throttle {
    /// The limit, in cores.
    cores: f64,
    /// Seconds of processor time.
    balance: f64,
    /// Cores that it used when it last ran.
    rate: f64,
    is_stopped: bool,
    last: Option<(Instant, Duration)>,
}

impl Throttle {
    /// A limit of `millicores` thousandths of a core.
    pub(super) fn new(millicores: u32) -> Self {
        Self {
            cores: f64::from(millicores.max(1)) / 1000.0,
            balance: 0.0,
            rate: 0.0,
            is_stopped: false,
            last: None,
        }
    }

    /// The process has used `used` of processor time so far. It is running, or its stop is over.
    pub(super) fn step(&mut self, now: Instant, used: Duration) -> Step {
        let Some((then, before)) = self.last.replace((now, used)) else { return Step::Run(BUSY) };
        let elapsed = now.saturating_duration_since(then).as_secs_f64();
        let spent = used.saturating_sub(before).as_secs_f64();
        let (owed, saved) = (MOST_OWED * self.cores, MOST_SAVED * self.cores);
        self.balance = (self.balance + elapsed * self.cores - spent).clamp(-owed, saved);
        if !self.is_stopped {
            self.rate = spent / elapsed.max(0.001);
        }
        self.is_stopped = self.balance < 0.0;
        if self.is_stopped {
            let stop = Duration::from_secs_f64(-self.balance / self.cores);
            return Step::Stop(stop.clamp(Duration::from_millis(1), LONGEST_STOP));
        }
        if self.rate < self.cores / 4.0 {
            return Step::Run(IDLE);
        }
        // Whatever it uses until then has to fit into one stop.
        let run = LONGEST_STOP.mul_f64(self.cores / self.rate.max(self.cores));
        Step::Run(run.clamp(SHORTEST_RUN, BUSY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a process that would use `wants` cores, and returns what it got, and its longest stop.
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
    fn a_process_gets_its_share_and_no_more() {
        for (millicores, wants) in [(500, 1.0), (500, 2.0), (1500, 4.0), (100, 1.0), (250, 8.0)] {
            let (got, longest) = simulate(millicores, wants, 60.0);
            let share = f64::from(millicores) / 1000.0;
            assert!((share * 0.9..share * 1.1).contains(&got), "{got} of {share}");
            assert!(longest <= LONGEST_STOP, "{longest:?}");
        }
    }

    #[test]
    fn who_stays_below_is_never_stopped() {
        let (got, longest) = simulate(500, 0.4, 60.0);
        assert!((0.39..0.41).contains(&got), "{got}");
        assert_eq!(longest, Duration::ZERO);
    }

    #[test]
    fn a_debt_is_forgiven_in_the_end() {
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
