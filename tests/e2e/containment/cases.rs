//! The cases: which fault a plugin has, in which call, and what happens to its connector.

/// A plugin with a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// `sink` or `transform`.
    pub(crate) kind: &'static str,
    /// The call, as named by the fixture.
    pub(crate) at: &'static str,
    /// The fault, as named by the fixture.
    pub(crate) fault: &'static str,
    /// What happens to its connector.
    pub(crate) outcome: Outcome,
}

/// What happens to a connector.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// It fails with a reason that contains this text.
    Fails(&'static str),
    /// It keeps running and delivers everything, and the log contains this text.
    Delivers(&'static str),
}

use Outcome::{Delivers, Fails};

const fn sink(at: &'static str, fault: &'static str, outcome: Outcome) -> Case {
    Case { kind: "sink", at, fault, outcome }
}

const fn transform(at: &'static str, fault: &'static str, outcome: Outcome) -> Case {
    Case { kind: "transform", at, fault, outcome }
}

/// Errors of every class and panics, in every call.
pub(crate) const FAILING: &[Case] = &[
    sink("open", "panic", Fails("opening sink \"fault-sink\": fault-sink: panicked at ")),
    sink("open", "fatal", Fails("opening sink \"fault-sink\": fault-sink: Open failed on purpose")),
    sink("open", "retriable", Fails("sink \"fault-sink\" still fails after ")),
    sink("open", "rejected", Fails("opening sink \"fault-sink\": fault-sink: Open is bad")),
    sink("open", "fenced", Fails("opening sink \"fault-sink\": fault-sink: Open is owned by another task")),
    sink("claim", "panic", Fails("Claim panicked on purpose")),
    sink("claim", "fatal", Fails("sink \"fault-sink\" failed: Claim failed on purpose")),
    sink("claim", "retriable", Fails("sink \"fault-sink\" still fails after ")),
    sink("claim", "rejected", Fails("sink \"fault-sink\" failed: Claim is bad")),
    sink("claim", "fenced", Fails("sink \"fault-sink\" failed: Claim is owned by another task")),
    sink("records", "panic", Fails("sink \"fault-sink\" failed: panicked at ")),
    sink("records", "fatal", Fails("sink \"fault-sink\" failed: Records failed on purpose")),
    sink("records", "retriable", Fails("sink \"fault-sink\" still fails after ")),
    sink("records", "rejected", Fails("sink \"fault-sink\" rejected events-0 offset 1: Records is bad")),
    sink("records", "fenced", Fails("sink \"fault-sink\" failed: Records is owned by another task")),
    sink("release", "panic", Fails("Release panicked on purpose")),
    sink("release", "fatal", Delivers("releasing partitions: Release failed on purpose")),
    transform("open", "panic", Fails("opening transform \"fault-transform\": fault-transform: panicked at ")),
    transform(
        "open",
        "fatal",
        Fails("opening transform \"fault-transform\": fault-transform: Open failed on purpose"),
    ),
    transform("records", "panic", Fails("transform \"fault-transform\" failed: at events-0@1: panicked at ")),
    transform("records", "fatal", Fails("Records failed on purpose")),
    transform("records", "retriable", Fails("transform \"fault-transform\" still fails after ")),
    transform(
        "records",
        "rejected",
        Fails("transform \"fault-transform\" rejected events-0 offset 1: Records is bad"),
    ),
    transform("records", "fenced", Fails("Records is owned by another task")),
];

/// Calls that return only when the host requests a stop, or never.
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

/// Faults that are not visible in the result of a call.
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

/// Closed standard streams. The next file that is opened gets their file descriptor, and whatever is printed goes there: so no
/// other case that prints may run in the same host.
pub(crate) const CLOSING: &[Case] =
    &[sink("records", "close-stdout", Delivers("")), transform("records", "close-stderr", Delivers(""))];

/// Failures in `close` and `drop`.
pub(crate) const ENDING: &[Case] = &[
    sink("close", "panic", Delivers("closing: panicked at ")),
    sink("close", "fatal", Delivers("closing: Close failed on purpose")),
    sink("drop", "panic", Delivers("dropping the plugin instance failed: panicked at ")),
    sink("drop", "fatal", Delivers("drop failed: Drop failed on purpose")),
    transform("close", "panic", Delivers("closing: panicked at ")),
    transform("close", "fatal", Delivers("closing: Close failed on purpose")),
    transform("drop", "panic", Delivers("dropping the plugin instance failed: panicked at ")),
];

/// `close` and `drop` do not return.
pub(crate) const NEVER_ENDING: &[Case] = &[
    sink("close", "hang-forever", Delivers("")),
    sink("drop", "hang-forever", Delivers("")),
    sink("drop", "hang", Delivers("interrupted by the host")),
    transform("close", "hang-forever", Delivers("")),
    transform("drop", "hang-forever", Delivers("")),
];

/// Faults that end the whole process, so that threads cannot contain them.
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

/// Faults that change the whole process, which in threads would be the host.
pub(crate) const CHANGING: &[Case] = &[
    sink("records", "ignore-sigterm", Delivers("")),
    transform("open", "handle-sigterm", Delivers("")),
    sink("open", "reset-sigpipe", Delivers("")),
];
