//! A schema of JSON messages: its text, and what it was compiled to.

use std::sync::Arc;

use serde_json::Value as Json;
use tidegate_abi::host::{Borrows, Keep, WithMemory};

use super::{
    Compiled,
    compile::{Compiler, SchemaError},
};

/// A compiled schema with its text and its memory.
#[derive(Debug)]
pub(super) struct Document {
    text: Arc<str>,
    compiled: WithMemory<CompiledBorrows>,
}

struct CompiledBorrows;

impl Borrows for CompiledBorrows {
    type Of<'m> = Compiled<'m>;

    fn shorten<'s, 'm: 's>(compiled: &'s Compiled<'m>) -> &'s Compiled<'s> {
        compiled
    }
}

impl Document {
    /// Compiles the schema with this text, which may take up to `limit` bytes.
    ///
    /// # Errors
    /// When it is no schema of Connect's, or too large.
    pub(super) fn compile(text: &str, limit: usize) -> Result<Self, SchemaError> {
        if text.len() > limit {
            return Err(SchemaError::TooLarge { bytes: text.len(), limit });
        }
        let json: Json = serde_json::from_str(text).map_err(SchemaError::Malformed)?;
        let name = json["name"].as_str().unwrap_or("the schema");
        let compiled = WithMemory::try_new(|arena| {
            let mut compiler = Compiler::new(arena);
            let root = compiler.compile(&json, name, false)?;
            Ok(Compiled { root, unknown: compiler.unknown, types: compiler.types })
        })?;
        let document = Self { text: text.into(), compiled };
        let bytes = document.bytes();
        if bytes > limit {
            return Err(SchemaError::TooLarge { bytes, limit });
        }
        Ok(document)
    }

    pub(super) const fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub(super) fn compiled(&self) -> &Compiled<'_> {
        self.compiled.get()
    }
}

impl Keep for Document {
    fn bytes(&self) -> usize {
        self.text.len() + self.compiled.memory_bytes() + self.compiled.get().heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str) -> Result<Document, SchemaError> {
        Document::compile(text, usize::MAX)
    }

    fn row(name: &str, optional: bool) -> String {
        format!(
            r#"{{"type":"struct","fields":[{{"type":"int32","optional":false,"field":"id"}}],"optional":{optional},"name":"{name}"}}"#
        )
    }

    #[test]
    fn equal_structs_are_one_schema_wherever_they_stand() {
        let id = |text: &str| compile(text).unwrap().compiled().schema().unwrap().id();
        let first = id(&row("a", false));
        assert_eq!(id(&row("a", true)), first);
        assert_eq!(id(&row("a", false).replace(',', ", ")), first);
        assert_ne!(id(&row("b", false)), first);
    }

    #[test]
    fn a_schema_that_takes_too_much_is_rejected() {
        let text = row("a", false);
        let bytes = compile(&text).unwrap().bytes();
        assert!((text.len()..8_000).contains(&bytes), "{bytes}");
        assert!(Document::compile(&text, bytes).is_ok());
        let error = Document::compile(&text, bytes - 1).unwrap_err().to_string();
        assert!(error.contains(&format!("takes {bytes} bytes")), "{error}");
        assert!(error.contains("limits.memory"), "{error}");
        assert!(Document::compile(&text, text.len() - 1).is_err());
    }

    #[test]
    fn a_schema_broken_anywhere_is_compiled_or_rejected() {
        let whole = row("a", true).replace("int32", "map").replacen(
            "optional",
            r#"keys":{"type":"int8"},"values":{"type":"bytes"},"default":{"k":"AA=="},"x"#,
            1,
        );
        for at in 0..whole.len() {
            for with in ["", "\"", "{", "9", "[]", "null"] {
                let broken = format!("{}{with}{}", &whole[..at], &whole[at + 1..]);
                let valid = serde_json::from_str::<Json>(&broken).is_ok();
                assert!(compile(&broken).is_err() || valid, "{broken}");
            }
        }
    }

    #[test]
    fn broken_schemas_say_what_is_wrong() {
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
            assert_eq!(compile(text).unwrap_err().to_string(), expected);
        }
    }
}
