//! Statements that take longer than Snowflake keeps a request open, some 45 seconds: it is asked until they are done.

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

/// Pause between two questions; Snowflake itself holds each back for a while.
const PAUSE: Duration = Duration::from_millis(300);
/// So many questions in a row may fail on the way: asking again harms nobody.
const FAILURES: u32 = 5;

/// How the result is asked for.
pub(super) struct Polling<'p> {
    /// The server.
    pub(super) endpoint: &'p Endpoint,
    /// Of the statement's own request, with its token.
    pub(super) headers: HeaderMap,
    /// Longest time to ask.
    pub(super) deadline: Duration,
}

impl Polling<'_> {
    /// The final answer, after `page`.
    pub(super) async fn finished(&self, mut page: Page, line: &mut Line<'_, '_>) -> Result<Page, Failure> {
        let started = Instant::now();
        let mut failures = 0;
        while is_running(&page) {
            let query_id = page.data("queryId").as_str().unwrap_or_default().to_owned();
            let path = page
                .data("getResultUrl")
                .as_str()
                .ok_or_else(|| line.malformed("it tells no place of the result"))?;
            let url = self
                .endpoint
                .join(path)
                .ok_or_else(|| line.malformed("it sends elsewhere for the result"))?;
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
