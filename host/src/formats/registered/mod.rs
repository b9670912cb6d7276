//! Payloads whose schema is in a registry: finds the schema of each record, and decodes with it.

mod programs;

use std::{collections::HashMap, sync::Arc, time::Instant};

use tidegate_abi::{Arena, Headers, host::Part};

use programs::Program;

use super::{
    Format,
    avro::{self, RootBytes},
    binary::{DataError, DecodeLimits},
    json::{JsonError, Scratch},
    json_schema,
    protobuf::{self, ProtobufError},
    read::Read,
    registry::{ApicurioId, Framed, Lookup, Registry, RegistryError, SchemaId, WireError, frame},
    types::Mismatch,
};

/// Ids that a decoder keeps. Payloads that are not what they seem bring any number of ids that nobody knows.
const MAX_KNOWN: usize = 10_000;

/// Decodes the keys or the values of a task.
pub(super) struct Registered {
    part: Part,
    format: Format,
    registry: Option<Arc<Registry>>,
    apicurio_id: ApicurioId,
    /// Text of the reader's schema.
    reader: Option<Arc<str>>,
    limits: DecodeLimits,
    known: HashMap<SchemaId, Known>,
    /// The schema of the last record, which is mostly that of the next one, too.
    last: Option<(SchemaId, Program)>,
}

/// What is known of a schema id.
enum Known {
    Usable(Program),
    /// The schema cannot be used.
    Unusable(Arc<str>),
    /// The registry does not have it. It is requested again after this time.
    Unknown(Arc<str>, Instant),
}

impl Known {
    fn program(&self, id: SchemaId) -> Result<Program, RegisteredError> {
        match self {
            Self::Usable(program) => Ok(*program),
            Self::Unusable(reason) => Err(RegisteredError::Schema { id, reason: Arc::clone(reason) }),
            Self::Unknown(reason, _) => Err(RegisteredError::Unknown(Arc::clone(reason))),
        }
    }
}

/// Why a payload cannot be decoded. The text follows the word "key" or "value".
#[derive(Debug, thiserror::Error)]
pub(super) enum RegisteredError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("cannot be decoded: {0}")]
    Unknown(Arc<str>),
    #[error("has {id}, which cannot be used: {reason}")]
    Schema { id: SchemaId, reason: Arc<str> },
    #[error("does not fit {id}: {error}")]
    Data { id: SchemaId, error: Box<DataError> },
    #[error("of {id} {error}")]
    Json { id: SchemaId, error: JsonError },
    #[error("does not fit {id}: {mismatch}")]
    Mismatch { id: SchemaId, mismatch: Box<Mismatch> },
    #[error("does not fit {id}: {error}")]
    Message { id: SchemaId, error: ProtobufError },
}

impl RegisteredError {
    pub(super) fn is_too_large(&self) -> bool {
        match self {
            Self::Data { error, .. } => error.is_too_large(),
            Self::Json { error, .. } => matches!(error, JsonError::Budget(_)),
            Self::Message { error, .. } => error.is_too_large(),
            Self::Wire(_) | Self::Unknown(_) | Self::Schema { .. } | Self::Mismatch { .. } => false,
        }
    }
}

impl Registered {
    pub(super) fn new(
        part: Part,
        format: Format,
        registry: Option<Arc<Registry>>,
        apicurio_id: ApicurioId,
        reader: Option<String>,
        limits: DecodeLimits,
    ) -> Self {
        let reader = reader.map(Into::into);
        Self { part, format, registry, apicurio_id, reader, limits, known: HashMap::new(), last: None }
    }

    /// Finds the schema of a payload, and requests it from the registry if nobody in the process has it.
    ///
    /// # Errors
    /// When the registry does not answer. What is wrong with the record itself is for [`Self::decode`] to say.
    pub(super) fn prepare(&mut self, payload: &[u8], headers: Headers<'_>) -> Result<(), RegistryError> {
        let Ok(Framed { id, .. }) = frame(self.part, payload, headers, self.apicurio_id) else {
            return Ok(());
        };
        let Some(registry) = &self.registry else { return Ok(()) };
        if self.last.is_some_and(|(last, _)| last == id) {
            return Ok(());
        }
        match self.known.get(&id) {
            Some(Known::Unknown(_, until)) if *until <= Instant::now() => {}
            Some(_) => return Ok(()),
            None => {}
        }
        let known = self.compiled(registry.lookup(id)?);
        if self.known.len() >= MAX_KNOWN {
            self.known.retain(|_, known| matches!(known, Known::Usable(_)));
        }
        self.known.insert(id, known);
        Ok(())
    }

    /// Decodes a payload whose schema was found by [`Self::prepare`].
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub(super) fn decode<'b>(
        &mut self,
        payload: &'b [u8],
        headers: Headers<'b>,
        arena: Arena<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Result<Read<'b>, RegisteredError> {
        let Framed { id, data, message } = frame(self.part, payload, headers, self.apicurio_id)?;
        let program = match self.last {
            Some((last, program)) if last == id => program,
            _ => self.program(id)?,
        };
        self.last = Some((id, program));
        match program {
            Program::Avro(program) => {
                // Ids of these kinds are Confluent's, and mostly its serializers', too.
                let is_confluent = matches!(id, SchemaId::Id(_) | SchemaId::Guid(_));
                let root_bytes = if is_confluent { RootBytes::Raw } else { RootBytes::Sized };
                avro::decode(program, data, root_bytes, self.limits, arena, scratch)
                    .map_err(|error| RegisteredError::Data { id, error })
            }
            Program::Protobuf(program) => {
                protobuf::decode(program, data, message, self.limits, arena, scratch)
                    .map_err(|error| RegisteredError::Message { id, error })
            }
            Program::JsonSchema(program) => {
                json_schema::decode(program, data, arena, scratch).map_err(|error| match error {
                    JsonError::Mismatch(mismatch) => RegisteredError::Mismatch { id, mismatch },
                    error => RegisteredError::Json { id, error },
                })
            }
        }
    }

    fn program(&mut self, id: SchemaId) -> Result<Program, RegisteredError> {
        if let Some(known) = self.known.get(&id) {
            return known.program(id);
        }
        // Another decoder of the process may have found it.
        let found = self.registry.as_ref().and_then(|registry| registry.known(id));
        let not_fetched = || RegisteredError::Unknown(format!("{id} was not fetched from a registry").into());
        let known = self.compiled(found.ok_or_else(not_fetched)?);
        let program = known.program(id);
        self.known.insert(id, known);
        program
    }

    fn compiled(&self, lookup: Lookup) -> Known {
        match lookup {
            Lookup::Found(schema) => match programs::compiled(self.format, schema, self.reader.as_ref()) {
                Ok(program) => Known::Usable(program),
                Err(reason) => Known::Unusable(reason),
            },
            Lookup::Unknown(reason) => Known::Unknown(reason, Instant::now() + Registry::unknown_for()),
        }
    }
}
