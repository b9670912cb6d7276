//! Schemas of all registries that the process uses, so that each is requested only once, however many tasks need it at a time.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::{
    RegisteredSchema, RegistryError, RegistrySettings, SchemaId,
    client::{Client, Fetched},
};

/// How long an unknown id is not requested again. It may be registered in the meantime, or a follower may lag behind.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);
/// Ids that are kept per registry. A topic without schema ids in front of its payloads may bring any number.
const MAX_UNKNOWN: usize = 10_000;

static STORES: LazyLock<Mutex<HashMap<Vec<String>, Arc<Store>>>> = LazyLock::new(Mutex::default);

/// What is known of an id.
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    /// The schema.
    Found(Arc<RegisteredSchema>),
    /// There is none, and why.
    Unknown(Arc<str>),
}

/// The schemas of one registry.
#[derive(Debug, Default)]
struct Store {
    slots: Mutex<HashMap<SchemaId, Arc<Slot>>>,
}

/// One id. The task that holds the lock requests it, and all others wait for the answer.
#[derive(Debug, Default)]
struct Slot {
    /// Held by the decoders that use it.
    found: Mutex<Weak<RegisteredSchema>>,
    unknown: Mutex<Option<(Arc<str>, Instant)>>,
}

impl Slot {
    fn found(&self) -> Option<Arc<RegisteredSchema>> {
        lock(&self.found).upgrade()
    }
}

/// A registry as one connector uses it.
#[derive(Debug)]
pub(crate) struct Registry {
    settings: RegistrySettings,
    client: OnceLock<Result<Client, RegistryError>>,
    store: Arc<Store>,
}

impl Registry {
    pub(crate) fn new(settings: RegistrySettings) -> Self {
        let mut urls = settings.urls.clone();
        urls.sort();
        let store = Arc::clone(lock(&STORES).entry(urls).or_default());
        Self { settings, client: OnceLock::new(), store }
    }

    /// What the process knows of an id already.
    pub(crate) fn known(&self, id: SchemaId) -> Option<Lookup> {
        let slot = Arc::clone(lock(&self.store.slots).get(&id)?);
        if let Some(found) = slot.found() {
            return Some(Lookup::Found(found));
        }
        // While another task holds the lock, it is requesting the id, so the stored answer may be out of date.
        let unknown = slot.unknown.try_lock().ok()?;
        unknown.as_ref().map(|(reason, _)| Lookup::Unknown(Arc::clone(reason)))
    }

    /// What the process knows of an id, or else the registry. Blocks while it is requested.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub(crate) fn lookup(&self, id: SchemaId) -> Result<Lookup, RegistryError> {
        let slot = self.slot(id);
        if let Some(found) = slot.found() {
            return Ok(Lookup::Found(found));
        }
        let mut unknown = lock(&slot.unknown);
        if let Some(found) = slot.found() {
            return Ok(Lookup::Found(found));
        }
        if let Some((reason, since)) = &*unknown
            && since.elapsed() < UNKNOWN_FOR
        {
            return Ok(Lookup::Unknown(Arc::clone(reason)));
        }
        let client = self.client.get_or_init(|| Client::new(&self.settings));
        match client.as_ref().map_err(Clone::clone)?.fetch(id)? {
            Fetched::Schema(schema) => {
                tracing::info!(id = %id, references = schema.references.len(), "fetched {id} from the schema registry");
                *unknown = None;
                let schema = Arc::new(schema);
                *lock(&slot.found) = Arc::downgrade(&schema);
                Ok(Lookup::Found(schema))
            }
            Fetched::Unknown(reason) => {
                let reason: Arc<str> = reason.into();
                *unknown = Some((Arc::clone(&reason), Instant::now()));
                Ok(Lookup::Unknown(reason))
            }
        }
    }

    fn slot(&self, id: SchemaId) -> Arc<Slot> {
        let mut slots = lock(&self.store.slots);
        if slots.len() >= MAX_UNKNOWN && !slots.contains_key(&id) {
            slots.retain(|_, slot| slot.found().is_some() || Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(id).or_default())
    }

    /// How long an unknown id is not requested again.
    pub(crate) const fn unknown_for() -> Duration {
        UNKNOWN_FOR
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
