//! Notices of the decoder: each is logged once, then summarised once a minute, and always counted in a metric.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    formats::{Notice, Severity},
    telemetry,
};

/// How often repeated notices are summarised in the log.
const INTERVAL: Duration = Duration::from_secs(60);

/// Logs and measures the notices of one task.
pub(super) struct NoticeLog {
    connector: String,
    task: u32,
    /// Cases since the last summary, by cause and subject.
    repeated: BTreeMap<(&'static str, Box<str>), u64>,
    summed_up: Instant,
}

impl NoticeLog {
    /// A log without notices.
    pub(super) fn new(connector: &str, task: u32) -> Self {
        let connector = connector.to_owned();
        Self { connector, task, repeated: BTreeMap::new(), summed_up: Instant::now() }
    }

    /// Adds a notice: a new one is logged immediately, a repetition is part of the next summary.
    pub(super) fn add(&mut self, notice: Notice) {
        let cause = notice.cause.0;
        let name = match notice.severity {
            Severity::Warning => "warnings_total",
            Severity::Info => "notices_total",
        };
        telemetry::task_count(&self.connector, self.task, name, &[("cause", cause)], notice.count);
        let mut repeated = notice.count;
        if let Some(message) = &notice.message {
            repeated -= 1;
            let subject = &*notice.subject;
            match notice.severity {
                Severity::Warning => {
                    tracing::warn!({ telemetry::EVERY_LINE } = true, cause, subject, "{message}");
                }
                Severity::Info => {
                    tracing::info!({ telemetry::EVERY_LINE } = true, cause, subject, "{message}")
                }
            }
        }
        if notice.severity == Severity::Info {
            return;
        }
        if repeated > 0 {
            *self.repeated.entry((cause, notice.subject)).or_default() += repeated;
        }
    }

    /// Logs a summary of repeated notices, once a minute, or `now`.
    pub(super) fn summarise(&mut self, now: bool) {
        if self.repeated.is_empty() || (!now && self.summed_up.elapsed() < INTERVAL) {
            return;
        }
        self.summed_up = Instant::now();
        for ((cause, subject), count) in std::mem::take(&mut self.repeated) {
            let subject = &*subject;
            tracing::warn!(
                { telemetry::EVERY_LINE } = true,
                cause,
                subject,
                "{count} more records with the same warning"
            );
        }
    }
}

impl Drop for NoticeLog {
    fn drop(&mut self) {
        self.summarise(true);
    }
}
