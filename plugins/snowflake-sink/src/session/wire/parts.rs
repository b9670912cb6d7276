//! Fetches the remaining parts of results in JSON of which only the first rows are in the response, because the library would
//! ignore them.

use reqwest::{
    Method, Request,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Map, Value};
use url::Url;

use super::{
    failure::Failure,
    page::{Line, expect_success},
};

/// Fetches the parts of a result in JSON and appends their rows. The library fetches results in Arrow.
pub(super) async fn join(data: &mut Map<String, Value>, line: &mut Line<'_, '_>) -> Result<(), Failure> {
    if !data.get("rowset").is_some_and(Value::is_array) {
        return Ok(());
    }
    let Some(Value::Array(parts)) = data.remove("chunks") else { return Ok(()) };
    for part in &parts {
        let url = part.get("url").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
        let url = url.ok_or_else(|| line.malformed("the URL of a part of the result is missing"))?;
        let rows = fetch(request(url, data), line).await?;
        if let Some(Value::Array(all)) = data.get_mut("rowset") {
            all.extend(rows);
        }
    }
    Ok(())
}

fn request(url: Url, data: &Map<String, Value>) -> Request {
    let mut request = Request::new(Method::GET, url);
    let headers = data.get("chunkHeaders").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in headers {
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        if let (Ok(name), Some(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
            request.headers_mut().insert(name, value);
        }
    }
    request
}

/// A part contains only rows, without the enclosing brackets.
async fn fetch(request: Request, line: &mut Line<'_, '_>) -> Result<Vec<Value>, Failure> {
    let host = request.url().host_str().unwrap_or_default().to_owned();
    let response = line.send(request).await?;
    expect_success(&response, &host)?;
    let bytes = response.bytes().await.map_err(|error| Failure::of_client(error, &host))?;
    let text = [b"[", bytes.as_ref(), b"]"].concat();
    serde_json::from_slice(&text).map_err(|_| line.malformed("a part of the result is not JSON"))
}
