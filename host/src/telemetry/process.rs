//! The usual metrics of a process, from Linux' `/proc`. On other systems there are none.

use std::{fs, path::Path};

use super::registry::{Registry, Update};

/// Measures this process.
pub(super) fn measure(registry: &Registry) {
    for (name, update) in read(Path::new("/proc")).into_iter().flatten() {
        registry.update(name, Vec::new(), &update);
    }
}

fn read(proc: &Path) -> Option<Vec<(&'static str, Update<'static>)>> {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let stat = fs::read_to_string(proc.join("self/stat")).ok()?;
    // The second field is the name in parentheses, which may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let boot = fs::read_to_string(proc.join("stat")).ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<u64>().ok()?;
    let open = fs::read_dir(proc.join("self/fd")).ok()?.count();
    Some(vec![
        // Whole seconds: it is a counter of integers here.
        ("process_cpu_seconds_total", Update::Total((field(14)? + field(15)?) / ticks)),
        ("process_threads", Update::Set(field(20)? as f64)),
        ("process_start_time_seconds", Update::Set(boot as f64 + field(22)? as f64 / ticks as f64)),
        ("process_resident_memory_bytes", Update::Set(field(24)? as f64 * rustix::param::page_size() as f64)),
        ("process_open_fds", Update::Set(open as f64)),
    ])
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_measured() {
        let measured = read(Path::new("/proc")).expect("/proc");
        assert_eq!(measured.len(), 5);
        for (name, update) in measured {
            let is_plausible = match update {
                Update::Total(_) => true,
                Update::Set(value) => value >= 1.0,
                _ => false,
            };
            assert!(is_plausible, "{name}: {update:?}");
        }
    }
}
