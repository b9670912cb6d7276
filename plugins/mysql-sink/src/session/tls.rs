//! Encrypted connections, with rustls.

use std::fs;

use mysql_async::{ClientIdentity, SslOpts};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

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

/// Encryption with a check of the server's certificate and name.
///
/// # Errors
/// If a file cannot be read or used.
pub(crate) fn verified(files: Files<'_>) -> Result<SslOpts, TlsError> {
    let mut options = SslOpts::default();
    if let Some(path) = files.roots {
        let pem = certificates("ssl_root_cert", path)?;
        options = options.with_disable_built_in_roots(true).with_root_certs(vec![pem.into()]);
    }
    let Some((certificate, key)) = files.client else { return Ok(options) };
    let chain = certificates("ssl_cert", certificate)?;
    let pem = fs::read(key).map_err(|error| failed("ssl_key", key, &error))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| failed("ssl_key", key, &error))?;
    Ok(options.with_client_identity(Some(ClientIdentity::new(chain.into(), pem.into()))))
}

/// Reads a file, and checks that it contains certificates.
fn certificates(option: &'static str, path: &str) -> Result<Vec<u8>, TlsError> {
    let pem = fs::read(path).map_err(|error| failed(option, path, &error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(TlsError { option, reason: format!("{path} contains no certificate in PEM") })
        }
        Ok(_) => Ok(pem),
        Err(error) => Err(failed(option, path, &error)),
    }
}

fn failed(option: &'static str, path: &str, error: &dyn std::fmt::Display) -> TlsError {
    TlsError { option, reason: format!("{path} cannot be used: {error}") }
}
