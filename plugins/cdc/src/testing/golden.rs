//! Golden files.

use std::{collections::BTreeSet, env, fs, path::Path};

/// Compares texts with the files `<name>.sql` of a folder, which must have no others. With `UPDATE_GOLDEN` set, writes them.
///
/// # Panics
/// If they differ, or a file cannot be read.
pub fn expect_golden<'n>(folder: impl AsRef<Path>, texts: impl IntoIterator<Item = (&'n str, String)>) {
    let folder = folder.as_ref();
    let mut expected = BTreeSet::new();
    for (name, text) in texts {
        let file = folder.join(format!("{name}.sql"));
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&file, format!("{}\n", text.trim_end()))
                .unwrap_or_else(|error| panic!("{file:?}: {error}"));
        }
        let golden = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        assert_eq!(text.trim_end(), golden.trim_end(), "{file:?}; with UPDATE_GOLDEN=1, it is written");
        expected.insert(file);
    }
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let found: BTreeSet<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    assert_eq!(found, expected, "a statement has no golden file, or a file no statement");
}
