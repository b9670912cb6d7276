//! Whether lines may be written to the path that the names in a record lead to. If not, the record is rejected: names come from
//! others, so they must neither stop the connector nor reach files that are not the sink's.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The sink's folder in the root folder of its files.
pub(crate) const OWN_FOLDER: &str = ".tidegate";
/// The longest name of a file or folder on common file systems, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// The longest path that Linux accepts, in bytes.
const MAX_PATH_BYTES: usize = 4095;

/// Why no lines may be written to `name`, a path relative to `root`.
pub(crate) fn refusal(root: &Path, name: &str) -> Option<String> {
    of_name(root, name).or_else(|| on_disk(root, name))
}

fn of_name(root: &Path, name: &str) -> Option<String> {
    if let Some(long) = name.split('/').find(|segment| segment.len() > MAX_NAME_BYTES) {
        let begin = long.chars().take(40).collect::<String>();
        let bytes = long.len();
        return Some(format!(
            "the name of file or folder {begin}.. has {bytes} bytes, and at most {MAX_NAME_BYTES} are possible"
        ));
    }
    let bytes = root.as_os_str().len() + 1 + name.len();
    if bytes > MAX_PATH_BYTES {
        return Some(format!(
            "the path of its file has {bytes} bytes, and at most {MAX_PATH_BYTES} are possible"
        ));
    }
    // Also on file systems that ignore case.
    let is_own = name.split('/').any(|segment| segment.eq_ignore_ascii_case(OWN_FOLDER));
    is_own.then(|| format!("its file would be {name}, and folders named {OWN_FOLDER} are the sink's own"))
}

fn on_disk(root: &Path, name: &str) -> Option<String> {
    let mut path = root.to_owned();
    let mut segments = name.split('/').peekable();
    while let Some(segment) = segments.next() {
        path.push(segment);
        // What does not exist is created.
        let Ok(found) = fs::metadata(&path) else { return None };
        let shown = path.display();
        match (segments.peek(), found.is_dir()) {
            (None, true) => return Some(format!("{shown} is a folder, so no lines can be written to it")),
            (Some(_), false) => return Some(format!("{shown} is not a folder, so no file can be in it")),
            (Some(_), true) if path.join(OWN_FOLDER).exists() => return Some(belongs_to_other(&path)),
            _ => {}
        }
    }
    None
}

fn belongs_to_other(folder: &Path) -> String {
    format!(
        "{} is the root folder of another `file` sink, which would not know what is written there: give the connectors \
         different folders",
        folder.display()
    )
}

/// The folders above `root` that are root folders of `file` sinks.
pub(crate) fn roots_above(root: &Path) -> Vec<PathBuf> {
    let above = root.ancestors().skip(1);
    above.filter(|folder| folder.join(OWN_FOLDER).join("journal.json").exists()).map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_before_the_file_system_is_asked() {
        let root = Path::new("/out");
        let refused = |name: &str| of_name(root, name).unwrap_or_default();
        assert!(refused(&format!("{}.jsonl", "n".repeat(300))).contains("has 306 bytes"));
        assert!(refused(&format!("{}/x", "ä".repeat(128))).contains("has 256 bytes"));
        assert!(refused(&"abcdefgh/".repeat(500)).contains("the path of its file has"));
        assert!(refused(".tidegate/journal.json").contains("the sink's own"));
        assert!(refused("a/.TideGate/x").contains("the sink's own"));
        assert_eq!(of_name(root, &"n".repeat(255)), None);
        assert_eq!(of_name(root, "x.tidegate/y"), None);
    }
}
