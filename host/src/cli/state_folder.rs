//! The state folder: what the host and its plugins run from, so nobody else may write to it.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateFolderError {
    /// It cannot be created or examined.
    #[error("state folder {path}: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// Its owner could replace the libraries that the host loads.
    #[error(
        "state folder {path} belongs to the user with the id {owner}, and the host runs as {user}: run `chown -R {user} {path}`, \
         or set state_dir to another folder",
        path = path.display()
    )]
    Owner { path: PathBuf, owner: u32, user: u32 },
    /// Others could replace the libraries that the host loads.
    #[error("other users may write to the state folder {path}: run `chmod go-w {path}`", path = path.display())]
    Writable { path: PathBuf },
}

/// Creates the folder with access for its owner only, and checks that nobody else can write to it.
///
/// # Errors
/// When it cannot be created, belongs to somebody else, or others may write to it.
pub(super) fn prepare(folder: &Path) -> Result<(), StateFolderError> {
    let failed = |source| StateFolderError::Io { path: folder.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    check(folder)?;
    // The copies of the libraries.
    let plugins = folder.join("plugins");
    if plugins.exists() { check(&plugins) } else { Ok(()) }
}

fn check(folder: &Path) -> Result<(), StateFolderError> {
    let path = folder.to_owned();
    let found = match fs::metadata(folder) {
        Ok(found) => found,
        Err(source) => return Err(StateFolderError::Io { path, source }),
    };
    let user = rustix::process::geteuid().as_raw();
    if found.uid() != user {
        return Err(StateFolderError::Owner { path, owner: found.uid(), user });
    }
    if found.mode() & 0o022 != 0 {
        return Err(StateFolderError::Writable { path });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("new/state");
        prepare(&state).unwrap();
        assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
        fs::create_dir(state.join("plugins")).unwrap();
        for refused in [state.join("plugins"), state.clone()] {
            fs::set_permissions(&refused, fs::Permissions::from_mode(0o770)).unwrap();
            let error = prepare(&state).unwrap_err().to_string();
            assert!(error.contains(&format!("run `chmod go-w {}`", refused.display())), "{error}");
            fs::set_permissions(&refused, fs::Permissions::from_mode(0o755)).unwrap();
        }
        prepare(&state).unwrap();
    }
}
