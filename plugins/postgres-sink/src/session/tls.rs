//! Encrypted connections, with rustls.

use std::{fs, sync::Arc};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_postgres::{Client, Config, Error, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Whether and how connections are encrypted.
#[derive(Clone)]
pub(crate) enum Encryption {
    /// They are not.
    None,
    /// They are, and the server's certificate and name are checked.
    Verified(Arc<ClientConfig>),
}

/// A certificate or a key cannot be used.
#[derive(Debug)]
pub(crate) struct TlsError {
    /// The option that names it.
    pub(crate) option: &'static str,
    /// What is wrong.
    pub(crate) reason: String,
}

/// Files with certificates, in PEM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Files<'f> {
    /// Certificates of the authorities that are trusted; otherwise those that browsers trust.
    pub(crate) roots: Option<&'f str>,
    /// Certificate of the client and its key.
    pub(crate) client: Option<(&'f str, &'f str)>,
}

impl Encryption {
    /// Reads the files.
    ///
    /// # Errors
    /// If one cannot be read or used.
    pub(crate) fn verified(files: Files<'_>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        match files.roots {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                for certificate in certificates("ssl_root_cert", path)? {
                    let added = roots.add(certificate);
                    added.map_err(|error| failed("ssl_root_cert", path, &error))?;
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder =
            builder.map_err(|error| failed("ssl_mode", "TLS", &error))?.with_root_certificates(roots);
        let config = match files.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates("ssl_cert", certificate)?;
                let pem = fs::read(key).map_err(|error| failed("ssl_key", key, &error))?;
                let key_der = PrivateKeyDer::from_pem_slice(&pem);
                let key_der = key_der.map_err(|error| failed("ssl_key", key, &error))?;
                builder
                    .with_client_auth_cert(chain, key_der)
                    .map_err(|error| failed("ssl_key", key, &error))?
            }
        };
        Ok(Self::Verified(Arc::new(config)))
    }

    /// Connects, and runs the connection in the background.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(super) async fn connect(&self, config: &Config) -> Result<Client, Error> {
        let mut config = config.clone();
        match self {
            Self::None => {
                let (client, connection) = config.ssl_mode(SslMode::Disable).connect(NoTls).await?;
                // Its error is also that of the statement that waits for it.
                tokio::spawn(async move { drop(connection.await) });
                Ok(client)
            }
            Self::Verified(tls) => {
                let tls = MakeRustlsConnect::new((**tls).clone());
                let (client, connection) = config.ssl_mode(SslMode::Require).connect(tls).await?;
                tokio::spawn(async move { drop(connection.await) });
                Ok(client)
            }
        }
    }
}

fn certificates(option: &'static str, path: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = fs::read(path).map_err(|error| failed(option, path, &error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(TlsError { option, reason: format!("{path} contains no certificate in PEM") })
        }
        Ok(found) => Ok(found),
        Err(error) => Err(failed(option, path, &error)),
    }
}

fn failed(option: &'static str, what: &str, error: &dyn std::fmt::Display) -> TlsError {
    TlsError { option, reason: format!("{what} cannot be used: {error}") }
}
