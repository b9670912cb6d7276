//! One file with the licences of all shipped crates, for `cargo xtask sbom`: most licences ask for their text in every copy.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::shipped::Shipped;

/// The beginnings of the names of files with licences and notices, in lowercase.
const NAMES: [&str; 5] = ["license", "licence", "copying", "unlicense", "notice"];
/// The standard texts, by SPDX identifier, for crates that contain no text.
const STANDARD: &str = "deploy/licences";

/// The texts of all crates that are not of this workspace, whose standard texts are in `root`. A text that several crates share is
/// printed once.
///
/// # Errors
/// If a file cannot be read, or if there is no text for a crate.
pub(crate) fn document(root: &Path, crates: &[Shipped]) -> Result<String, String> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for shipped in crates.iter().filter(|shipped| !shipped.is_own()) {
        for text in texts(root, shipped, crates)? {
            users.entry(text).or_default().push(format!("{} {}", shipped.name, shipped.version));
        }
    }
    let mut document =
        "Tidegate and its plugins contain code of the crates below, under these licences.\n".to_owned();
    for shipped in crates.iter().filter(|shipped| !shipped.is_own()) {
        let _written = writeln!(document, "  {} {}: {}", shipped.name, shipped.version, shipped.license);
    }
    for (text, mut names) in users {
        names.dedup();
        let _written = write!(document, "\n{}\n{}\n\n{text}\n", "-".repeat(80), names.join(", "));
    }
    Ok(document)
}

/// The texts of a crate: its own, else those of another crate from the same repository, else the standard text of its licence.
fn texts(root: &Path, shipped: &Shipped, crates: &[Shipped]) -> Result<Vec<String>, String> {
    let own = in_folder(&shipped.folder)?;
    // The files of bundled libraries do not cover the crate around them.
    let has_own = own.iter().any(|file| file.parent() == Some(&shipped.folder));
    let mut texts = own.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    if !has_own {
        texts.extend(elsewhere(root, shipped, crates)?);
    }
    Ok(texts)
}

fn elsewhere(root: &Path, shipped: &Shipped, crates: &[Shipped]) -> Result<Vec<String>, String> {
    let siblings = crates.iter().filter(|other| {
        other.name != shipped.name && !other.repository.is_empty() && other.repository == shipped.repository
    });
    for sibling in siblings {
        let mut found = in_folder(&sibling.folder)?;
        found.retain(|file| file.parent() == Some(&sibling.folder));
        if !found.is_empty() {
            return found.iter().map(|file| read(file)).collect();
        }
    }
    for identifier in shipped.license.split(" OR ") {
        let file = root.join(STANDARD).join(format!("{identifier}.txt"));
        if file.exists() {
            let holders = format!("Copyright (c) the authors of {}, {}", shipped.name, shipped.repository);
            return Ok(vec![format!("{holders}\n\n{}", read(&file)?)]);
        }
    }
    Err(format!(
        "{} {} contains no text of its licence: add one of {} to {STANDARD}, as IDENTIFIER.txt",
        shipped.name, shipped.version, shipped.license
    ))
}

/// The files with licences and notices in a folder, also in those of bundled libraries.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("reading {}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        if path.is_dir() {
            found.extend(in_folder(&path)?);
        } else if NAMES.iter().any(|prefix| name.starts_with(prefix)) && !name.ends_with(".rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a file without spaces at the ends of lines and of the file, so that equal texts are recognized.
fn read(file: &Path) -> Result<String, String> {
    let bytes = fs::read(file).map_err(|error| format!("reading {}: {error}", file.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(folder: &Path, name: &str, license: &str) -> Shipped {
        fs::create_dir_all(folder.join(name)).unwrap();
        Shipped {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: license.to_owned(),
            repository: format!("https://example.com/{name}"),
            checksum: Some("0".repeat(64)),
            folder: folder.join(name),
            ..Shipped::default()
        }
    }

    #[test]
    fn a_text_that_crates_share_is_printed_once_with_both_names() {
        let folder = tempfile::tempdir().unwrap();
        let crates = ["a", "b"].map(|name| shipped(folder.path(), name, "MIT"));
        fs::write(crates[0].folder.join("LICENSE-MIT"), "Do as you like.\n").unwrap();
        fs::write(crates[1].folder.join("COPYING"), "Do as you like.  \r\n\n").unwrap();
        let document = document(folder.path(), &crates).unwrap();
        assert_eq!(document.matches("Do as you like.").count(), 1, "{document}");
        assert!(document.contains("\na 1.0.0, b 1.0.0\n"), "{document}");
    }

    #[test]
    fn bundled_libraries_have_texts_of_their_own_and_the_crate_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let mut crates = ["around", "sibling"].map(|name| shipped(folder.path(), name, "MIT"));
        fs::create_dir(crates[0].folder.join("library")).unwrap();
        fs::write(crates[0].folder.join("library/LICENSE.txt"), "Of the library.").unwrap();
        fs::write(crates[1].folder.join("LICENSE"), "Of the repository.").unwrap();
        crates[0].repository = crates[1].repository.clone();
        let document = document(folder.path(), &crates).unwrap();
        assert!(document.contains("\naround 1.0.0\n\nOf the library.\n"), "{document}");
        assert!(document.contains("\naround 1.0.0, sibling 1.0.0\n\nOf the repository.\n"), "{document}");
    }

    #[test]
    fn a_crate_without_a_text_has_the_standard_one_or_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let bare = shipped(folder.path(), "bare", "Apache-3.0 OR MIT");
        let text = document(root, &[bare]).unwrap();
        assert!(
            text.contains("Copyright (c) the authors of bare, https://example.com/bare\n\nPermission"),
            "{text}"
        );
        let rare = shipped(folder.path(), "rare", "Apache-3.0");
        let error = document(root, &[rare]).unwrap_err();
        assert!(error.starts_with("rare 1.0.0 contains no text of its licence: add"), "{error}");
    }
}
