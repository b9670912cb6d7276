//! HTTPS: certificates from files, which are read again when they change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};

use super::error::ApiError;
use crate::config::ApiTls;

/// The acceptor of the files' current content.
pub(super) struct Certificates {
    files: ApiTls,
    read_at: Vec<Option<SystemTime>>,
    acceptor: TlsAcceptor,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or used.
    pub(super) fn read(files: &ApiTls) -> Result<Self, ApiError> {
        Ok(Self { read_at: times(files), acceptor: acceptor(files)?, files: files.clone() })
    }

    /// The acceptor for a new connection. Files that cannot be used any more leave the former ones in use, with a warning.
    pub(super) fn acceptor(&mut self) -> TlsAcceptor {
        let now = times(&self.files);
        if now != self.read_at {
            self.read_at = now;
            match acceptor(&self.files) {
                Ok(acceptor) => {
                    self.acceptor = acceptor;
                    tracing::info!("certificates of the REST API were read again");
                }
                Err(error) => tracing::warn!("keeping the former certificate of the REST API: {error}"),
            }
        }
        self.acceptor.clone()
    }
}

fn times(files: &ApiTls) -> Vec<Option<SystemTime>> {
    let paths = [Some(&files.certificate_file), Some(&files.key_file), files.client_ca_file.as_ref()];
    let time = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    paths.into_iter().flatten().map(time).collect()
}

fn acceptor(files: &ApiTls) -> Result<TlsAcceptor, ApiError> {
    let chain = certificates(&files.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|error| unusable(&files.key_file, error.to_string()))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&files.certificate_file, error.to_string()))?;
    let builder = match &files.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => builder.with_client_cert_verifier(verifier(path, provider)?),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&files.certificate_file, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts clients with a certificate of the authority, and those without one, who log in otherwise.
fn verifier(
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn tokio_rustls::rustls::server::danger::ClientCertVerifier>, ApiError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unusable(path, error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(path, error.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ApiError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unusable(path, error.to_string()))?;
    match certificates.is_empty() {
        true => Err(unusable(path, "it has no certificate in PEM".to_owned())),
        false => Ok(certificates),
    }
}

fn unusable(path: &Path, reason: String) -> ApiError {
    ApiError::Tls { path: path.to_owned(), reason }
}
