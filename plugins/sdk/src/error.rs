//! Errors of plugins, and how the host handles them.

use std::{fmt, time::Duration};

use tidegate_abi::raw::{AbiError, ErrorClass};

/// The result of a plugin's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error, with a class that determines how the host handles it.
///
/// `?` converts any `std::error::Error` to a fatal error.
#[derive(Debug)]
pub struct Error {
    class: ErrorClass,
    message: String,
    retry_after: Option<Duration>,
}

impl Error {
    /// The task fails; the restart policy decides whether it is started again.
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::FATAL, message)
    }

    /// The same call may succeed later. The host retries it with increasing delays.
    pub fn retriable(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::RETRIABLE, message)
    }

    /// A record is invalid. In a transform, it is the current record. In a sink's `write`, it is an unknown record, which
    /// the host finds by splitting the batch; if the sink knows it, use [`crate::Report::reject`].
    pub fn rejected(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::REJECTED, message)
    }

    /// Another task has claimed the partition, so this one must stop writing.
    pub fn fenced(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::FENCED, message)
    }

    fn new(class: ErrorClass, message: impl fmt::Display) -> Self {
        Self { class, message: message.to_string(), retry_after: None }
    }

    /// Sets a minimum delay before the host retries.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { retry_after: Some(delay), ..self }
    }

    /// Adds context before the message: `reading orders.csv: permission denied`.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Self {
        Self { message: format!("{context}: {}", self.message), ..self }
    }

    /// Whether the error rejects a record.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.class == ErrorClass::REJECTED
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.class == ErrorClass::RETRIABLE
    }

    /// Whether another task has taken over the partition.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.class == ErrorClass::FENCED
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn panicked(message: String) -> Self {
        Self { class: ErrorClass::PANIC, message, retry_after: None }
    }

    pub(crate) fn into_abi(self) -> AbiError {
        let retry_after_ms = self.retry_after.map_or(0, |delay| delay.as_millis() as u64);
        AbiError { retry_after_ms, ..AbiError::new(self.class, self.message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

// `Error` itself does not implement `std::error::Error`, so that this conversion is possible, as in anyhow.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::fatal(message)
    }
}
