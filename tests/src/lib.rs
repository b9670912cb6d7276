//! The test harness: the built host and plugins, brokers, a schema registry, databases, a stand-in for Snowflake, captured events
//! and fixtures.
//!
//! Tests run the `tidegate` executable as a child process, with plugin libraries as cargo builds them, and a broker
//! over TCP. They wait for conditions, not for times; [`TIMEOUT`] only ends tests that are broken.

pub mod apicurio;
mod artifacts;
mod broker;
mod capture;
pub mod captured_sets;
pub mod certificates;
pub mod change_events;
mod comparison;
mod databases;
mod external_project;
mod fixtures;
mod home;
pub mod kafka;
mod ledger;
mod maven;
mod otlp;
#[path = "../support/otlp.rs"]
mod otlp_requests;
mod ports;
mod previous;
mod process;
mod process_status;
mod prometheus;
mod proxy;
mod recording;
#[path = "../support/registry_stub.rs"]
mod registry_stub;
pub mod rest;
mod skipped;
mod snowflake;
mod stored;
mod watchdog;
mod written;

pub use artifacts::{Artifacts, artifacts, target_folder};
pub use broker::{Broker, Member};
pub use capture::{BinaryCapture, Captured, captured, captured_binary, captured_file, captured_schemas};
pub use comparison::{Comparison, compare, final_table_names};
pub use databases::{Database, Pooler, Session};
pub use external_project::{BuildFailure, ExternalProject, Finding};
pub use fixtures::{Fixture, Reference, fixtures, from_hexadecimal};
pub use home::Home;
pub use ledger::{Entry, Ledger, SinkFaults, StoredOffset};
pub use otlp::{Collector, Exported};
pub use ports::address as free_address;
pub use previous::Previous;
pub use process::{Finished, Running};
pub use process_status::ProcessStatus;
pub use prometheus::{Checked, Prometheus, promtool, serve_metrics};
pub use proxy::Proxy;
pub use recording::{Call, Recorded, Recording};
pub use registry_stub::{Fault, RegistryStub};
pub use snowflake::{
    Account, Column, ExclusiveStandIn, Fired, LogEntry, Rows, Schema, Snowflake, StagedFile, StandIn,
};
pub use stored::{StoredRecord, stored};
pub use written::written_records;

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for a condition before it fails.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// The folder of the repository.
#[must_use]
pub fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// Calls `poll` until it returns a value.
///
/// # Errors
/// After [`TIMEOUT`].
pub fn wait_for<T>(mut poll: impl FnMut() -> Option<T>) -> Result<T, String> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = poll() {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("not there after {} s", TIMEOUT.as_secs()));
        }
        thread::sleep(Duration::from_millis(10));
    }
}
