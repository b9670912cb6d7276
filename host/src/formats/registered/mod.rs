//! Payloads whose schema is in a registry: finds the schema of each record, and decodes with it.

mod programs;

use std::{sync::Arc, time::Instant};

use tidegate_abi::{
    Arena, Headers,
    host::{Keep, Kept, Part},
};

use programs::{Compiled, Program};

use super::{
    Format,
    avro::{self, RootBytes},
    binary::{DataError, DecodeLimits},
    connect,
    json::{JsonError, Scratch},
    json_schema,
    protobuf::{self, ProtobufError},
    read::Read,
    registry::{ApicurioId, Framed, Lookup, Registry, RegistryError, SchemaId, WireError, frame},
    schema_cache::SchemaCache,
    types::Mismatch,
};

/// Decodes the keys or the values of a task.
pub(super) struct Registered {
    part: Part,
    format: Format,
    registry: Option<Arc<Registry>>,
    apicurio_id: ApicurioId,
    /// Text of the reader's schema.
    reader: Option<Arc<str>>,
    limits: DecodeLimits,
    /// By id. Payloads that are not what they seem bring any number of ids that nobody knows.
    known: SchemaCache<SchemaId, Known>,
    /// The schema of the last record, which is mostly that of the next one, too.
    last: Option<(SchemaId, Arc<Program>)>,
    /// The schema that was prepared last for the current batch.
    prepared: Option<SchemaId>,
}

/// What is known of a schema id.
enum Known {
    Usable(Arc<Program>),
    /// The schema cannot be used.
    Unusable(Arc<str>),
    /// The registry does not have it. It is requested again after this time.
    Unknown(Arc<str>, Instant),
}

impl Known {
    fn program(&self, id: SchemaId) -> Result<Arc<Program>, RegisteredError> {
        match self {
            Self::Usable(program) => Ok(Arc::clone(program)),
            Self::Unusable(reason) => Err(RegisteredError::Schema { id, reason: Arc::clone(reason) }),
            Self::Unknown(reason, _) => Err(RegisteredError::Unknown(Arc::clone(reason))),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Usable(program) => program.bytes(),
            Self::Unusable(reason) | Self::Unknown(reason, _) => reason.len(),
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
        max_schema_bytes: usize,
    ) -> Self {
        let (reader, known) = (reader.map(Into::into), SchemaCache::new(max_schema_bytes));
        Self { part, format, registry, apicurio_id, reader, limits, known, last: None, prepared: None }
    }

    /// Begins the preparation of a batch, whose schemas are then kept until the next one.
    pub(super) fn begin_batch(&mut self) {
        self.known.begin_batch();
        self.prepared = None;
    }

    /// Whether schemas were dropped for others since the last call.
    pub(super) const fn take_dropped(&mut self) -> bool {
        self.known.take_dropped()
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
        if self.prepared.replace(id) == Some(id) {
            return Ok(());
        }
        match self.known.get(&id) {
            Some(Known::Unknown(_, until)) if *until <= Instant::now() => {}
            Some(_) => return Ok(()),
            None => {}
        }
        let found = registry.lookup(id)?;
        // Whether it can be used is for `decode` to say.
        let _usable = self.add(id, found);
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
        kept: Kept<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Result<Read<'b>, RegisteredError> {
        let Framed { id, data, message } = frame(self.part, payload, headers, self.apicurio_id)?;
        let program = match &self.last {
            Some((last, program)) if *last == id => kept.keep(program),
            _ => {
                let program = self.program(id)?;
                kept.keep(&self.last.insert((id, program)).1)
            }
        };
        match program.get() {
            Compiled::Avro(program) => {
                // Ids of these kinds are Confluent's, and mostly its serializers', too.
                let is_confluent = matches!(id, SchemaId::Id(_) | SchemaId::Guid(_));
                let root_bytes = if is_confluent { RootBytes::Raw } else { RootBytes::Sized };
                avro::decode(program, data, root_bytes, self.limits, arena, scratch)
                    .map_err(|error| RegisteredError::Data { id, error })
            }
            Compiled::Protobuf(program) => {
                protobuf::decode(program, data, message, self.limits, arena, scratch)
                    .map_err(|error| RegisteredError::Message { id, error })
            }
            Compiled::JsonSchema(program) => {
                json_schema::decode(program, data, arena, scratch).map_err(|error| match error {
                    JsonError::Mismatch(mismatch) => RegisteredError::Mismatch { id, mismatch },
                    error => RegisteredError::Json { id, error },
                })
            }
        }
    }

    fn program(&mut self, id: SchemaId) -> Result<Arc<Program>, RegisteredError> {
        if let Some(known) = self.known.get(&id) {
            return known.program(id);
        }
        // Another decoder of the process may have found it.
        let found = self.registry.as_ref().and_then(|registry| registry.known(id));
        let not_fetched = || RegisteredError::Unknown(format!("{id} was not fetched from a registry").into());
        self.add(id, found.ok_or_else(not_fetched)?)
    }

    /// Compiles what was found for an id, and keeps it.
    fn add(&mut self, id: SchemaId, found: Lookup) -> Result<Arc<Program>, RegisteredError> {
        let known = match found {
            Lookup::Found(schema) => match programs::compiled(self.format, &schema, self.reader.as_ref()) {
                Ok(program) => Known::Usable(program),
                Err(reason) => Known::Unusable(reason),
            },
            Lookup::Unknown(reason) => Known::Unknown(reason, Instant::now() + Registry::unknown_for()),
        };
        let known = self.if_small(known);
        let (program, bytes) = (known.program(id), known.bytes());
        self.known.insert(id, known, bytes);
        program
    }

    fn if_small(&self, known: Known) -> Known {
        let (bytes, limit) = (known.bytes(), self.known.limit());
        if bytes <= limit {
            return known;
        }
        Known::Unusable(connect::SchemaError::TooLarge { bytes, limit }.to_string().into())
    }
}
