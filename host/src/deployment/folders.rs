//! Folders of connector files that cannot be read for now, such as those of a file system that is not mounted. What is missing
//! in them is not deleted: its connectors go on.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::config::FoundConnectors;

/// The folders as they were seen last.
#[derive(Debug, Default)]
pub(super) struct Folders {
    /// The device of each folder when it had connector files.
    devices: BTreeMap<PathBuf, u64>,
    /// Why each of these folders cannot be read.
    unavailable: BTreeMap<PathBuf, String>,
}

impl Folders {
    /// Looks at the configured folders, in which these connector files were found, and logs what has changed.
    pub(super) fn look(&mut self, paths: &[PathBuf], found: &FoundConnectors) {
        let mut unavailable = BTreeMap::new();
        for folder in paths.iter().filter(|path| path.is_dir() || !is_connector_file(path)) {
            let has_files = found.files.values().flatten().any(|file| file.parent() == Some(folder));
            match self.device(folder, has_files) {
                Ok(Some(device)) => drop(self.devices.insert(folder.clone(), device)),
                Ok(None) => {}
                Err(reason) => drop(unavailable.insert(folder.clone(), reason)),
            }
        }
        for (folder, reason) in
            unavailable.iter().filter(|(folder, _)| !self.unavailable.contains_key(*folder))
        {
            tracing::warn!(
                "the folder {} cannot be read, so its connectors go on as they are: {reason}",
                folder.display()
            );
        }
        for folder in self.unavailable.keys().filter(|folder| !unavailable.contains_key(*folder)) {
            tracing::info!("the folder {} can be read again", folder.display());
        }
        self.unavailable = unavailable;
    }

    /// Why a file is not seen although it may exist; `None` if its folder can be read.
    pub(super) fn hides(&self, file: &Path) -> Option<(&Path, &str)> {
        let (folder, reason) = self.unavailable.get_key_value(file.parent()?)?;
        Some((folder, reason))
    }

    /// The device of a folder that has connector files.
    ///
    /// # Errors
    /// Why the folder cannot be read.
    fn device(&self, folder: &Path, has_files: bool) -> Result<Option<u64>, String> {
        fs::read_dir(folder).map_err(|error| error.to_string())?;
        let device = fs::metadata(folder).map_err(|error| error.to_string())?.dev();
        if has_files {
            return Ok(Some(device));
        }
        match self.devices.get(folder) {
            Some(before) if *before != device => {
                Err("it is empty and on another file system than before, which is probably not mounted"
                    .to_owned())
            }
            _ => Ok(None),
        }
    }
}

fn is_connector_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::find_connectors;

    fn look(folders: &mut Folders, folder: &Path) {
        let paths = [folder.to_owned()];
        folders.look(&paths, &find_connectors(&paths));
    }

    #[test]
    fn a_file_that_is_gone_from_a_folder_is_deleted_and_one_whose_folder_is_gone_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("connectors.d");
        let file = folder.join("a.toml");
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "").unwrap();
        let mut folders = Folders::default();
        look(&mut folders, &folder);
        fs::remove_file(&file).unwrap();
        look(&mut folders, &folder);
        assert_eq!(folders.hides(&file), None);
        fs::remove_dir(&folder).unwrap();
        look(&mut folders, &folder);
        assert!(folders.hides(&file).is_some());
        fs::create_dir(&folder).unwrap();
        look(&mut folders, &folder);
        assert_eq!(folders.hides(&file), None);
    }

    #[test]
    fn an_empty_folder_of_another_file_system_was_unmounted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        let mut folders = Folders::default();
        folders.devices.insert(folder.path().to_owned(), u64::MAX);
        look(&mut folders, folder.path());
        assert!(folders.hides(&file).is_some_and(|(_, reason)| reason.contains("not mounted")));
        fs::write(&file, "").unwrap();
        look(&mut folders, folder.path());
        assert_eq!(folders.hides(&file), None, "it is another one, with connectors");
    }
}
