//! Finding plugin libraries in folders.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::error::PluginError;

/// Files in `folder` that are named like dynamic libraries, sorted by name. A folder that does not exist has none.
pub(crate) fn find(folder: &Path) -> Result<Vec<PathBuf>, PluginError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(PluginError::io("reading", folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(PluginError::io("reading", folder))?.path();
        if is_library_name(&path) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_library_name(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|extension| extension == std::env::consts::DLL_EXTENSION)
}

/// Whether `bytes` begin with the magic number of a dynamic library, on any system that Tidegate supports.
pub(super) fn looks_like_library(bytes: &[u8]) -> bool {
    const ELF: &[u8] = b"\x7fELF";
    const MACH_O: [&[u8]; 2] = [&[0xcf, 0xfa, 0xed, 0xfe], &[0xca, 0xfe, 0xba, 0xbe]];
    bytes.starts_with(ELF) || MACH_O.iter().any(|magic| bytes.starts_with(magic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_named_like_libraries_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let library = format!("libb.{}", std::env::consts::DLL_EXTENSION);
        for name in
            ["liba.rlib", "notes.txt", &library, &format!(".hidden.{}", std::env::consts::DLL_EXTENSION)]
        {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(find(folder.path()).unwrap(), [folder.path().join(library)]);
        assert!(find(&folder.path().join("missing")).unwrap().is_empty());
    }
}
