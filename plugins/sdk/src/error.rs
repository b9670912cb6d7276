//! Errors of plugins, and how the host handles them.

use std::{fmt, fmt::Write, time::Duration};

use tidegate_abi::raw::{AbiError, ConfigError, ErrorClass};

/// The result of a plugin's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error, with a class that determines how the host handles it.
///
/// `?` converts any `std::error::Error` to a fatal error.
#[derive(Debug)]
pub struct Error {
    class: ErrorClass,
    /// The option, from the innermost key to the outermost.
    option: Vec<OptionKey>,
    message: String,
    retry_after: Option<Duration>,
    /// Further errors in options.
    others: Vec<Error>,
}

/// A step on the way to an option: the name of a key, or the index of an entry in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionKey {
    /// Name of a key.
    Name(String),
    /// Index of an entry, from 0.
    Index(usize),
}

impl From<&str> for OptionKey {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for OptionKey {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<&String> for OptionKey {
    fn from(name: &String) -> Self {
        Self::Name(name.clone())
    }
}

impl From<usize> for OptionKey {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
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

    /// The option `key` is invalid. The task fails and is not restarted until somebody changes the connector file. For a
    /// nested option, add the outer keys with [`Error::at`].
    pub fn invalid_option(key: impl Into<OptionKey>, message: impl fmt::Display) -> Self {
        Self::invalid_config(message).at(key)
    }

    /// The options are invalid, but no single one of them is at fault. Otherwise as [`Error::invalid_option`].
    pub fn invalid_config(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::CONFIG, message)
    }

    /// One error that stands for all of `errors`, or `Ok` if there are none: reports all invalid options at once.
    ///
    /// # Errors
    /// If there is an error in `errors`.
    pub fn join(errors: impl IntoIterator<Item = Self>) -> Result<()> {
        let mut errors = errors.into_iter();
        let Some(first) = errors.next() else { return Ok(()) };
        Err(errors.fold(first, |mut all, error| {
            if error.class == ErrorClass::CONFIG {
                all.class = error.class;
            }
            all.others.push(error);
            all
        }))
    }

    fn new(class: ErrorClass, message: impl fmt::Display) -> Self {
        Self {
            class,
            option: Vec::new(),
            message: message.to_string(),
            retry_after: None,
            others: Vec::new(),
        }
    }

    /// Adds the key of the table or list that contains the option: `error.at("matches").at(0).at("conditions")` is an error
    /// of `conditions[0].matches`. The class stays the same.
    #[must_use]
    pub fn at(mut self, key: impl Into<OptionKey>) -> Self {
        let key = key.into();
        self.others = self.others.into_iter().map(|other| other.at(key.clone())).collect();
        self.option.push(key);
        self
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

    /// Whether an option is invalid.
    #[must_use]
    pub fn is_invalid_option(&self) -> bool {
        self.class == ErrorClass::CONFIG
    }

    /// The message, without the option.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The option, such as `conditions[0].matches`; empty if the error is not about an option.
    #[must_use]
    pub fn option(&self) -> String {
        let mut path = String::new();
        for key in self.option.iter().rev() {
            match key {
                OptionKey::Name(name) if path.is_empty() => path.push_str(name),
                OptionKey::Name(name) => path.extend([".", name]),
                OptionKey::Index(index) => {
                    let _infallible = write!(path, "[{index}]");
                }
            }
        }
        path
    }

    pub(crate) fn panicked(message: String) -> Self {
        Self::new(ErrorClass::PANIC, message)
    }

    pub(crate) fn into_abi(self) -> AbiError {
        let retry_after_ms = self.retry_after.map_or(0, |delay| delay.as_millis() as u64);
        AbiError { retry_after_ms, ..AbiError::new(self.class, self.to_string()) }
    }

    /// This error and those that were joined to it.
    pub(crate) fn into_config_errors(self) -> Vec<ConfigError> {
        let mut errors = vec![ConfigError {
            class: self.class,
            option: self.pointer().into(),
            message: self.message.into(),
            reserved: [0; 2],
        }];
        errors.extend(self.others.into_iter().flat_map(Self::into_config_errors));
        errors
    }

    /// The option as a JSON Pointer.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for key in self.option.iter().rev() {
            let _infallible = match key {
                OptionKey::Name(name) => {
                    write!(pointer, "/{}", name.replace('~', "~0").replace('/', "~1"))
                }
                OptionKey::Index(index) => write!(pointer, "/{index}"),
            };
        }
        pointer
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.option() {
            option if option.is_empty() => formatter.write_str(&self.message)?,
            option => write!(formatter, "{option}: {}", self.message)?,
        }
        self.others.iter().try_for_each(|other| write!(formatter, "; {other}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_option() {
        let error = Error::invalid_option("matches", "no pattern").at(0).at("conditions");
        assert_eq!(error.option(), "conditions[0].matches");
        assert_eq!(
            (error.message(), error.to_string()),
            ("no pattern", "conditions[0].matches: no pattern".to_owned())
        );
        assert!(error.is_invalid_option());
        let [error] = &error.into_config_errors()[..] else { panic!("one error") };
        assert_eq!(error.option.as_str(), "/conditions/0/matches");
        let [error] = &Error::invalid_option("a/b~c", "x").into_config_errors()[..] else {
            panic!("one error")
        };
        assert_eq!(error.option.as_str(), "/a~1b~0c");
    }

    #[test]
    fn joined_errors_keep_their_options() {
        assert!(Error::join([]).is_ok());
        let errors = [Error::fatal("gone").at("path"), Error::invalid_option("b", "y")];
        let error = Error::join(errors).map_err(|error| error.at("outer")).unwrap_err();
        assert_eq!(error.to_string(), "outer.path: gone; outer.b: y");
        assert!(error.is_invalid_option());
        let options: Vec<String> =
            error.into_config_errors().iter().map(|error| error.option.to_string()).collect();
        assert_eq!(options, ["/outer/path", "/outer/b"]);
    }
}
