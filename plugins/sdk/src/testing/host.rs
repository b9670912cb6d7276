//! A fake host that stores the logs and metrics of a plugin.

use std::{cell::RefCell, collections::BTreeMap, sync::OnceLock};

use tidegate_abi::{
    abi_stable::{
        prefix_type::PrefixTypeTrait,
        std_types::{RSlice, RStr},
    },
    raw::{HostHandle, HostVTable, LogEvent, Pair},
};

use crate::{context::Context, error::Result, logging};

thread_local! {
    static LOGS: RefCell<Vec<Log>> = const { RefCell::new(Vec::new()) };
    static METRICS: RefCell<BTreeMap<String, f64>> = const { RefCell::new(BTreeMap::new()) };
}

/// A log event of the plugin under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Level: `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
    /// Message.
    pub message: String,
    /// Structured fields.
    pub fields: BTreeMap<String, String>,
}

/// Takes what plugins have logged on this thread since the last call.
#[must_use]
pub fn logs() -> Vec<Log> {
    LOGS.take()
}

/// Takes the metrics of plugins on this thread since the last call, by name: the sum of a counter, the last value of a
/// gauge, the sum of a histogram.
#[must_use]
pub fn metrics() -> BTreeMap<String, f64> {
    METRICS.take()
}

/// The functions of the fake host.
pub(crate) fn handle() -> HostHandle {
    static HOST: OnceLock<HostHandle> = OnceLock::new();
    *HOST.get_or_init(|| {
        let vtable =
            HostVTable { log_enabled, log, counter_add, gauge_set, histogram_record, should_stop, progress };
        HostHandle { ctx: std::ptr::null(), vtable: vtable.leak_into_prefix() }
    })
}

/// The context of a connector's only task.
pub(super) fn context(connector: &str) -> Result<Context> {
    let host = handle();
    logging::forward_to(host)?;
    Ok(Context::for_test(host, connector))
}

extern "C" fn log_enabled(_: *const (), _: u8, _: RStr<'_>) -> bool {
    true
}

extern "C" fn log(_: *const (), event: &LogEvent<'_>) {
    let level = match event.level {
        1 => "error",
        2 => "warn",
        3 => "info",
        4 => "debug",
        _ => "trace",
    };
    let fields = event.fields.iter().map(|pair| (pair.name.to_string(), pair.value.to_string())).collect();
    LOGS.with_borrow_mut(|logs| logs.push(Log { level, message: event.message.to_string(), fields }));
}

extern "C" fn counter_add(_: *const (), name: RStr<'_>, _: RSlice<'_, Pair<'_>>, delta: u64) {
    METRICS.with_borrow_mut(|metrics| *metrics.entry(name.to_string()).or_default() += delta as f64);
}

extern "C" fn gauge_set(_: *const (), name: RStr<'_>, _: RSlice<'_, Pair<'_>>, value: f64) {
    METRICS.with_borrow_mut(|metrics| metrics.insert(name.to_string(), value));
}

extern "C" fn histogram_record(_: *const (), name: RStr<'_>, _: RSlice<'_, Pair<'_>>, value: f64) {
    METRICS.with_borrow_mut(|metrics| *metrics.entry(name.to_string()).or_default() += value);
}

extern "C" fn should_stop(_: *const ()) -> bool {
    false
}

extern "C" fn progress(_: *const ()) {}
