//! The processes of a server: signals to all of them, and what they have used.

use std::{
    fs,
    process::{Child, Command},
    time::Duration,
};

use crate::{ProcessStatus, wait_for, watchdog::Watchdog};

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    /// All its processes, while they are suspended.
    frozen: Vec<u32>,
}

impl Server {
    /// Starts it, without waiting until it is ready.
    pub(super) fn start(command: &mut Command, watchdog: &Watchdog) -> Self {
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        watchdog.watch(process.id());
        Self { process, frozen: Vec::new() }
    }

    /// Whether it has not ended.
    pub(super) fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("a child of ours").is_none()
    }

    /// Suspends all processes.
    pub(super) fn freeze(&mut self, watchdog: &Watchdog) {
        assert!(self.is_running() && self.frozen.is_empty(), "the server does not run");
        self.frozen = self.suspend();
        // Those that are suspended do not notice the end of the server.
        self.frozen.iter().for_each(|pid| watchdog.watch(*pid));
    }

    /// Resumes all processes.
    pub(super) fn resume(&mut self, watchdog: &Watchdog) {
        let own = self.process.id();
        self.frozen.iter().filter(|pid| **pid != own).for_each(|pid| watchdog.forget(*pid));
        signal("CONT", &std::mem::take(&mut self.frozen));
    }

    /// Kills all processes, and waits until they are gone.
    pub(super) fn kill(mut self, watchdog: &Watchdog) {
        let processes = self.suspend();
        signal("KILL", &processes);
        self.reap(watchdog);
        for pid in processes {
            wait_for(|| has_ended(pid).then_some(()))
                .unwrap_or_else(|reason| panic!("the end of {pid}: {reason}"));
        }
    }

    /// Makes it end with a signal, and waits.
    pub(super) fn stop(mut self, name: &str, watchdog: &Watchdog) {
        self.resume(watchdog);
        signal(name, &[self.process.id()]);
        self.reap(watchdog);
    }

    /// As [`Server::stop`], if it has not ended already.
    pub(super) fn end(mut self, name: &str, watchdog: &Watchdog) {
        if self.is_running() {
            self.stop(name, watchdog);
        } else {
            watchdog.forget(self.process.id());
        }
    }

    /// CPU time of all processes, also of those that were reaped.
    pub(super) fn cpu(&self) -> Duration {
        let own = self.process.id();
        let children = children(own).into_iter().map(|pid| ticks(pid, 2));
        let ticks = ticks(own, 4) + children.sum::<u64>();
        Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Suspends the server, which then starts no more processes, and after it all others; waits until they are suspended.
    fn suspend(&self) -> Vec<u32> {
        let own = self.process.id();
        suspend(&[own]);
        let children = children(own);
        suspend(&children);
        [own].into_iter().chain(children).collect()
    }

    fn reap(&mut self, watchdog: &Watchdog) {
        let ended = wait_for(|| self.process.try_wait().expect("a child of ours"));
        watchdog.forget(self.process.id());
        ended.unwrap_or_else(|reason| panic!("the end of the server: {reason}"));
    }
}

/// Sends a signal. Processes that are gone do not matter.
fn signal(name: &str, pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    // `kill` is a shell builtin, so no other tool is needed.
    let script = format!("kill -{name} {} 2>/dev/null || true", pids.join(" "));
    let status = Command::new("sh").args(["-c", &script]).status().expect("a shell");
    assert!(status.success(), "{script}: {status}");
}

fn suspend(pids: &[u32]) {
    signal("STOP", pids);
    for pid in pids {
        let stopped = || has_ended(*pid) || state(*pid).is_some_and(|state| state == 'T');
        wait_for(|| stopped().then_some(())).unwrap_or_else(|reason| panic!("suspending {pid}: {reason}"));
    }
}

/// A process that is not reaped yet is still there, in the state `Z`.
fn has_ended(pid: u32) -> bool {
    state(pid).is_none_or(|state| state == 'Z' || state == 'X')
}

fn state(pid: u32) -> Option<char> {
    ProcessStatus::of(pid)?.field("State")?.chars().next()
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The sum of the first `count` of a process's times: its own in user and system mode, then those of its children that were reaped.
fn ticks(pid: u32, count: usize) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it is in parentheses and may contain anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(count).filter_map(|field| field.parse::<u64>().ok()).sum()
}
