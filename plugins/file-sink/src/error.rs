//! Errors of the files and the journal, and how the host handles them.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use tidegate_plugin::Error;

/// The files or the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// An error of the file system.
    #[error("{doing} {path}: {source}", path = path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// The journal cannot be parsed.
    #[error(
        "{path} is damaged ({source}): restore it from a backup, or move it away together with the files to start from scratch",
        path = path.display()
    )]
    Damaged { path: PathBuf, source: serde_json::Error },
    /// The journal was written by a newer version of this plugin.
    #[error("{path} was written by a newer version of this plugin (format {version}): use that version", path = path.display())]
    TooNew { path: PathBuf, version: u32 },
    /// Another process holds the lock of a folder, for longer than any write takes.
    #[error("{path} has been locked by another process for ten seconds", path = path.display())]
    Locked { path: PathBuf },
    /// Two root folders lie inside each other, and both have the same files.
    #[error(
        "{root} lies inside {other}, the root folder of another `file` sink, which has written {file} there: give the connectors \
         different folders, or paths with the same root",
        root = root.display(), other = other.display()
    )]
    SharedRoot { root: PathBuf, other: PathBuf, file: String },
    /// Another task has claimed a partition.
    #[error("{topic}-{partition} was claimed by another task (epoch {claimed}, this task has {held})")]
    Fenced { topic: String, partition: i32, claimed: u64, held: u64 },
}

impl StoreError {
    /// For `map_err` on errors of the file system.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// Classifies the error. A full disk is retriable; a missing permission is fatal. Nothing in a record can be the cause of a
    /// fatal error: a file that records lead to is checked before (`placement.rs`), and the others are the sink's own.
    pub(crate) fn classify(self) -> Error {
        match &self {
            Self::Fenced { .. } => Error::fenced(self),
            // The file system has narrower limits for names than were checked before.
            Self::Io { source, .. } if source.kind() == ErrorKind::InvalidFilename => Error::rejected(self),
            Self::Io { source, .. } if !is_permanent(source.kind()) => Error::retriable(self),
            Self::Locked { .. } => Error::retriable(self),
            _ => Error::fatal(self),
        }
    }
}

fn is_permanent(kind: ErrorKind) -> bool {
    use ErrorKind as Kind;
    matches!(
        kind,
        Kind::PermissionDenied
            | Kind::IsADirectory
            | Kind::NotADirectory
            | Kind::ReadOnlyFilesystem
            | Kind::InvalidInput
            | Kind::FileTooLarge
            | Kind::Unsupported
    )
}
