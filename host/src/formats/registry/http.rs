//! Requests to a registry: authentication, TLS, time limits.

use std::{fs, path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::{pkey::PKey, x509::X509};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

use super::{Credentials, RegistryError, RegistrySettings, RegistryTls, api::StatedError};

/// For connecting. A URL that does not answer must not hold up the next one for long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For all of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A longer answer holds no schema that could be used.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// Of what a registry says, errors show no more than this.
const MAX_STATED: usize = 200;

const ACCEPT: &str = "application/vnd.schemaregistry.v1+json, application/json, */*;q=0.5";

/// What a registry answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// Status 200.
    Found(String),
    /// Status 404, and the error in the body, if it is one of a registry.
    NotFound(Option<StatedError>),
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum HttpFailure {
    /// No answer, or a status that says that the server has a problem.
    Unavailable(String),
    /// 401 or 403.
    Denied { status: u16, stated: String },
    /// Any other status.
    Unexpected(String),
}

/// Sends requests.
#[derive(Debug)]
pub(super) struct Http {
    agent: ureq::Agent,
    authorization: Option<String>,
}

impl Http {
    /// # Errors
    /// When a certificate or key cannot be used.
    pub(super) fn new(settings: &RegistrySettings) -> Result<Self, RegistryError> {
        let agent = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            .http_status_as_error(false)
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls_config(&settings.tls)?)
            .build()
            .into();
        let authorization = settings.credentials.as_ref().map(|credentials| match credentials {
            Credentials::Basic { username, password } => {
                format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
            }
            Credentials::Bearer(token) => format!("Bearer {token}"),
        });
        Ok(Self { agent, authorization })
    }

    /// # Errors
    /// When there is no answer that says whether there is a schema.
    pub(super) fn get(&self, url: &str) -> Result<Answer, HttpFailure> {
        let mut request = self.agent.get(url).header("Accept", ACCEPT);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let unavailable = |error: ureq::Error| HttpFailure::Unavailable(error.to_string());
        let mut response = request.call().map_err(unavailable)?;
        let status = response.status().as_u16();
        let body =
            response.body_mut().with_config().limit(MAX_ANSWER_BYTES).lossy_utf8(true).read_to_string();
        let body = body.map_err(unavailable)?;
        match status {
            200 => Ok(Answer::Found(body)),
            404 => Ok(Answer::NotFound(StatedError::of(&body))),
            401 | 403 => Err(HttpFailure::Denied { status, stated: stated(&body) }),
            408 | 425 | 429 | 500.. => {
                Err(HttpFailure::Unavailable(format!("status {status}{}", stated(&body))))
            }
            _ => Err(HttpFailure::Unexpected(format!("status {status}{}", stated(&body)))),
        }
    }
}

/// The message of an error of a registry. Nothing else of a body is shown.
fn stated(body: &str) -> String {
    let message = StatedError::of(body).and_then(|error| error.message);
    message.map_or_else(String::new, |message| {
        let short: String = message.chars().take(MAX_STATED).collect();
        format!(" ({short})")
    })
}

fn tls_config(tls: &RegistryTls) -> Result<TlsConfig, RegistryError> {
    let roots = match &tls.ca_file {
        Some(path) => RootCerts::Specific(Arc::new(certificates(path)?)),
        None => RootCerts::PlatformVerifier,
    };
    let client = match (&tls.certificate_file, &tls.key_file) {
        // The key may be in the same file.
        (Some(certificate), key) => {
            let key = key.as_ref().unwrap_or(certificate);
            let key = private_key(key, tls.key_password.as_deref())?;
            Some(ClientCert::new_with_certs(&certificates(certificate)?, key))
        }
        (None, _) => None,
    };
    Ok(TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).client_cert(client).build())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let failed = |reason: String| RegistryError::File { path: path.to_owned(), reason };
    let pem = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let stack = X509::stack_from_pem(&pem).map_err(|error| failed(error.to_string()))?;
    if stack.is_empty() {
        return Err(failed("it holds no certificate in PEM form".to_owned()));
    }
    let to_der = |certificate: &X509| {
        let der = certificate.to_der().map_err(|error| failed(error.to_string()))?;
        Ok(Certificate::from_der(&der).to_owned())
    };
    stack.iter().map(to_der).collect()
}

fn private_key(path: &Path, password: Option<&str>) -> Result<PrivateKey<'static>, RegistryError> {
    let failed = |reason: String| RegistryError::File { path: path.to_owned(), reason };
    let pem = fs::read(path).map_err(|error| failed(error.to_string()))?;
    // Without a password, an empty one: OpenSSL would ask for it on the terminal.
    let key = PKey::private_key_from_pem_passphrase(&pem, password.unwrap_or_default().as_bytes());
    let key =
        key.map_err(|_| failed("it holds no private key, or the key has another password".to_owned()))?;
    // Native TLS takes no other form.
    let pem = key.private_key_to_pem_pkcs8().map_err(|error| failed(error.to_string()))?;
    PrivateKey::from_pem(&pem).map_err(|error| failed(error.to_string()))
}
