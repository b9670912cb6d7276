//! Programs of all schemas that the process has seen: each is compiled once.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use super::{compile::compile, error::SchemaError, program::Program, schema::Document};
use crate::formats::registry::{RegisteredSchema, SchemaType};

/// How many programs a process keeps; each stays for ever.
const MAX_PROGRAMS: usize = 10_000;

static PROGRAMS: LazyLock<Mutex<HashMap<Key, Compiled>>> = LazyLock::new(Mutex::default);

/// A program, or why there is none.
pub(crate) type Compiled = Result<&'static Program, Arc<str>>;

/// A registered schema by its address, since it is never dropped, and the text of the reader's schema.
type Key = (usize, Option<Arc<str>>);

/// The program of a schema, compiled now if it is new.
pub(crate) fn compiled(schema: &'static RegisteredSchema, reader: Option<&Arc<str>>) -> Compiled {
    let key = (std::ptr::from_ref(schema).addr(), reader.cloned());
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(compiled) = programs.get(&key) {
        return compiled.clone();
    }
    if programs.len() >= MAX_PROGRAMS {
        return Err(format!(
            "this process has seen {MAX_PROGRAMS} schemas already and keeps each for ever: use topics whose schemas do not \
             change with every record, or restart the host"
        )
        .into());
    }
    let compiled = new(schema, reader);
    programs.insert(key, compiled.clone());
    compiled
}

fn new(schema: &RegisteredSchema, reader: Option<&Arc<str>>) -> Compiled {
    if let Some(other) = schema.schema_type.filter(|schema_type| *schema_type != SchemaType::Avro) {
        return Err(format!("it is a schema of {}, not of Avro", other.name()).into());
    }
    let program = || {
        let references = schema.references.iter().map(|reference| &*reference.text);
        let writer = Document::parse(&schema.text, references)?;
        let reader = reader.map(|text| Document::parse(text, std::iter::empty())).transpose()?;
        compile(&writer, reader.as_ref())
    };
    let program = program().map_err(|error: SchemaError| Arc::from(error.to_string()))?;
    Ok(Box::leak(Box::new(program)))
}
