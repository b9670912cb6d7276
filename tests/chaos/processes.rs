//! Process trees: pids, memory and signals of a host and its children.

use std::{fs, process::Command};

use tidegate_tests::ProcessStatus;

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
    ProcessStatus::of(pid)
        .is_some_and(|status| !status.field("State").is_some_and(|state| state.starts_with('Z')))
}

/// The memory in use of a process and its descendants in kilobytes, if the system reports it.
pub(crate) fn memory(pid: u32) -> Option<u64> {
    let of = |pid: u32| ProcessStatus::of(pid)?.number("VmRSS");
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
    ProcessStatus::of(pid)?.number("PPid")?.try_into().ok()
}
