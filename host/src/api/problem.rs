//! Errors as answers: a status and Kafka Connect's JSON, `{"error_code":404,"message":".."}`.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::telemetry;

/// An error that is answered to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

/// The body of an error.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErrorMessage {
    pub(super) error_code: u16,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// What Kafka Connect's HTTP server says for a status.
    pub(super) fn of_status(status: StatusCode) -> Self {
        Self::new(
            status,
            format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()),
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let message = telemetry::scrub(&self.message).into_owned();
        (self.status, Json(ErrorMessage { error_code: self.status.as_u16(), message })).into_response()
    }
}
