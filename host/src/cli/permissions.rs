//! Warns of files that the host trusts and that other users may write: connector files, the host file and plugin libraries.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::StatVfsMountFlags,
    process::{getegid, geteuid},
};

use crate::config::HostConfig;

/// Warns of each folder and file that other users may write. `host_file` is the host file, if there is one.
pub(super) fn warn_of_writable(config: &HostConfig, host_file: Option<&Path>) {
    let folders = config.connectors.iter().chain(&config.plugin_dirs).map(PathBuf::as_path);
    for path in folders.chain(host_file).flat_map(with_files).filter(|path| is_writable_by_others(path)) {
        tracing::warn!(
            "other users may write to {path}, and so decide what this host runs: run `chown {user} {path}` and `chmod go-w {path}`",
            path = path.display(),
            user = geteuid().as_raw(),
        );
    }
}

/// The folder and the files in it, or the file.
fn with_files(path: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_trusted = |file: &PathBuf| {
        file.extension()
            .is_some_and(|extension| extension == "toml" || extension == std::env::consts::DLL_EXTENSION)
    };
    [path.to_owned()].into_iter().chain(files.filter(is_trusted)).collect()
}

fn is_writable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| is_open(&found)) && !is_read_only(path)
}

/// Whether somebody beside this user and root may write. Members of this user's own group are trusted.
fn is_open(found: &Metadata) -> bool {
    let is_foreign = found.uid() != geteuid().as_raw() && found.uid() != 0;
    let by_group = found.mode() & 0o020 != 0 && found.gid() != getegid().as_raw() && found.gid() != 0;
    is_foreign || by_group || found.mode() & 0o002 != 0
}

/// Volumes of Kubernetes have open permissions and are mounted so that nobody can write.
fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_and_folders_that_others_may_write_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let (open, closed, other) = (
            folder.path().join("open.toml"),
            folder.path().join("closed.toml"),
            folder.path().join("notes.txt"),
        );
        for (path, mode) in [(&open, 0o646), (&closed, 0o644), (&other, 0o666)] {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let found = |mode| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let mut found = with_files(folder.path());
            found.retain(|path| is_writable_by_others(path));
            found
        };
        assert_eq!(found(0o755), std::slice::from_ref(&open));
        assert_eq!(found(0o777), [folder.path().to_owned(), open]);
    }
}
