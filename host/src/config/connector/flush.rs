//! `[flush]`: when a sink that is durable on flush is flushed, resolved from the files, the sink's defaults and the host's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::BatchDefaults;
use crate::config::section::Section;

const MIB: u64 = 1 << 20;

/// When a sink that is durable on flush is flushed: as soon as the first limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushLimits {
    /// Records written since the last flush; at least 1.
    pub max_records: u64,
    /// Bytes of keys, values and headers of the records read since the last flush.
    pub max_bytes: u64,
    /// Time since the first record was written.
    pub max_wait: Duration,
    /// Bytes that the host may keep of the records since the last flush, to write them to a dead-letter topic if the flush
    /// rejects them.
    pub memory: usize,
}

/// Flush limits from the files. They override the sink's own defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlushOverrides {
    /// `max_records`, 1 to 1000000000. Host default: 100000.
    pub max_records: Option<u64>,
    /// `max_bytes`, 1 KiB to 1024 GiB. Host default: 64 MiB.
    pub max_bytes: Option<u64>,
    /// `max_wait`, 1 ms to 24 h. Host default: 10 s.
    pub max_wait: Option<Duration>,
}

impl FlushOverrides {
    /// The effective limits: file, then `[defaults.flush]`, then the sink's own, then the host's. `memory` is what the host may
    /// keep of unflushed records, in bytes.
    #[must_use]
    pub fn resolve(&self, sink: BatchDefaults, memory: usize) -> FlushLimits {
        FlushLimits {
            max_records: self.max_records.or(sink.max_records.map(|limit| limit as u64)).unwrap_or(100_000),
            max_bytes: self.max_bytes.or(sink.max_bytes.map(|limit| limit as u64)).unwrap_or(64 * MIB),
            max_wait: self.max_wait.or(sink.max_wait).unwrap_or(Duration::from_secs(10)),
            memory,
        }
    }

    /// `sink` is the name of the sink and whether it is durable on flush, if its plugin was found.
    pub(super) fn read(mut section: Section<'_>, sink: Option<(&str, bool)>) -> Self {
        let flush = Self {
            max_records: section.integer("max_records", 1..=1_000_000_000),
            max_bytes: section.size("max_bytes", 1024..=1024 * 1024 * MIB).map(|bytes| bytes as u64),
            max_wait: section.duration("max_wait", Duration::from_millis(1)..=Duration::from_secs(86_400)),
        };
        if let Some((name, false)) = sink {
            for key in ["max_records", "max_bytes", "max_wait"] {
                // A default for all connectors applies to those with other sinks.
                if section.has(key) && !section.is_default(key) {
                    let message =
                        format!("the sink {name:?} makes each batch durable at once, and is never flushed");
                    section.error(key, message, Some("set it in [batch], or remove it".to_owned()));
                }
            }
        }
        section.finish();
        flush
    }
}
