//! HTTP requests with JSON responses of Snowflake.

use std::time::Duration;

use http::Extensions;
use reqwest::{Request, Response, header::RETRY_AFTER};
use reqwest_middleware::Next;
use serde_json::{Map, Value};

use super::failure::Failure;

/// A response of Snowflake.
pub(super) struct Page {
    /// HTTP status.
    pub(super) status: http::StatusCode,
    /// From `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// The body.
    pub(super) json: Map<String, Value>,
}

impl Page {
    /// Snowflake's code; may be empty.
    pub(super) fn code(&self) -> &str {
        self.json.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// A member of `data`, or null.
    pub(super) fn data(&self, name: &str) -> &Value {
        self.json.get("data").and_then(|data| data.get(name)).unwrap_or(&Value::Null)
    }
}

/// Sends requests on behalf of a request of the library.
pub(super) struct Line<'l, 'n> {
    /// The next middleware.
    pub(super) next: Next<'n>,
    /// Extensions of the library's request.
    pub(super) extensions: &'l mut Extensions,
    /// Host, for errors.
    pub(super) host: &'l str,
    /// Whether it is a login, for errors.
    pub(super) login: bool,
}

impl Line<'_, '_> {
    /// Sends a request, and returns the response unchanged.
    pub(super) async fn send(&mut self, request: Request) -> Result<Response, Failure> {
        let sent = self.next.clone().run(request, self.extensions).await;
        sent.map_err(|error| Failure::of_client(error, self.host))
    }

    /// Sends a request, and parses the response.
    pub(super) async fn fetch(&mut self, request: Request) -> Result<Page, Failure> {
        let response = self.send(request).await?;
        let status = response.status();
        let retry_after = retry_after(&response);
        let refused = Failure::Status {
            host: self.host.to_owned(),
            status: status.as_u16(),
            retry_after,
            login: self.login,
        };
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes,
            Err(_) if !status.is_success() => return Err(refused),
            Err(error) => return Err(Failure::of_client(error, self.host)),
        };
        let json = match serde_json::from_slice(&bytes) {
            Ok(Value::Object(json)) => json,
            _ if !status.is_success() => return Err(refused),
            _ => return Err(self.malformed("no JSON")),
        };
        let page = Page { status, retry_after, json };
        if !status.is_success() && !is_code(page.code()) {
            return Err(refused);
        }
        if !page.json.get("success").is_some_and(Value::is_boolean) {
            return Err(self.malformed("`success` is missing"));
        }
        Ok(page)
    }

    /// The error for an invalid response.
    pub(super) fn malformed(&self, what: &'static str) -> Failure {
        Failure::Malformed { host: self.host.to_owned(), what }
    }
}

/// Fails if the status is not a success.
pub(super) fn expect_success(response: &Response, host: &str) -> Result<(), Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let retry_after = retry_after(response);
    Err(Failure::Status { host: host.to_owned(), status: status.as_u16(), retry_after, login: false })
}

/// Snowflake's codes have six digits, unlike those of gateways.
fn is_code(code: &str) -> bool {
    code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit())
}

/// Only seconds: gateways of Snowflake do not send dates.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
