//! Fetches a schema with everything that it refers to, from one of several URLs.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    RegistryError, RegistrySettings, SchemaId,
    api::{self, ApicurioReference, ConfluentReference, ConfluentSchema, Request},
    http::{Answer, Http, HttpFailure},
};
use crate::formats::Format;

/// Schemas that one schema may refer to, directly and through others.
const MAX_REFERENCES: usize = 256;

/// The language of a schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SchemaType {
    Avro,
    Protobuf,
    JsonSchema,
}

impl SchemaType {
    /// Its name with an article, in front of the word "schema".
    pub(crate) const fn with_article(self) -> &'static str {
        match self {
            Self::Avro => "an Avro",
            Self::Protobuf => "a Protobuf",
            Self::JsonSchema => "a JSON",
        }
    }

    /// The format of its messages.
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::Avro => Format::Avro,
            Self::Protobuf => Format::Protobuf,
            Self::JsonSchema => Format::JsonSchema,
        }
    }
}

/// A schema as it is registered.
#[derive(Debug)]
pub(crate) struct RegisteredSchema {
    /// The language, if the registry states it.
    pub(crate) schema_type: Option<SchemaType>,
    pub(crate) text: String,
    /// What it refers to, each after what it refers to itself.
    pub(crate) references: Vec<ReferencedSchema>,
}

impl RegisteredSchema {
    /// Bytes of its text and of what it refers to.
    pub(crate) fn text_bytes(&self) -> usize {
        let references = self.references.iter().map(|reference| reference.name.len() + reference.text.len());
        self.text.len() + references.sum::<usize>()
    }
}

/// A schema that another one refers to.
#[derive(Debug)]
pub(crate) struct ReferencedSchema {
    /// The name that it is referred to by: in Protobuf, the path of an import.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What a registry knows of an id.
#[derive(Debug)]
pub(super) enum Fetched {
    Schema(RegisteredSchema),
    /// It has no such schema, or lacks what that refers to.
    Unknown(String),
}

/// A client of one registry.
#[derive(Debug)]
pub(super) struct Client {
    urls: Vec<String>,
    http: Http,
    /// The URL that worked last.
    preferred: AtomicUsize,
}

/// Why one URL gave no answer.
enum Failure {
    /// Another URL may do better.
    Next(String),
    /// So would every other one.
    Final(RegistryError),
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Final(error)
    }
}

impl Client {
    pub(super) fn new(settings: &RegistrySettings) -> Result<Self, RegistryError> {
        Ok(Self { urls: settings.urls.clone(), http: Http::new(settings)?, preferred: AtomicUsize::new(0) })
    }

