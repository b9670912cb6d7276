//! What Linux says about a process, from `/proc/<pid>/status` (proc(5)).

use std::fs;

/// The status of a process at one moment.
#[derive(Clone, Debug)]
pub struct ProcessStatus(String);

impl ProcessStatus {
    /// Reads it; `None` if there is no such process.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        fs::read_to_string(format!("/proc/{pid}/status")).ok().map(Self)
    }

    /// The number of a field, such as `PPid`, or `VmRSS` in kilobytes; `None` if there is none, as of memory once the process has
    /// ended.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.split_whitespace().next()?.parse().ok()
    }

    /// The text of a field, such as `State`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let value = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let status =
            ProcessStatus("Name:\tx\nVmRSSx:\t1 kB\nVmRSS:\t  20 kB\nState:\tS (sleeping)\n".to_owned());
        assert_eq!((status.number("VmRSS"), status.number("Vm")), (Some(20), None));
        assert_eq!(status.field("State"), Some("S (sleeping)"));
    }
}
