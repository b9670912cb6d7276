//! Writes and deletes connector files.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::DeployError;

/// Replaces the content of a connector file in one step, so that no reader sees a part of it. A new file can be read only by its
/// owner, because it may contain secrets; an existing one keeps its permissions, and if it is a link, its target is replaced.
///
/// # Errors
/// When the file or its folder cannot be written.
pub(super) fn write(path: &Path, text: &str) -> Result<(), DeployError> {
    let failed = |source| DeployError::File { path: path.to_owned(), source };
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace(&target, text).map_err(failed)
}

fn replace(target: &Path, text: &str) -> io::Result<()> {
    let mode = fs::metadata(target).map_or(0o600, |found| found.permissions().mode() & 0o777);
    let new = temporary(target);
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, target)
    };
    written().inspect_err(|_| drop(fs::remove_file(&new)))
}

/// A hidden file beside the target, which is not taken for a connector file.
fn temporary(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.new"))
}

/// Deletes a connector file.
///
/// # Errors
/// When it cannot be deleted; that it does not exist is no error.
pub(super) fn delete(path: &Path) -> Result<(), DeployError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(DeployError::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_keeps_its_permissions_and_a_link_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real"), folder.path().join("a.toml"));
        fs::write(&file, "one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        delete(&link).unwrap();
        delete(&link).unwrap();
        assert!(file.exists());
    }

    #[test]
    fn a_folder_that_does_not_exist_is_an_error_that_names_the_file() {
        let error = write(Path::new("/nowhere/a.toml"), "").unwrap_err();
        assert!(error.to_string().starts_with("cannot change /nowhere/a.toml: "), "{error}");
    }
}
