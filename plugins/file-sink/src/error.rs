//! How keeping files fails, and what the host should do about it.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use tidegate_plugin::Error;

/// Why the files could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The file system refused.
    #[error("{doing} {path}: {source}", path = path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// The journal is not as it was written.
    #[error(
        "{path} is damaged ({source}): bring it back from a copy, or move it away together with the files to start anew",
        path = path.display()
    )]
    Damaged { path: PathBuf, source: serde_json::Error },
    /// The journal comes from a later version of this plugin.
    #[error("{path} was written by a newer version of this plugin (format {version}): use that one", path = path.display())]
    TooNew { path: PathBuf, version: u32 },
    /// Another task has taken a partition over.
    #[error("{topic}[{partition}] was claimed by another task (epoch {claimed} after {held})")]
    Fenced { topic: String, partition: i32, claimed: u64, held: u64 },
}

impl StoreError {
    /// For `map_err` on what the file system says.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// The error with its class: a full disk may get room again, a missing right does not come by itself.
    pub(crate) fn classify(self) -> Error {
        match &self {
            Self::Fenced { .. } => Error::fenced(self),
            Self::Io { source, .. } if !is_lasting(source.kind()) => Error::retriable(self),
            _ => Error::fatal(self),
        }
    }
}

fn is_lasting(kind: ErrorKind) -> bool {
    use ErrorKind as Kind;
    matches!(
        kind,
        Kind::PermissionDenied
            | Kind::IsADirectory
            | Kind::NotADirectory
            | Kind::ReadOnlyFilesystem
            | Kind::InvalidFilename
            | Kind::InvalidInput
            | Kind::FileTooLarge
            | Kind::Unsupported
    )
}
