//! Watches a running child: heartbeats, memory and CPU use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tidegate_plugin::ByteSize;

use super::{
    throttle::{Step, Throttle},
    usage,
};
use crate::telemetry;

/// Interval of checks, and the shorter one for a child that uses more than half of its memory limit.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);
const FAST_CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// How long a child may go without a heartbeat; it sends one every second.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(10);

/// The metric of the child's memory.
const MEMORY: &str = "isolated_process_memory_bytes";

/// Counts the heartbeats received from a child.
#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    beats: AtomicU64,
    suspended: AtomicBool,
}

impl Heartbeats {
    /// Any message counts as a heartbeat.
    pub(super) fn record(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Suspends the check while the receiver cannot read messages, and resumes it.
    pub(super) fn suspend(&self, suspended: bool) {
        self.suspended.store(suspended, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ResourceLimits {
    /// Bytes of private memory.
    pub(super) memory: u64,
    /// Thousandths of a core.
    pub(super) cpu: Option<u32>,
}

pub(super) struct Watchdog {
    connector: String,
    pid: Pid,
    heartbeats: Arc<Heartbeats>,
    memory: u64,
    throttle: Option<Throttle>,
    is_stopped: bool,
    beats: u64,
    silent: Duration,
    last_check: Instant,
    next_check: Instant,
    next_step: Option<Instant>,
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // The child has ended.
        telemetry::clear_connector_gauge(&self.connector, MEMORY);
    }
}

impl Watchdog {
    pub(super) fn new(
        connector: &str,
        pid: Pid,
        heartbeats: Arc<Heartbeats>,
        limits: ResourceLimits,
    ) -> Self {
        let now = Instant::now();
        Self {
            connector: connector.to_owned(),
            pid,
            heartbeats,
            memory: limits.memory,
            throttle: limits.cpu.map(Throttle::new),
            is_stopped: false,
            beats: 0,
            silent: Duration::ZERO,
            last_check: now,
            next_check: now + CHECK_INTERVAL,
            next_step: limits.cpu.map(|_| now),
        }
    }

    /// When the next check is due.
    pub(super) fn next(&self) -> Instant {
        self.next_step.map_or(self.next_check, |step| step.min(self.next_check))
    }

    /// Checks the child. Returns the reason if it has to be killed.
    pub(super) fn check(&mut self, now: Instant) -> Option<String> {
        if self.next_step.is_some_and(|at| now >= at) {
            self.throttle(now);
        }
        if now < self.next_check {
            return None;
        }
        let elapsed = now - std::mem::replace(&mut self.last_check, now);
        let used = usage::memory(self.pid).unwrap_or_default();
        telemetry::connector_gauge(&self.connector, MEMORY, used as f64);
        self.next_check = now + if used > self.memory / 2 { FAST_CHECK_INTERVAL } else { CHECK_INTERVAL };
        self.check_heartbeat(elapsed).or_else(|| self.check_memory(used))
    }

    /// Counts at most two intervals per check, so that a child is not blamed when the host itself was stopped or slow.
    fn check_heartbeat(&mut self, elapsed: Duration) -> Option<String> {
        let beats = self.heartbeats.beats.load(Ordering::Relaxed);
        if beats != self.beats || self.heartbeats.suspended.load(Ordering::Relaxed) {
            (self.beats, self.silent) = (beats, Duration::ZERO);
            return None;
        }
        self.silent += elapsed.min(CHECK_INTERVAL * 2);
        (self.silent >= HEARTBEAT_TIMEOUT)
            .then(|| format!("it sent no heartbeat for {} s", HEARTBEAT_TIMEOUT.as_secs()))
    }

    fn check_memory(&self, used: u64) -> Option<String> {
        if used <= self.memory {
            return None;
        }
        let limit = ByteSize::from_bytes(self.memory);
        let used = used.div_ceil(1 << 20);
        Some(format!(
            "it uses {used} MiB, more than limits.memory = {limit} allows; raise it, or lower batch.max_bytes"
        ))
    }

    fn throttle(&mut self, now: Instant) {
        let Some(throttle) = &mut self.throttle else { return };
        let Some(used) = usage::cpu(self.pid) else {
            self.next_step = None;
            return;
        };
        let (stop, wait) = match throttle.step(now, used) {
            Step::Run(wait) => (false, wait),
            Step::Stop(wait) => (true, wait),
        };
        self.next_step = Some(now + wait);
        self.set_stopped(stop);
    }

    fn set_stopped(&mut self, stop: bool) {
        if self.is_stopped == stop {
            return;
        }
        self.is_stopped = stop;
        let signal = if stop { Signal::STOP } else { Signal::CONT };
        if let Err(error) = kill_process(self.pid, signal) {
            tracing::debug!(%error, "enforcing limits.cpu");
        }
    }
}
