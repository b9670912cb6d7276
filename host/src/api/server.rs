//! The server side of the control socket.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use super::{error::ControlError, socket_path};
use crate::{deployment::Deployer, supervisor::Reply};

/// Maximum length of a request.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// The control socket of a running host. Dropping it removes the socket.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    // Held while the host runs. The socket alone cannot prevent two hosts from starting at the same moment.
    _lock: File,
}

impl ControlSocket {
    /// Opens the socket in `state_dir`, creating the folder if necessary. Replaces the socket of a host that has died.
    ///
    /// # Errors
    /// When another host uses the folder, or the socket cannot be created.
    pub fn open(state_dir: &Path) -> Result<Self, ControlError> {
        let path = socket_path(state_dir);
        let failed = |source| ControlError::Io { path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(state_dir.join("host.lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ControlError::InUse { path }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let listener = bind_privately(&path).map_err(failed)?;
        Ok(Self { listener, path, _lock: lock })
    }

    /// Serves requests as long as the future is polled.
    pub async fn serve(&self, deployer: Deployer) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let deployer = deployer.clone();
                    tokio::spawn(async move {
                        if let Err(error) = answer(stream, &deployer).await {
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

/// Binds a socket that only its owner can ever connect to, replacing an existing one. It is created in a private folder and
/// moved after its permissions are set, because there is a moment between binding and setting permissions.
fn bind_privately(path: &Path) -> io::Result<UnixListener> {
    let folder = path.with_extension("new");
    remove(fs::remove_dir_all(&folder))?;
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let private = folder.join("s");
    let listener = UnixListener::bind(&private)?;
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600))?;
    fs::rename(&private, path)?;
    fs::remove_dir(&folder)?;
    Ok(listener)
}

/// Ignores the error if the file does not exist.
fn remove(outcome: io::Result<()>) -> io::Result<()> {
    outcome.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "removing the control socket");
        }
    }
}

async fn answer(stream: UnixStream, deployer: &Deployer) -> io::Result<()> {
    use tokio::io::AsyncReadExt;
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reading.take(MAX_LINE_BYTES)).read_line(&mut line).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(command) => deployer.command(command).await,
        Err(error) => Reply::Rejected(format!("not a command: {error}")),
    };
    let mut text = serde_json::to_string(&reply)?;
    text.push('\n');
    writing.write_all(text.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_host_per_state_folder_and_a_dead_one_s_socket_is_replaced() {
        let state = tempfile::tempdir().unwrap();
        let first = ControlSocket::open(state.path()).unwrap();
        assert!(matches!(ControlSocket::open(state.path()), Err(ControlError::InUse { .. })));
        let mode = fs::metadata(socket_path(state.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(first);
        drop(std::os::unix::net::UnixListener::bind(socket_path(state.path())).unwrap());
        let second = ControlSocket::open(state.path()).unwrap();
        assert!(UnixStream::connect(socket_path(state.path())).await.is_ok());
        drop(second);
    }
}
