//! Catches panics, so that nothing unwinds into the host.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    thread,
};

use crate::error::{Error, Result};

thread_local! {
    /// Location of the last panic of this thread. Only the hook gets it, not the payload.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Number of nested guarded calls on this thread. The guard reports a panic in one of them.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs `call`, and converts a panic to an error with message and location.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    DEPTH.set(DEPTH.get() + 1);
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    DEPTH.set(DEPTH.get() - 1);
    outcome.unwrap_or_else(|payload| Err(Error::panicked(describe(payload))))
}

fn describe(payload: Box<dyn Any + Send>) -> String {
    let text = message(&*payload);
    // Dropping the payload may panic again, which would abort the process. Leak it instead.
    #[expect(clippy::mem_forget, reason = "see above")]
    std::mem::forget(payload);
    match LOCATION.take() {
        Some(location) => format!("panicked at {location}: {text}"),
        None => format!("panicked: {text}"),
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}

/// Panic hook that prints nothing. In a call of the host, it stores the location, and the host logs the panic with
/// connector and task. A panic in a thread that the plugin has started has no caller, so it is logged here.
pub(crate) fn on_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    // During thread shutdown the thread-locals may be destroyed; the location is then missing.
    if DEPTH.try_with(Cell::get).is_ok_and(|depth| depth > 0) {
        let _gone = LOCATION.try_with(|slot| slot.replace(location)).is_err();
        return;
    }
    let (thread, location) = (thread::current(), location.unwrap_or_default());
    let name = thread.name().unwrap_or("unnamed");
    tracing::error!(
        thread = name,
        "a thread of the plugin panicked at {location}: {}",
        message(info.payload())
    );
}

/// A plugin instance that is dropped after its first panic. Every later call fails.
pub(crate) struct Guarded<T>(Option<T>);

impl<T> Guarded<T> {
    pub(crate) fn new(instance: T) -> Self {
        Self(Some(instance))
    }

    pub(crate) fn call<R>(&mut self, call: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let Some(instance) = self.0.as_mut() else {
            return Err(Error::panicked("the instance was dropped after a panic: open a new one".to_owned()));
        };
        let mut finished = false;
        let outcome = guarded(|| {
            let outcome = call(instance);
            finished = true;
            outcome
        });
        if !finished {
            self.discard();
        }
        outcome
    }

    fn discard(&mut self) {
        let instance = self.0.take();
        if let Err(error) = guarded(|| {
            drop(instance);
            Ok(())
        }) {
            tracing::error!("dropping the plugin instance failed: {error}");
        }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_drops_the_instance() {
        panic::set_hook(Box::new(on_panic));
        let mut guarded = Guarded::new(1);
        let error = guarded.call(|_| -> Result<()> { panic!("boom {}", 7) }).unwrap_err();
        assert!(error.message().starts_with("panicked at plugins/sdk/src/guard.rs:"), "{error}");
        assert!(error.message().ends_with(": boom 7"), "{error}");
        assert!(guarded.call(|_| Ok(())).unwrap_err().message().contains("open a new one"));
        assert!(guarded.0.is_none());
    }

    #[test]
    fn an_error_keeps_the_instance() {
        let mut guarded = Guarded::new(1);
        assert!(guarded.call(|_| -> Result<()> { Err(Error::fatal("no")) }).is_err());
        assert_eq!(guarded.call(|value| Ok(*value)).unwrap(), 1);
    }

    #[test]
    fn a_panic_in_drop_is_caught() {
        struct Hostile;
        impl Drop for Hostile {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        drop(Guarded::new(Hostile));
    }
}
