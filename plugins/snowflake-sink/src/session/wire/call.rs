//! What the library is asking for, told by the request.

use reqwest::{Method, Request};

/// A request of the library's to Snowflake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// A new session.
    Login,
    /// New tokens for the session.
    Renew,
    /// The end of the session.
    Close,
    /// A statement.
    Query,
}

impl Call {
    /// What the request is for; nothing for a part of a result, which lies in a store elsewhere.
    pub(super) fn of(request: &Request) -> Option<Self> {
        if request.method() != Method::POST {
            return None;
        }
        let path = request.url().path().trim_start_matches('/');
        [Self::Login, Self::Renew, Self::Close, Self::Query]
            .into_iter()
            .find(|call| call.path().trim_start_matches('/') == path)
    }

    /// Where it belongs.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Login => "/session/v1/login-request",
            Self::Renew => "/session/token-request",
            Self::Close => "/session",
            Self::Query => "/queries/v1/query-request",
        }
    }
}
