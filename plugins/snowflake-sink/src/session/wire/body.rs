//! Adds binds and parameters to the library's requests.

use reqwest::{Request, header::CONTENT_LENGTH};
use serde_json::{Map, Value};

use super::failure::Failure;

/// Adds binds and parameters to a query.
pub(super) fn add_to_query(request: &mut Request, extras: Map<String, Value>) -> Result<(), Failure> {
    change(request, |body| {
        body.extend(extras);
        Some(())
    })
}

/// Adds parameters to a login, and lets it succeed even if database, schema or warehouse cannot be used, so that
/// the missing object is known.
pub(super) fn add_to_login(request: &mut Request, parameters: Map<String, Value>) -> Result<(), Failure> {
    change(request, |body| {
        let session = body.get_mut("data")?.get_mut("SESSION_PARAMETERS")?.as_object_mut()?;
        session.extend(parameters);
        session.insert("CLIENT_VALIDATE_DEFAULT_PARAMETERS".to_owned(), false.into());
        Some(())
    })
}

fn change(
    request: &mut Request,
    add: impl FnOnce(&mut Map<String, Value>) -> Option<()>,
) -> Result<(), Failure> {
    let strange = Failure::Request("the library's request has an unexpected format");
    let bytes = request.body().and_then(reqwest::Body::as_bytes);
    let Some(Ok(mut body)) = bytes.map(serde_json::from_slice::<Map<String, Value>>) else {
        return Err(strange);
    };
    if add(&mut body).is_none() {
        return Err(strange);
    }
    let Ok(bytes) = serde_json::to_vec(&body) else { return Err(strange) };
    request.headers_mut().remove(CONTENT_LENGTH);
    *request.body_mut() = Some(bytes.into());
    Ok(())
}
