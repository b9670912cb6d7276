//! What a running process has used, from `/proc`.

use std::{fs, time::Duration};

use tidegate_tests::ProcessStatus;

/// What a process has used until now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time of all its threads, in steps of the system's clock, which is usually 10 ms.
    pub(crate) cpu: Duration,
    /// The most memory that was resident.
    pub(crate) peak_bytes: u64,
    /// Memory that is resident now.
    pub(crate) resident_bytes: u64,
    /// Threads now.
    pub(crate) threads: u64,
}

/// What a process has used.
///
/// # Panics
/// If it has ended.
pub(crate) fn usage(pid: u32) -> Usage {
    try_usage(pid).unwrap_or_else(|| panic!("the process {pid} has ended"))
}

/// What a process has used; `None` if it has ended.
pub(crate) fn try_usage(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses and may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let cpu = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    let status = ProcessStatus::of(pid)?;
    Some(Usage {
        cpu,
        // A process that has ended, but is not reaped, has no memory.
        peak_bytes: status.number("VmHWM")? * 1024,
        resident_bytes: status.number("VmRSS")? * 1024,
        threads: status.number("Threads")?,
    })
}
