//! The table: what a plugin does, when, and what becomes of its connector.

/// A plugin that misbehaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// `sink` or `transform`.
    pub(crate) kind: &'static str,
    /// The moment, as the fixtures call it.
    pub(crate) at: &'static str,
    /// The deed, as the fixtures call it.
    pub(crate) does: &'static str,
    /// What becomes of its connector.
    pub(crate) outcome: Outcome,
}

/// What becomes of a connector.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// It fails with a reason that holds this text.
    Fails(&'static str),
    /// It goes on, delivers everything, and the log has a line with this text.
    Delivers(&'static str),
}

use Outcome::{Delivers, Fails};

const fn sink(at: &'static str, does: &'static str, outcome: Outcome) -> Case {
    Case { kind: "sink", at, does, outcome }
}

const fn transform(at: &'static str, does: &'static str, outcome: Outcome) -> Case {
    Case { kind: "transform", at, does, outcome }
}

/// Errors of every class, and panics, wherever the host calls a plugin.
pub(crate) const FAILING: &[Case] = &[
    sink("open", "panic", Fails("opening sink \"hostile-sink\": hostile-sink: panicked at ")),
    sink("open", "fatal", Fails("opening sink \"hostile-sink\": hostile-sink: Open failed on purpose")),
    sink("open", "retriable", Fails("sink \"hostile-sink\" still fails after ")),
    sink("open", "rejected", Fails("opening sink \"hostile-sink\": hostile-sink: Open is bad")),
    sink(
        "open",
        "fenced",
        Fails("opening sink \"hostile-sink\": hostile-sink: Open is owned by another task"),
    ),
    sink("claim", "panic", Fails("Claim panicked on purpose")),
    sink("claim", "fatal", Fails("sink \"hostile-sink\" failed: Claim failed on purpose")),
    sink("claim", "retriable", Fails("sink \"hostile-sink\" still fails after ")),
    sink("claim", "rejected", Fails("sink \"hostile-sink\" failed: Claim is bad")),
    sink("claim", "fenced", Fails("sink \"hostile-sink\" failed: Claim is owned by another task")),
    sink("records", "panic", Fails("sink \"hostile-sink\" failed: panicked at ")),
    sink("records", "fatal", Fails("sink \"hostile-sink\" failed: Records failed on purpose")),
    sink("records", "retriable", Fails("sink \"hostile-sink\" still fails after ")),
    sink("records", "rejected", Fails("sink \"hostile-sink\" rejected events-0 offset 1: Records is bad")),
    sink("records", "fenced", Fails("sink \"hostile-sink\" failed: Records is owned by another task")),
    sink("release", "panic", Fails("Release panicked on purpose")),
    sink("release", "fatal", Delivers("releasing partitions: Release failed on purpose")),
    transform(
        "open",
        "panic",
        Fails("opening transform \"hostile-transform\": hostile-transform: panicked at "),
    ),
    transform(
        "open",
        "fatal",
        Fails("opening transform \"hostile-transform\": hostile-transform: Open failed on purpose"),
    ),
    transform(
        "records",
        "panic",
        Fails("transform \"hostile-transform\" failed: at events-0@1: panicked at "),
    ),
    transform("records", "fatal", Fails("Records failed on purpose")),
    transform("records", "retriable", Fails("transform \"hostile-transform\" still fails after ")),
    transform(
        "records",
        "rejected",
        Fails("transform \"hostile-transform\" rejected events-0 offset 1: Records is bad"),
    ),
    transform("records", "fenced", Fails("Records is owned by another task")),
];

/// Calls that do not return before the host asks, or not at all.
pub(crate) const HANGING: &[Case] = &[
    sink("open", "hang", Fails("interrupted by the host")),
    sink("open", "hang-forever", Fails(" has not returned for ")),
    sink("claim", "hang", Fails("interrupted by the host")),
    sink("claim", "hang-forever", Fails(" has not returned for ")),
    sink("records", "hang", Fails("interrupted by the host")),
    sink("records", "hang-forever", Fails(" has not returned for ")),
    sink("records", "spin", Fails(" has not returned for ")),
    sink("release", "hang-forever", Fails(" has not returned for ")),
    transform("open", "hang-forever", Fails(" has not returned for ")),
    transform("records", "hang", Fails("interrupted by the host")),
    transform("records", "hang-forever", Fails(" has not returned for ")),
];

/// What goes beyond a plugin's own business, and still has to be borne.
pub(crate) const SIDE_EFFECTS: &[Case] = &[
    sink(
        "records",
        "thread-panic",
        Delivers("a thread of the plugin panicked at tests/fixtures/misbehaving/fault.rs:"),
    ),
    transform("records", "thread-stays", Delivers("the background thread is still running")),
    sink("records", "runtime", Delivers("a tokio task panicked on purpose")),
    transform("records", "garbage", Delivers("")),
    sink("open", "reset-sigsegv", Delivers("")),
];

/// Standard streams that are closed. Their numbers are given to what is opened next, and in threads a neighbour that prints
/// would print there: nothing beside them does.
pub(crate) const CLOSING: &[Case] =
    &[sink("records", "close-stdout", Delivers("")), transform("records", "close-stderr", Delivers(""))];

/// Failures at the end of a plugin's life.
pub(crate) const ENDING: &[Case] = &[
    sink("close", "panic", Delivers("closing: panicked at ")),
    sink("close", "fatal", Delivers("closing: Close failed on purpose")),
    sink("drop", "panic", Delivers("dropping the plugin instance failed: panicked at ")),
    sink("drop", "fatal", Delivers("drop failed: Drop failed on purpose")),
    transform("close", "panic", Delivers("closing: panicked at ")),
    transform("close", "fatal", Delivers("closing: Close failed on purpose")),
    transform("drop", "panic", Delivers("dropping the plugin instance failed: panicked at ")),
];

/// Plugins that do not let go.
pub(crate) const NEVER_ENDING: &[Case] = &[
    sink("close", "hang-forever", Delivers("")),
    sink("drop", "hang-forever", Delivers("")),
    sink("drop", "hang", Delivers("interrupted by the host")),
    transform("close", "hang-forever", Delivers("")),
    transform("drop", "hang-forever", Delivers("")),
];

/// What takes the whole process down: threads do not contain it.
pub(crate) const CRASHING: &[Case] = &[
    sink("records", "exit0", Fails("its process exited with code 0")),
    sink("open", "exit1", Fails("its process exited with code 1")),
    transform("records", "exit0", Fails("its process exited with code 0")),
    sink("claim", "abort", Fails("its process crashed with signal 6 (SIGABRT)")),
    transform("open", "abort", Fails("its process crashed with signal 6 (SIGABRT)")),
    sink("records", "segfault", Fails("its process crashed with signal 11 (SIGSEGV)")),
    transform("records", "segfault", Fails("its process crashed with signal 11 (SIGSEGV)")),
    sink("records", "stack-overflow", Fails("its process crashed with signal 6 (SIGABRT)")),
    transform("records", "double-panic", Fails("its process crashed with signal 6 (SIGABRT)")),
    sink("records", "leak", Fails("its process was killed: it uses ")),
];

/// What changes the whole process: in threads, it would be the host's.
pub(crate) const CHANGING: &[Case] = &[
    sink("records", "ignore-sigterm", Delivers("")),
    transform("open", "handle-sigterm", Delivers("")),
    sink("open", "reset-sigpipe", Delivers("")),
];
