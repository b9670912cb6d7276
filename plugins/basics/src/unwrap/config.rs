//! Options of `unwrap`: those of Debezium's `ExtractNewRecordState`, with its names and defaults.

use serde::Serialize;
use tidegate_plugin::prelude::*;

use super::reference::Reference;

/// Configuration of `unwrap`: the options of Debezium's ExtractNewRecordState. Names with dots need quotes.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// Fields of the event to add to the row, as text with commas or as a list: `op`, `source.ts_ms`, `transaction.id`,
    /// `before.status`. A new name follows a colon: `op:OPERATION`.
    #[serde(rename = "add.fields", default)]
    add_fields: Names,
    /// Prefix of added fields.
    #[serde(rename = "add.fields.prefix", default = "underscores")]
    add_fields_prefix: String,
    /// Fields of the event to add as headers, in the same notation.
    #[serde(rename = "add.headers", default)]
    add_headers: Names,
    /// Prefix of added headers.
    #[serde(rename = "add.headers.prefix", default = "underscores")]
    add_headers_prefix: String,
    /// What becomes of deletes and tombstones [default: tombstone].
    #[serde(rename = "delete.tombstone.handling.mode")]
    delete_tombstone_handling_mode: Option<DeleteTombstoneMode>,
    /// The older option for tombstones, together with `delete.handling.mode` [default: true].
    #[serde(rename = "drop.tombstones", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Flag")]
    drop_tombstones: Option<Flag>,
    /// The older option for deletes, together with `drop.tombstones` [default: drop].
    #[serde(rename = "delete.handling.mode")]
    delete_handling_mode: Option<DeleteMode>,
    /// Column whose text becomes the topic.
    #[serde(rename = "route.by.field", default)]
    pub(super) route_by_field: String,
    /// Header with the names of fields to drop.
    #[serde(rename = "drop.fields.header.name", default)]
    pub(super) drop_fields_header_name: String,
    /// Drop these fields from the key as well.
    #[serde(rename = "drop.fields.from.key", default = "no")]
    drop_fields_from_key: Flag,
    /// Drop only fields that the schema declares optional.
    #[serde(rename = "drop.fields.keep.schema.compatible", default = "yes")]
    drop_fields_keep_schema_compatible: Flag,
    /// In the modes that rewrite deletes: replace null by the default that the schema has for the column.
    #[serde(rename = "replace.null.with.default", default = "yes")]
    replace_null_with_default: Flag,
}

fn underscores() -> String {
    "__".to_owned()
}

fn no() -> Flag {
    Flag::Plain(false)
}

fn yes() -> Flag {
    Flag::Plain(true)
}

/// Names as one text with commas, or as a list.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
enum Names {
    /// Names with commas in between.
    Text(String),
    /// A list of names.
    List(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// True or false, also as text, as in the JSON of Kafka Connect.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
enum Flag {
    Plain(bool),
    Text(FlagText),
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum FlagText {
    True,
    False,
}

impl Flag {
    fn get(self) -> bool {
        match self {
            Self::Plain(value) => value,
            Self::Text(text) => text == FlagText::True,
        }
    }
}

/// What becomes of deletes and tombstones.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum DeleteTombstoneMode {
    /// Both are dropped.
    Drop,
    /// A delete becomes a tombstone, and the tombstone after it is dropped.
    Tombstone,
    /// A delete becomes the old row with `__deleted` = `true`, and the tombstone after it is dropped.
    Rewrite,
    /// The same, but the tombstone after it stays.
    RewriteWithTombstone,
    /// The same as `tombstone`.
    DeleteToTombstone,
}

/// What becomes of deletes.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum DeleteMode {
    /// They are dropped.
    Drop,
    /// They become the old row with `__deleted` = `true`.
    Rewrite,
    /// They become tombstones.
    None,
}

/// What becomes of a delete.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDelete {
    Drop,
    Tombstone,
    Rewrite,
}

/// What becomes of deletes and tombstones.
#[derive(Clone, Copy)]
pub(super) struct Deletes {
    pub(super) on_delete: OnDelete,
    pub(super) keeps_tombstones: bool,
}

impl Config {
    /// Checks what the types do not show.
    pub(super) fn check(&self) -> Result<()> {
        let added = [("add.fields", self.fields().err()), ("add.headers", self.headers().err())];
        let added = added.into_iter().filter_map(|(key, error)| Some(error?.at(key)));
        let older = [
            ("drop.tombstones", self.drop_tombstones.is_some()),
            ("delete.handling.mode", self.delete_handling_mode.is_some()),
        ];
        let unused =
            older.into_iter().filter(|(_, is_set)| *is_set && self.delete_tombstone_handling_mode.is_some());
        let unused = unused.map(|(key, _)| {
            Error::invalid_option(
                key,
                "has no effect with delete.tombstone.handling.mode: remove one of them",
            )
        });
        Error::join(added.chain(unused))
    }

    pub(super) fn deletes(&self) -> Deletes {
        let newer = self.delete_tombstone_handling_mode;
        if newer.is_none() && (self.drop_tombstones.is_some() || self.delete_handling_mode.is_some()) {
            let on_delete = match self.delete_handling_mode {
                None | Some(DeleteMode::Drop) => OnDelete::Drop,
                Some(DeleteMode::Rewrite) => OnDelete::Rewrite,
                Some(DeleteMode::None) => OnDelete::Tombstone,
            };
            return Deletes { on_delete, keeps_tombstones: !self.drop_tombstones.is_none_or(Flag::get) };
        }
        let (on_delete, keeps_tombstones) = match newer.unwrap_or(DeleteTombstoneMode::Tombstone) {
            DeleteTombstoneMode::Drop => (OnDelete::Drop, false),
            DeleteTombstoneMode::Tombstone | DeleteTombstoneMode::DeleteToTombstone => {
                (OnDelete::Tombstone, false)
            }
            DeleteTombstoneMode::Rewrite => (OnDelete::Rewrite, false),
            DeleteTombstoneMode::RewriteWithTombstone => (OnDelete::Rewrite, true),
        };
        Deletes { on_delete, keeps_tombstones }
    }

    pub(super) fn fields(&self) -> Result<Vec<Reference>> {
        references(&self.add_fields, &self.add_fields_prefix)
    }

    pub(super) fn headers(&self) -> Result<Vec<Reference>> {
        references(&self.add_headers, &self.add_headers_prefix)
    }

    pub(super) fn drops_from_key(&self) -> bool {
        self.drop_fields_from_key.get()
    }

    pub(super) fn drops_only_optional(&self) -> bool {
        self.drop_fields_keep_schema_compatible.get()
    }

    pub(super) fn replaces_null(&self) -> bool {
        self.replace_null_with_default.get()
    }
}

fn references(names: &Names, prefix: &str) -> Result<Vec<Reference>> {
    let names: Vec<&str> = match names {
        Names::Text(text) if text.trim().is_empty() => Vec::new(),
        Names::Text(text) => text.split(',').collect(),
        Names::List(list) => list.iter().map(String::as_str).collect(),
    };
    let references = names.iter().map(|name| Reference::parse(prefix, name.trim()));
    let references: Vec<Reference> = references.collect::<Result<_>>()?;
    for (index, reference) in references.iter().enumerate() {
        if references.iter().take(index).any(|other| other.name == reference.name) {
            let name = &reference.name;
            return Err(Error::invalid_config(format_args!(
                "two fields are called {name:?}: rename one of them, such as `{}:other`",
                reference.field
            )));
        }
    }
    Ok(references)
}
