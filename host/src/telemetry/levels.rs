//! Which log lines are written: a level for the host, and others for connectors and modules, which change while it runs.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use tracing::{Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::layer::{Context, Filter};

use crate::config::LogLevel;

/// The logger that all others inherit from, as in Kafka Connect.
pub const ROOT_LOGGER: &str = "root";
/// Loggers of connectors start with this.
const CONNECTOR: &str = "connector.";
/// The audit log of the API. It is always written: a client that may set log levels must not be able to turn it off.
pub(super) const AUDIT: &str = "tidegate::audit";

static LEVELS: RwLock<Levels> =
    RwLock::new(Levels { root: Level { level: LevelFilter::INFO, changed: None }, own: BTreeMap::new() });

#[derive(Clone, Copy)]
struct Level {
    level: LevelFilter,
    changed: Option<u64>,
}

struct Levels {
    root: Level,
    /// By `connector.<name>` or by module, such as `tidegate::kafka`.
    own: BTreeMap<String, Level>,
}

/// The level of a logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelChange {
    /// The least important level that is logged.
    pub level: LevelFilter,
    /// When it was set while the host ran, in milliseconds since 1970.
    pub changed: Option<u64>,
}

impl From<Level> for LevelChange {
    fn from(level: Level) -> Self {
        Self { level: level.level, changed: level.changed }
    }
}

pub(super) fn init(level: LevelFilter) {
    LEVELS.write().unwrap_or_else(PoisonError::into_inner).root = Level { level, changed: None };
}

/// The level of the configuration as a filter.
#[must_use]
pub fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// All loggers that have a level of their own, and `root`.
#[must_use]
pub fn levels() -> BTreeMap<String, LevelChange> {
    let levels = LEVELS.read().unwrap_or_else(PoisonError::into_inner);
    let own = levels.own.iter().map(|(name, level)| (name.clone(), LevelChange::from(*level)));
    own.chain([(ROOT_LOGGER.to_owned(), levels.root.into())]).collect()
}

/// The level of a logger: its own, or the one that it inherits. Lines of a connector without a level of its own have that of their
/// module, which is that of `root` for most.
#[must_use]
pub fn level_of(logger: &str) -> LevelChange {
    let levels = LEVELS.read().unwrap_or_else(PoisonError::into_inner);
    let own = levels.own.get(logger).copied();
    own.map_or_else(|| LevelChange { level: levels.for_target(logger), changed: None }, LevelChange::from)
}

/// Sets the level of a logger: `root`, `connector.<name>`, or a module such as `tidegate::kafka`. Returns the loggers that are
/// affected.
pub fn set_level(logger: &str, level: LevelFilter) -> Vec<String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let new = Level { level, changed: Some(since.as_millis() as u64) };
    let mut levels = LEVELS.write().unwrap_or_else(PoisonError::into_inner);
    match logger {
        ROOT_LOGGER => levels.root = new,
        other => drop(levels.own.insert(other.to_owned(), new)),
    }
    drop(levels);
    // Whether an event is of interest is remembered per place in the code.
    tracing::callsite::rebuild_interest_cache();
    vec![logger.to_owned()]
}

/// Whether an event of this connector is logged.
pub(super) fn is_logged(event: &Metadata<'_>, connector: Option<&str>) -> bool {
    let levels = LEVELS.read().unwrap_or_else(PoisonError::into_inner);
    levels.allow(event.target(), *event.level(), connector)
}

impl Levels {
    fn allow(&self, target: &str, level: tracing::Level, connector: Option<&str>) -> bool {
        if is_audit(target, level) {
            return true;
        }
        let of_connector = connector
            .filter(|_| !self.own.is_empty())
            .and_then(|name| self.own.get(&format!("{CONNECTOR}{name}")));
        level <= of_connector.map_or_else(|| self.for_target(target), |own| own.level)
    }

