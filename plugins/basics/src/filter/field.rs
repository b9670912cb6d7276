//! Tests of a field's value.

use regex::Regex;
use tidegate_plugin::prelude::*;

/// A value in a connector file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Scalar {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text; also dates, decimals and other values in their JSON notation.
    Text(String),
}

/// Tests of a field.
pub(super) struct FieldTest {
    pub(super) exists: Option<bool>,
    pub(super) equals: Option<Scalar>,
    pub(super) one_of: Vec<Scalar>,
    pub(super) matches: Option<Regex>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
}

impl FieldTest {
    /// Whether there is any test, which needs a field.
    pub(super) fn needs_field(&self) -> bool {
        self.exists.is_some() || self.tests_content()
    }

    fn tests_content(&self) -> bool {
        let limits = self.minimum.is_some() || self.maximum.is_some();
        limits || self.equals.is_some() || !self.one_of.is_empty() || self.matches.is_some()
    }

    /// Rejects tests that can never match.
    pub(super) fn check(self) -> Result<Self> {
        if self.exists == Some(false) && self.tests_content() {
            return Err(Error::invalid_option(
                "exists",
                "`exists = false` never matches a field with a value: remove it, or the other tests",
            ));
        }
        Ok(self)
    }

    /// Whether all tests match; `None` is a missing field.
    pub(super) fn matches(&self, value: Option<Value<'_>>) -> bool {
        if self.exists.is_some_and(|exists| exists != value.is_some()) {
            return false;
        }
        let value = value.filter(|value| !value.is_null());
        if !self.tests_content() {
            return self.exists.is_some() || value.is_some();
        }
        value.is_some_and(|value| self.content_matches(value))
    }

    fn content_matches(&self, value: Value<'_>) -> bool {
        self.equals.as_ref().is_none_or(|expected| equals(value, expected))
            && (self.one_of.is_empty() || self.one_of.iter().any(|expected| equals(value, expected)))
            && self.matches.as_ref().is_none_or(|pattern| is_match(value, pattern))
            && self.minimum.is_none_or(|minimum| number(value).is_some_and(|number| number >= minimum))
            && self.maximum.is_none_or(|maximum| number(value).is_some_and(|number| number <= maximum))
    }
}

/// Integers are compared exactly, other numbers as 64-bit floats. Text that contains a number is compared as a number.
fn equals(value: Value<'_>, expected: &Scalar) -> bool {
    match (expected, value.view()) {
        (Scalar::Bool(expected), ValueRef::Bool(value)) => *expected == value,
        (Scalar::Int(expected), ValueRef::Int(value)) => *expected == value,
        (Scalar::Int(expected), _) => number(value) == Some(*expected as f64),
        (Scalar::Float(expected), _) => number(value) == Some(*expected),
        (Scalar::Text(expected), ValueRef::String(text)) => expected == text,
        (Scalar::Text(expected), _) => *expected == value.to_string(),
        (Scalar::Bool(_), _) => false,
    }
}

fn is_match(value: Value<'_>, pattern: &Regex) -> bool {
    match value.as_str() {
        Some(text) => pattern.is_match(text),
        None => pattern.is_match(&value.to_string()),
    }
}

fn number(value: Value<'_>) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}
