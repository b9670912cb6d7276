//! The message about a suite that is skipped.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

/// Prints one line with the name of the suite and the reason, once per process and reason. It goes to stderr directly, because the
/// test harness hides the output of tests that pass.
pub(crate) fn print_once(reason: &str) {
    static PRINTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if PRINTED.lock().unwrap_or_else(PoisonError::into_inner).insert(reason.to_owned()) {
        let line = format!("SKIPPED {}: {reason}\n", suite());
        io::stderr().write_all(line.as_bytes()).expect("stderr can be written");
    }
}

/// The test target, from the name of the executable, `<target>-<hash>`.
fn suite() -> String {
    let executable = env::current_exe().unwrap_or_default();
    let name = executable.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    name.rsplit_once('-').map_or(name.clone(), |(suite, _)| suite.to_owned())
}
