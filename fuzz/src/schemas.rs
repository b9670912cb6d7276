//! Schemas that somebody has registered.

use crate::{fixtures::fixtures, formats::check_schema, seeds};

/// The fuzz target: parses an input as a schema.
pub struct Schemas;

impl Default for Schemas {
    fn default() -> Self {
        Self::new()
    }
}

impl Schemas {
    /// Writes seeds.
    pub fn new() -> Self {
        let files = ["avro.jsonl", "bad.jsonl"];
        let mut texts: Vec<String> = fixtures(&files, "AVRO")
            .iter()
            .filter_map(|fixture| fixture["schema"].as_str().map(str::to_owned))
            .collect();
        texts.dedup();
        seeds::write("schemas", texts.into_iter().map(String::into_bytes));
        Self
    }

    /// Parses an input.
    pub fn run(&mut self, input: &[u8]) {
        if let Ok(text) = std::str::from_utf8(input)
            && let Err(error) = check_schema(text)
        {
            assert!(!error.to_string().is_empty());
        }
    }
}
