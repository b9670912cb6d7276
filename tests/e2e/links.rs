//! Every link from a document to a file of the repository has its target, and every anchor its heading.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tidegate_tests::root;

use crate::markdown::{anchors, links};

/// Folders with documents.
const FOLDERS: [&str; 3] = ["", "docs", "tests/data"];
/// Folders in each of which there are folders with a README.md.
const PARENTS: [&str; 3] = ["plugins", "tests", "tests/data"];

fn documents() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        let entries = fs::read_dir(root().join(folder)).expect("a folder");
        files.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    for folder in PARENTS {
        let entries = fs::read_dir(root().join(folder)).expect("a folder");
        files.extend(entries.map(|entry| entry.expect("an entry").path().join("README.md")));
    }
    files.retain(|file| file.is_file() && file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files.dedup();
    files
}

/// What is wrong with a link in a file; `None` if nothing is, or if it leads elsewhere.
fn wrong(file: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let linked = if path.is_empty() { file.to_owned() } else { file.parent()?.join(path) };
    if !linked.exists() {
        return Some(format!("{path} does not exist"));
    }
    if anchor.is_empty() {
        return None;
    }
    let Ok(text) = fs::read_to_string(&linked) else { return Some(format!("{path} is not a document")) };
    let is_there = anchors(&text).iter().any(|known| known == anchor);
    (!is_there).then(|| format!("{path} has no heading #{anchor}"))
}

#[test]
fn links_in_the_documents_have_their_targets() {
    let (mut count, mut found) = (0, Vec::new());
    for file in documents() {
        let text = fs::read_to_string(&file).expect("a file of text");
        for (line, target) in links(&text) {
            count += 1;
            found.extend(wrong(&file, &target).map(|reason| format!("{}:{line}: {reason}", file.display())));
        }
    }
    assert!(count > 200, "the documents have links: {count}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_document_is_in_the_book() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).expect("a file of text");
    let chapters: Vec<PathBuf> =
        links(&summary).into_iter().map(|(_, chapter)| root().join("docs").join(chapter)).collect();
    let is_chapter = |file: &PathBuf| {
        let file = file.canonicalize().expect("a file");
        chapters.iter().any(|chapter| chapter.canonicalize().is_ok_and(|chapter| chapter == file))
    };
    let parts = ["docs", "plugins"].map(|part| root().join(part));
    let missing: Vec<PathBuf> = documents()
        .into_iter()
        .filter(|file| parts.iter().any(|part| file.starts_with(part)) && !file.ends_with("SUMMARY.md"))
        .filter(|file| !is_chapter(file))
        .collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not have {missing:?}");
}
