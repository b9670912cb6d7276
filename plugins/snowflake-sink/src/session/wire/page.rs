//! One HTTP request and its answer, as far as it is JSON of Snowflake's.

use std::time::Duration;

use http::Extensions;
use reqwest::{Request, Response, header::RETRY_AFTER};
use reqwest_middleware::Next;
use serde_json::{Map, Value};

use super::failure::Failure;

/// An answer of Snowflake's.
pub(super) struct Page {
    /// HTTP status.
    pub(super) status: http::StatusCode,
    /// From `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// The answer.
    pub(super) json: Map<String, Value>,
}

impl Page {
    /// The code; empty if there is none.
    pub(super) fn code(&self) -> &str {
        self.json.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// A member of `data`; null if it is missing.
    pub(super) fn data(&self, name: &str) -> &Value {
        self.json.get("data").and_then(|data| data.get(name)).unwrap_or(&Value::Null)
    }
}

/// Makes requests on behalf of one of the library's.
pub(super) struct Line<'l, 'n> {
    /// What comes behind the middleware.
    pub(super) next: Next<'n>,
    /// Of the library's request.
    pub(super) extensions: &'l mut Extensions,
    /// Where it goes, for errors.
    pub(super) host: &'l str,
    /// Whether it is a login, for errors.
    pub(super) login: bool,
}

impl Line<'_, '_> {
    /// Sends it, and hands the answer on as it is unless it is none.
    pub(super) async fn send(&mut self, request: Request) -> Result<Response, Failure> {
        let sent = self.next.clone().run(request, self.extensions).await;
        sent.map_err(|error| Failure::of_client(error, self.host))
    }

    /// Sends it, and reads the answer.
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
            return Err(self.malformed("it does not say whether it worked"));
        }
        Ok(page)
    }

    /// For an answer that makes no sense.
    pub(super) fn malformed(&self, what: &'static str) -> Failure {
        Failure::Malformed { host: self.host.to_owned(), what }
    }
}

/// Fails for an answer that is no success.
pub(super) fn expect_success(response: &Response, host: &str) -> Result<(), Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let retry_after = retry_after(response);
    Err(Failure::Status { host: host.to_owned(), status: status.as_u16(), retry_after, login: false })
}

/// Snowflake's codes have six digits; what gateways put there has not.
fn is_code(code: &str) -> bool {
    code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit())
}

/// Seconds alone: gateways before Snowflake do not send dates.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
