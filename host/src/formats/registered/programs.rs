//! Programs of all registered schemas that the process has seen: each is compiled once.

use std::{
    collections::HashMap,
    panic::catch_unwind,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use crate::formats::{
    Format, avro, json_schema, protobuf,
    registry::{RegisteredSchema, SchemaType},
};

/// How many programs a process keeps; each is kept for the life of the process.
const MAX_PROGRAMS: usize = 10_000;

static PROGRAMS: LazyLock<Mutex<HashMap<Key, Compiled>>> = LazyLock::new(Mutex::default);

/// A compiled schema.
#[derive(Clone, Copy, Debug)]
pub(super) enum Program {
    Avro(&'static avro::Program),
    Protobuf(&'static protobuf::Program),
    JsonSchema(&'static json_schema::Program),
}

/// A program, or why there is none.
pub(super) type Compiled = Result<Program, Arc<str>>;

/// A registered schema by its address, since it is never dropped, the format that it is used for, and the text of the reader's
/// schema.
type Key = (usize, Format, Option<Arc<str>>);

/// The program of a schema, compiled now if it is new.
pub(super) fn compiled(
    format: Format,
    schema: &'static RegisteredSchema,
    reader: Option<&Arc<str>>,
) -> Compiled {
    let key = (std::ptr::from_ref(schema).addr(), format, reader.cloned());
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
    let compiled = compile(format, schema, reader.map(|reader| &**reader));
    programs.insert(key, compiled.clone());
    compiled
}

fn compile(format: Format, schema: &RegisteredSchema, reader: Option<&str>) -> Compiled {
    let expected = match format {
        Format::Protobuf => SchemaType::Protobuf,
        Format::JsonSchema => SchemaType::JsonSchema,
        _ => SchemaType::Avro,
    };
    if let Some(other) = schema.schema_type.filter(|schema_type| *schema_type != expected) {
        return Err(format!(
            "it is {} schema, not {} schema: set the format to \"{}\" in [source]",
            other.with_article(),
            expected.with_article(),
            other.format().name()
        )
        .into());
    }
    match format {
        Format::Protobuf => {
            // Some descriptors that are not valid make the compiler panic: only the records with this schema are rejected.
            let compiled = catch_unwind(|| protobuf::compile(schema));
            let compiled = compiled.map_err(|_| Arc::from("the Protobuf compiler panicked; see the log"))?;
            let program = compiled.map_err(|error| Arc::from(error.to_string()))?;
            Ok(Program::Protobuf(Box::leak(Box::new(program))))
        }
        Format::JsonSchema => {
            let program = json_schema::compile(schema).map_err(|error| Arc::from(error.to_string()))?;
            Ok(Program::JsonSchema(Box::leak(Box::new(program))))
        }
        _ => {
            let program = avro::compile(schema, reader).map_err(|error| Arc::from(error.to_string()))?;
            Ok(Program::Avro(Box::leak(Box::new(program))))
        }
    }
}
