//! `isolation` and `[limits]`: where a connector runs, and its resource limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_plugin::ByteSize;

use crate::config::section::Section;

const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// `isolation`: where a connector's tasks run. Default: in threads of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In threads of the host.
    #[default]
    Thread,
    /// In threads of a child process, one for all tasks of the connector.
    Process,
}

impl Isolation {
    pub(super) fn read(root: &mut Section<'_>) -> Self {
        let choices = vec![("thread", Self::Thread), ("process", Self::Process)];
        root.choice("isolation", choices).unwrap_or_default()
    }
}

/// `[limits]`: a connector's resource limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `memory`: bytes of batches and client queues of all tasks together; of the whole child with
    /// [`Isolation::Process`]. Default: 128 MiB.
    pub memory: usize,
    /// `cpu`: thousandths of a core that the child may use on average; only with [`Isolation::Process`]. Default: no limit.
    pub cpu: Option<u32>,
    /// `call_timeout`: a plugin call that takes longer counts as stalled. Default: 5 min.
    pub call_timeout: Duration,
    /// `shutdown`: how long a stop may take before it is cut short. Default: 30 s.
    pub shutdown: Duration,
}

impl Limits {
    /// Memory of a child process and its plugins before it reads records.
    const PROCESS: usize = 16 << 20;
    /// The same, per task: threads, Kafka client, instances of plugins.
    const TASK: usize = 4 << 20;
    /// Of the rest, this many fifths are for the bytes of records: with decoded values, record tables and allocator
    /// overhead they take twice that. In thread mode the memory is not measured; a child that exceeds its limit is
    /// killed.
    const RECORDS: usize = 2;

    pub(super) fn read(mut section: Section<'_>, tasks: usize, isolation: Isolation) -> Self {
        let limits = Self {
            memory: section.size("memory", MIB..=1024 * 1024 * MIB).unwrap_or(128 << 20),
            cpu: read_cpu(&mut section, isolation),
            call_timeout: section.duration("call_timeout", SECOND..=DAY).unwrap_or(5 * MINUTE),
            shutdown: section.duration("shutdown", Duration::ZERO..=HOUR).unwrap_or(30 * SECOND),
        };
        limits.check_memory(&section, tasks, isolation);
        section.finish();
        limits
    }

    fn check_memory(&self, section: &Section<'_>, tasks: usize, isolation: Isolation) {
        if self.task_memory(tasks, isolation) >= 1 << 20 {
            return;
        }
        let tasks = tasks.max(1);
        if isolation == Isolation::Thread {
            let message = format!("leaves each of {tasks} tasks less than 1 MiB");
            return section.conflict("memory", message, "raise limits.memory or lower tasks");
        }
        let own = Self::PROCESS + tasks * Self::TASK;
        let least = ByteSize::from_bytes((own + (tasks * 5).div_ceil(Self::RECORDS) * (1 << 20)) as u64);
        let own = ByteSize::from_bytes(own as u64);
        let message = format!("is too little for a child process, which needs {own} besides its records");
        let help =
            format!("raise limits.memory to {least} or more, or lower tasks, or set isolation = \"thread\"");
        section.conflict("memory", message, &help);
    }

    /// Bytes that one of `tasks` may have for its batches and its client's queue.
    #[must_use]
    pub fn task_memory(&self, tasks: usize, isolation: Isolation) -> usize {
        let tasks = tasks.max(1);
        match isolation {
            Isolation::Thread => self.memory / tasks,
            Isolation::Process => {
                let own = Self::PROCESS + tasks * Self::TASK;
                self.memory.saturating_sub(own) / tasks * Self::RECORDS / 5
            }
        }
    }
}

/// Reads `cpu`, in cores, and rejects it where the limit cannot be enforced.
fn read_cpu(section: &mut Section<'_>, isolation: Isolation) -> Option<u32> {
    let cores = section.number("cpu", 0.1..=1024.0)?;
    if isolation == Isolation::Thread {
        let help = "set isolation = \"process\", or remove it";
        section.conflict("cpu", "can only be enforced on a child process", help);
        return None;
    }
    if cfg!(not(target_os = "linux")) {
        section.conflict("cpu", "is not supported on this system", "remove it");
        return None;
    }
    Some((cores * 1000.0).round() as u32)
}
