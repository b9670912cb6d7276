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
//! - [`reconcile`]: compares the files with the running connectors, and decides which connectors to start, replace and remove. While
//!   a file is invalid, its connector keeps running unchanged. [`start`] does so for all connectors, and [`edit`] for changes that are asked for.
//! - [`versions`]: what is known of each connector.
//! - [`kept`]: the connectors as they ran last, in the state folder.
//! - [`folders`]: folders of connector files that cannot be read for now.
//! - [`files`]: writes and deletes connector files.
//! - [`watch`]: says when to look at files.
//! - [`deployer`]: runs the deployment while the host runs, one change after the other.

mod deployer;
mod edit;
mod error;
mod examine;
mod files;
mod folders;
mod kept;
mod reconcile;
mod settling;
mod snapshot;
mod sources;
mod start;
mod versions;
mod watch;

pub use deployer::{Deployer, Put, PutOutcome};
pub use error::DeployError;
pub use kept::KeptConnectors;
pub use reconcile::Deployment;
pub use sources::Sources;
pub use start::{Change, PlannedChange};
pub use versions::ConnectorFile;
