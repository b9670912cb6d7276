//! The TLS settings of a client, from its librdkafka properties.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// TLS settings of a client.
#[derive(Debug, Default)]
pub(super) struct Tls {
    /// File or folder of the trusted CA certificates; `None` for the system's.
    pub(super) ca: Option<PathBuf>,
    /// Trusted CA certificates as PEM text.
    pub(super) ca_pem: Option<String>,
    /// Whether the host name is verified against the broker's certificate.
    pub(super) checks_host: bool,
    pub(super) client: Option<ClientCertificate>,
    pub(super) is_on: bool,
}

#[derive(Debug)]
pub(super) enum ClientCertificate {
    File(String),
    Pem(String),
    /// A PKCS#12 file, which is not read.
    Store(String),
}

impl Tls {
    pub(super) fn of(properties: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| properties.get(name).filter(|value| !value.is_empty()).cloned();
        let file = get("ssl.certificate.location").map(ClientCertificate::File);
        let pem = || get("ssl.certificate.pem").map(ClientCertificate::Pem);
        let store = || get("ssl.keystore.location").map(ClientCertificate::Store);
        Self {
            ca: get("ssl.ca.location").filter(|path| path != "probe").map(PathBuf::from),
            ca_pem: get("ssl.ca.pem"),
            checks_host: get("ssl.endpoint.identification.algorithm").is_none_or(|name| name != "none"),
            client: file.or_else(pem).or_else(store),
            is_on: get("security.protocol")
                .is_some_and(|protocol| protocol.to_ascii_lowercase().ends_with("ssl")),
        }
    }
}
