//! The control socket in the state folder, which only its owner can access, and the lock of the folder.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

use super::{error::ApiError, socket_path};

/// The control socket of a running host. Dropping it removes the socket.
#[derive(Debug)]
pub struct ControlSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    // Held while the host runs. The socket alone cannot prevent two hosts from starting at the same moment.
    _lock: File,
}

impl ControlSocket {
    /// Opens the socket in `state_dir`, creating the folder if necessary. Replaces the socket of a host that has died.
    ///
    /// # Errors
    /// When another host uses the folder, or the socket cannot be created.
    pub fn open(state_dir: &Path) -> Result<Self, ApiError> {
        let path = socket_path(state_dir);
        let failed = |source| ApiError::Io { path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(state_dir.join("host.lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ApiError::InUse { path }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let listener = bind_privately(&path).map_err(failed)?;
        Ok(Self { listener, path, _lock: lock })
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

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn one_host_per_state_folder_and_a_dead_one_s_socket_is_replaced() {
        let state = tempfile::tempdir().unwrap();
        let first = ControlSocket::open(state.path()).unwrap();
        assert!(matches!(ControlSocket::open(state.path()), Err(ApiError::InUse { .. })));
        let mode = fs::metadata(socket_path(state.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(first);
        drop(std::os::unix::net::UnixListener::bind(socket_path(state.path())).unwrap());
        let second = ControlSocket::open(state.path()).unwrap();
        assert!(UnixStream::connect(socket_path(state.path())).await.is_ok());
        drop(second);
    }
}
