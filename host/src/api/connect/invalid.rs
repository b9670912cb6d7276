//! The answer to a configuration that cannot be used.

use super::super::problem::Problem;
use crate::config::{Diagnostic, Diagnostics, Finding, Import, Severity};

/// The errors of options, as Kafka Connect reports them.
pub(in crate::api) fn of_options(import: &Import) -> Problem {
    let errors: Vec<&Finding> = import.of(Severity::Error).collect();
    // Without a class there is no connector whose options could be checked.
    if let Some(class) = errors.iter().find(|finding| finding.option == "connector.class") {
        return Problem::bad_request(class.message.clone());
    }
    of_messages(errors.into_iter().map(|finding| finding.message.clone()))
}

/// The errors of the file that the options make.
pub(in crate::api) fn of_file(diagnostics: &Diagnostics) -> Problem {
    of_messages(diagnostics.errors().map(message))
}

/// A finding without its place: there is no file yet.
pub(super) fn message(diagnostic: &Diagnostic) -> String {
    let Diagnostic { key_path, message, help, .. } = diagnostic;
    let place = if key_path.is_empty() { String::new() } else { format!("{key_path}: ") };
    let help = help.as_ref().map(|help| format!(": {help}")).unwrap_or_default();
    format!("{place}{message}{help}")
}

fn of_messages(messages: impl Iterator<Item = String>) -> Problem {
    let messages: Vec<String> = messages.collect();
    Problem::bad_request(format!(
        "Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can also find the above list of \
         errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`",
        messages.len(),
        messages.join("\n")
    ))
}
