//! The layer that writes log lines, except those that repeat.

use std::{
    cell::RefCell,
    hash::{DefaultHasher, Hash},
    sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing::{Event, Id, Level, Subscriber, span};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{
    EVERY_LINE, LineSink, LogFormat, LogOptions, PLUGIN,
    line::{Line, TaskNames},
    repeats::{LeftOut, Origin, Repeats, Verdict},
};
use crate::telemetry::{levels, redact::scrub};

/// Where log lines are written to.
pub(super) struct Output {
    format: LogFormat,
    color: bool,
    sink: LineSink,
    repeats: Mutex<Repeats<Line>>,
    /// The time of the next summary has changed.
    next_has_changed: Condvar,
    /// Starts the thread that writes summaries, with the first line that is left out.
    summarizing: Once,
}

/// The layer that writes lines.
pub(super) struct Lines(pub(super) Arc<Output>);

impl Output {
    pub(super) fn new(options: LogOptions, sink: LineSink) -> Self {
        Self {
            format: options.format,
            color: options.color,
            sink,
            repeats: Mutex::new(Repeats::new(options.repeat_interval)),
            next_has_changed: Condvar::new(),
            summarizing: Once::new(),
        }
    }

    /// Writes the summaries of all lines that were left out.
    pub(super) fn flush(&self) {
        let left_out = self.repeats().take_all();
        self.summarize(left_out);
    }

    fn write(self: &Arc<Self>, event: &Event<'_>, line: &Line) {
        if !is_limited(event) {
            return self.write_line(line);
        }
        let now = Instant::now();
        let metadata = event.metadata();
        let place = |hasher: &mut DefaultHasher| {
            metadata.callsite().hash(hasher);
            line.module.hash(hasher);
        };
        let (connector, task) = (line.task.connector.as_deref(), line.task.task);
        let plugin_fields = (metadata.target() == PLUGIN).then_some(line.fields());
        let origin = Origin { connector, task, place: &place, message: &line.message, plugin_fields };
        let mut repeats = self.repeats();
        match repeats.admit(origin, now, || line.shortened()) {
            Verdict::Write => {
                let overdue = repeats.take_overdue();
                drop(repeats);
                self.summarize(overdue);
                self.write_line(line);
            }
            Verdict::LeftOut { is_first: false } => {}
            Verdict::LeftOut { is_first: true } => {
                drop(repeats);
                self.summarizing.call_once(|| self.start_summarizing());
                self.next_has_changed.notify_one();
            }
        }
    }

    fn write_line(&self, line: &Line) {
        thread_local! {
            static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
        }
        TEXT.with_borrow_mut(|text| {
            text.clear();
            line.write(text, self.color);
            (self.sink)(&scrub(text));
        });
    }

    fn summarize(&self, left_out: Vec<LeftOut<Line>>) {
        for LeftOut { count, last: mut line } in left_out {
            line.summarize(count);
            self.write_line(&line);
        }
    }

    /// If there is no thread, summaries are written with the next line of their kind.
    fn start_summarizing(self: &Arc<Self>) {
        let output = Arc::clone(self);
        let thread = thread::Builder::new().name("log-repeats".to_owned());
        drop(thread.spawn(move || output.summarize_when_due()));
    }

    fn summarize_when_due(&self) {
        loop {
            let mut repeats = self.repeats();
            let now = Instant::now();
            let due = repeats.take_due(now);
            if due.is_empty() {
                let wait =
                    repeats.next_due().map_or(Duration::MAX, |next| next.saturating_duration_since(now));
                // What has changed meanwhile is looked at in any case.
                drop(self.next_has_changed.wait_timeout(repeats, wait));
                continue;
            }
            drop(repeats);
            self.summarize(due);
        }
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats<Line>> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether like lines of this kind may be left out. Details are switched on to see all of them.
fn is_limited(event: &Event<'_>) -> bool {
    let metadata = event.metadata();
    *metadata.level() <= Level::INFO
        && metadata.target() != levels::AUDIT
        && metadata.fields().field(EVERY_LINE).is_none()
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut names = TaskNames::default();
        attributes.record(&mut names);
        span.extensions_mut().insert(names);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut task = TaskNames::default();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(names) = span.extensions().get::<TaskNames>() {
                task.connector = task.connector.take().or_else(|| names.connector.clone());
                task.task = task.task.or(names.task);
            }
        }
        let line = Line::new(self.0.format, event, task);
        if levels::is_logged(event.metadata(), line.task.connector.as_deref()) {
            self.0.write(event, &line);
        }
    }
}
