//! How a request fails that got no answer of Snowflake's own.

use std::{error::Error, time::Duration};

use super::super::class::Class;

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The library wanted to log in behind our back.
    #[error("the session ended, and another may not take its place unseen: what it had begun is lost")]
    SilentLogin,
    /// No connection, or it broke.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// Where it went.
        host: String,
        /// All causes.
        reason: String,
    },
    /// The answer did not come in time.
    #[error("{host} did not answer within request_timeout: whether the statement ran is not known")]
    Timeout {
        /// Where it went.
        host: String,
    },
    /// A gateway's answer, not Snowflake's.
    #[error("{host} answered HTTP {status}{}", advice(*status, *login))]
    Status {
        /// Where it went.
        host: String,
        /// HTTP status.
        status: u16,
        /// From `Retry-After`.
        retry_after: Option<Duration>,
        /// Whether it was a login.
        login: bool,
    },
    /// Something that is no answer of Snowflake's although it was to be one.
    #[error(
        "{host} sent an answer that is not Snowflake's ({what}): a proxy may stand between, or endpoint is wrong"
    )]
    Malformed {
        /// Where it went.
        host: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A request that cannot be made.
    #[error("the request cannot be made: {0}")]
    Request(&'static str),
    /// The statement goes on and on.
    #[error(
        "the statement still runs after {seconds} s: Snowflake should have cancelled it at statement_timeout"
    )]
    Running {
        /// The statement.
        query_id: String,
        /// How long it was waited for.
        seconds: u64,
    },
}

fn advice(status: u16, login: bool) -> &'static str {
    match (status, login) {
        (403 | 404, true) => {
            ": check account and endpoint; Snowflake says this for an account that it does not know"
        }
        (407, _) => ": the proxy wants a password",
        (429, _) => ": too many requests",
        _ => "",
    }
}

impl Failure {
    /// What the HTTP client says.
    pub(super) fn of_client(error: impl Into<reqwest_middleware::Error>, host: &str) -> Self {
        let error = error.into();
        if error.is_timeout() && !error.is_connect() {
            return Self::Timeout { host: host.to_owned() };
        }
        // The client's own text holds the whole URL, so that only its causes are told; each may repeat those below it.
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

    /// What to do about it.
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::SilentLogin => Class::Session,
            Self::Status { status, .. } => Class::of_status(*status),
            Self::Request(_) => Class::Bug,
            _ => Class::Transient,
        }
    }

    /// For the code of the error.
    pub(crate) fn code(&self) -> String {
        match self {
            Self::Status { status, .. } => format!("HTTP {status}"),
            _ => String::new(),
        }
    }

    /// The statement, if it is known.
    pub(crate) fn query_id(&self) -> &str {
        match self {
            Self::Running { query_id, .. } => query_id,
            _ => "",
        }
    }

    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the statement may run, or have run, all the same.
    pub(crate) fn leaves_doubt(&self) -> bool {
        !matches!(self, Self::Status { status: 429, .. } | Self::Request(_))
    }
}
