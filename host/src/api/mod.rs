//! How other processes talk to a running host: the control socket.
//!
//! One line of JSON in, one line of JSON out: a [`Command`](crate::supervisor::Command) and its
//! [`Reply`](crate::supervisor::Reply). The socket lies in the state folder, which only its owner can enter.

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
