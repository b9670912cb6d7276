//! Which files the host depends on, and what tells a changed one.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::plugins::{FileIdentity, library_files};

/// Files and what tells them from themselves before a change. Links are followed, so the swap of a link is a change of the
/// file.
pub(super) type Files = BTreeMap<PathBuf, FileIdentity>;

/// The identities of those of `paths` that exist.
pub(super) fn identify<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Files {
    let identity = |path: &Path| Some((path.to_owned(), FileIdentity::of(path).ok()?));
    paths.into_iter().filter_map(identity).collect()
}

/// The identities of the plugin libraries in `folders`. A folder that cannot be read has none.
pub(super) fn libraries(folders: &[PathBuf]) -> Files {
    let libraries: Vec<PathBuf> =
        folders.iter().flat_map(|folder| library_files(folder).unwrap_or_default()).collect();
    identify(libraries.iter().map(PathBuf::as_path))
}
