//! The `fields` transform: renames, drops and keeps fields.

use std::collections::BTreeMap;

use tidegate_plugin::{Arena, Field, Struct, prelude::*};

use crate::{
    edit::{Edit, emit_edited},
    path::PathTree,
};

/// Configuration of `fields`. Paths such as `address.city` refer to nested fields, by their names in the input.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// Fields to keep; all others are dropped. If empty, all fields are kept.
    #[serde(default)]
    keep: Vec<String>,
    /// Fields to drop.
    #[serde(default)]
    drop: Vec<String>,
    /// New names: `old = "new"`. For a path, only the last name changes: `"address.zip" = "postcode"`.
    #[serde(default)]
    rename: BTreeMap<String, String>,
    /// Also edit the key. Sinks that find rows by their key need the same names in the key.
    #[serde(default)]
    key: bool,
}

/// See the module.
pub(crate) struct Fields {
    keep: PathTree<()>,
    changes: PathTree<Action>,
    key: bool,
}

#[derive(Clone, Debug)]
enum Action {
    Drop,
    Rename(String),
}

impl Transform for Fields {
    type Config = Config;

    const DESCRIPTION: &'static str = "Renames, drops and keeps fields";

    fn check(config: &Config) -> Result<()> {
        if config.keep.is_empty() && config.drop.is_empty() && config.rename.is_empty() {
            return Err(Error::invalid_config("nothing to do: set `keep`, `drop` or `rename`"));
        }
        let empty = config.rename.iter().filter(|(_, new)| new.is_empty());
        Error::join(empty.map(|(old, _)| {
            Error::invalid_option(old, "is empty: set a name, or add the field to `drop`").at("rename")
        }))
    }

    fn open(config: Config, _: &Context) -> Result<Self> {
        let (mut keep, mut changes) = (PathTree::default(), PathTree::default());
        for (old, new) in config.rename {
            changes.insert(&old, Action::Rename(new));
        }
        config.drop.iter().for_each(|path| changes.insert(path, Action::Drop));
        config.keep.iter().for_each(|path| keep.insert(path, ()));
        Ok(Self { keep, changes, key: config.key })
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        emit_edited(self, self.key, record, out)
    }
}

impl Edit for Fields {
    fn edit<'b>(&self, value: Value<'b>, arena: Arena<'b>) -> Option<Value<'b>> {
        let keep = (!self.keep.is_empty()).then_some(&self.keep);
        edit_struct(value.as_struct()?, keep, Some(&self.changes), arena)
    }
}

/// Edits the fields of a struct; `None` if nothing changes.
fn edit_struct<'b>(
    row: Struct<'b>,
    keep: Option<&PathTree<()>>,
    changes: Option<&PathTree<Action>>,
    arena: Arena<'b>,
) -> Option<Value<'b>> {
    let change_of = |field: &Field<'_>| changes.and_then(|changes| changes.get(field.name()));
    if keep.is_none() && row.fields().iter().all(|field| change_of(field).is_none()) {
        return None;
    }
    let stays = |field: &&Field<'b>| {
        is_kept(field, keep) && !matches!(change_of(field).and_then(PathTree::leaf), Some(Action::Drop))
    };
    // Counting first compares the names twice, but avoids a heap allocation per row.
    let count = row.fields().iter().filter(stays).count();
    let mut staying = row.fields().iter().filter(stays);
    let edited = (0..count).map(|_| match staying.next() {
        Some(field) => {
            edit_field(*field, keep.and_then(|keep| keep.get(field.name())), change_of(field), arena)
        }
        None => Field::new("", Value::NULL),
    });
    Some(Value::object(arena.collect(edited)))
}

/// A field is also kept if a path to one of its nested fields is kept.
fn is_kept(field: &Field<'_>, keep: Option<&PathTree<()>>) -> bool {
    let Some(keep) = keep else { return true };
    keep.get(field.name()).is_some_and(|kept| kept.leaf().is_some() || field.value().as_struct().is_some())
}

