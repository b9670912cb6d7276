//! The connectors as they ran last, in the state folder: `connectors/NAME.json`.
//!
//! A connector whose file is invalid when the host starts goes on as it was, and one that was paused or stopped stays so. The files
//! may contain secrets, as connector files may, so only their owner can read them.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::supervisor::DesiredState;

/// A connector as it ran last.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The connector file.
    pub file: PathBuf,
    /// The text of the file.
    pub text: String,
    /// The state that was asked for last.
    #[serde(default)]
    pub state: DesiredState,
}

/// The connectors that are kept in a state folder.
#[derive(Debug)]
pub struct KeptConnectors {
    folder: PathBuf,
}

impl KeptConnectors {
    /// Those of the host with this state folder. Nothing is read or written yet.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("connectors") }
    }

    /// All connectors, by name. What cannot be read is left out with a warning.
    #[must_use]
    pub fn load(&self) -> BTreeMap<String, Kept> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!("{}: {error}; nothing is known of earlier runs", self.folder.display());
                }
                return BTreeMap::new();
            }
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths
            .filter_map(|path| {
                let kept = read(&path)
                    .inspect_err(|error| {
                        tracing::warn!("{}: {error}; it is not used", path.display());
                    })
                    .ok()?;
                Some((path.file_stem()?.to_str()?.to_owned(), kept))
            })
            .collect()
    }

    /// Stores a connector. A failure is only logged, because the connector runs.
    pub(super) fn store(&self, name: &str, kept: &Kept) {
        if let Err(error) = self.write(name, kept) {
            tracing::warn!(
                connector = name,
                "{}: {error}; after a restart of the host, an invalid file would stop the connector, and a paused one would run",
                self.path(name).display()
            );
        }
    }

    /// Forgets a connector.
    pub(super) fn forget(&self, name: &str) {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(connector = name, "{}: {error}", self.path(name).display());
            }
            _ => {}
        }
    }

    fn write(&self, name: &str, kept: &Kept) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let (path, new) = (self.path(name), self.folder.join(format!(".{name}.new")));
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        serde_json::to_writer(&file, kept)?;
        file.sync_all()?;
        fs::rename(new, path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn kept(text: &str) -> Kept {
        Kept { file: "connectors.d/a.toml".into(), text: text.to_owned(), state: DesiredState::Paused }
    }

    #[test]
    fn a_connector_is_kept_until_it_is_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let all = KeptConnectors::of(state.path());
        assert!(all.load().is_empty());
        all.store("a", &kept("one"));
        all.store("a", &kept("two"));
        all.store("b.c", &kept("three"));
        let loaded = all.load();
        assert_eq!(loaded.keys().collect::<Vec<_>>(), ["a", "b.c"]);
        assert!(loaded["a"] == kept("two"));
        all.forget("a");
        all.forget("never");
        assert_eq!(all.load().len(), 1);
    }

    #[test]
    fn only_the_owner_can_read_it_and_a_damaged_one_is_left_out() {
        let state = tempfile::tempdir().unwrap();
        let all = KeptConnectors::of(state.path());
        all.store("a", &kept("one"));
        let mode = fs::metadata(all.path("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(all.path("b"), "{").unwrap();
        assert_eq!(all.load().len(), 1);
    }
}
