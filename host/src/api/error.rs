//! Errors of the control socket.

use std::path::PathBuf;

/// The control socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No host is listening.
    #[error("no host is running with the state folder {}; start one with `tidegate run`, or set its state folder with --state-dir", path.parent().unwrap_or(path).display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// Another host is listening.
    #[error("another host is running with the state folder {}; stop it, or use another --state-dir", path.parent().unwrap_or(path).display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The socket failed.
    #[error("control socket {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The reply cannot be parsed.
    #[error("the running host sent an unexpected reply: {0}; it may be another version of tidegate")]
    Answer(#[from] serde_json::Error),
}
