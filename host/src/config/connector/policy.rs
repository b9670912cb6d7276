//! `[errors]`, `[restart]` and `[plugins]`: what happens when something goes wrong.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_plugin::HumanDuration;

use super::dead_letters::OnReject;
use super::source::Subscription;
use crate::config::section::Section;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const BACKOFF_BOUNDS: RangeInclusive<Duration> = MILLISECOND..=DAY;

/// `[errors.retry]`: backoff of retriable errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// `initial`: the first backoff. Default: 200 ms.
    pub initial: Duration,
    /// `max`: the longest backoff. Default: 60 s.
    pub max: Duration,
    /// `timeout`: after this long the task fails. Default: 15 min.
    pub timeout: Duration,
}

/// `[errors]`: bad records and retries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorPolicy {
    /// `tolerance`, `on_reject` and `dead_letter_topic`.
    pub on_reject: OnReject,
    /// `max_rejected`: more rejected records than this within `window` stop the task. Default: 1000.
    pub max_rejected: u64,
    /// `window` in which rejected records are counted. Default: 1 min.
    pub window: Duration,
    /// `[errors.retry]`.
    pub retry: RetryPolicy,
}

impl ErrorPolicy {
    /// Reads `[errors]` of a connector that reads `subscription`, as far as that is known.
    pub(super) fn read(
        mut section: Section<'_>,
        connector: &str,
        subscription: Option<&Subscription>,
    ) -> Self {
        let policy = Self {
            on_reject: OnReject::read(&mut section, connector, subscription),
            max_rejected: section.integer("max_rejected", 0..=1_000_000_000).unwrap_or(1000),
            window: section.duration("window", SECOND..=DAY).unwrap_or(MINUTE),
            retry: RetryPolicy::read(section.section("retry")),
        };
        section.finish();
        policy
    }
}

impl RetryPolicy {
    fn read(mut section: Section<'_>) -> Self {
        let (initial, max) = read_backoff(&mut section, Duration::from_millis(200), MINUTE);
        let timeout = section.duration("timeout", Duration::ZERO..=7 * DAY).unwrap_or(15 * MINUTE);
        section.finish();
        Self { initial, max, timeout }
    }
}

/// Reads `initial` and `max` of a backoff, and rejects an `initial` that is longer than `max`.
fn read_backoff(section: &mut Section<'_>, initial: Duration, max: Duration) -> (Duration, Duration) {
    let written = section.duration("initial", BACKOFF_BOUNDS);
    let longest = section.duration("max", BACKOFF_BOUNDS);
    let first = written.unwrap_or_else(|| initial.min(longest.unwrap_or(initial)));
    let last = longest.unwrap_or_else(|| max.max(first));
    if first > last {
        let message = format!("is longer than max, which is {}", HumanDuration::from(last));
        section.conflict("initial", message, "lower initial or raise max");
    }
    (first, last)
}

/// When a failed task is started again. Default: on failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartWhen {
    /// After every failure, within the policy's limits.
    OnFailure,
    /// Only by `tidegate restart`.
    Never,
}

/// `[restart]`: what happens to a failed task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// `policy`.
    pub policy: RestartWhen,
    /// `initial`: the first backoff. Default: 1 s.
    pub initial: Duration,
    /// `max`: the longest backoff. Default: 5 min.
    pub max: Duration,
    /// `max_restarts` within `window`; then the task stays failed. Default: 10.
    pub max_restarts: u32,
    /// `window` in which restarts are counted. Default: 1 h.
    pub window: Duration,
}

impl RestartPolicy {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let choices = vec![("on-failure", RestartWhen::OnFailure), ("never", RestartWhen::Never)];
        let policy = section.choice("policy", choices).unwrap_or(RestartWhen::OnFailure);
        let (initial, max) = read_backoff(&mut section, SECOND, 5 * MINUTE);
        let restarts =
            section.integer("max_restarts", 0..=1_000_000).and_then(|count| u32::try_from(count).ok());
        let window = section.duration("window", SECOND..=30 * DAY).unwrap_or(HOUR);
        section.finish();
        Self { policy, initial, max, max_restarts: restarts.unwrap_or(10), window }
    }
}

/// `[plugins] reload`: what happens when the library of one of its plugins is replaced. Default: reopen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PluginReload {
    /// The plugins of the new library are opened between two batches; the tasks stay in their group.
    #[default]
    Reopen,
    /// The tasks are restarted with the new library.
    Restart,
    /// The connector keeps the library until it is restarted.
    Never,
}

impl PluginReload {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let choices = vec![("reopen", Self::Reopen), ("restart", Self::Restart), ("never", Self::Never)];
        let reload = section.choice("reload", choices).unwrap_or_default();
        section.finish();
        reload
    }
}
