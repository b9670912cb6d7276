//! Where the options of a plugin were written, so that an error in one of them is reported at its line.

use std::collections::BTreeMap;

use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::document::{Layer, SourceLocation, Table, TomlValue};
use crate::config::section::{Section, join, shown};

/// The options of one plugin as they were written, and the environment variables that filled some of them.
#[derive(Clone)]
pub(in crate::config) struct WrittenOptions {
    table: Table,
    path: String,
    location: SourceLocation,
    layer: Layer,
    /// Variable by JSON Pointer.
    variables: BTreeMap<String, String>,
}

/// Where an option is: the location of the nearest key that was written, and the full path of the option.
pub(super) struct OptionLocation {
    pub(super) location: SourceLocation,
    pub(super) layer: Layer,
    pub(super) path: String,
    /// Whether the value is there because of a placeholder that could not be filled in, which is reported already.
    pub(super) is_unresolved: bool,
}

impl WrittenOptions {
    pub(super) fn new(config: &Section<'_>, table: Table, variables: BTreeMap<String, String>) -> Self {
        Self {
            table,
            path: config.path().to_owned(),
            location: config.location().clone(),
            layer: config.layer(),
            variables,
        }
    }

    /// The variable that filled the option.
    pub(super) fn variable(&self, pointer: &str) -> Option<&str> {
        self.variables.get(pointer).map(String::as_str)
    }

    /// Finds the option that a JSON Pointer refers to.
    pub(super) fn locate(&self, pointer: &str) -> OptionLocation {
        let mut at = OptionLocation {
            location: self.location.clone(),
            layer: self.layer,
            path: self.path.clone(),
            is_unresolved: false,
        };
        let (mut table, mut items) = (Some(&self.table), None);
        for segment in pointer.split('/').skip(1) {
            let name = segment.replace("~1", "/").replace("~0", "~");
            let index = items.and_then(|items: &Vec<_>| Some((items, name.parse::<usize>().ok()?)));
            let node = match index {
                Some((items, index)) => {
                    at.path = format!("{}[{index}]", at.path);
                    items.get(index)
                }
                None => {
                    at.path = join(&at.path, &name);
                    table.and_then(|table| table.entries.get(&name))
                }
            };
            (table, items) = (None, None);
            let Some(node) = node else { continue };
            at.location = node.key.clone();
            at.layer = node.layer;
            match &node.value {
                TomlValue::Table(inner) => table = Some(inner),
                TomlValue::List(inner) => items = Some(inner),
                TomlValue::Unresolved => at.is_unresolved = true,
                _ => {}
            }
        }
        at
    }

    /// An error in the option that a JSON Pointer refers to.
    pub(in crate::config) fn error(&self, pointer: &str, message: &str) -> Diagnostic {
        let at = self.locate(pointer);
        let (location, message) = match self.variable(pointer) {
            Some(variable) => outside(message, variable),
            None => (at.location.clone(), message.to_owned()),
        };
        Diagnostic {
            file: location.file.to_path_buf(),
            line: location.line,
            column: location.column,
            key_path: at.shown(),
            message,
            help: None,
            severity: Severity::Error,
        }
    }
}

impl OptionLocation {
    /// The path as it is in the file where the option was written.
    pub(super) fn shown(&self) -> String {
        shown(self.layer, &self.path)
    }
}

/// Location and message of an error in an environment variable.
pub(super) fn outside(message: &str, variable: &str) -> (SourceLocation, String) {
    let message = format!("{message} (from the environment variable {variable})");
    (SourceLocation::whole("(environment)".as_ref()), message)
}
