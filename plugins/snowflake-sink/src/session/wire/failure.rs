//! Failures of requests without a response of Snowflake.

use std::{error::Error, time::Duration};

use tidegate_cdc::session::Class;

use super::super::codes::of_status;

/// Why there is no response.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The library tried to log in without being asked.
    #[error("the session has ended, and its transaction is lost")]
    SilentLogin,
    /// Connection error.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// Host.
        host: String,
        /// All causes.
        reason: String,
    },
    /// Timeout.
    #[error("{host} did not respond within request_timeout: the statement may have been executed")]
    Timeout {
        /// Host.
        host: String,
    },
    /// A response of a gateway.
    #[error("{host} responded with HTTP {status}{}", advice(*status, *login))]
    Status {
        /// Host.
        host: String,
        /// HTTP status.
        status: u16,
        /// From `Retry-After`.
        retry_after: Option<Duration>,
        /// Whether it was a login.
        login: bool,
    },
    /// An invalid response.
    #[error(
        "{host} sent a response that is not from Snowflake ({what}): there may be a proxy, or endpoint is wrong"
    )]
    Malformed {
        /// Host.
        host: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A request that cannot be built.
    #[error("the request cannot be built: {0}")]
    Request(&'static str),
    /// The statement does not finish.
    #[error(
        "the statement still runs after {seconds} s: Snowflake should have cancelled it at statement_timeout"
    )]
    Running {
        query_id: String,
        /// How long the sink has waited.
        seconds: u64,
    },
}

fn advice(status: u16, login: bool) -> &'static str {
    match (status, login) {
        (403 | 404, true) => {
            ": check account and endpoint; Snowflake responds like this for an unknown account"
        }
        (407, _) => ": the proxy requires authentication",
        (429, _) => ": too many requests",
        _ => "",
    }
}

impl Failure {
    /// Converts an error of the HTTP client.
    pub(crate) fn of_client(error: impl Into<reqwest_middleware::Error>, host: &str) -> Self {
        let error = error.into();
        if error.is_timeout() && !error.is_connect() {
            return Self::Timeout { host: host.to_owned() };
        }
        // The client's message contains the whole URL, so only its causes are used. Each may repeat those below it.
        let mut reasons: Vec<String> = Vec::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !reasons.iter().any(|reason| reason.contains(&text)) {
                reasons.push(text);
            }
            cause = error.source();
        }
        if reasons.is_empty() {
            reasons.push("the connection failed".to_owned());
        }
        Self::Unreachable { host: host.to_owned(), reason: reasons.join(": ") }
    }

    pub(crate) fn class(&self) -> Class {
        match self {
            Self::SilentLogin => Class::Session,
            Self::Status { status, .. } => of_status(*status),
            Self::Request(_) => Class::Bug,
            _ => Class::Transient,
        }
    }

    /// Code of the error.
    pub(crate) fn code(&self) -> String {
        match self {
            Self::Status { status, .. } => format!("HTTP {status}"),
            _ => String::new(),
        }
    }

    /// Query id, if known.
    pub(crate) fn query_id(&self) -> &str {
        match self {
            Self::Running { query_id, .. } => query_id,
            _ => "",
        }
    }

    /// Delay that the server requires.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the statement may have been executed nevertheless.
    pub(crate) fn leaves_doubt(&self) -> bool {
        !matches!(self, Self::Status { status: 429, .. } | Self::Request(_))
    }
}
