//! Programs of the registered schemas that the process uses: each is compiled once, however many tasks use it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use tidegate_abi::host::{Borrows, Keep, WithMemory};

use crate::formats::{
    Format, avro, json_schema, protobuf,
    registry::{RegisteredSchema, SchemaType},
};

static PROGRAMS: LazyLock<Mutex<Programs>> = LazyLock::new(Mutex::default);

/// A compiled schema.
pub(super) struct Program {
    compiled: WithMemory<ProgramBorrows>,
    /// Held so that other tasks find the schema without a request, as long as this program is in use.
    schema: Arc<RegisteredSchema>,
}

/// What it was compiled to.
pub(super) enum Compiled<'m> {
    Avro(avro::Program<'m>),
    Protobuf(protobuf::Program<'m>),
    JsonSchema(json_schema::Program<'m>),
}

struct ProgramBorrows;

impl Borrows for ProgramBorrows {
    type Of<'m> = Compiled<'m>;

    fn shorten<'s, 'm: 's>(compiled: &'s Compiled<'m>) -> &'s Compiled<'s> {
        compiled
    }
}

impl Program {
    pub(super) fn get(&self) -> &Compiled<'_> {
        self.compiled.get()
    }
}

impl Keep for Program {
    fn bytes(&self) -> usize {
        let heap = match self.get() {
            Compiled::Avro(program) => program.heap_bytes(),
            Compiled::Protobuf(program) => program.heap_bytes(),
            Compiled::JsonSchema(program) => program.heap_bytes(),
        };
        self.compiled.memory_bytes() + heap + self.schema.text_bytes()
    }
}

/// The programs that decoders hold.
#[derive(Default)]
struct Programs {
    known: HashMap<Key, Weak<Program>>,
    /// Entries at which those that nobody holds are dropped.
    sweep_at: usize,
}

/// A registered schema by its address, which nothing else has as long as its program exists, the format that it is used for, and
/// the text of the reader's schema.
type Key = (usize, Format, Option<Arc<str>>);

/// The program of a schema, compiled now if nobody has it.
///
/// # Errors
/// Why the schema cannot be used.
pub(super) fn compiled(
    format: Format,
    schema: &Arc<RegisteredSchema>,
    reader: Option<&Arc<str>>,
) -> Result<Arc<Program>, Arc<str>> {
    let key = (Arc::as_ptr(schema).addr(), format, reader.cloned());
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = programs.known.get(&key).and_then(Weak::upgrade) {
        return Ok(program);
    }
    let compiled = WithMemory::try_new(|arena| {
        // Some descriptors that are not valid make the compiler panic: only the records with this schema are rejected. What a
        // panic leaves behind is dropped with the arena.
        let compile = AssertUnwindSafe(|| compile(format, schema, reader.map(|reader| &**reader), arena));
        catch_unwind(compile).unwrap_or_else(|_| Err("its compiler panicked; see the log".into()))
    })?;
    let program = Arc::new(Program { compiled, schema: Arc::clone(schema) });
    programs.add(key, &program);
    Ok(program)
}

impl Programs {
    fn add(&mut self, key: Key, program: &Arc<Program>) {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, program| program.strong_count() > 0);
            self.sweep_at = 2 * self.known.len() + 100;
        }
        self.known.insert(key, Arc::downgrade(program));
    }
}

fn compile<'m>(
    format: Format,
    schema: &RegisteredSchema,
    reader: Option<&str>,
    arena: tidegate_abi::Arena<'m>,
) -> Result<Compiled<'m>, Arc<str>> {
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
        Format::Protobuf => protobuf::compile(schema, arena).map(Compiled::Protobuf).map_err(reason),
        Format::JsonSchema => json_schema::compile(schema, arena).map(Compiled::JsonSchema).map_err(reason),
        _ => avro::compile(schema, reader, arena).map(Compiled::Avro).map_err(reason),
    }
}

fn reason(error: impl std::fmt::Display) -> Arc<str> {
    error.to_string().into()
}
