//! The answering side of the control socket.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use super::{error::ControlError, socket_path};
use crate::supervisor::{Reply, SupervisorHandle};

/// The longest request: far above any command.
const LONGEST_LINE: u64 = 64 << 10;

/// The control socket of a running host. Dropping it removes the socket.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Opens the socket in `state_dir`, which is made if it is not there. A socket that a dead host left is replaced.
    ///
    /// # Errors
    /// When another host uses the folder, or the socket cannot be made.
    pub fn open(state_dir: &Path) -> Result<Self, ControlError> {
        let path = socket_path(state_dir);
        let failed = |source| ControlError::Io { path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(failed)?;
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            return Err(ControlError::InUse { path });
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, path })
    }

    /// Answers requests for as long as it is polled.
    pub async fn serve(&self, supervisor: SupervisorHandle) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let supervisor = supervisor.clone();
                    tokio::spawn(async move {
                        if let Err(error) = answer(stream, &supervisor).await {
                            tracing::debug!(%error, "control connection ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "control socket");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "removing the control socket");
        }
    }
}

async fn answer(stream: UnixStream, supervisor: &SupervisorHandle) -> io::Result<()> {
    use tokio::io::AsyncReadExt;
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reading.take(LONGEST_LINE)).read_line(&mut line).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(command) => supervisor.ask(command).await,
        Err(error) => Reply::Refused(format!("not a command: {error}")),
    };
    let mut text = serde_json::to_string(&reply)?;
    text.push('\n');
    writing.write_all(text.as_bytes()).await
}
