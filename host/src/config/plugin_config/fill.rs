//! Sets keys that a file does not have from the environment variables that the plugin's schema names.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::schema;
use crate::config::document::{Layer, Table, TomlValue};
use crate::config::environment::{Environment, names_a_secret};
use crate::config::report::Report;
use crate::config::section::join;

/// The depth up to which nested tables are filled; a deeper schema refers to itself.
const MAX_DEPTH: usize = 8;

/// A configuration, and which of its keys came from a variable.
pub(super) struct Filled {
    pub(super) value: Value,
    /// Variable by JSON pointer.
    pub(super) variables: BTreeMap<String, String>,
}

impl Filled {
    pub(super) fn new(value: Value) -> Self {
        Self { value, variables: BTreeMap::new() }
    }

    /// Sets keys that the file does not have or that come from `[defaults]`, and converts texts with resolved
    /// placeholders to the numbers and booleans that the schema expects.
    pub(super) fn fill(
        &mut self,
        schema: &Value,
        table: &Table,
        environment: &Environment,
        path: &str,
        report: &Report,
    ) {
        let mut filler = Filler { root: schema, environment, report, variables: &mut self.variables };
        if let Value::Object(fields) = &mut self.value {
            filler.object(
                schema,
                Some(table),
                fields,
                &Position { pointer: String::new(), path: path.to_owned() },
                0,
            );
        }
    }
}

/// A position in the configuration, as the validator's pointer and as the path shown to users.
struct Position {
    pointer: String,
    path: String,
}

impl Position {
    fn inner(&self, name: &str) -> Self {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        Self { pointer: format!("{}/{escaped}", self.pointer), path: join(&self.path, name) }
    }
}

struct Filler<'a> {
    root: &'a Value,
    environment: &'a Environment,
    report: &'a Report,
    variables: &'a mut BTreeMap<String, String>,
}

impl Filler<'_> {
    fn object(
        &mut self,
        schema: &Value,
        table: Option<&Table>,
        fields: &mut Map<String, Value>,
        position: &Position,
        depth: usize,
    ) {
        if depth > MAX_DEPTH {
            return;
        }
        for (name, property) in schema::properties(self.root, schema) {
            let position = position.inner(name);
            let node = table.and_then(|table| table.entries.get(name));
            let is_own = node.is_some_and(|node| node.layer == Layer::Own);
            match schema::variable(self.root, property).filter(|_| !is_own) {
                Some(variable) => self.variable(property, variable, name, fields, &position),
                None => self.inner(property, table, name, fields, &position, depth),
            }
            if let Some(TomlValue::Filled(text)) = node.map(|node| &node.value)
                && let Some(field) = fields.get_mut(name).filter(|field| field.as_str() == Some(text))
            {
                *field = schema::coerce(self.root, property, text);
            }
        }
    }

    fn variable(
        &mut self,
        property: &Value,
        variable: &str,
        name: &str,
        fields: &mut Map<String, Value>,
        position: &Position,
    ) {
        let Some(text) = self.environment.get(variable) else {
            return;
        };
        if names_a_secret(variable) {
            self.report.secret(text);
        }
        fields.insert(name.to_owned(), schema::coerce(self.root, property, text));
        self.variables.insert(position.pointer.clone(), variable.to_owned());
        tracing::debug!(key = position.path, variable, "filled from the environment");
    }

    /// Fills a nested table. One that the file does not have is only added when a variable sets a key of it.
    fn inner(
        &mut self,
        property: &Value,
        table: Option<&Table>,
        name: &str,
        fields: &mut Map<String, Value>,
        position: &Position,
        depth: usize,
    ) {
        let inner_table = table.and_then(|table| table.table(name));
        match fields.get_mut(name) {
            Some(Value::Object(inner)) => self.object(property, inner_table, inner, position, depth + 1),
            Some(_) => {}
            None => {
                let mut inner = Map::new();
                self.object(property, None, &mut inner, position, depth + 1);
                if !inner.is_empty() {
                    fields.insert(name.to_owned(), Value::Object(inner));
                }
            }
        }
    }
}
