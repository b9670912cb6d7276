//! Identifies requests of the library.

use reqwest::{Method, Request};

/// Type of a request to Snowflake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// Opens a session.
    Login,
    /// Renews the tokens of the session.
    Renew,
    /// Closes the session.
    Close,
    /// Runs a statement.
    Query,
}

impl Call {
    /// The type of a request; none for parts of a result, which are in another store.
    pub(super) fn of(request: &Request) -> Option<Self> {
        if request.method() != Method::POST {
            return None;
        }
        let path = request.url().path().trim_start_matches('/');
        [Self::Login, Self::Renew, Self::Close, Self::Query]
            .into_iter()
            .find(|call| call.path().trim_start_matches('/') == path)
    }

    /// Path of the endpoint.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Login => "/session/v1/login-request",
            Self::Renew => "/session/token-request",
            Self::Close => "/session",
            Self::Query => "/queries/v1/query-request",
        }
    }
}
