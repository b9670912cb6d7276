//! `/admin/loggers`: log levels while the host runs. Loggers are `root`, `connector.<name>` and modules.

use std::{collections::BTreeMap, str::FromStr as _};

use axum::{
    Json,
    body::Bytes,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

use super::query::Query;
use crate::{
    api::{body, problem::Problem},
    telemetry::{self, LevelChange},
};

/// Names of loggers are kept, so there must not be too many.
const MAX_LOGGERS: usize = 1000;
const MAX_NAME_BYTES: usize = 300;

#[derive(Debug, Deserialize)]
struct NewLevel {
    #[serde(default)]
    level: Option<String>,
}

/// The level of a logger.
#[derive(Debug, Serialize)]
pub(in crate::api) struct Logger {
    level: &'static str,
    last_modified: Option<u64>,
}

impl From<LevelChange> for Logger {
    fn from(change: LevelChange) -> Self {
        let level = match change.level {
            LevelFilter::OFF => "OFF",
            LevelFilter::ERROR => "ERROR",
            LevelFilter::WARN => "WARN",
            LevelFilter::INFO => "INFO",
            LevelFilter::DEBUG => "DEBUG",
            LevelFilter::TRACE => "TRACE",
        };
        Self { level, last_modified: change.changed }
    }
}

/// `GET /admin/loggers`.
pub(in crate::api) async fn list() -> Json<BTreeMap<String, Logger>> {
    Json(telemetry::levels().into_iter().map(|(name, level)| (name, level.into())).collect())
}

/// `GET /admin/loggers/{logger}`.
pub(in crate::api) async fn read(Path(logger): Path<String>) -> Json<Logger> {
    Json(telemetry::level_of(&logger).into())
}

/// `PUT /admin/loggers/{logger}`: with `?scope=cluster` nothing is returned, because the loggers of other workers are not known.
pub(in crate::api) async fn set(
    Path(logger): Path<String>,
    query: Query,
    body: Bytes,
) -> Result<Response, Problem> {
    let new: NewLevel = body::json(&body)?;
    let missing = || Problem::bad_request("Desired 'level' parameter was not specified in request.");
    let text = new.level.ok_or_else(missing)?;
    let unknown = || Problem::not_found(format!("invalid log level '{text}'."));
    let level = level(&text).ok_or_else(unknown)?;
    let levels = telemetry::levels();
    if logger.len() > MAX_NAME_BYTES || (levels.len() >= MAX_LOGGERS && !levels.contains_key(&logger)) {
        return Err(Problem::bad_request("there are too many loggers, or the name is too long"));
    }
    let changed = telemetry::set_level(&logger, level);
    let is_cluster =
        query.iter().any(|(name, value)| name == "scope" && value.eq_ignore_ascii_case("cluster"));
    Ok(match is_cluster {
        true => StatusCode::NO_CONTENT.into_response(),
        false => Json(changed).into_response(),
    })
}

fn level(text: &str) -> Option<LevelFilter> {
    match text.to_ascii_uppercase().as_str() {
        "FATAL" => Some(LevelFilter::ERROR),
        "ALL" => Some(LevelFilter::TRACE),
        known @ ("OFF" | "ERROR" | "WARN" | "INFO" | "DEBUG" | "TRACE") => LevelFilter::from_str(known).ok(),
        _ => None,
    }
}
