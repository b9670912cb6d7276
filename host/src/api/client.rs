//! The client of the API over the control socket, for the commands that control a running host.

use std::{io::ErrorKind, path::Path, time::Duration};

use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{error::ApiError, problem::ErrorMessage, socket_path};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends a request without a body to the host with this state folder, and returns the body of the answer. Blocks for up to ten
/// seconds.
///
/// # Errors
/// When no host is running there, it does not answer, or it answers with an error.
pub fn request(state_dir: &Path, method: Method, path: &str) -> Result<String, ApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ApiError::Connection(error.to_string()))?;
    let answer = async { tokio::time::timeout(TIMEOUT, send(state_dir, method, path)).await };
    runtime.block_on(answer).unwrap_or_else(|_| Err(ApiError::Connection("it took ten seconds".to_owned())))
}

/// As [`request`], for an answer in JSON.
///
/// # Errors
/// As [`request`].
pub fn ask<T: DeserializeOwned>(state_dir: &Path, method: Method, path: &str) -> Result<T, ApiError> {
    let body = request(state_dir, method, path)?;
    serde_json::from_str(&body).map_err(|error| ApiError::Answer(error.to_string()))
}

async fn send(state_dir: &Path, method: Method, path: &str) -> Result<String, ApiError> {
    let failed = |error: hyper::Error| ApiError::Connection(error.to_string());
    let stream = connect(state_dir).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|error| ApiError::Connection(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(failed)?.to_bytes();
    connection.abort();
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        return Ok(text);
    }
    match serde_json::from_str::<ErrorMessage>(&text) {
        Ok(error) => Err(ApiError::Refused(error.message)),
        Err(_) if status == StatusCode::NOT_FOUND => Err(ApiError::Answer(format!("{path} is unknown"))),
        Err(_) if status == StatusCode::SERVICE_UNAVAILABLE => Err(ApiError::NotReady(text)),
        Err(_) => Err(ApiError::Answer(format!("{status}: {text}"))),
    }
}

async fn connect(state_dir: &Path) -> Result<UnixStream, ApiError> {
    let path = socket_path(state_dir);
    UnixStream::connect(&path).await.map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => ApiError::NotRunning { path },
        _ => ApiError::Io { path, source },
    })
}
