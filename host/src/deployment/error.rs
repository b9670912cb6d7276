//! Why a connector cannot be added, changed or removed.

use std::path::PathBuf;

use crate::{config::Diagnostics, plugins::PluginError, supervisor::Stopping};

/// A change that was not made. Nothing was written, and the connector runs as before.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// There is no such connector.
    #[error("no connector \"{name}\"; there are: {known}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The names of all connectors.
        known: String,
    },
    /// There is such a connector already.
    #[error("connector \"{0}\" already exists")]
    Exists(String),
    /// The connector's file is invalid.
    #[error("{0}")]
    Invalid(Diagnostics),
    /// The file cannot be written or deleted.
    #[error("cannot change {}: {source}; change the file where it comes from, or make its folder writable", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder of connector files is not known, because `--connectors` names files only.
    #[error("there is no folder for connector files: start the host with a folder as --connectors")]
    NoFolder,
    /// The folder of the connector's file cannot be read for now.
    #[error("the folder {} cannot be read, so the connector goes on as it is: {reason}", folder.display())]
    Unavailable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
    /// Several files have the name of the connector.
    #[error("connector \"{name}\" has several files: {files}; remove or rename all but one of them")]
    Ambiguous {
        /// The connector's name.
        name: String,
        /// The files.
        files: String,
    },
    /// Plugins cannot be checked.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The host is stopping.
    #[error("the host is stopping")]
    Stopping,
}

impl From<Stopping> for DeployError {
    fn from(_: Stopping) -> Self {
        Self::Stopping
    }
}
