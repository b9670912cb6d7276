//! Every schema of a JSON message that the process has seen, compiled once.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use super::{
    Document,
    compile::{Compiler, SchemaError},
};
use serde_json::Value as Json;

/// How many distinct schema texts a process keeps; each stays for ever.
const MAX_SCHEMAS: usize = 1_000;

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(|| Mutex::new(Registry::new(MAX_SCHEMAS)));

/// The compiled schema of a text, compiled now if it is new.
///
/// # Errors
/// When it is no schema of Connect's, or one too many.
pub(super) fn lookup(text: &str) -> Result<&'static Document, SchemaError> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner).lookup(text)
}

struct Registry {
    limit: usize,
    documents: HashMap<&'static str, &'static Document>,
}

impl Registry {
    fn new(limit: usize) -> Self {
        Self { limit, documents: HashMap::new() }
    }

    fn lookup(&mut self, text: &str) -> Result<&'static Document, SchemaError> {
        if let Some(document) = self.documents.get(text) {
            return Ok(document);
        }
        if self.documents.len() >= self.limit {
            return Err(SchemaError::TooMany { limit: self.limit });
        }
        let json: Json = serde_json::from_str(text).map_err(SchemaError::Malformed)?;
        let name = json["name"].as_str().unwrap_or("the schema");
        let mut compiler = Compiler::default();
        let root = compiler.compile(&json, name, false)?;
        let unknown = compiler.unknown;
        let text: &'static str = String::leak(text.to_owned());
        let document: &'static Document = Box::leak(Box::new(Document { text, root, unknown }));
        self.documents.insert(text, document);
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, optional: bool) -> String {
        format!(
            r#"{{"type":"struct","fields":[{{"type":"int32","optional":false,"field":"id"}}],"optional":{optional},"name":"{name}"}}"#
        )
    }

    #[test]
    fn equal_structs_are_one_schema_wherever_they_stand() {
        let mut registry = Registry::new(10);
        let mut id = |text: &str| registry.lookup(text).unwrap().schema().unwrap().id();
        let first = id(&row("a", false));
        assert_eq!(id(&row("a", true)), first);
        assert_eq!(id(&row("a", false).replace(',', ", ")), first);
        assert_ne!(id(&row("b", false)), first);
    }

    #[test]
    fn beyond_the_limit_a_new_schema_is_rejected_and_a_known_one_is_still_found() {
        let mut registry = Registry::new(1);
        let known = row("a", false);
        assert!(registry.lookup(&known).is_ok());
        let error = registry.lookup(&row("b", false)).unwrap_err().to_string();
        assert!(error.contains("has seen 1 distinct schemas already"), "{error}");
        assert!(registry.lookup(&known).is_ok());
    }

    #[test]
    fn a_schema_broken_anywhere_is_compiled_or_rejected() {
        let mut registry = Registry::new(usize::MAX);
        let whole = row("a", true).replace("int32", "map").replacen(
            "optional",
            r#"keys":{"type":"int8"},"values":{"type":"bytes"},"default":{"k":"AA=="},"x"#,
            1,
        );
        for at in 0..whole.len() {
            for with in ["", "\"", "{", "9", "[]", "null"] {
                let broken = format!("{}{with}{}", &whole[..at], &whole[at + 1..]);
                let valid = serde_json::from_str::<Json>(&broken).is_ok();
                assert!(registry.lookup(&broken).is_err() || valid, "{broken}");
            }
        }
    }

    #[test]
    fn broken_schemas_say_what_is_wrong() {
        let mut registry = Registry::new(10);
        for (text, expected) in [
            ("{}", "the schema has no type"),
            (r#"{"type":"decimal"}"#, "the schema is of the unknown type \"decimal\""),
            (r#"{"type":"struct","name":"a"}"#, "a has no fields"),
            (r#"{"type":"array"}"#, "the schema has no type"),
            (
                r#"{"type":"struct","fields":[{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","field":"x"}]}"#,
                "x has no scale among its parameters",
            ),
            (
                r#"{"type":"struct","fields":[{"type":"int8","default":300,"field":"x"}]}"#,
                "the default of x does not fit its type: expected a whole number of 8 bits, found a longer one",
            ),
            (
                r#"{"type":"struct","name":"a","fields":[{"type":"int8","field":"x"},{"type":"int8","field":"x"}]}"#,
                "a has two fields with the name \"x\"",
            ),
            (
                r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"3"},"default":1234567890123.456}"#,
                "the default of org.apache.kafka.connect.data.Decimal does not fit its type: expected base64 for a \
                 decimal, found a number of more than 15 digits",
            ),
        ] {
            assert_eq!(registry.lookup(text).unwrap_err().to_string(), expected);
        }
    }
}
