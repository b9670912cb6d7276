//! Errors of plugins: when they are loaded, and in calls.

use std::{path::PathBuf, time::Duration};

use tidegate_abi::raw;

/// A library or a plugin that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// A file or folder could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was attempted, such as `reading`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no dynamic library.
    #[error("{} is not a dynamic library for this system; build the plugin with crate-type = [\"cdylib\"]", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
    },
    /// The system's loader rejected the library.
    #[error("loading {}: {reason}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// The library does not export the entry symbol.
    #[error("{} exports no plugin; end the crate with `export_plugin!(...)`", path.display())]
    NoEntry {
        /// The file.
        path: PathBuf,
    },
    /// The library was built against an incompatible interface.
    #[error("{} was built against another plugin interface ({reason}); rebuild it with tidegate-plugin 1.x", path.display())]
    Interface {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// Another copy of the library is loaded, and the process may have only one.
    #[error(
        "{} was replaced, and its plugins do not allow two copies of it in one process: restart the host, or set \
         isolation = \"process\"",
        path.display()
    )]
    OtherCopy {
        /// The file.
        path: PathBuf,
    },
    /// The library crashed or hung while it was probed in a child process.
    #[error("{} cannot be loaded: {reason}", path.display())]
    Probe {
        /// The file.
        path: PathBuf,
        /// How the child exited, or the error that it printed.
        reason: String,
    },
    /// Two libraries export a plugin of the same name.
    #[error("plugin \"{name}\" is in both {} and {}: the first is used; remove one", first.display(), second.display())]
    Duplicate {
        /// The plugin.
        name: String,
        /// The library that is used.
        first: PathBuf,
        /// The library that is not.
        second: PathBuf,
    },
    /// There is no such plugin.
    #[error("no plugin \"{name}\"; there are: {known}; searched in: {folders}")]
    Unknown {
        /// The requested plugin.
        name: String,
        /// The plugins that were found.
        known: String,
        /// The folders that were searched.
        folders: String,
    },
    /// The plugin is of another kind than it is used as.
    #[error("plugin \"{name}\" is a {actual}, not a {wanted}")]
    WrongKind {
        /// The plugin.
        name: String,
        /// Its kind.
        actual: &'static str,
        /// The required kind.
        wanted: &'static str,
    },
}

impl PluginError {
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// The class of a failed call, which decides how it is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The task fails.
    Fatal,
    /// The same call may succeed later.
    Retriable,
    /// A record is invalid, and the plugin cannot name it.
    Rejected,
    /// The partition has another owner.
    Fenced,
    /// The plugin panicked; its instance can no longer be used.
    Panic,
    /// An option is invalid. The task fails and is not restarted.
    Config,
    /// The output exceeds the memory budget of a batch. The instance may no longer be usable.
    OutOfMemoryBudget,
}

/// A call into a plugin that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{plugin}: {message}")]
pub struct CallError {
    /// The plugin, as the connector names it.
    pub plugin: String,
    /// Decides how it is handled.
    pub class: ErrorClass,
    /// The plugin's message, with secrets scrubbed.
    pub message: String,
    /// The minimum delay before the next attempt.
    pub retry_after: Option<Duration>,
}

impl CallError {
    pub(super) fn new(plugin: &str, error: &raw::AbiError) -> Self {
        let class = match error.class {
            raw::ErrorClass::RETRIABLE => ErrorClass::Retriable,
            raw::ErrorClass::REJECTED => ErrorClass::Rejected,
            raw::ErrorClass::FENCED => ErrorClass::Fenced,
            raw::ErrorClass::PANIC => ErrorClass::Panic,
            raw::ErrorClass::CONFIG => ErrorClass::Config,
            _ => ErrorClass::Fatal,
        };
        Self {
            plugin: plugin.to_owned(),
            class,
            message: crate::telemetry::scrub(error.message.as_str()).into_owned(),
            retry_after: (error.retry_after_ms > 0).then(|| Duration::from_millis(error.retry_after_ms)),
        }
    }

    pub(crate) fn contract_violation(plugin: &str, message: impl ToString) -> Self {
        let message = message.to_string();
        Self { plugin: plugin.to_owned(), class: ErrorClass::Fatal, message, retry_after: None }
    }
}
