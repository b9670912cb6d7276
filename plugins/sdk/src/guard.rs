//! Panics stop here: nothing unwinds into the host.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    thread,
};

use crate::error::{Error, Result};

thread_local! {
    /// Where this thread last panicked. The hook knows the place, the payload does not.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
    /// How many guarded calls this thread is in: a panic in one of them is told by whoever called.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs `call`; a panic becomes an error that names message and place.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    DEPTH.set(DEPTH.get() + 1);
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    DEPTH.set(DEPTH.get() - 1);
    outcome.unwrap_or_else(|payload| Err(Error::panicked(describe(payload))))
}

fn describe(payload: Box<dyn Any + Send>) -> String {
    let text = message(&*payload);
    // Dropping a hostile payload may panic again; leaking a few bytes is cheaper than the process.
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
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Takes note of a panic instead of printing it. In a call of the host's, the place is remembered, and the host tells it
/// with connector and task; in a thread that the plugin has made there is no caller, and it is logged.
pub(crate) fn note_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    // During thread shutdown the slots may be gone; the message then goes without its place.
    if DEPTH.try_with(Cell::get).is_ok_and(|depth| depth > 0) {
        let _gone = LOCATION.try_with(|slot| slot.replace(location)).is_err();
        return;
    }
    let (thread, location) = (thread::current(), location.unwrap_or_default());
    let name = thread.name().unwrap_or("without a name");
    tracing::error!(
        thread = name,
        "a thread of the plugin panicked at {location}: {}",
        message(info.payload())
    );
}

/// A plugin instance that is dropped by its first panic. Every later call fails in the same way.
pub(crate) struct Guarded<T>(Option<T>);

impl<T> Guarded<T> {
    pub(crate) fn new(instance: T) -> Self {
        Self(Some(instance))
    }

    pub(crate) fn call<R>(&mut self, call: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let Some(instance) = self.0.as_mut() else {
            return Err(Error::panicked("the instance is gone since it panicked; open a new one".to_owned()));
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
            tracing::error!("dropping the instance: {error}");
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
    fn a_panic_becomes_an_error_and_the_instance_is_gone() {
        panic::set_hook(Box::new(note_panic));
        let mut guarded = Guarded::new(1);
        let error = guarded.call(|_| -> Result<()> { panic!("boom {}", 7) }).unwrap_err();
        assert!(error.message().starts_with("panicked at plugins/sdk/src/guard.rs:"), "{error}");
        assert!(error.message().ends_with(": boom 7"), "{error}");
        assert!(guarded.call(|_| Ok(())).unwrap_err().message().contains("open a new one"));
        assert!(guarded.0.is_none());
    }

    #[test]
    fn an_error_leaves_the_instance() {
        let mut guarded = Guarded::new(1);
        assert!(guarded.call(|_| -> Result<()> { Err(Error::fatal("no")) }).is_err());
        assert_eq!(guarded.call(|value| Ok(*value)).unwrap(), 1);
    }

    #[test]
    fn a_panicking_drop_stays_inside() {
        struct Hostile;
        impl Drop for Hostile {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        drop(Guarded::new(Hostile));
    }
}
