//! How a registry is reached.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

/// How a registry is reached. `Debug` shows no secret; serialised are all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrySettings {
    /// Base URLs of the same registry, without a slash at the end. The next one is used when one cannot be reached.
    pub urls: Vec<String>,
    /// Sent with every request.
    pub credentials: Option<Credentials>,
    /// Certificates.
    pub tls: RegistryTls,
    /// What ids in the payload stand for, where Apicurio's serializers wrote them.
    pub apicurio_id: ApicurioId,
}

/// Authentication of requests.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credentials {
    /// HTTP basic authentication.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: String,
    },
    /// A bearer token.
    Bearer(String),
}

/// Certificates for `https` URLs, as PEM files.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryTls {
    /// Certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Client certificate, with its chain.
    pub certificate_file: Option<PathBuf>,
    /// Private key of the client certificate.
    pub key_file: Option<PathBuf>,
    /// Password of the private key.
    pub key_password: Option<String>,
}

/// Apicurio numbers each version of an artifact (global id) and each distinct content (content id). Confluent's API of an
/// Apicurio registry uses content ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApicurioId {
    /// Ids of 4 bytes are content ids, ids of 8 bytes global ids: the defaults of Apicurio's serializers.
    #[default]
    Auto,
    /// Content ids (`apicurio.registry.use-id=contentId`).
    Content,
    /// Global ids (`apicurio.registry.use-id=globalId`).
    Global,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { username, .. } => f.debug_tuple("Basic").field(username).finish(),
            Self::Bearer(_) => f.write_str("Bearer"),
        }
    }
}

impl fmt::Debug for RegistryTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryTls")
            .field("ca_file", &self.ca_file)
            .field("certificate_file", &self.certificate_file)
            .field("key_file", &self.key_file)
            .finish_non_exhaustive()
    }
}
