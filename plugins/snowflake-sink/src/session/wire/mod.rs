//! Middleware between the Snowflake library and HTTP, for features that the library lacks: other endpoints, binds and
//! parameters, long statements, responses that it cannot decode, and Snowflake's error messages.
//!
//! Only polls for a result are repeated: a lost response may belong to a statement that was executed,
//! so the caller repeats the transaction instead.

mod answer;
mod body;
mod call;
mod endpoint;
mod exchange;
mod failure;
mod page;
mod parts;
mod polling;

use std::{sync::Arc, time::Duration};

use http::{Extensions, header::CONTENT_TYPE};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};
use serde_json::{Map, Value};

use super::{stage::Offer, statement::Limits};
use page::{Line, Page};

pub(crate) use call::Call;
pub(crate) use endpoint::{Account, Endpoint};
pub(crate) use exchange::{Exchange, Lease, Outcome, SessionInfo};
pub(crate) use failure::Failure;

/// How much longer than Snowflake's own timeout the sink waits for a statement.
const GRACE: Duration = Duration::from_secs(60);

/// The error for the library. The session gets the details.
#[derive(Debug, thiserror::Error)]
#[error("the request failed")]
struct Failed;

/// The middleware of one session.
pub(crate) struct Wire {
    pub(crate) endpoint: Endpoint,
    /// Timeouts of the session.
    pub(crate) limits: Limits,
    /// The state that is shared with the session.
    pub(crate) exchange: Arc<Exchange>,
}

#[async_trait::async_trait]
impl Middleware for Wire {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let answer = match Call::of(&request) {
            Some(call) => self.relay(call, request, extensions, next).await,
            None => download(request, extensions, next).await,
        };
        answer.map_err(|failure| {
            self.exchange.failed(failure);
            Error::middleware(Failed)
        })
    }
}

impl Wire {
    async fn relay(
        &self,
        call: Call,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response, Failure> {
        match call {
            Call::Login if !self.exchange.logins_allowed() => return Err(Failure::SilentLogin),
            Call::Login => body::add_to_login(&mut request, self.limits.parameters())?,
            Call::Query => body::add_to_query(&mut request, self.exchange.take_extras())?,
            Call::Renew | Call::Close => {}
        }
        self.endpoint.aim(call, &mut request);
        let mut line = Line { next, extensions, host: self.endpoint.host(), login: call == Call::Login };
        let headers = request.headers().clone();
        let mut page = line.fetch(request).await?;
        if call == Call::Query {
            let deadline = self.limits.statement.saturating_add(GRACE);
            let polling = polling::Polling { endpoint: &self.endpoint, headers, deadline };
            page = polling.finished(page, &mut line).await?;
        }
        self.record_response(call, page, &mut line).await
    }

    /// Passes the response to the session, and converts it for the library.
    async fn record_response(
        &self,
        call: Call,
        mut page: Page,
        line: &mut Line<'_, '_>,
    ) -> Result<Response, Failure> {
        let outcome = answer::outcome(call, &page);
        if outcome.success && matches!(call, Call::Login | Call::Renew) {
            if !page.data("masterToken").is_string() {
                return Err(line.malformed("the token is missing"));
            }
            self.exchange.leased(answer::master_seconds(call, &page));
        }
        if outcome.success && call == Call::Login {
            self.exchange.logged_in(answer::session_info(&page));
        }
        if let Some(Value::Object(data)) = page.json.get_mut("data") {
            // The library gets an empty result: it would upload files by itself.
            self.exchange.offered(Offer::take(data));
            parts::join(data, line).await?;
        }
        let spare = self.limits.statement.saturating_add(GRACE).as_secs();
        answer::decodable(&outcome, &mut page.json, spare);
        self.exchange.answered(outcome);
        rebuilt(page.status, &page.json)
    }
}

/// Fetches a part of a result from another store, where the URL contains the authorization.
async fn download(
    request: Request,
    extensions: &mut Extensions,
    next: Next<'_>,
) -> Result<Response, Failure> {
    let host = request.url().host_str().unwrap_or_default().to_owned();
    let mut line = Line { next, extensions, host: &host, login: false };
    let response = line.send(request).await?;
    page::expect_success(&response, &host)?;
    Ok(response)
}

fn rebuilt(status: http::StatusCode, json: &Map<String, Value>) -> Result<Response, Failure> {
    let strange = Failure::Request("the response cannot be converted");
    let Ok(bytes) = serde_json::to_vec(json) else { return Err(strange) };
    let response =
        http::Response::builder().status(status).header(CONTENT_TYPE, "application/json").body(bytes);
    response.map(Response::from).map_err(|_| strange)
}
