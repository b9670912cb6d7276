//! Memory and CPU use of a process, from Linux' `/proc`. On other systems there is no data and the limits do not apply.

use std::{fs, time::Duration};

use rustix::process::Pid;

/// Bytes of memory that belong to the process alone, in RAM or swapped out, without mapped files.
pub(super) fn memory(pid: Pid) -> Option<u64> {
    own_memory(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn own_memory(status: &str) -> Option<u64> {
    let kibibytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    // A zombie has none of these.
    let anonymous = kibibytes("RssAnon")?;
    Some((anonymous + kibibytes("RssShmem").unwrap_or(0) + kibibytes("VmSwap").unwrap_or(0)) * 1024)
}

/// CPU time of all threads, with a resolution of one clock tick (10 ms).
pub(super) fn cpu(pid: Pid) -> Option<Duration> {
    let ticks = cpu_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / per_second)))
}

/// `utime` and `stime`: the 14th and 15th field. The second field is the name in parentheses, which may contain anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_the_name() {
        let stat = "77 (a) b (c) S 1 77 77 0 -1 4194560 9 0 0 0 120 35 0 0 20 0 4 0 5";
        assert_eq!(cpu_ticks(stat), Some(155));
        let status = "Name:\tx\nRssAnon:\t    100 kB\nRssFile:\t 900 kB\nRssShmem:\t 4 kB\nVmSwap:\t 20 kB\n";
        assert_eq!(own_memory(status), Some(124 * 1024));
        assert_eq!(own_memory("Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_something() {
        let pid = rustix::process::getpid();
        assert!(memory(pid).unwrap() > 0);
        assert!(cpu(pid).is_some());
    }
}
