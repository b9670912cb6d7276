//! How a plugin fails, and what the host does about it.

use std::{fmt, time::Duration};

use tidegate_abi::raw::{AbiError, ErrorClass};

/// The result of a plugin's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error, classified by what the host should do about it.
///
/// Any `std::error::Error` turns into a fatal one through `?`.
#[derive(Debug)]
pub struct Error {
    class: ErrorClass,
    message: String,
    retry_after: Option<Duration>,
}

impl Error {
    /// The task fails, and its restart policy decides.
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::FATAL, message)
    }

    /// The same call may succeed later; the host tries again, with growing pauses.
    pub fn retriable(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::RETRIABLE, message)
    }

    /// The record cannot be handled. In a transform, that is the current record; in a sink's `write`, some record that
    /// the sink cannot name, and the host finds it by splitting the batch. To name it, use [`crate::Report::reject`].
    pub fn rejected(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::REJECTED, message)
    }

    /// Another task has claimed the partition: this one stops writing.
    pub fn fenced(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::FENCED, message)
    }

    fn new(class: ErrorClass, message: impl fmt::Display) -> Self {
        Self { class, message: message.to_string(), retry_after: None }
    }

    /// Asks the host to wait at least this long before it tries again.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { retry_after: Some(delay), ..self }
    }

    /// Puts what was being done before the message: `reading orders.csv: permission denied`.
    #[must_use]
    pub fn context(self, doing: impl fmt::Display) -> Self {
        Self { message: format!("{doing}: {}", self.message), ..self }
    }

    /// Whether the record is at fault.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.class == ErrorClass::REJECTED
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.class == ErrorClass::RETRIABLE
    }

    /// Whether another task has taken over.
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

// `Error` itself is no `std::error::Error`, so that this conversion may exist: the way of anyhow.
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
