//! `[batch]`: the limits of a batch, resolved from the files, the environment, the sink's defaults and the host's.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_plugin::ByteSize;

use super::LoadContext;
use crate::config::section::Section;

const MIB: u64 = 1 << 20;

/// The batch limits that a sink declares; `None` leaves a limit to the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchDefaults {
    /// Records per batch.
    pub max_records: Option<usize>,
    /// Bytes of keys, values and headers per batch.
    pub max_bytes: Option<usize>,
    /// How long a batch waits for more records.
    pub max_wait: Option<Duration>,
}

/// The limits of a task's batches. A batch is complete when it reaches the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchLimits {
    /// Records per batch; at least 1.
    pub max_records: usize,
    /// Bytes of keys, values and headers per batch. A larger record is a batch of its own.
    pub max_bytes: usize,
    /// How long a batch may wait for more records.
    pub max_wait: Duration,
    /// A batch waits for all of `max_wait`, because large batches pay for this sink, or because the user has set it.
    /// Otherwise it is handed on as soon as the sink is idle and no further record has arrived.
    pub lingers: bool,
    /// The largest record, in bytes, that is read.
    pub max_record_bytes: usize,
}

/// Batch limits from the files and the environment. They override the sink's own defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOverrides {
    /// `max_records`, 1 to 1000000. Environment: `BATCH_SIZE`. Host default: 100.
    pub max_records: Option<usize>,
    /// `max_bytes`, 1 KiB to 1 GiB. Host default: 1 MiB.
    pub max_bytes: Option<usize>,
    /// `max_wait`, 1 ms to 1 h. Environment: `POLL_TIMEOUT`, in seconds. Host default: 1 s while the sink is busy, and no
    /// wait while it is idle.
    pub max_wait: Option<Duration>,
    /// `max_record_bytes`, 1 KiB to 1 GiB. Host default: 32 MiB.
    pub max_record_bytes: Option<usize>,
    /// The task's share of `limits.memory`, in bytes. Limits that come from defaults are lowered to fit it.
    pub task_memory: usize,
}

impl BatchOverrides {
    /// Three batches may be in memory at once: one filling, one in transforms, one in the sink.
    pub const BATCHES_IN_MEMORY: usize = 3;

    /// The effective limits: file, then environment, then `[defaults.batch]`, then the sink's own, then the
    /// host's (100 records, 1 MiB, 1 s, 32 MiB). Limits of the last two layers are lowered to what fits the
    /// task's memory.
    pub fn resolve(&self, sink: BatchDefaults) -> BatchLimits {
        let fitting = sink.max_bytes.unwrap_or(1 << 20).min(self.task_memory / Self::BATCHES_IN_MEMORY);
        let max_bytes = self.max_bytes.unwrap_or(fitting).max(1);
        BatchLimits {
            max_records: self.max_records.or(sink.max_records).unwrap_or(100).max(1),
            max_bytes,
            max_wait: self.max_wait.or(sink.max_wait).unwrap_or(Duration::from_secs(1)),
            lingers: self.max_wait.or(sink.max_wait).is_some(),
            max_record_bytes: self.max_record_bytes.unwrap_or((32 << 20).min(self.task_memory)).max(1),
        }
    }

    pub(super) fn read(mut section: Section<'_>, task_memory: usize, context: &LoadContext<'_>) -> Self {
        let environment = &context.host.overrides;
        let records =
            section.integer("max_records", 1..=1_000_000).and_then(|records| usize::try_from(records).ok());
        let wait = section.duration("max_wait", Duration::from_millis(1)..=Duration::from_secs(3600));
        let batch = Self {
            max_records: section.or_environment("max_records", records, environment.batch_size),
            max_bytes: section.size("max_bytes", 1024..=1024 * MIB),
            max_wait: section.or_environment("max_wait", wait, environment.poll_timeout),
            max_record_bytes: section.size("max_record_bytes", 1024..=1024 * MIB),
            task_memory,
        };
        batch.check(&section);
        section.finish();
        batch
    }

    fn check(&self, section: &Section<'_>) {
        let share = ByteSize::from_bytes(self.task_memory as u64);
        let conflict = |key: &str, what: &str| {
            let message =
                format!("{what} of this size would not fit into a task's share of limits.memory, {share}");
            let help = format!("lower batch.{key}, raise limits.memory or lower tasks");
            section.conflict(key, message, &help);
        };
        let batches = self.max_bytes.unwrap_or(0).saturating_mul(Self::BATCHES_IN_MEMORY);
        if batches > self.task_memory {
            conflict("max_bytes", "three batches");
        }
        if self.max_record_bytes.is_some_and(|record| record > self.task_memory) {
            conflict("max_record_bytes", "a record");
        }
    }
}
