//! Writes seeds into the corpus of a target.

use std::{env, fs, path::PathBuf};

/// Writes the seeds of a target that are not there yet into `FUZZ_CORPUS`, or else where `cargo fuzz` looks for them.
pub(crate) fn write(target: &str, seeds: impl IntoIterator<Item = Vec<u8>>) {
    let corpus = env::var_os("FUZZ_CORPUS")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/corpus").into(), PathBuf::from);
    let folder = corpus.join(target);
    fs::create_dir_all(&folder).expect("a folder for seeds");
    for (number, seed) in seeds.into_iter().enumerate() {
        let path = folder.join(format!("seed-{number:04}"));
        if !path.exists() {
            fs::write(path, seed).expect("a seed");
        }
    }
}
