//! Figures of one run, and the medians of several.

use std::time::{Duration, Instant};

use crate::{lines::Written, process::Usage};

/// What a program took for its work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// From the start of the process or connector to the last record.
    pub(crate) wall: Duration,
    /// From the first record in the output to the last; unknown if there is no output.
    pub(crate) from_first: Option<Duration>,
    /// CPU time of the process in `wall`.
    pub(crate) cpu: Duration,
    /// The most memory that was resident since the start of the process.
    pub(crate) peak_bytes: u64,
}

impl Run {
    /// Of a process that has written a file.
    pub(crate) fn written(started: Instant, written: Written) -> Self {
        Self {
            wall: written.last - started,
            from_first: Some(written.last - written.first),
            cpu: written.usage.cpu,
            peak_bytes: written.usage.peak_bytes,
        }
    }

    /// Of a process without output that has just finished.
    pub(crate) fn to_now(started: Instant, usage: Usage) -> Self {
        Self { wall: started.elapsed(), from_first: None, cpu: usage.cpu, peak_bytes: usage.peak_bytes }
    }

    /// Without the CPU time that the process had used before.
    pub(crate) fn since(mut self, before: Usage) -> Self {
        self.cpu = self.cpu.saturating_sub(before.cpu);
        self
    }

    /// The median of each figure.
    pub(crate) fn medians(runs: &[Self]) -> Self {
        let from_first: Option<Vec<Duration>> = runs.iter().map(|run| run.from_first).collect();
        Self {
            wall: median(runs.iter().map(|run| run.wall)),
            from_first: from_first.map(median),
            cpu: median(runs.iter().map(|run| run.cpu)),
            peak_bytes: median(runs.iter().map(|run| run.peak_bytes)),
        }
    }
}

/// The middle one; of an even number, the upper of the two in the middle.
///
/// # Panics
/// If there is none.
pub(crate) fn median<T: Ord>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort();
    values.swap_remove(values.len() / 2)
}
