//! Collects the findings and secrets of everything that reads a configuration.

use std::cell::RefCell;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, Severity};
use super::document::SourceLocation;
use super::keys::{Keys, Shape};
use super::secrets::Secrets;

/// Collects findings and secrets while one file is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: RefCell<Vec<Diagnostic>>,
    secrets: RefCell<Secrets>,
    /// The files that placeholders name.
    placeholder_files: RefCell<Vec<PathBuf>>,
    /// Every key that is read, if that is wanted.
    keys: Option<RefCell<Keys>>,
}

impl Report {
    /// A report that also records which keys are read, and what they may be.
    pub(super) fn recording() -> Self {
        Self { keys: Some(RefCell::default()), ..Self::default() }
    }

    /// The recorded keys.
    pub(super) fn into_keys(self) -> Keys {
        self.keys.map(RefCell::into_inner).unwrap_or_default()
    }

    pub(super) fn record(&self, path: &str, shape: impl FnOnce() -> Shape) {
        if let Some(keys) = &self.keys {
            keys.borrow_mut().add(path, shape());
        }
    }

    pub(super) fn error(
        &self,
        location: &SourceLocation,
        path: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(location, path, message.into(), help, Severity::Error);
    }

    pub(super) fn warning(
        &self,
        location: &SourceLocation,
        path: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(location, path, message.into(), help, Severity::Warning);
    }

    /// An error in the value of an environment variable.
    pub(super) fn variable(&self, name: &str, message: impl Into<String>) {
        self.outside("(environment)", name, message.into());
    }

    /// An error in the value of a command line flag.
    pub(super) fn flag(&self, name: &str, message: impl Into<String>) {
        self.outside("(command line)", name, message.into());
    }

    fn outside(&self, source: &str, name: &str, message: String) {
        let location = SourceLocation::whole(source.as_ref());
        self.push(&location, name, message, None, Severity::Error);
    }

    fn push(
        &self,
        location: &SourceLocation,
        path: &str,
        message: String,
        help: Option<String>,
        severity: Severity,
    ) {
        self.findings.borrow_mut().push(Diagnostic {
            file: PathBuf::from(&*location.file),
            line: location.line,
            column: location.column,
            key_path: path.to_owned(),
            message,
            help,
            severity,
        });
    }

    pub(super) fn secret(&self, value: &str) {
        self.secrets.borrow_mut().insert(value);
    }

    /// Runs `work` on the set of secrets collected so far.
    /// Records a file that a placeholder names, whether it can be read or not.
    pub(super) fn placeholder_file(&self, path: &str) {
        self.placeholder_files.borrow_mut().push(PathBuf::from(path));
    }

    /// The files that placeholders name.
    pub(super) fn placeholder_files(&self) -> Vec<PathBuf> {
        self.placeholder_files.borrow().clone()
    }

    pub(super) fn with_secrets<T>(&self, work: impl FnOnce(&mut Secrets) -> T) -> T {
        work(&mut self.secrets.borrow_mut())
    }

    pub(super) fn has_errors(&self) -> bool {
        self.findings.borrow().iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The findings, with every secret removed, and the secrets.
    pub(super) fn finish(self) -> (Vec<Diagnostic>, Secrets) {
        let secrets = self.secrets.into_inner();
        let mut findings = self.findings.into_inner();
        for finding in &mut findings {
            finding.message = secrets.scrub(&finding.message).into_owned();
            finding.help = finding.help.take().map(|help| secrets.scrub(&help).into_owned());
        }
        (findings, secrets)
    }
}
