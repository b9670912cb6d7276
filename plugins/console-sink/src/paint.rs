//! Colored output for terminals.

use std::fmt::{self, Display};

use serde::Serialize;
use tidegate_plugin::{Operation, prelude::*};

/// Whether to color the output.
#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ColorChoice {
    /// On a terminal, unless the environment variable `NO_COLOR` is set (see <https://no-color.org>).
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    pub(crate) fn resolve(self, is_terminal: bool) -> Paint {
        let no_color = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint(match self {
            Self::Auto => is_terminal && !no_color(),
            Self::Always => true,
            Self::Never => false,
        })
    }
}

/// Colors text, if enabled.
#[derive(Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

/// Parameters of the SGR escape sequence (ECMA-48).
pub(crate) mod color {
    pub(crate) const BOLD: &str = "1";
    pub(crate) const DIM: &str = "2";
    pub(crate) const RED: &str = "31";
    pub(crate) const GREEN: &str = "32";
    pub(crate) const YELLOW: &str = "33";
    pub(crate) const MAGENTA: &str = "35";
    pub(crate) const CYAN: &str = "36";
}

impl Paint {
    pub(crate) fn with<T: Display>(self, color: &'static str, text: T) -> Painted<T> {
        Painted { color: self.0.then_some(color), text }
    }

    pub(crate) fn operation(self, operation: Operation) -> Painted<Operation> {
        let color = match operation {
            Operation::Create => color::GREEN,
            Operation::Read => color::CYAN,
            Operation::Update => color::YELLOW,
            Operation::Delete => color::RED,
            _ => color::MAGENTA,
        };
        self.with(color, operation)
    }
}

/// Text with an optional color.
pub(crate) struct Painted<T> {
    color: Option<&'static str>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.color {
            Some(color) => write!(formatter, "\x1b[{color}m{}\x1b[0m", self.text),
            None => self.text.fmt(formatter),
        }
    }
}
