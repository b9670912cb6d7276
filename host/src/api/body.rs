//! Reads bodies of requests.

use axum::body::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::config::Options;

/// The body as JSON.
///
/// # Errors
/// When it is missing, or something else.
pub(super) fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::bad_request("the request has no body: send JSON"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body is not as expected: {error}")))
}

/// The options of a configuration; numbers and booleans are accepted as their text. `null` removes an option in a `PATCH`, and is
/// returned as `None`.
///
/// # Errors
/// When an option is a list or an object.
pub(super) fn options(map: Map<String, Value>) -> Result<Vec<(String, Option<String>)>, Problem> {
    let text = |(option, value): (String, Value)| {
        let value = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Array(_) | Value::Object(_) => {
                return Err(Problem::bad_request(format!("{option} is not a text: options are texts")));
            }
        };
        Ok((option, value))
    };
    map.into_iter().map(text).collect()
}

/// As [`options`], without those that are `null`.
///
/// # Errors
/// As [`options`].
pub(super) fn set_options(map: Map<String, Value>) -> Result<Options, Problem> {
    Ok(options(map)?.into_iter().filter_map(|(option, value)| Some((option, value?))).collect())
}
