//! The end of the demo: which files there are, and what to do next.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// The files in `folder`, called `shown`, and three next steps with the executable `tidegate`.
pub(crate) fn text(tidegate: &str, shown: &str, folder: &Path) -> String {
    let mut text = String::from("\n");
    let mut files = files_below(folder);
    files.sort();
    if !files.is_empty() {
        text.push_str("Files with one change per line, in JSON:\n");
    }
    for file in &files {
        let lines = fs::read(file).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count());
        let name = file.strip_prefix(folder).unwrap_or(file).display();
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "  {lines:>5} in {shown}/{name}");
    }
    let _infallible = write!(
        text,
        "\nNext:\n  \
         {tidegate} plugins file    the options of a plugin; without a name: all plugins\n  \
         {tidegate} validate        check the connector files in connectors.d, which are yours to change\n  \
         {tidegate} broker          a Kafka for a first connector of your own: README.md, \"Your first connector\"\n"
    );
    text
}

/// The files that connectors have written. Names that begin with a dot are the file sink's own.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let visible = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    visible
        .map(|entry| entry.path())
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_files_with_their_changes_and_three_commands() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("out/.tidegate")).unwrap();
        fs::write(folder.path().join("out/orders.jsonl"), "{}\n{}\n").unwrap();
        fs::write(folder.path().join("out/.tidegate/lock"), "").unwrap();
        let text = text("target/debug/tidegate", "target/demo", folder.path());
        assert!(text.contains("      2 in target/demo/out/orders.jsonl\n\n"), "{text}");
        assert!(!text.contains("lock"), "{text}");
        assert_eq!(text.matches("\n  target/debug/tidegate ").count(), 3, "{text}");
    }
}
