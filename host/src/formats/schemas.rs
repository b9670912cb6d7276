//! The schemas that plugins see. Equal ones are one, with one id, whichever format and message they came with.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use tidegate_abi::{Schema, SchemaDef};

static SCHEMAS: LazyLock<Mutex<HashMap<String, Schema>>> = LazyLock::new(Mutex::default);

/// The schema with this content. It is never freed, so callers limit how many distinct ones they ask for.
pub(crate) fn intern(mut definition: SchemaDef) -> Schema {
    definition.id = 0;
    // Nested schemas are interned as well, so their ids stand for their content.
    let content = format!("{definition:?}");
    let mut known = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(schema) = known.get(&content) {
        return *schema;
    }
    definition.id = known.len() as u64 + 1;
    let schema = definition.leak();
    known.insert(content, schema);
    schema
}
