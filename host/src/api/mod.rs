//! The control socket of a running host.
//!
//! A client sends one line of JSON, a [`Command`](crate::supervisor::Command), and receives one line of JSON, a
//! [`Reply`](crate::supervisor::Reply). The socket is in the state folder, which only its owner can access.

mod client;
mod error;
mod server;

use std::path::{Path, PathBuf};

pub use client::ask;
pub use error::ControlError;
pub use server::ControlSocket;

/// The socket of the host whose state folder this is.
#[must_use]
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}
