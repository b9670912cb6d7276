//! The secret values of a configuration, and their removal from logs and errors.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a secret is replaced by.
const MASK: &str = "***";
/// Shorter values occur in ordinary words of log lines.
const MIN_LENGTH: usize = 4;
/// A line of a longer secret, such as a PEM key, is hidden by itself from this length on.
const MIN_LINE_LENGTH: usize = 16;

/// A set of secret values; cheap to clone. Its `Debug` form shows only their number. It is serialised unmasked, for the
/// child process that runs a connector.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "BTreeSet<String>", into = "BTreeSet<String>")]
pub struct Secrets {
    inner: Arc<Inner>,
}

#[derive(Clone, Default)]
struct Inner {
    /// The values as they were configured, of any length.
    values: BTreeSet<String>,
    /// What to look for in a text, longest first: values, their escaped forms and their lines.
    needles: Vec<String>,
}

impl Secrets {
    /// Adds one secret. Empty ones are ignored.
    pub fn insert(&mut self, secret: &str) {
        if secret.is_empty() || self.inner.values.contains(secret) {
            return;
        }
        let inner = Arc::make_mut(&mut self.inner);
        inner.values.insert(secret.to_owned());
        inner.needles.extend(needles(secret));
        inner.needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        inner.needles.dedup();
    }

    /// Adds every string and number inside of `value`.
    pub fn insert_leaves(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.insert(text),
            Value::Number(number) => self.insert(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.insert_leaves(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.insert_leaves(field)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Adds all secrets of another set.
    pub fn extend(&mut self, other: &Self) {
        for secret in &other.inner.values {
            self.insert(secret);
        }
    }

    /// The secrets, unmasked.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.inner.values.iter().map(String::as_str)
    }

    /// Whether there is no secret.
    pub fn is_empty(&self) -> bool {
        self.inner.values.is_empty()
    }

    /// Replaces every occurrence of a secret in `text` by `***`, the longest first. Also found are the forms
    /// that a secret takes inside of JSON and of Rust's `Debug`, and each long line of a secret that has several.
    /// Secrets shorter than four characters are left alone.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut clean = Cow::Borrowed(text);
        for needle in &self.inner.needles {
            if clean.contains(needle.as_str()) {
                clean = Cow::Owned(clean.replace(needle.as_str(), MASK));
            }
        }
        clean
    }

    /// Like [`Secrets::scrub`] for a text that is one value: a secret of any length becomes `***`.
    pub(super) fn mask<'t>(&self, value: &'t str) -> Cow<'t, str> {
        if self.inner.values.contains(value) { Cow::Borrowed(MASK) } else { self.scrub(value) }
    }

    /// A copy of a JSON value with every secret leaf masked.
    pub(super) fn mask_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.mask(text).into_owned()),
            Value::Number(number) if self.inner.values.contains(&number.to_string()) => MASK.into(),
            Value::Array(items) => items.iter().map(|item| self.mask_json(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(name, field)| (name.clone(), self.mask_json(field))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

impl From<BTreeSet<String>> for Secrets {
    fn from(values: BTreeSet<String>) -> Self {
        let mut secrets = Self::default();
        values.iter().for_each(|secret| secrets.insert(secret));
        secrets
    }
}

impl From<Secrets> for BTreeSet<String> {
    fn from(secrets: Secrets) -> Self {
        Arc::unwrap_or_clone(secrets.inner).values
    }
}

fn needles(secret: &str) -> impl Iterator<Item = String> {
    let debug = secret.escape_debug().to_string();
    let json = Value::from(secret).to_string();
    let lines = secret.lines().map(str::trim).filter(|line| line.chars().count() >= MIN_LINE_LENGTH);
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    let json = json.get(1..json.len() - 1).unwrap_or_default().to_owned();
    [secret.to_owned(), debug, json]
        .into_iter()
        .filter(|needle| needle.chars().count() >= MIN_LENGTH)
        .chain(lines)
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.inner.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn secrets(values: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        values.iter().for_each(|value| secrets.insert(value));
        secrets
    }

    #[test]
    fn every_occurrence_is_replaced_longest_first() {
        let secrets = secrets(&["hunter", "hunter2-long", ""]);
        assert_eq!(secrets.scrub("a hunter2-long b hunter c hunter"), "a *** b *** c ***");
        assert!(matches!(secrets.scrub("nothing here"), Cow::Borrowed("nothing here")));
    }

    #[test]
    fn short_ones_stay_in_texts_but_not_in_values() {
        let secrets = secrets(&["abc"]);
        assert_eq!(secrets.scrub("abcdef"), "abcdef");
        assert_eq!(secrets.mask("abc"), "***");
    }

    #[test]
    fn lines_of_a_key_are_hidden_one_by_one() {
        let secrets = secrets(&["-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nshort\n"]);
        assert_eq!(secrets.scrub("bad line: MIIEvQIBADANBgkq!"), "bad line: ***!");
        assert_eq!(secrets.scrub("short"), "short");
    }

    #[test]
    fn escaped_forms_are_found() {
        let password = "pass\"word\\\n1";
        let secrets = secrets(&[password]);
        assert_eq!(secrets.scrub(&format!("{:?}", password)), "\"***\"");
        assert_eq!(secrets.scrub(&json!({ "p": password }).to_string()), r#"{"p":"***"}"#);
        assert_eq!(format!("{secrets:?}"), "Secrets(1)");
    }

    #[test]
    fn json_leaves_are_masked() {
        let mut secrets = Secrets::default();
        secrets.insert_leaves(&json!(["s3cret", { "pin": 42 }]));
        let masked = secrets.mask_json(&json!({ "a": "s3cret", "b": [42, 43], "c": "x s3cret", "d": true }));
        assert_eq!(masked, json!({ "a": "***", "b": ["***", 43], "c": "x ***", "d": true }));
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_secret(secret in "[a-z\"\\\\ \n]{4,40}", before in ".{0,20}", after in ".{0,20}") {
            let secrets = secrets(&[&secret]);
            let text = format!("{before}{secret}{after}");
            prop_assert!(!secrets.scrub(&text).contains(&secret));
        }
    }
}