    /// The level of a module: that of the longest name that it starts with.
    fn for_target(&self, target: &str) -> LevelFilter {
        let is_part = |name: &str| {
            target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
        };
        let own = self.own.iter().filter(|(name, _)| is_part(name)).max_by_key(|(name, _)| name.len());
        // Libraries such as HTTP clients are logged from warnings on.
        let is_own = ["tidegate", "plugin", CONNECTOR].iter().any(|start| target.starts_with(start));
        let is_own = is_own || target == ROOT_LOGGER;
        let default = if is_own { self.root.level } else { self.root.level.min(LevelFilter::WARN) };
        own.map_or(default, |(_, own)| own.level)
    }

    fn most(&self) -> LevelFilter {
        // The audit log is written in any case.
        let least = [self.root.level, LevelFilter::INFO];
        self.own.values().map(|own| own.level).chain(least).max().unwrap_or(LevelFilter::INFO)
    }

    /// Whether an event may be logged, for whichever connector.
    fn may_allow(&self, target: &str, level: tracing::Level) -> bool {
        let connectors = self.own.iter().filter(|(name, _)| name.starts_with(CONNECTOR));
        let most = connectors.map(|(_, own)| own.level).max();
        is_audit(target, level)
            || level <= most.map_or_else(|| self.for_target(target), |most| most.max(self.for_target(target)))
    }
}

fn is_audit(target: &str, level: tracing::Level) -> bool {
    target == AUDIT && level <= tracing::Level::INFO
}

/// Lets events pass that may be logged.
pub(super) struct CurrentLevels;

impl<S: Subscriber> Filter<S> for CurrentLevels {
    fn enabled(&self, event: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        let levels = LEVELS.read().unwrap_or_else(PoisonError::into_inner);
        event.is_span() || levels.may_allow(event.target(), *event.level())
    }

    fn callsite_enabled(&self, event: &'static Metadata<'static>) -> Interest {
        let levels = LEVELS.read().unwrap_or_else(PoisonError::into_inner);
        match event.is_span() || levels.may_allow(event.target(), *event.level()) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LEVELS.read().unwrap_or_else(PoisonError::into_inner).most())
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level as Severity;

    use super::*;

    fn level(level: LevelFilter) -> Level {
        Level { level, changed: None }
    }

    #[test]
    fn the_most_specific_level_counts() {
        let own = [
            ("connector.a", LevelFilter::DEBUG),
            ("connector.quiet", LevelFilter::ERROR),
            ("tidegate::kafka", LevelFilter::TRACE),
        ];
        let own = own.map(|(name, filter)| (name.to_owned(), level(filter))).into();
        let levels = Levels { root: level(LevelFilter::INFO), own };
        let allow = |target, severity, connector| levels.allow(target, severity, connector);
        assert!(allow("tidegate::pipeline", Severity::DEBUG, Some("a")));
        assert!(!allow("tidegate::pipeline", Severity::DEBUG, Some("b")));
        assert!(!allow("tidegate::pipeline", Severity::WARN, Some("quiet")));
        assert!(allow("tidegate::kafka::admin", Severity::TRACE, None));
        assert!(!allow("tidegate::kafkaesque", Severity::DEBUG, None));
        assert!(!allow("hyper::proto", Severity::INFO, None), "libraries are logged from warnings on");
        assert!(levels.may_allow("tidegate::pipeline", Severity::DEBUG), "it may be of connector a");
    }

    #[test]
    fn a_connector_without_a_level_has_that_of_the_root() {
        let levels = Levels { root: level(LevelFilter::DEBUG), own: BTreeMap::new() };
        assert_eq!(levels.for_target("connector.a"), LevelFilter::DEBUG);
        assert_eq!(levels.for_target("hyper"), LevelFilter::WARN);
    }

    #[test]
    fn the_audit_log_cannot_be_switched_off() {
        let own = ["connector.a", AUDIT].map(|name| (name.to_owned(), level(LevelFilter::OFF))).into();
        let levels = Levels { root: level(LevelFilter::OFF), own };
        assert!(levels.may_allow(AUDIT, Severity::INFO) && levels.allow(AUDIT, Severity::INFO, Some("a")));
        assert!(!levels.may_allow(AUDIT, Severity::DEBUG));
        assert!(!levels.may_allow("tidegate::audits", Severity::ERROR));
        assert_eq!(levels.most(), LevelFilter::INFO);
    }
}
