//! The `mask` transform: masks the values of fields.

use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tidegate_plugin::{Arena, Field, Struct, prelude::*};

use crate::{
    edit::{Edit, emit_edited},
    path::PathTree,
};

/// Configuration of `mask`. Null stays null, and missing fields are not added.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// Fields to mask. A path such as `address.city` refers to a nested field.
    fields: Vec<String>,
    /// How to mask them.
    #[serde(default)]
    mode: Mode,
    /// Replacement in mode `replace`.
    #[serde(default = "stars")]
    replacement: String,
    /// Number of last characters that `partial` keeps. Shorter text is masked completely.
    #[serde(default = "four")]
    keep_last: usize,
    /// Secret salt for `hash`. Without it, values can be found by hashing guesses.
    #[serde(default)]
    salt: Secret,
    /// Also mask the fields in the key.
    #[serde(default)]
    key: bool,
}

fn stars() -> String {
    "****".to_owned()
}

fn four() -> usize {
    4
}

/// How a field is masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Replace it with `replacement`.
    #[default]
    Replace,
    /// Replace it with null.
    Null,
    /// Replace it with a hash of 64 hexadecimal digits. Equal values have equal hashes, so joins still work.
    Hash,
    /// Replace all but the last characters with stars.
    Partial,
}

/// See the module.
pub(crate) struct Mask {
    config: Config,
    fields: PathTree<()>,
}

impl Transform for Mask {
    type Config = Config;

    const DESCRIPTION: &'static str =
        "Masks fields: with a fixed text, null, a hash, or all but the last characters";

    fn check(config: &Config) -> Result<()> {
        match config.fields.is_empty() {
            true => Err(Error::invalid_option("fields", "nothing to mask: name at least one field")),
            false => Ok(()),
        }
    }

    fn open(config: Config, _: &Context) -> Result<Self> {
        let mut fields = PathTree::default();
        config.fields.iter().for_each(|path| fields.insert(path, ()));
        if config.mode == Mode::Hash && config.salt.expose().is_empty() {
            warn!(
                "hashes without a `salt` can be reversed by hashing guesses: set one, such as \"${{env:MASK_SALT}}\""
            );
        }
        Ok(Self { config, fields })
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        emit_edited(self, self.config.key, record, out)
    }
}

impl Edit for Mask {
    fn edit<'b>(&self, value: Value<'b>, arena: Arena<'b>) -> Option<Value<'b>> {
        self.mask_struct(value.as_struct()?, &self.fields, arena)
    }
}

impl Mask {
    fn mask_struct<'b>(&self, row: Struct<'b>, fields: &PathTree<()>, arena: Arena<'b>) -> Option<Value<'b>> {
        if row.fields().iter().all(|field| fields.get(field.name()).is_none()) {
            return None;
        }
        let masked = row.fields().iter().map(|field| match fields.get(field.name()) {
            Some(node) => Field::new(field.name(), self.mask_field(field.value(), node, arena)),
            None => *field,
        });
        Some(Value::object(arena.collect(masked)))
    }

    fn mask_field<'b>(&self, value: Value<'b>, node: &PathTree<()>, arena: Arena<'b>) -> Value<'b> {
        if node.leaf().is_some() {
            return self.mask_value(value, arena);
        }
        value.as_struct().and_then(|inner| self.mask_struct(inner, node, arena)).unwrap_or(value)
    }

    fn mask_value<'b>(&self, value: Value<'b>, arena: Arena<'b>) -> Value<'b> {
        if value.is_null() || value.is_unavailable() {
            return value;
        }
        match self.config.mode {
            Mode::Replace => arena.string(&self.config.replacement),
            Mode::Null => Value::NULL,
            Mode::Hash => arena.string(&hash(self.config.salt.expose(), &value.to_string())),
            Mode::Partial => arena.string(&partial(&value.to_string(), self.config.keep_last)),
        }
    }
}

/// SHA-256 of salt and text. The length of the salt is hashed, too, so that different pairs have different input.
fn hash(salt: &str, text: &str) -> String {
    let mut hasher = Sha256::new();
    if !salt.is_empty() {
        hasher.update(salt);
        hasher.update((salt.len() as u64).to_be_bytes());
    }
    hasher.update(text);
    hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

fn partial(text: &str, keep_last: usize) -> String {
    let length = text.chars().count();
    let hidden = if length > keep_last { length - keep_last } else { length };
    text.chars().enumerate().map(|(index, letter)| if index < hidden { '*' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use tidegate_plugin::testing::{self, Event, Output, Records, TransformTest};

    use super::*;

    fn run(config: Json, row: Json) -> Output {
        let event = Event::update("customers").key(json!({"email": "k"})).before(row.clone()).after(row);
        let mut transform = TransformTest::<Mask>::open(config).unwrap();
        transform.apply(&Records::new().event(event)).unwrap().records.remove(0)
    }

    #[test]
    fn a_field_is_replaced_in_both_rows() {
        let output = run(json!({"fields": ["email"]}), json!({"email": "a@b.c", "id": 1}));
        assert_eq!(output.before, json!({"email": "****", "id": 1}));
        assert_eq!(output.after, json!({"email": "****", "id": 1}));
        assert_eq!(output.value["after"]["email"], "****");
        assert_eq!(output.key, json!({"email": "k"}));
    }

    #[test]
    fn the_key_is_masked_if_enabled() {
        let output =
            run(json!({"fields": ["email"], "key": true, "replacement": "x"}), json!({"email": "a@b.c"}));
        assert_eq!(output.key, json!({"email": "x"}));
    }

    #[test]
    fn null_and_missing_fields_are_not_changed() {
        let output = run(json!({"fields": ["email", "phone"]}), json!({"email": null}));
        assert_eq!(output.after, json!({"email": null}));
        let output = run(json!({"fields": ["email"], "mode": "null"}), json!({"email": "a"}));
        assert_eq!(output.after, json!({"email": null}));
    }

    #[test]
    fn nested_fields_are_masked() {
        let output = run(json!({"fields": ["address.city"]}), json!({"address": {"city": "Rome", "zip": 1}}));
        assert_eq!(output.after, json!({"address": {"city": "****", "zip": 1}}));
    }

    #[test]
    fn partial_keeps_the_last_characters() {
        let config = json!({"fields": ["card", "pin"], "mode": "partial"});
        let output = run(config, json!({"card": "4111-1111", "pin": 1234}));
        assert_eq!(output.after, json!({"card": "*****1111", "pin": "****"}));
        assert_eq!(partial("aäöü", 2), "**öü");
    }

    #[test]
    fn a_hash_is_the_same_for_the_same_value_and_salt() {
        let salted =
            |salt: &str| run(json!({"fields": ["id"], "mode": "hash", "salt": salt}), json!({"id": 1})).after;
        assert_eq!(salted("a"), salted("a"));
        assert_ne!(salted("a"), salted("b"));
        assert!(testing::logs().is_empty());
        // `printf 1 | sha256sum`
        let plain = run(json!({"fields": ["id"], "mode": "hash"}), json!({"id": 1})).after;
        assert_eq!(plain["id"], "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
        assert!(testing::logs()[0].message.contains("without a `salt`"));
    }

    #[test]
    fn an_empty_list_of_fields_is_rejected() {
        let error = TransformTest::<Mask>::open(json!({"fields": []})).unwrap_err();
        assert_eq!(error.to_string(), "fields: nothing to mask: name at least one field");
    }
}
