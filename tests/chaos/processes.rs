//! Process trees: pids, memory and signals of a host and its children.

use std::{fs, process::Command};

/// A process and its descendants.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = entries().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(above) = tree.get(next).copied() {
        tree.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        next += 1;
    }
    tree
}

/// Whether a process exists and is not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    status(pid).is_some_and(|status| !field(&status, "State:").is_some_and(|state| state.starts_with('Z')))
}

/// The memory in use of a process and its descendants in kilobytes, if the system reports it.
pub(crate) fn memory(pid: u32) -> Option<u64> {
    let of = |pid: u32| field(&status(pid)?, "VmRSS:")?.split_whitespace().next()?.parse::<u64>().ok();
    let own = of(pid)?;
    Some(own + tree(pid).into_iter().skip(1).filter_map(of).sum::<u64>())
}

/// Sends a signal, such as `STOP`, to processes that may have ended.
pub(crate) fn signal(name: &str, pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    // `kill` is a shell builtin, so no other tool is needed.
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {} 2>&1", pids.join(" "))]).output();
    assert!(status.is_ok(), "a shell");
}

fn entries() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(pid: u32) -> Option<u32> {
    field(&status(pid)?, "PPid:")?.parse().ok()
}

fn status(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
