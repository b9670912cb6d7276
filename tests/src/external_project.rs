//! Cargo projects outside the workspace: plugins as users write them, which depend only on the SDK.
//!
//! They share the target folder `<target>/outside`, so that common dependencies are compiled once and their libraries
//! are not in a folder where a host looks for plugins. They use the workspace's `Cargo.lock`, so that nothing is
//! downloaded.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use nested_cargo::cargo;
use serde_json::Value as Json;

use crate::{
    artifacts::{libraries, messages, target},
    root,
};

/// A cargo project.
#[derive(Debug)]
pub struct ExternalProject {
    folder: PathBuf,
    target: PathBuf,
}

/// A project that does not compile.
#[derive(Clone, Debug)]
pub struct BuildFailure {
    /// The compiler's output.
    pub rendered: String,
    /// All errors.
    pub findings: Vec<Finding>,
}

/// A compiler error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// File, relative to the project.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Code such as `E0597`; empty for errors without one.
    pub code: String,
}

impl ExternalProject {
    /// Creates a project with these files, given by path. `@root` in a file is replaced by the path of the repository.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn new<'f>(name: &str, files: impl IntoIterator<Item = (&'f str, String)>) -> Self {
        let target = target().0.join("outside");
        let folder = target.join("projects").join(name);
        for (path, text) in files {
            write(&folder.join(path), &text.replace("@root", &root().display().to_string()));
        }
        let lock = fs::read_to_string(root().join("Cargo.lock")).expect("the workspace has a Cargo.lock");
        // Cargo removes unused packages from the project's lock file, so it is only replaced when the workspace's has
        // changed.
        if write(&folder.join("workspace.lock"), &lock) || !folder.join("Cargo.lock").exists() {
            write(&folder.join("Cargo.lock"), &lock);
        }
        Self { folder, target }
    }

    /// Copies a folder, and changes the files with `edit`, which gets path and text.
    ///
    /// # Panics
    /// When the folder cannot be read.
    #[must_use]
    pub fn copy(name: &str, from: &Path, edit: impl Fn(&str, String) -> String) -> Self {
        let files = files_below(from);
        let texts = files.iter().map(|path| {
            let text = fs::read_to_string(path).expect("a file of text");
            let relative = path.strip_prefix(from).ok().and_then(Path::to_str).expect("a path of text");
            (relative, edit(relative, text))
        });
        Self::new(name, texts)
    }

    /// Builds it, and returns its dynamic libraries by name.
    ///
    /// # Errors
    /// When it does not compile.
    ///
    /// # Panics
    /// When cargo cannot be started.
    pub fn build(&self, arguments: &[&str]) -> Result<BTreeMap<String, PathBuf>, BuildFailure> {
        let mut command = vec!["build", "--offline", "--message-format=json", "--keep-going"];
        command.extend(arguments);
        let output = self.cargo(&command);
        let messages = messages(&output.stdout);
        if output.status.success() {
            return Ok(libraries(&messages));
        }
        let errors: Vec<&Json> =
            messages.iter().filter(|message| message["message"]["level"] == "error").collect();
        let rendered = errors.iter().filter_map(|error| error["message"]["rendered"].as_str());
        Err(BuildFailure {
            rendered: rendered.collect::<String>() + &String::from_utf8_lossy(&output.stderr),
            findings: errors.iter().filter_map(|error| finding(error)).collect(),
        })
    }

    /// Builds the library of one package, and returns its path.
    ///
    /// # Panics
    /// When it does not compile.
    #[must_use]
    pub fn library(&self, name: &str) -> PathBuf {
        let built = self.build(&[]).unwrap_or_else(|failure| panic!("{}", failure.rendered));
        let found = built.get(&name.replace('-', "_"));
        found.unwrap_or_else(|| panic!("no library {name:?} in {built:?}")).clone()
    }

    /// The names of all packages that a package is built from.
    ///
    /// # Panics
    /// When cargo does not tell.
    #[must_use]
    pub fn dependencies(&self, package: &str) -> Vec<String> {
        let edges =
            ["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package"];
        let output = self.cargo(&[&edges[..], &[package]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        let mut command = cargo();
        command.args(arguments).current_dir(&self.folder).env("CARGO_TARGET_DIR", &self.target);
        command.output().expect("cargo can be started")
    }
}

fn finding(error: &Json) -> Option<Finding> {
    let message = &error["message"];
    let span = message["spans"].as_array()?.iter().find(|span| span["is_primary"] == true)?;
    Some(Finding {
        file: span["file_name"].as_str()?.to_owned(),
        line: span["line_start"].as_u64()?,
        code: message["code"]["code"].as_str().unwrap_or_default().to_owned(),
    })
}

/// Writes a file if its content changes, so that cargo does not rebuild unchanged projects. Returns whether it did.
fn write(path: &Path, text: &str) -> bool {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return false;
    }
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    true
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("a folder that can be read").path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}
