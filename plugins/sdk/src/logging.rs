//! Forwards this library's own `tracing` events to the host.
//!
//! Every dynamic library has its own copy of `tracing`, with its own global subscriber. The host's function runs on the
//! calling thread, so the host's spans for connector and task apply.

use std::{
    fmt::{Debug, Write},
    sync::OnceLock,
};

use tidegate_abi::{
    abi_stable::std_types::RSlice,
    raw::{HostHandle, LogEvent, Pair},
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};

use crate::{
    error::Result,
    guard::{guarded, on_panic},
};

static HOST: OnceLock<HostHandle> = OnceLock::new();

/// Called once per library. Forwards events to the host, and installs the panic hook.
pub(crate) fn init(host: HostHandle) {
    let outcome = guarded(|| {
        if forward_to(host)? {
            std::panic::set_hook(Box::new(on_panic));
        }
        Ok(())
    });
    // A plugin works without logging, and an error of the logger cannot be logged.
    drop(outcome);
}

/// Forwards events to `host`; false if they are forwarded already.
pub(crate) fn forward_to(host: HostHandle) -> Result<bool> {
    if HOST.set(host).is_err() {
        return Ok(false);
    }
    tracing::subscriber::set_global_default(Forward)?;
    Ok(true)
}

struct Forward;

fn level(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.others.push((field.name(), value.to_owned()));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _infallible = write!(self.message, "{value:?}");
        } else {
            self.others.push((field.name(), format!("{value:?}")));
        }
    }
}

impl Subscriber for Forward {
    // The default caches the result, but the host's level differs between connectors and can change.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && HOST.get().is_some_and(|host| {
                (host.vtable.log_enabled())(host.ctx, level(*metadata.level()), metadata.target().into())
            })
    }

    fn event(&self, event: &Event<'_>) {
        let Some(host) = HOST.get() else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let pairs: Vec<Pair<'_>> = fields
            .others
            .iter()
            .map(|(name, value)| Pair { name: (*name).into(), value: value.as_str().into() })
            .collect();
        let event = LogEvent {
            level: level(*event.metadata().level()),
            target: event.metadata().target().into(),
            message: fields.message.as_str().into(),
            fields: RSlice::from_slice(&pairs),
            reserved: [0; 4],
        };
        (host.vtable.log())(host.ctx, &event);
    }

    // Spans of plugins are not forwarded: the host's spans identify connector and task.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