fn edit_field<'b>(
    field: Field<'b>,
    keep: Option<&PathTree<()>>,
    change: Option<&PathTree<Action>>,
    arena: Arena<'b>,
) -> Field<'b> {
    let name = match change.and_then(PathTree::leaf) {
        Some(Action::Rename(new)) => arena.str(new),
        _ => field.name(),
    };
    // A field that is kept by its own name is kept completely.
    let keep = keep.filter(|keep| keep.leaf().is_none());
    let inner = field.value().as_struct().and_then(|inner| edit_struct(inner, keep, change, arena));
    Field::new(name, inner.unwrap_or(field.value()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use tidegate_plugin::testing::{Applied, Event, Records, TransformTest};

    use super::*;

    fn run(config: Json, records: &Records) -> Applied {
        TransformTest::<Fields>::open(config).unwrap().apply(records).unwrap()
    }

    fn event() -> Records {
        let before = json!({"id": 1, "name": "a", "address": {"city": "Rome", "zip": "1"}});
        let after = json!({"id": 1, "name": "b", "address": {"city": "Bonn", "zip": "2"}});
        Records::new().event(Event::update("customers").key(json!({"id": 1})).before(before).after(after))
    }

    #[test]
    fn fields_of_both_rows_are_renamed_and_dropped() {
        let applied = run(
            json!({"rename": {"name": "first_name", "address.zip": "postcode"}, "drop": ["id"]}),
            &event(),
        );
        let record = &applied.records[0];
        assert_eq!(record.before, json!({"first_name": "a", "address": {"city": "Rome", "postcode": "1"}}));
        assert_eq!(record.after, json!({"first_name": "b", "address": {"city": "Bonn", "postcode": "2"}}));
        assert_eq!(record.value["after"], record.after, "the value shows the same rows");
        assert_eq!(record.value["source"]["table"], "customers");
        assert_eq!(record.key, json!({"id": 1}));
        assert_eq!(record.table, "customers");
    }

    #[test]
    fn only_listed_fields_are_kept() {
        let applied = run(json!({"keep": ["id", "address.city", "name.x"]}), &event());
        assert_eq!(applied.records[0].after, json!({"id": 1, "address": {"city": "Bonn"}}));
        let applied = run(json!({"keep": ["address", "address.city"], "drop": ["address.zip"]}), &event());
        assert_eq!(applied.records[0].after, json!({"address": {"city": "Bonn"}}));
    }

    #[test]
    fn the_key_is_edited_if_enabled() {
        let records = event().tombstone("cdc.public.customers", json!({"id": 1}));
        let applied = run(json!({"rename": {"id": "customer_id"}, "key": true}), &records);
        assert_eq!(applied.records[0].key, json!({"customer_id": 1}));
        assert_eq!(applied.records[1].key, json!({"customer_id": 1}));
        assert_eq!(applied.records[1].value, Json::Null);
    }

    #[test]
    fn plain_structs_are_edited_and_other_values_are_kept() {
        let records = Records::new()
            .json("t", Json::Null, json!({"a": 1, "b": 2}))
            .json("t", Json::Null, json!({"c": 1}))
            .json("t", Json::Null, json!("text"));
        let applied = run(json!({"drop": ["b"]}), &records);
        assert_eq!(applied.records[0].value, json!({"a": 1}));
        assert_eq!(applied.records[1].value, json!({"c": 1}));
        assert_eq!(applied.records[2].value, json!("text"));
    }

    #[test]
    fn a_configuration_without_effect_is_rejected() {
        let error = TransformTest::<Fields>::open(json!({"key": true})).unwrap_err();
        assert_eq!(error.message(), "nothing to do: set `keep`, `drop` or `rename`");
        let error = TransformTest::<Fields>::open(json!({"rename": {"a": ""}})).unwrap_err();
        assert!(error.to_string().starts_with("rename.a: is empty"), "{error}");
    }
}
