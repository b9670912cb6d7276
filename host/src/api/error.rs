//! Errors of the REST API's sockets, and of the client of the control socket.

use std::{net::SocketAddr, path::PathBuf};

/// The API cannot be served, or a running host cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
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
    /// The address of the API cannot be listened on.
    #[error(
        "the REST API cannot listen on {address}: {source}; set another address, or \"off\", as listen in [api] of the host file or with --api"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A file for TLS cannot be used.
    #[error("{} cannot be used for HTTPS: {reason}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The connection to the host failed.
    #[error("the running host did not answer: {0}")]
    Connection(String),
    /// The answer is not of this version.
    #[error("the running host sent an unexpected reply: {0}; it may be another version of tidegate")]
    Answer(String),
    /// Not all connectors have been started.
    #[error("the host is not ready: {0}")]
    NotReady(String),
    /// The host refuses.
    #[error("{0}")]
    Refused(String),
}
