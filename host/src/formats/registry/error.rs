//! Why a registry gives no schema.

use std::path::PathBuf;

/// Why a registry gives no schema, though it may have it. The record that needs the schema has to wait.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No URL could be reached, or the registry has a problem of its own. Trying again helps.
    #[error("schema registry cannot be used: {reason}")]
    Unavailable {
        /// What each URL answered.
        reason: String,
    },
    /// The registry does not accept the login.
    #[error(
        "schema registry {url} rejected the request for {what} with {status}{stated}: correct username and password or \
         bearer_token in [schema_registry], or the rights of that user"
    )]
    Denied {
        /// Which URL.
        url: String,
        /// What was requested.
        what: String,
        /// The status.
        status: u16,
        /// What the registry said.
        stated: String,
    },
    /// What answers is not a schema registry.
    #[error(
        "{url} answers, but not as a schema registry: {reason}; set url in [schema_registry] to the base URL of its REST API, \
         such as http://host:8081 or http://host:8080/apis/ccompat/v7"
    )]
    NotARegistry {
        /// Which URL.
        url: String,
        /// What it answered.
        reason: String,
    },
    /// Only Apicurio's own API knows this kind of id.
    #[error(
        "{what} is an id of Apicurio Registry, and {url} is not the URL of one: set url in [schema_registry] to \
         http://host:8080/apis/registry/v2"
    )]
    NotApicurio {
        /// Which id.
        what: String,
        /// Which URL.
        url: String,
    },
    /// A file with certificates or keys cannot be used.
    #[error("schema registry: cannot use {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl RegistryError {
    /// Whether the same request may succeed later without anybody changing the configuration.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
