//! Which connectors the host runs: connector files, the changes of them while the host runs, and what is kept of them in the
//! state folder.
//!
//! ```text
//! watcher (files have changed) ──┐
//! tidegate restart, REST API ────┼──> Deployer ──> Deployment (reads, checks, compares) ──> supervisor
//! a library has failed ──────────┘
//! ```
//!
//! - [`snapshot`]: which files there are, and what tells a changed one.
//! - [`settling`]: waits until a changed file stays as it is, because editors write files in several steps.
//! - [`examine`]: reads connector files, and checks them with librdkafka and their plugins.
//! - [`deployment`]: compares what was read with what runs, and decides what the supervisor is told. It keeps a connector running
//!   as it was while its file is invalid.
//! - [`versions`]: what is known of each connector.
//! - [`kept`]: the connectors as they ran last, in the state folder.
//! - [`files`]: writes and deletes connector files.
//! - [`watch`]: says when to look at files.
//! - [`deployer`]: runs the deployment while the host runs, one change after the other.

mod deployer;
mod deployment;
mod error;
mod examine;
mod files;
mod kept;
mod settling;
mod snapshot;
mod versions;
mod watch;

pub use deployer::{Deployer, Put, PutOutcome};
pub use deployment::{Change, Deployment, PlannedChange, Sources};
pub use error::DeployError;
pub use kept::KeptConnectors;
pub use versions::ConnectorFile;