    /// Asks each URL once, until one answers.
    ///
    /// # Errors
    /// When none does.
    pub(super) fn fetch(&self, id: SchemaId) -> Result<Fetched, RegistryError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut reasons: Vec<String> = Vec::new();
        let mut denied = None;
        for step in 0..self.urls.len() {
            let index = (first + step) % self.urls.len();
            let url = &self.urls[index];
            match self.fetch_from(url, id) {
                Ok(fetched) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(fetched);
                }
                Err(Failure::Next(reason)) => reasons.push(format!("{url}: {reason}")),
                Err(Failure::Final(error)) => denied = denied.or(Some(error)),
            }
        }
        // A URL that is only down may have the answer once it is back.
        match denied {
            Some(error) if reasons.is_empty() => Err(error),
            Some(error) => {
                reasons.push(error.to_string());
                Err(RegistryError::Unavailable { reason: reasons.join("; ") })
            }
            None => Err(RegistryError::Unavailable { reason: reasons.join("; ") }),
        }
    }

    fn fetch_from(&self, url: &str, id: SchemaId) -> Result<Fetched, Failure> {
        match api::request(url, id)? {
            Request::Confluent(at) => self.confluent_schema(url, &at, id),
            Request::Apicurio(at) => self.apicurio_schema(url, &at, id),
        }
    }

    fn confluent_schema(&self, url: &str, at: &str, id: SchemaId) -> Result<Fetched, Failure> {
        let body = match self.get(at, &id)? {
            Answer::Found(body) => body,
            Answer::NotFound(Some(error)) if error.is_not_found() => {
                return Ok(Fetched::Unknown(format!("the registry at {url} has no {id}")));
            }
            // Not an error of a registry: with a wrong URL, every id would be unknown.
            Answer::NotFound(_) if self.is_registry(url)? => {
                return Ok(Fetched::Unknown(format!("the registry at {url} has no {id}")));
            }
            Answer::NotFound(_) => {
                return Err(not_a_registry(url, "status 404, without an error of a registry"));
            }
        };
        let Some(found) = parse(&body) else {
            return Err(not_a_registry(url, "an answer without a schema"));
        };
        let schema_type = match found.schema_type.as_deref() {
            None | Some("AVRO") => SchemaType::Avro,
            Some("PROTOBUF") => SchemaType::Protobuf,
            Some("JSON") => SchemaType::JsonSchema,
            Some(other) => {
                return Ok(Fetched::Unknown(format!("{id} is of the type {other:?}, which is not known")));
            }
        };
        let mut referenced = References::default();
        for reference in found.references.into_iter().flatten() {
            if let Some(missing) = self.confluent_reference(url, &reference, &mut referenced)? {
                return Ok(Fetched::Unknown(format!("{id} refers to {missing}")));
            }
        }
        let references = referenced.done;
        Ok(Fetched::Schema(RegisteredSchema {
            schema_type: Some(schema_type),
            text: found.schema,
            references,
        }))
    }

    /// Adds a reference and all that it refers to. Returns what is missing.
    fn confluent_reference(
        &self,
        url: &str,
        reference: &ConfluentReference,
        referenced: &mut References,
    ) -> Result<Option<String>, Failure> {
        let at = api::version_url(url, reference);
        if !referenced.begin(&at) {
            referenced.add_name(&at, &reference.name);
            return Ok(referenced.too_many());
        }
        let what = format!("version {} of subject {:?}", reference.version, reference.subject);
        let mut answer = self.get(&at, &what)?;
        if matches!(answer, Answer::NotFound(_)) {
            answer = self.get(&format!("{at}?deleted=true"), &what)?;
        }
        let found = match answer {
            Answer::Found(body) => parse(&body),
            Answer::NotFound(_) => return Ok(Some(format!("{what}, which the registry does not have"))),
        };
        let Some(found) = found else {
            return Err(not_a_registry(url, "an answer without a schema"));
        };
        for inner in found.references.into_iter().flatten() {
            if let Some(missing) = self.confluent_reference(url, &inner, referenced)? {
                return Ok(Some(missing));
            }
        }
        referenced.add(at, reference.name.clone(), found.schema);
        Ok(None)
    }

    fn apicurio_schema(&self, url: &str, at: &str, id: SchemaId) -> Result<Fetched, Failure> {
        let text = match self.get(at, &id)? {
            Answer::Found(body) => body,
            Answer::NotFound(Some(error)) if error.is_not_found() => {
                return Ok(Fetched::Unknown(format!("the registry at {url} has no {id}")));
            }
            Answer::NotFound(_) => {
                return Err(not_a_registry(url, "status 404, without an error of a registry"));
            }
        };
        let mut referenced = References::default();
        if let Some(missing) = self.apicurio_references(url, at, &id, &mut referenced)? {
            return Ok(Fetched::Unknown(format!("{id} refers to {missing}")));
        }
        Ok(Fetched::Schema(RegisteredSchema { schema_type: None, text, references: referenced.done }))
    }

    /// Adds all that the content at the URL `at` refers to. Returns what is missing.
    fn apicurio_references(
        &self,
        url: &str,
        at: &str,
        what: &dyn std::fmt::Display,
        referenced: &mut References,
    ) -> Result<Option<String>, Failure> {
        let list = match self.get(&format!("{at}/references"), what)? {
            Answer::Found(body) => body,
            Answer::NotFound(_) => return Ok(None),
        };
        let list: Vec<ApicurioReference> = serde_json::from_str(&list).unwrap_or_default();
        for reference in list {
            let Some(at) = api::artifact_url(url, &reference) else { continue };
            if !referenced.begin(&at) {
                if let Some(too_many) = referenced.too_many() {
                    return Ok(Some(too_many));
                }
                referenced.add_name(&at, &reference.name);
                continue;
            }
            let what = format!("artifact {:?}", reference.artifact_id);
            let Answer::Found(text) = self.get(&at, &what)? else {
                return Ok(Some(format!("{what}, which the registry does not have")));
            };
            if let Some(missing) = self.apicurio_references(url, &at, &what, referenced)? {
                return Ok(Some(missing));
            }
            referenced.add(at, reference.name, text);
        }
        Ok(None)
    }

    /// Whether the URL is that of a registry: it lists its subjects.
    fn is_registry(&self, url: &str) -> Result<bool, Failure> {
        let subjects = format!("{}/subjects", api::confluent_base(url));
        match self.get(&subjects, &"its subjects") {
            Ok(Answer::Found(body)) => Ok(serde_json::from_str::<Vec<String>>(&body).is_ok()),
            // Only a registry answers that the subjects do not exist or may not be listed.
            Ok(Answer::NotFound(error)) => Ok(error.is_some()),
            Err(Failure::Final(RegistryError::Denied { .. })) => Ok(true),
            Err(failure) => Err(failure),
        }
    }

    fn get(&self, at: &str, what: &dyn std::fmt::Display) -> Result<Answer, Failure> {
        tracing::debug!(url = at, "requesting {what}");
        self.http.get(at).map_err(|failure| match failure {
            HttpFailure::Unavailable(reason) => Failure::Next(reason),
            HttpFailure::Denied { status, stated } => Failure::Final(RegistryError::Denied {
                url: at.to_owned(),
                what: what.to_string(),
                status,
                stated,
            }),
            HttpFailure::Unexpected(reason) => not_a_registry(at, &reason),
        })
    }
}

