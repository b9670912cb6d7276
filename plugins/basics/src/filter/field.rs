//! What a condition asks of a field's value.

use regex::Regex;
use tidegate_plugin::prelude::*;

/// A value in a connector file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Scalar {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text; also a date, a decimal and the like, as it is written in JSON.
    Text(String),
}

/// What is asked of a field.
pub(super) struct FieldTest {
    pub(super) exists: Option<bool>,
    pub(super) equals: Option<Scalar>,
    pub(super) one_of: Vec<Scalar>,
    pub(super) matches: Option<Regex>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
}

impl FieldTest {
    /// Whether there is anything that needs a field.
    pub(super) fn asks_anything(&self) -> bool {
        self.exists.is_some() || self.asks_for_content()
    }

    fn asks_for_content(&self) -> bool {
        let limits = self.minimum.is_some() || self.maximum.is_some();
        limits || self.equals.is_some() || !self.one_of.is_empty() || self.matches.is_some()
    }

    /// Refuses what can never hold.
    pub(super) fn check(self) -> Result<Self> {
        if self.exists == Some(false) && self.asks_for_content() {
            return Err(Error::fatal(
                "`exists = false` holds for no field that has a value: drop it, or the other tests",
            ));
        }
        Ok(self)
    }

    /// Whether all holds; `None` is a field that is not there.
    pub(super) fn holds(&self, value: Option<Value<'_>>) -> bool {
        if self.exists.is_some_and(|exists| exists != value.is_some()) {
            return false;
        }
        let value = value.filter(|value| !value.is_null());
        if !self.asks_for_content() {
            return self.exists.is_some() || value.is_some();
        }
        value.is_some_and(|value| self.content_holds(value))
    }

    fn content_holds(&self, value: Value<'_>) -> bool {
        self.equals.as_ref().is_none_or(|expected| equals(value, expected))
            && (self.one_of.is_empty() || self.one_of.iter().any(|expected| equals(value, expected)))
            && self.matches.as_ref().is_none_or(|pattern| is_match(value, pattern))
            && self.minimum.is_none_or(|minimum| number(value).is_some_and(|number| number >= minimum))
            && self.maximum.is_none_or(|maximum| number(value).is_some_and(|number| number <= maximum))
    }
}

/// Whole numbers are compared exactly, others as 64-bit floats; numbers in text count as numbers.
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
