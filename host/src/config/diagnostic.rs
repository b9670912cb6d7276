//! What is wrong in a configuration, and where: one [`Diagnostic`] per finding, collected in [`Diagnostics`].

use std::fmt;
use std::path::PathBuf;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file is not used.
    Error,
    /// The file is used, but probably not as intended.
    Warning,
}

/// One finding, printed as `connectors.d/a.toml:7:1: source.tpoics: unknown key "tpoics": did you mean "topics"?`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// The file, as it was given or found; `(environment)` and `(command line)` for what comes from there.
    pub file: PathBuf,
    /// Line, counted from 1; 0 when the finding is about the file as a whole.
    pub line: usize,
    /// Column in characters, counted from 1; 0 when the finding is about the file as a whole.
    pub column: usize,
    /// Dotted path of the key (`source.topics`), or the variable's name; empty for the file as a whole.
    pub key_path: String,
    /// What is wrong, without a place and without a secret.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// An error rejects the file.
    pub severity: Severity,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if self.severity == Severity::Warning {
            write!(f, ": warning")?;
        }
        if !self.key_path.is_empty() {
            write!(f, ": {}", self.key_path)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, ": {help}"),
            None => Ok(()),
        }
    }
}

/// Findings of any number of files, sorted by file, line and column, each one once.
///
/// As an error it prints one finding per line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    sorted: Vec<Diagnostic>,
}

impl Diagnostics {
    /// All findings in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.sorted.iter()
    }

    /// The findings that make a file unusable, in order.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.sorted.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether any finding is an error.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// Whether there is no finding at all.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Number of findings.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, findings: I) {
        self.sorted.extend(findings);
        self.sorted.sort_by(|a, b| order(a).cmp(&order(b)));
        self.sorted.dedup();
    }
}

fn order(diagnostic: &Diagnostic) -> (&PathBuf, usize, usize, &str, &str, Severity) {
    (
        &diagnostic.file,
        diagnostic.line,
        diagnostic.column,
        &diagnostic.key_path,
        &diagnostic.message,
        diagnostic.severity,
    )
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(findings: I) -> Self {
        let mut diagnostics = Self::default();
        diagnostics.extend(findings);
        diagnostics
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.sorted.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.sorted.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: &str, line: usize, severity: Severity) -> Diagnostic {
        Diagnostic {
            file: file.into(),
            line,
            column: 1,
            key_path: "source.tpoics".into(),
            message: "unknown key \"tpoics\"".into(),
            help: Some("did you mean \"topics\"?".into()),
            severity,
        }
    }

    #[test]
    fn prints_place_path_message_and_help() {
        assert_eq!(
            at("connectors.d/a.toml", 7, Severity::Error).to_string(),
            "connectors.d/a.toml:7:1: source.tpoics: unknown key \"tpoics\": did you mean \"topics\"?"
        );
        let whole = Diagnostic { key_path: String::new(), help: None, ..at("a.toml", 0, Severity::Warning) };
        assert_eq!(whole.to_string(), "a.toml: warning: unknown key \"tpoics\"");
    }

    #[test]
    fn sorts_by_file_and_line_and_keeps_each_finding_once() {
        let (a2, a10, b1) =
            (at("a", 2, Severity::Warning), at("a", 10, Severity::Error), at("b", 1, Severity::Warning));
        let all: Diagnostics = [b1.clone(), a10.clone(), a2.clone(), a10.clone()].into_iter().collect();
        assert_eq!(all.iter().collect::<Vec<_>>(), [&a2, &a10, &b1]);
        assert_eq!(all.errors().collect::<Vec<_>>(), [&a10]);
        assert!(all.has_errors() && !all.is_empty());
        assert_eq!(all.to_string().lines().count(), all.len());
    }
}
