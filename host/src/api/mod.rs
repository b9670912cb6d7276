//! The REST API of a running host: Kafka Connect's, and Tidegate's own under `/tidegate/v1`.
//!
//! One router serves both listeners: the control socket in the state folder, which the command line uses and which only its owner
//! can access, and, unless it is off, TCP.
//!
//! - [`server`]: listeners, TLS ([`tls`]), limits on slow clients ([`slow`]).
//! - [`guard`]: what each request has to pass: rate, host, origin, login ([`auth`]); the audit log.
//! - [`connect`]: Kafka Connect's endpoints.
//! - [`own`]: Tidegate's own endpoints, metrics and probes.
//! - [`clusters`]: queries of the Kafka clusters.
//! - [`client`]: the client for the command line.

mod auth;
mod body;
mod client;
mod clusters;
mod connect;
mod error;
mod guard;
mod own;
mod problem;
mod router;
mod server;
mod slow;
mod socket;
mod state;
mod tls;

use std::path::{Path, PathBuf};

pub use client::{ask, request};
pub use error::ApiError;
pub use own::Accepted;
pub use router::serve;
pub use server::ApiListener;
pub use socket::ControlSocket;

/// The socket of the host whose state folder this is.
#[must_use]
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}
