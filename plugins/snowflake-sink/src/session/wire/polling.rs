//! Polls statements that take longer than about 45 seconds, after which Snowflake responds without a result.

use std::time::{Duration, Instant};

use reqwest::{
    Method, Request,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap},
};

use super::{
    endpoint::Endpoint,
    failure::Failure,
    page::{Line, Page},
};

/// Delay between two polls. Snowflake also delays each response.
const PAUSE: Duration = Duration::from_millis(300);
/// Maximum number of consecutive failed polls. Polling is idempotent.
const FAILURES: u32 = 5;

/// Parameters for polling.
pub(super) struct Polling<'p> {
    pub(super) endpoint: &'p Endpoint,
    /// Headers of the statement's request, with the token.
    pub(super) headers: HeaderMap,
    /// Timeout for polling.
    pub(super) deadline: Duration,
}

impl Polling<'_> {
    /// The final response, after `page`.
    pub(super) async fn finished(&self, mut page: Page, line: &mut Line<'_, '_>) -> Result<Page, Failure> {
        let started = Instant::now();
        let mut failures = 0;
        while is_running(&page) {
            let query_id = page.data("queryId").as_str().unwrap_or_default().to_owned();
            let path = page
                .data("getResultUrl")
                .as_str()
                .ok_or_else(|| line.malformed("the URL of the result is missing"))?;
            let url = self
                .endpoint
                .join(path)
                .ok_or_else(|| line.malformed("the URL of the result is on another server"))?;
            if started.elapsed() > self.deadline {
                return Err(Failure::Running { query_id, seconds: self.deadline.as_secs() });
            }
            tokio::time::sleep(PAUSE).await;
            let mut request = Request::new(Method::GET, url);
            *request.headers_mut() = self.headers.clone();
            request.headers_mut().remove(CONTENT_TYPE);
            request.headers_mut().remove(CONTENT_LENGTH);
            match line.fetch(request).await {
                Ok(answer) => (page, failures) = (answer, 0),
                Err(failure) if failures >= FAILURES || !may_pass(&failure) => return Err(failure),
                Err(_) => failures += 1,
            }
        }
        Ok(page)
    }
}

fn is_running(page: &Page) -> bool {
    matches!(page.code(), "333333" | "333334")
}

fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
        Failure::Unreachable { .. } | Failure::Timeout { .. } => true,
        _ => false,
    }
}
