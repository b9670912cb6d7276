//! Paths and answers of the two REST APIs: Confluent's, and Apicurio's own.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{RegistryError, SchemaId, wire::Guid};

/// Bytes of a path segment that are encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Code of Confluent's API for a schema, subject or version that does not exist: 40401 to 40403.
const NOT_FOUND: std::ops::RangeInclusive<i64> = 40401..=40403;

/// A schema as Confluent's API returns it.
#[derive(Debug, Deserialize)]
pub(super) struct ConfluentSchema {
    pub(super) schema: String,
    /// Left out for Avro.
    #[serde(rename = "schemaType")]
    pub(super) schema_type: Option<String>,
    #[serde(default)]
    pub(super) references: Option<Vec<ConfluentReference>>,
}

/// A schema that another one refers to by `name`.
#[derive(Debug, Deserialize)]
pub(super) struct ConfluentReference {
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) version: i64,
}

/// A reference in Apicurio's API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApicurioReference {
    pub(super) name: String,
    pub(super) group_id: Option<String>,
    pub(super) artifact_id: String,
    pub(super) version: Option<String>,
}

/// An error of either API.
#[derive(Debug, Default, Deserialize)]
pub(super) struct StatedError {
    #[serde(default)]
    pub(super) error_code: Option<i64>,
    /// Apicurio 3 has the HTTP status instead.
    #[serde(default)]
    pub(super) status: Option<i64>,
    #[serde(default, alias = "title")]
    pub(super) message: Option<String>,
}

impl StatedError {
    /// The error that a body states, if it is one of a registry.
    pub(super) fn of(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok().filter(|error: &Self| error.code().is_some())
    }

    /// Whether what was requested does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        self.code().is_some_and(|code| NOT_FOUND.contains(&code) || code == 404)
    }

    fn code(&self) -> Option<i64> {
        self.error_code.or(self.status)
    }
}

/// Which API to use for an id, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Confluent's API.
    Confluent(String),
    /// Apicurio's own API: URL of the content; its references are below it.
    Apicurio(String),
}

/// The URL of Confluent's API at a configured URL, which may be that of Apicurio's own API.
pub(super) fn confluent_base(url: &str) -> String {
    match url.split_once("/apis/registry") {
        Some((root, _)) => format!("{root}/apis/ccompat/v7"),
        None => url.to_owned(),
    }
}

/// The URL of Apicurio's own API at a configured URL. Its version 2 is also there in Apicurio 3.
fn apicurio_base(url: &str) -> Option<String> {
    url.split_once("/apis/").map(|(root, _)| format!("{root}/apis/registry/v2"))
}

/// Where the schema `id` is found.
///
/// # Errors
/// When the registry is not one that has such ids.
pub(super) fn request(url: &str, id: SchemaId) -> Result<Request, RegistryError> {
    let confluent = |path: String| Ok(Request::Confluent(format!("{}{path}", confluent_base(url))));
    let apicurio = |path: String| {
        let base = apicurio_base(url);
        let error = || RegistryError::NotApicurio { what: id.to_string(), url: url.to_owned() };
        base.map(|base| Request::Apicurio(base + &path)).ok_or_else(error)
    };
    match id {
        SchemaId::Id(id) => confluent(format!("/schemas/ids/{id}")),
        SchemaId::Guid(guid) => confluent(format!("/schemas/guids/{}", Guid(guid))),
        SchemaId::Content(id) => apicurio(format!("/ids/contentIds/{id}")),
        SchemaId::Global(id) => apicurio(format!("/ids/globalIds/{id}")),
    }
}

/// Where a version of a subject is found.
pub(super) fn version_url(url: &str, reference: &ConfluentReference) -> String {
    let base = confluent_base(url);
    let subject = utf8_percent_encode(&reference.subject, SEGMENT);
    format!("{base}/subjects/{subject}/versions/{}", reference.version)
}

/// Where the content of an Apicurio reference is found.
pub(super) fn artifact_url(url: &str, reference: &ApicurioReference) -> Option<String> {
    let base = apicurio_base(url)?;
    let encode = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
    let group = encode(reference.group_id.as_deref().unwrap_or("default"));
    let artifact = encode(&reference.artifact_id);
    Some(match &reference.version {
        Some(version) => {
            format!("{base}/groups/{group}/artifacts/{artifact}/versions/{}", encode(version))
        }
        None => format!("{base}/groups/{group}/artifacts/{artifact}"),
    })
}
