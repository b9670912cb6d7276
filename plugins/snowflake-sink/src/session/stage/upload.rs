//! Uploads files to the stores of Amazon, Microsoft and Google.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use flate2::{Compression, write::GzEncoder};
use reqwest::{Client, Method};
use tidegate_cdc::session::{Cause, Class, SqlError};
use url::Url;

use super::{
    super::wire::Failure,
    sign::{Unsigned, signed},
    target::{Access, Target},
};

/// Delay between two uploads of a file.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// Maximum length of a code in an error, and of the response that is searched for it.
const MAX_CODE: usize = 40;
const MAX_ANSWER: usize = 10_000;

/// Why a file was not uploaded. The URL may contain what authorizes the upload, so only the host is shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadFailure {
    /// An error response, with the store's code if it has one.
    #[error("{host} refused the upload: HTTP {status}{code}")]
    Refused { host: String, status: u16, code: String },
    /// No response in time.
    #[error("{host} did not respond to the upload within request_timeout")]
    Timeout { host: String },
    /// No connection.
    #[error("{0}")]
    Connection(Failure),
}

impl UploadFailure {
    /// Whether another attempt could take longer than the host waits for the sink.
    pub(super) fn took_long(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// The error after the last attempt. If more attempts will not help, rows have to be bound.
    pub(super) fn into_error(self, kind: &'static str) -> SqlError {
        let may_pass = match &self {
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::Timeout { .. } => true,
            Self::Connection(_) => false,
        };
        let mut error = SqlError::new(Class::Transient, kind, self.to_string());
        if !may_pass {
            error.cause = Cause::NotStored;
            error.hint = Some("let this machine and its proxy reach the store of the stage".to_owned());
        }
        error
    }
}

/// Uploads with the HTTP client of a session.
pub(crate) struct Uploader(pub(in super::super) Client);

impl Uploader {
    /// Uploads a file.
    pub(super) async fn put(&self, target: &Target, body: &[u8]) -> Result<(), UploadFailure> {
        let host = target.url.host_str().unwrap_or_default().to_owned();
        let mut request = self.0.request(Method::PUT, target.url.clone());
        for (name, value) in headers(target, body) {
            request = request.header(name, value);
        }
        let failed = |error: reqwest::Error| match error.is_timeout() && !error.is_connect() {
            true => UploadFailure::Timeout { host: host.clone() },
            false => UploadFailure::Connection(Failure::of_client(error, &host)),
        };
        let response = request.body(body.to_vec()).send().await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let answer = response.text().await.unwrap_or_default();
        Err(UploadFailure::Refused { host, status: status.as_u16(), code: code(&answer) })
    }
}

/// The headers of an upload.
fn headers(target: &Target, body: &[u8]) -> Vec<(&'static str, String)> {
    match &target.access {
        Access::S3(keys) => {
            // Buckets may have no encryption of their own.
            let own = [("x-amz-server-side-encryption", "AES256".to_owned())];
            let host = host_header(&target.url);
            let request =
                Unsigned { method: "PUT", host: &host, path: target.url.path(), headers: &own, body };
            signed(&request, keys, SystemTime::now())
        }
        Access::Azure => vec![("x-ms-blob-type", "BlockBlob".to_owned())],
        Access::Google(token) => {
            token.iter().map(|token| ("authorization", format!("Bearer {token}"))).collect()
        }
    }
}

/// The header `Host`, as the HTTP client sends it.
fn host_header(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The store's code in an error response in XML, such as `ExpiredToken`, after a space.
fn code(answer: &str) -> String {
    let answer = answer.get(..MAX_ANSWER).unwrap_or(answer);
    let code = answer.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    match code {
        Some((code, _))
            if code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            format!(" {code}")
        }
        _ => String::new(),
    }
}

/// Lines as a file with gzip.
///
/// # Errors
/// If there is no memory for it.
pub(super) fn compressed(lines: &str) -> io::Result<Vec<u8>> {
    // Higher levels take several times as long, for files that are a fifth smaller.
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
    encoder.write_all(lines.as_bytes())?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_of_an_error_response_is_shown() {
        let answer = "<?xml?><Error><Code>ExpiredToken</Code><Message>The token T0K3N</Message></Error>";
        assert_eq!(code(answer), " ExpiredToken");
        assert_eq!(code("<Code>a b</Code>"), "");
        assert_eq!(code("<html>"), "");
    }

    #[test]
    fn what_may_pass_is_tried_again_later() {
        let refused = |status| UploadFailure::Refused { host: "h".to_owned(), status, code: String::new() };
        for (status, cause) in [(503, Cause::Other), (429, Cause::Other), (403, Cause::NotStored)] {
            let error = refused(status).into_error("PUT");
            assert_eq!((error.class, error.cause), (Class::Transient, cause), "{status}");
        }
    }
}
