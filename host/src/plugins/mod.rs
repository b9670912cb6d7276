//! Finds, probes, loads and describes plugin libraries, and calls into them.
//!
//! 1. [`find`](Registry::discover) lists the libraries in the plugin folders.
//! 2. Each is copied into the store under the state folder, named by its content: a file that may be overwritten is
//!    never mapped.
//! 3. An unknown library is probed in a child process, so that a crash while it loads stays there; its description
//!    of itself, the manifest, is stored beside the copy.
//! 4. Before a connector is started, its plugins check their options, also in a child process.
//! 5. A connector that uses a plugin loads the copy into the host: once per content, and never unloaded.
//!
//! Only this module and `kafka/ffi.rs` contain `unsafe`.

mod check;
mod context;
mod error;
mod library;
mod load;
mod manifest;
mod open;
mod probe;
mod registry;
mod sink;
mod store;
mod thread;
mod transform;

pub use check::{CHECK_COMMAND, ConfigError, PluginCheck, check_main};
pub use context::CallContext;
#[cfg(test)]
pub(crate) use context::report_progress;
pub use error::{CallError, ErrorClass, PluginError};
pub(crate) use library::find as library_files;
pub use manifest::{LibraryManifest, PluginBatchDefaults, PluginKind, PluginManifest};
pub use open::{OpenError, OpenParams};
pub(crate) use probe::end_with_host;
pub use probe::{PROBE_COMMAND, Prober, probe_main};
pub use registry::{Discovered, Plugin, Registry};
pub use sink::{FlushReport, RejectedAt, SinkInstance, StoredClaim, TableRows, WriteReport};
pub(crate) use store::Identity as FileIdentity;
pub use thread::own_working_directory;
pub use transform::TransformInstance;
