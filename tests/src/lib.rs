//! What the end-to-end tests are made of: the built host and plugins, a broker, and captured events.
//!
//! Tests drive the real thing: the `tidegate` executable as a child process, plugin libraries as cargo builds them, and a
//! broker over TCP. A test's verdict never hangs on timing: waits end when what they wait for is there, and
//! [`PATIENCE`] only keeps a broken test from running for ever.

mod artifacts;
mod broker;
mod capture;
mod comparison;
mod home;
pub mod kafka;
mod ledger;
mod outside;
mod process;
mod recording;
mod snowflake;
mod stored;

pub use artifacts::{Artifacts, artifacts};
pub use broker::{Broker, Member};
pub use capture::{Captured, captured, captured_file};
pub use comparison::{Comparison, compare, final_table_names};
pub use home::Home;
pub use ledger::{Entry, Keeping, Ledger, SinkFaults};
pub use outside::{BuildFailure, Finding, Outside};
pub use process::{Finished, Running};
pub use recording::{Call, Recorded, Recording};
pub use snowflake::{Account, Column, ExclusiveStandIn, Fired, LogEntry, Rows, Schema, Snowflake, StandIn};
pub use stored::{StoredRecord, stored};

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for something that should be there soon.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The folder of the checkout.
#[must_use]
pub fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// Asks again and again until there is an answer.
///
/// # Errors
/// After [`PATIENCE`].
pub fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Result<T, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("not there after {} s", PATIENCE.as_secs()));
        }
        thread::sleep(Duration::from_millis(10));
    }
}
