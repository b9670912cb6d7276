//! What differs between database servers: their files, their command lines, and what their clients print.

use std::{fmt::Debug, os::unix::fs::MetadataExt, path::PathBuf, process::Command};

/// The files and the address of one server.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    /// The folder for everything that it writes.
    pub(super) folder: PathBuf,
    /// The name of the database, of its owner and of the owner's password.
    pub(super) name: String,
    /// The port on 127.0.0.1.
    pub(super) port: String,
    /// Settings, `name=value`.
    pub(super) settings: Vec<String>,
}

/// How a client separates what it prints of rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    /// Between two cells.
    pub(super) cell: u8,
    /// After a row.
    pub(super) row: u8,
    /// The cell that stands for NULL.
    pub(super) null: &'static str,
    /// Whether the separators, and backslashes, are escaped with a backslash in values.
    pub(super) escapes: bool,
}

/// A kind of database server.
pub(super) trait Engine: Debug + Send + Sync {
    /// Creates the data folder.
    ///
    /// # Panics
    /// If that fails.
    fn create_files(&self, instance: &Instance);

    /// Copies the data folder of a server that runs, as that of its standby.
    ///
    /// # Panics
    /// If that fails, or this kind of server has no standby here.
    fn copy_files(&self, primary: &Instance, standby: &Instance) {
        panic!("{self:?} has no standby: {} and {}", primary.port, standby.port);
    }

    /// Makes a standby accept writes.
    ///
    /// # Panics
    /// As [`Engine::copy_files`].
    fn promotion(&self) -> &'static str {
        panic!("{self:?} has no standby");
    }

    /// The command that becomes the server.
    fn server(&self, instance: &Instance) -> Command;

    /// A client of the user who may create the database and its owner. It executes what it reads, and stops at the first error.
    fn administrator(&self, instance: &Instance) -> Command;

    /// What the administrator executes once to create them.
    fn creation(&self, name: &str) -> String;

    /// A client of a user with this password in the database. It executes what it reads, prints each row without headings as soon as it
    /// has been sent, and stops at the first error.
    fn client(&self, instance: &Instance, user: &str, password: &str) -> Command;

    /// Makes a client print rows in a format that can be parsed.
    fn parseable(&self, client: &mut Command) -> Format;

    /// The signal that makes the server end, whatever its clients do.
    fn stop_signal(&self) -> &'static str;

    /// The signal that makes the server end at once, if its data are no longer needed.
    fn quick_stop_signal(&self) -> &'static str;
}

impl Instance {
    /// The data folder.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The log file.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

/// Whether this process runs as root, as which servers refuse to start.
pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Runs a command, and returns what it prints.
///
/// # Panics
/// If it fails.
pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
