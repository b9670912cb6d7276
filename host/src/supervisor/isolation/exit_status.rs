//! Describes how a child process ended.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use rustix::process::Signal;

const NAMES: [(Signal, &str); 11] = [
    (Signal::ILL, "SIGILL"),
    (Signal::TRAP, "SIGTRAP"),
    (Signal::ABORT, "SIGABRT"),
    (Signal::BUS, "SIGBUS"),
    (Signal::FPE, "SIGFPE"),
    (Signal::KILL, "SIGKILL"),
    (Signal::SEGV, "SIGSEGV"),
    (Signal::SYS, "SIGSYS"),
    (Signal::PIPE, "SIGPIPE"),
    (Signal::TERM, "SIGTERM"),
    (Signal::XCPU, "SIGXCPU"),
];

/// A predicate whose subject is the process, for example `crashed with signal 11 (SIGSEGV)`.
pub(super) fn describe(status: Option<ExitStatus>) -> String {
    match status.map(|status| (status.signal(), status.code())) {
        Some((Some(signal), _)) if signal == Signal::KILL.as_raw() => {
            "was killed with signal 9 (SIGKILL), by a user or by the kernel's out-of-memory killer".to_owned()
        }
        Some((Some(signal), _)) => match NAMES.iter().find(|(named, _)| named.as_raw() == signal) {
            Some((_, name)) => format!("crashed with signal {signal} ({name})"),
            None => format!("crashed with signal {signal}"),
        },
        Some((None, Some(code))) => format!("exited with code {code}"),
        Some((None, None)) | None => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_and_codes_are_named() {
        let ended = |raw| describe(Some(ExitStatus::from_raw(raw)));
        assert_eq!(ended(11), "crashed with signal 11 (SIGSEGV)");
        assert_eq!(ended(6), "crashed with signal 6 (SIGABRT)");
        assert_eq!(ended(3 << 8), "exited with code 3");
        assert_eq!(ended(0), "exited with code 0");
        assert!(ended(9).starts_with("was killed with signal 9 (SIGKILL)"));
    }
}
