//! What the host offers to a running plugin: log, metrics, and whether a call should stop. These functions never
//! unwind.
#![expect(unsafe_code, reason = "a plugin hands back the context pointer that it was given")]

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tidegate_abi::{
    abi_stable::{
        prefix_type::WithMetadata,
        std_types::{RSlice, RStr},
    },
    raw::{HostHandle, HostVTable, HostVTableRef, LogEvent, Pair},
};

use crate::telemetry;

/// The task and plugin of a call. It is never freed, since a plugin may keep its handle in a thread that cannot be
/// stopped; the same task and plugin always get the same context.
#[derive(Debug)]
pub struct CallContext {
    connector: String,
    task: u32,
    plugin: String,
    stop: AtomicBool,
    /// Number of reports of progress.
    progress: AtomicU64,
}

impl CallContext {
    /// The context of `plugin` in a task.
    #[must_use]
    pub fn of(connector: &str, task: u32, plugin: &str) -> &'static Self {
        type Contexts = HashMap<(String, u32, String), &'static CallContext>;
        static CONTEXTS: LazyLock<Mutex<Contexts>> = LazyLock::new(Mutex::default);
        let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        contexts.entry((connector.to_owned(), task, plugin.to_owned())).or_insert_with(|| {
            Box::leak(Box::new(Self {
                connector: connector.to_owned(),
                task,
                plugin: plugin.to_owned(),
                stop: AtomicBool::new(false),
                progress: AtomicU64::new(0),
            }))
        })
    }

    /// Sets or clears the request that the plugin's current call ends soon.
    pub fn ask_to_stop(&self, stop: bool) {
        self.stop.store(stop, Ordering::Relaxed);
    }

    /// Whether the plugin's current call was requested to end.
    #[cfg(test)]
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The number of times that the plugin has reported progress. It never decreases.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Connector's name.
    #[must_use]
    pub fn connector(&self) -> &str {
        &self.connector
    }

    /// Task's number.
    #[must_use]
    pub fn task(&self) -> u32 {
        self.task
    }

    pub(super) fn handle(&'static self) -> HostHandle {
        HostHandle { ctx: std::ptr::from_ref(self).cast(), vtable: vtable() }
    }
}

/// The handle for the log of a library before a task uses it.
pub(super) fn library_handle() -> HostHandle {
    CallContext::of("", 0, "").handle()
}

fn vtable() -> HostVTableRef {
    const VTABLE: &WithMetadata<HostVTable> = &WithMetadata::new(HostVTable {
        log_enabled,
        log,
        counter_add,
        gauge_set,
        histogram_record,
        should_stop,
        progress,
    });
    HostVTableRef(VTABLE.static_as_prefix())
}

/// Runs `call` for the plugin's context. A panic of the host must not unwind into the plugin.
fn guarded<T: Default>(ctx: *const (), call: impl FnOnce(&'static CallContext) -> T) -> T {
    // SAFETY: every handle is made from a `&'static CallContext`, above.
    let Some(context) = (unsafe { ctx.cast::<CallContext>().as_ref() }) else { return T::default() };
    catch_unwind(AssertUnwindSafe(|| call(context))).unwrap_or_default()
}

extern "C" fn log_enabled(ctx: *const (), level: u8, target: RStr<'_>) -> bool {
    guarded(ctx, |_| telemetry::plugin_log_enabled(level, target.as_str()))
}

extern "C" fn log(ctx: *const (), event: &LogEvent<'_>) {
    guarded(ctx, |_| {
        let fields = event.fields.iter().map(|pair| (pair.name.as_str(), pair.value.as_str()));
        telemetry::log_plugin_event(event.level, event.target.as_str(), event.message.as_str(), fields);
    });
}

fn labels<'a>(pairs: &'a RSlice<'a, Pair<'a>>) -> impl Iterator<Item = (&'a str, &'a str)> {
    pairs.iter().map(|pair| (pair.name.as_str(), pair.value.as_str()))
}

extern "C" fn counter_add(ctx: *const (), name: RStr<'_>, pairs: RSlice<'_, Pair<'_>>, delta: u64) {
    guarded(ctx, |context| {
        telemetry::plugin_metric(
            context.into(),
            name.as_str(),
            labels(&pairs),
            telemetry::Measure::Count(delta),
        );
    });
}

extern "C" fn gauge_set(ctx: *const (), name: RStr<'_>, pairs: RSlice<'_, Pair<'_>>, value: f64) {
    guarded(ctx, |context| {
        telemetry::plugin_metric(
            context.into(),
            name.as_str(),
            labels(&pairs),
            telemetry::Measure::Gauge(value),
        );
    });
}

extern "C" fn histogram_record(ctx: *const (), name: RStr<'_>, pairs: RSlice<'_, Pair<'_>>, value: f64) {
    guarded(ctx, |context| {
        telemetry::plugin_metric(
            context.into(),
            name.as_str(),
            labels(&pairs),
            telemetry::Measure::Observe(value),
        );
    });
}

extern "C" fn should_stop(ctx: *const ()) -> bool {
    guarded(ctx, |context| context.stop.load(Ordering::Relaxed))
}

extern "C" fn progress(ctx: *const ()) {
    guarded(ctx, |context| {
        context.progress.fetch_add(1, Ordering::Relaxed);
    });
}

/// Reports progress as a plugin does.
#[cfg(test)]
pub(crate) fn report_progress(context: &'static CallContext) {
    progress(std::ptr::from_ref(context).cast());
}

impl From<&'static CallContext> for telemetry::PluginLabels<'static> {
    fn from(context: &'static CallContext) -> Self {
        Self { connector: &context.connector, task: context.task, plugin: &context.plugin }
    }
}
