//! The client side of the control socket.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::{error::ControlError, socket_path};
use crate::supervisor::{Command, Reply};

const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends a command to the host with this state folder. Blocks for up to ten seconds.
///
/// # Errors
/// When no host is running there, or it does not reply.
pub fn ask(state_dir: &Path, command: &Command) -> Result<Reply, ControlError> {
    let path = socket_path(state_dir);
    let io = |source| ControlError::Io { path: path.clone(), source };
    let mut stream = UnixStream::connect(&path).map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => ControlError::NotRunning { path: path.clone() },
        _ => io(source),
    })?;
    stream.set_read_timeout(Some(READ_TIMEOUT)).map_err(io)?;
    let mut line = serde_json::to_string(command)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(io)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(io)?;
    Ok(serde_json::from_str(&answer)?)
}