/// The references of one schema.
#[derive(Default)]
struct References {
    done: Vec<ReferencedSchema>,
    /// Where each of `done` was found.
    urls: Vec<String>,
    seen: Vec<String>,
    is_full: bool,
}

impl References {
    /// Whether the schema at this URL is to be fetched: not if it was already, or is being.
    fn begin(&mut self, at: &str) -> bool {
        if self.seen.iter().any(|seen| seen == at) {
            return false;
        }
        self.is_full = self.seen.len() >= MAX_REFERENCES;
        if !self.is_full {
            self.seen.push(at.to_owned());
        }
        !self.is_full
    }

    fn add(&mut self, url: String, name: String, text: String) {
        self.done.push(ReferencedSchema { name, text });
        self.urls.push(url);
    }

    /// Adds a schema again under another name: two schemas may import it by different paths.
    fn add_name(&mut self, url: &str, name: &str) {
        let found = self.urls.iter().position(|known| known == url).and_then(|at| self.done.get(at));
        let Some(text) = found.map(|found| found.text.clone()) else { return };
        if self.done.len() < MAX_REFERENCES && !self.done.iter().any(|known| known.name == name) {
            self.add(url.to_owned(), name.to_owned(), text);
        }
    }

    fn too_many(&self) -> Option<String> {
        self.is_full.then(|| format!("more than {MAX_REFERENCES} other schemas"))
    }
}

fn parse(body: &str) -> Option<ConfluentSchema> {
    serde_json::from_str(body).ok()
}

fn not_a_registry(url: &str, reason: &str) -> Failure {
    Failure::Final(RegistryError::NotARegistry { url: url.to_owned(), reason: reason.to_owned() })
}
