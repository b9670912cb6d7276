//! Looks after a running child: whether it lives, what it uses, and that it keeps to its limits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    throttle::{Step, Throttle},
    usage,
};
use crate::config::format_size;

/// How often it is looked after, and how often when it uses more than half of the memory that it may use.
const EVERY: Duration = Duration::from_millis(200);
const SOON: Duration = Duration::from_millis(50);
/// How long a child may be silent that should give a sign of life every second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Signs of life, as whoever listens to the child counts them.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    beats: AtomicU64,
    held_up: AtomicBool,
}

impl Pulse {
    /// The child has said something.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Nobody listens for now, or somebody does again.
    pub(super) fn hold_up(&self, held_up: bool) {
        self.held_up.store(held_up, Ordering::Relaxed);
    }
}

/// What a child has to keep to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of memory of its own.
    pub(super) memory: u64,
    /// Thousandths of a core.
    pub(super) cpu: Option<u32>,
}

/// Looks after one child.
pub(super) struct Watch {
    pid: Pid,
    pulse: Arc<Pulse>,
    memory: u64,
    throttle: Option<Throttle>,
    is_stopped: bool,
    beats: u64,
    silent: Duration,
    looked: Instant,
    next_look: Instant,
    next_step: Option<Instant>,
}

impl Watch {
    pub(super) fn new(pid: Pid, pulse: Arc<Pulse>, bounds: Bounds) -> Self {
        let now = Instant::now();
        Self {
            pid,
            pulse,
            memory: bounds.memory,
            throttle: bounds.cpu.map(Throttle::new),
            is_stopped: false,
            beats: 0,
            silent: Duration::ZERO,
            looked: now,
            next_look: now + EVERY,
            next_step: bounds.cpu.map(|_| now),
        }
    }

    /// When to look next.
    pub(super) fn next(&self) -> Instant {
        self.next_step.map_or(self.next_look, |step| step.min(self.next_look))
    }

    /// Looks. Returns why the child has to be killed, if it has to.
    pub(super) fn look(&mut self, now: Instant) -> Option<String> {
        if self.next_step.is_some_and(|at| now >= at) {
            self.throttle(now);
        }
        if now < self.next_look {
            return None;
        }
        let elapsed = now - std::mem::replace(&mut self.looked, now);
        let used = usage::memory(self.pid).unwrap_or_default();
        self.next_look = now + if used > self.memory / 2 { SOON } else { EVERY };
        self.listen(elapsed).or_else(|| self.weigh(used))
    }

    /// A host that was stopped itself, or had no time, does not hold that against the child.
    fn listen(&mut self, elapsed: Duration) -> Option<String> {
        let beats = self.pulse.beats.load(Ordering::Relaxed);
        if beats != self.beats || self.pulse.held_up.load(Ordering::Relaxed) {
            (self.beats, self.silent) = (beats, Duration::ZERO);
            return None;
        }
        self.silent += elapsed.min(EVERY * 2);
        (self.silent >= PATIENCE).then(|| format!("it gave no sign of life for {} s", PATIENCE.as_secs()))
    }

    fn weigh(&self, used: u64) -> Option<String> {
        if used <= self.memory {
            return None;
        }
        let limit = format_size(self.memory);
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
            tracing::debug!(%error, "holding a process to limits.cpu");
        }
    }
}
